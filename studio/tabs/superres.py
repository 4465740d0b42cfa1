"""The tab of super-resolution."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from common.films.formats import VIDEOS
from studio.places import ONE_AT_A_TIME, UPLOAD, Choice, Make, cancelling, choice, obliging, on, picture, places
from studio.shop import Shop
from studio.tabs.images import PICTURES, before_and_after
from studio.upscaling import compare, enlarge, enlarge_film, estimate, upscaling_weights
from superres.config import DEFAULT_WEIGHTS, TWIN

KEPT = "EXIF, colour profile, resolution, transparency and 16 bits stay in the download."
KEPT_OF_FILM = "Sound and subtitles stay in the download."
SIDE = 64  # pixels of the square on which weights are compared to begin with


def superres_tab(shop: Shop) -> list[Choice]:
    """Lay out pictures and films made larger, and the comparison of weights; where weights are chosen is returned."""
    names = partial(upscaling_weights, shop)
    with gr.Tab("Enlarge"):
        of_picture = _enlarging(shop, names, "Picture", PICTURES, enlarge, before_and_after, KEPT)
    with gr.Tab("Enlarge a film"):
        player = partial(gr.Video, label="Enlarged", interactive=False, buttons=["download"])
        of_film = _enlarging(shop, names, "Short film", list(VIDEOS), enlarge_film, player, KEPT_OF_FILM)
    with gr.Tab("Compare weights"):
        several = _comparing(shop, names)
    return [of_picture, of_film, several]


def _enlarging(
    shop: Shop,
    names: Callable[[], list[str]],
    label: str,
    kinds: list[str],
    make: Make,
    show: Callable[[], Component],
    kept: str,
) -> Choice:
    """Lay out what makes something larger, says how long that takes, and ends it."""
    with gr.Row():
        with gr.Column(scale=1):
            upload = gr.File(label=label, file_types=kinds, height=UPLOAD)
            weights = choice(names, DEFAULT_WEIGHTS, "Weights", "-gan: sharper, and partly invented")
            scale = gr.Slider(0, 8, 0, step=0.5, label="Times as large", info="Along each side; 0: as trained")
            sharpness = gr.Slider(
                -1, 1, -1, step=0.1, label="Sharpness", info="0: true, 1: sharp, in between blended; -1: as named"
            )
            button = gr.Button("Enlarge", variant="primary")
            with gr.Row():
                how_long, cancel = gr.Button("How long?"), gr.Button("Cancel")
            said = gr.Markdown()
            gr.Markdown(kept)
        with gr.Column(scale=2):
            result = places(show())
    given = [upload, weights.place, scale, sharpness]
    cancelling(cancel, shop, on(button, shop, make, given, result))

    def estimated(request: gr.Request, *inputs: Any) -> str:
        return str(obliging(partial(estimate, shop), shop.new_folder(request.session_hash or ""), *inputs))

    how_long.click(estimated, given, said, api_visibility="private", **ONE_AT_A_TIME)
    return weights


def _comparing(shop: Shop, names: Callable[[], list[str]]) -> Choice:
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
