"""The tab of trainings: begin one, and watch all that there are."""

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from common.errors import UserError
from studio.choices import CHOSEN, TYPED, offered
from studio.places import UPLOAD, Choice, line, offer, refusal
from studio.runs import TRAINED, WATCHED, built_in, has_weights, program_of
from studio.shop import Shop
from studio.tabs.watch import Watch, lay_out_watch
from studio.training import Trainings

CALLED = {  # what settings are called on the page, and what they mean, in the order of `studio.choices`
    "core": ("Core", "What kind of model learns"),
    "net": ("Network", "How the networks are built"),
    "net_size": ("Size of the networks", "Larger ones learn more, and more slowly"),
    "weights": ("Begin with", "Trained weights, which learn on"),
    "size": ("Size of pictures", "In pixels, such as 32 or 96x64; empty: the data's own, or 64"),
}
EVERY = 3  # seconds between two looks at what is watched


def train_tab(shop: Shop, page: gr.Blocks, choices: Sequence[Choice]) -> None:
    """Lay out what begins a training, the list of runs, and what is watched of one.

    Args:
        choices: the places of other tabs in which the weights of a run can be used.
    """
    trainings = Trainings(shop.runs, shop.device, shop.is_local)
    with gr.Row():
        with gr.Column(scale=1):
            form = _form(shop)
            start = gr.Button("Start", variant="primary")
        with gr.Column(scale=2):
            watch = lay_out_watch(shop, trainings)
    name, places = watch.run, [choice.place for choice in choices]
    begun, use = [name, watch.command], partial(use_weights, shop, trainings, choices)
    _on(start, watch, "start", watch.start, form, begun)
    _on(watch.go_on, watch, "go_on", watch.resume, [name, watch.more], begun)
    _on(watch.stop, watch, "stop", trainings.stop, [name], [])
    _on(watch.use, watch, "use_weights", use, [name], places)
    picked = [name.input, watch.of_losses.input, watch.of_looks.input]
    gr.on(picked, watch.show, watch.given, watch.all, api_visibility="private", show_progress="hidden")
    _looking(watch, watch.table.select(watch.chosen, None, name, api_visibility="private"))
    _looking(watch, page.load(watch.first, None, name, api_visibility="private"))
    page.load(partial(offer, choices), None, places, api_visibility="private")
    gr.Timer(EVERY).tick(
        watch.refresh,
        [*watch.given, watch.seen],
        watch.all,
        queue=False,
        api_visibility="private",
        show_progress="hidden",
    )


def use_weights(shop: Shop, trainings: Trainings, choices: Sequence[Choice], name: str) -> list[Any]:
    """Offer the weights of a run where weights are chosen.

    Raises:
        UserError: there is no such run, it has no weights yet, or no tab takes such.
    """
    folder = trainings.folder(name)
    if not has_weights(folder):
        raise UserError(f"{name} has no weights yet; they come with its first samples")
    used = str(folder)
    if used not in shop.used:
        shop.used.append(used)
    if not any(used in choice.names() for choice in choices):
        raise UserError(f"no tab takes the weights of {name}; use them in a terminal, by --weights {used}")
    gr.Info(f"{escape(used)} can be chosen as weights in the tab {WATCHED[program_of(folder)]}")
    return offer(choices)


def _form(shop: Shop) -> list[Component]:
    first = next(iter(TRAINED))
    domain = gr.Dropdown(list(TRAINED), value=first, label="Domain", info="What is to be made")
    names = built_in(TRAINED[first])
    known = gr.Dropdown(names, value=names[0], label="Data", info="Built in; some are fetched once")
    typed = line("Or a folder or file", "Its path on this machine", visible=shop.is_local)
    upload = gr.File(label="Or a .zip of your own", file_types=[".zip"], height=UPLOAD)
    minutes = gr.Number(10, label="Minutes", minimum=0, info="After which it ends and saves")
    name = line("Name", "Of the run: letters, digits, - and _")
    with gr.Accordion("More settings", open=False):
        more = _more(shop, TRAINED[first])
    domain.change(partial(_data_of, shop), domain, [known, *more], api_visibility="private")
    return [domain, known, typed, upload, minutes, name, *more]


def _more(shop: Shop, program: str) -> list[Component]:
    """Places of `CHOSEN` and `TYPED`, in their order."""
    there = offered(shop, program)
    lists = [
        gr.Dropdown(_or_usual(there.get(name, [])), value="", label=label, info=info, visible=name in there)
        for name, (label, info) in CALLED.items()
        if name in CHOSEN
    ]
    return [*lists, *(line(*CALLED[name], visible=name in there) for name in TYPED)]


def _data_of(shop: Shop, domain: str) -> list[Any]:
    """The built-in data of a domain and its settings, each as by default."""
    names, there = built_in(TRAINED[domain]), offered(shop, TRAINED[domain])
    lists = [gr.update(choices=_or_usual(there.get(name, [])), value="", visible=name in there) for name in CHOSEN]
    typed = [gr.update(value="", visible=name in there) for name in TYPED]
    return [gr.update(choices=names, value=names[0]), *lists, *typed]


def _or_usual(values: list[str]) -> list[Any]:
    return [("as usual", ""), *values]


def _on(
    button: gr.Button,
    watch: Watch,
    name: str,
    act: Callable[..., Any],
    given: Sequence[Component],
    changed: Sequence[Component],
) -> None:
    """Have a button do something with a training, and show how things are then."""

    def pressed(*inputs: Any) -> Any:
        try:
            return act(*inputs)
        except UserError as error:
            raise refusal(str(error)) from error

    _looking(watch, button.click(pressed, list(given), list(changed), api_name=name))


def _looking(watch: Watch, event: Any) -> None:
    """Show all that is to be seen of the run that is watched after an event."""
    event.then(watch.show, watch.given, watch.all, api_visibility="private", show_progress="hidden")
