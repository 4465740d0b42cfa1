"""The tab of trainings: begin one, and watch all that there are."""

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import Any

import gradio as gr
from gradio.components import Component

from common.errors import UserError
from studio.places import Choice, offer, refusal
from studio.runs import TRAINED, WATCHED, built_in, has_weights, program_of
from studio.shop import Shop
from studio.tabs.watch import Watch, lay_out_watch
from studio.training import Trainings

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
    typed = gr.Textbox(label="Or a folder or file", info="Its path on this machine", visible=shop.is_local)
    upload = gr.File(label="Or a .zip of your own", file_types=[".zip"], height=170)
    minutes = gr.Number(10, label="Minutes", minimum=0, info="After which it ends and saves")
    name = gr.Textbox(label="Name", info="Of the run: letters, digits, - and _")
    domain.change(_data_of, domain, known, api_visibility="private")
    return [domain, known, typed, upload, minutes, name]


def _data_of(domain: str) -> Any:
    names = built_in(TRAINED[domain])
    return gr.update(choices=names, value=names[0])


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
