"""The tab of super-resolution."""

from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from studio.places import ONE_AT_A_TIME, UPLOAD, Choice, Places, cancelling, choice, obliging, on, picture, places
from studio.shop import Shop
from studio.tabs.images import PICTURES, before_and_after
from studio.upscaling import compare, enlarge, enlarge_film, estimate, upscaling_weights
from superres.config import DEFAULT_WEIGHTS, TWIN
from superres.upscale import VIDEOS

SIDE = 64  # pixels of the square on which weights are compared to begin with


def superres_tab(shop: Shop) -> list[Choice]:
    """Lay out pictures and films made larger, and the comparison of weights; where weights are chosen is returned."""
    names = partial(upscaling_weights, shop)
    with gr.Tab("Enlarge"), gr.Row():
        with gr.Column(scale=1):
            weights, *given = _asking(names, "Picture", PICTURES)
            buttons = _buttons("Enlarge")
            gr.Markdown("EXIF, colour profile, resolution, transparency and 16 bits stay in the download.")
        with gr.Column(scale=2):
            result = places(before_and_after())
    _on_all(shop, buttons, enlarge, [given[0], weights.place, *given[1:]], result)
    with gr.Tab("Enlarge a film"), gr.Row():
        with gr.Column(scale=1):
            of_film, *given = _asking(names, "Short film", list(VIDEOS))
            buttons = _buttons("Enlarge the film")
            gr.Markdown("Sound and subtitles stay in the download.")
        with gr.Column(scale=2):
            result = places(gr.Video(label="Enlarged", interactive=False, buttons=["download"]))
    _on_all(shop, buttons, enlarge_film, [given[0], of_film.place, *given[1:]], result)
    with gr.Tab("Compare weights"):
        several = _comparing(shop, names)
    return [weights, of_film, several]


def _asking(names: Any, label: str, kinds: list[str]) -> tuple[Choice, Component, Component, Component]:
    """Places of what is made larger, and how."""
    upload = gr.File(label=label, file_types=kinds, height=UPLOAD)
    weights = choice(names, DEFAULT_WEIGHTS, "Weights", "-gan: sharper, and partly invented")
    scale = gr.Slider(0, 8, 0, step=0.5, label="Times as large", info="Along each side; 0: as trained")
    sharpness = gr.Slider(
        -1, 1, -1, step=0.1, label="Sharpness", info="0: true, 1: sharp, in between blended; -1: as named"
    )
    return weights, upload, scale, sharpness


def _buttons(name: str) -> tuple[gr.Button, gr.Button, gr.Button, gr.Markdown]:
    """What makes something larger, says how long that takes, and ends it; and the place of what is said."""
    button = gr.Button(name, variant="primary")
    with gr.Row():
        how_long, cancel = gr.Button("How long?"), gr.Button("Cancel")
    return button, how_long, cancel, gr.Markdown()


def _on_all(
    shop: Shop,
    buttons: tuple[gr.Button, gr.Button, gr.Button, gr.Markdown],
    make: Any,
    given: list[Component],
    result: Places,
) -> None:
    button, how_long, cancel, said = buttons

    def estimated(request: gr.Request, *inputs: Any) -> str:
        return str(obliging(partial(estimate, shop), shop.new_folder(request.session_hash or ""), *inputs))

    cancelling(cancel, shop, on(button, shop, make, given, result))
    how_long.click(estimated, given, said, api_visibility="private", **ONE_AT_A_TIME)


def _comparing(shop: Shop, names: Any) -> Choice:
    both = [DEFAULT_WEIGHTS, DEFAULT_WEIGHTS + TWIN]
    with gr.Row():
        with gr.Column(scale=1):
            upload = gr.File(label="Picture", file_types=PICTURES, height=UPLOAD)
            several = choice(names, both, "Weights", "Two or more", several=True)
            side = gr.Slider(0, 256, SIDE, step=8, label="Square", info="Its side in pixels; 0: where they differ most")
            across = gr.Slider(
                0, 100, 50, step=1, label="Across", info="Where the square is, in per cent from the left"
            )
            down = gr.Slider(0, 100, 50, step=1, label="Down", info="In per cent from the top")
            button = gr.Button("Compare", variant="primary")
        with gr.Column(scale=2):
            result = places(picture("Beside each other"))
    on(button, shop, compare, [upload, several.place, across, down, side], result)
    return several
