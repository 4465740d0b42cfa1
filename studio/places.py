"""Places of results on the page, and what fills them when a button is pressed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components import Component

from common.errors import UserError
from common.progress import watching
from common.training.forecast import time_between
from studio.shop import Ended, Result, Shop, without_folder

PROGRESS = gr.Progress()  # shown over what is made
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "making", "concurrency_limit": 1}  # over all visitors
UPLOAD = 170  # pixels, the height of a place for a file
Make = Callable[..., Result]  # of a shop, a folder for the result, and the values of the inputs


@dataclass(frozen=True)
class Choice:
    """A place where weights are chosen, and what tells which there are: runs come to those that ship."""

    place: gr.Dropdown
    names: Callable[[], list[Any]]


@dataclass(frozen=True)
class Places:
    """Where a result goes: what is to be seen or heard, downloads, words about it, and the command."""

    shown: tuple[Component, ...]
    files: gr.File
    told: gr.Textbox
    command: gr.Code

    @property
    def all(self) -> list[Component]:
        """In the order of `values`."""
        return [*self.shown, self.files, self.told, self.command]


def choice(names: Callable[[], list[Any]], value: Any, label: str, info: str, several: bool = False) -> Choice:
    """Lay out a place where weights are chosen."""
    return Choice(gr.Dropdown(names(), value=value, label=label, info=info, multiselect=several), names)


def offer(choices: Sequence[Choice]) -> list[Any]:
    """The weights that there are now, for each place where some are chosen."""
    return [gr.update(choices=choice.names()) for choice in choices]


def places(*shown: Component) -> Places:
    """Lay out below what is shown the downloads, the words and the command of a result."""
    told = gr.Textbox(label="To know", visible=False, interactive=False)
    files = gr.File(label="Download", file_count="multiple", interactive=False, visible=False)
    return Places(shown, files, told, terminal())


def line(label: str, info: str, value: str = "", visible: bool = True, lines: int = 1) -> gr.Textbox:
    """Lay out a place for words, which are never None: Gradio gives that for one that nobody has seen or typed into."""
    return gr.Textbox(value, label=label, info=info, visible=visible, lines=lines)


def picture(label: str) -> gr.Image:
    """Lay out a place for a picture, without the button that would send it to the Hub."""
    gr.Markdown(label)  # Gradio's own label would cover a corner of the picture
    return gr.Image(
        label=label,
        show_label=False,
        type="filepath",
        interactive=False,
        buttons=["download", "fullscreen"],
        elem_classes="seen",  # with room above for the buttons, which would cover a corner too
    )


def sound(label: str, has_waveform: bool = True) -> gr.Audio:
    """Lay out a place for a sound, without such a button too; without its waveform, with the browser's own player."""
    waveform = gr.WaveformOptions(show_recording_waveform=has_waveform)
    return gr.Audio(label=label, type="filepath", interactive=False, buttons=["download"], waveform_options=waveform)


def terminal() -> gr.Code:
    """Lay out a place for a command."""
    return gr.Code(
        label="The same in a terminal",
        language="shell",
        interactive=False,
        wrap_lines=True,
        lines=1,
        show_line_numbers=False,
        visible=False,
    )


def values(result: Result) -> list[Any]:
    """What goes into the places of a result."""
    return [
        *result.shown,
        gr.update(value=[str(path) for path in result.files] or None, visible=bool(result.files)),
        gr.update(value=result.told, visible=bool(result.told)),
        gr.update(value=result.command, visible=True),
    ]


def answer(shop: Shop, make: Make, visitor: str, *given: Any) -> list[Any]:
    """Make something for a visitor; bad input is shown as the command line's message."""
    return values(obliging(partial(make, shop), shop.new_folder(visitor), *given))


def obliging(make: Callable[..., Any], folder: Path, *given: Any) -> Any:
    """Do something in a folder; what is wrong with what was given is shown on the page."""
    try:
        return make(folder, *given)
    except UserError as error:
        raise refusal(without_folder(str(error), folder)) from error
    except Ended as ended:
        raise refusal("it was cancelled, and nothing is kept of it") from ended


def refusal(message: str) -> gr.Error:
    """A message that says what is wrong with what was given; it may hold names that came from outside."""
    return gr.Error(escape(message), title="That did not work", print_exception=False)


def on(button: gr.Button, shop: Shop, make: Make, given: Sequence[Component], result: Places) -> Any:
    """Have a button make something, one thing at a time over all visitors, others waiting for their turn.

    Returns:
        The event, after which more may follow.
    """

    def pressed(request: gr.Request, progress: gr.Progress = PROGRESS, *inputs: Any) -> list[Any]:
        visitor = request.session_hash or ""
        shop.ended.discard(visitor)
        with watching(partial(_watch, shop, visitor, progress)):
            return answer(shop, make, visitor, *inputs)

    name = make.__name__
    return button.click(pressed, list(given), result.all, api_name=name, **ONE_AT_A_TIME)


def cancelling(button: gr.Button, shop: Shop, event: Any) -> None:
    """Have a button end what a visitor's event makes, or take it from those that wait for their turn."""

    def pressed(request: gr.Request) -> None:
        shop.ended.add(request.session_hash or "")

    button.click(pressed, None, None, cancels=[event], queue=False, api_visibility="private")


def _watch(shop: Shop, visitor: str, progress: gr.Progress, what: str, share: float | None, left: float | None) -> None:
    """Show how far something is, and end it once its visitor wants it no more."""
    if visitor in shop.ended:
        raise Ended
    progress(share, "; ".join(filter(None, [what, f"{time_between(left, left)} left" if left is not None else ""])))
