"""The tab of super-resolution."""

from functools import partial

import gradio as gr

from studio.places import Choice, choice, on, picture, places
from studio.shop import Shop
from studio.tabs.images import PICTURES, before_and_after
from studio.upscaling import compare, enlarge, upscaling_weights
from superres.config import DEFAULT_WEIGHTS, TWIN


def superres_tab(shop: Shop) -> list[Choice]:
    """Lay out upscaling and the comparison of weights; where weights are chosen is returned."""
    names = partial(upscaling_weights, shop)
    with gr.Row():
        with gr.Column(scale=1):
            upload = gr.File(label="Picture", file_types=PICTURES)
            with gr.Tab("Enlarge"):
                weights = choice(names, DEFAULT_WEIGHTS, "Weights", "-gan: sharper, and partly invented")
                scale = gr.Slider(0, 8, 0, step=0.5, label="Times as large", info="Along each side; 0: as trained")
                sharpness = gr.Slider(
                    -1, 1, -1, step=0.1, label="Sharpness", info="0: true, 1: sharp, in between blended; -1: as named"
                )
                button = gr.Button("Enlarge", variant="primary")
                gr.Markdown("EXIF, colour profile, resolution, transparency and 16 bits stay in the download.")
            with gr.Tab("Compare weights"):
                both = [DEFAULT_WEIGHTS, DEFAULT_WEIGHTS + TWIN]
                several = choice(names, both, "Weights", "Two or more", several=True)
                comparing = gr.Button("Compare", variant="primary")
        with gr.Column(scale=2):
            with gr.Tab("Enlarged"):
                result = places(before_and_after())
            with gr.Tab("Compared"):
                compared = places(picture("Where they differ most"))
    on(button, shop, enlarge, [upload, weights.place, scale, sharpness], result)
    on(comparing, shop, compare, [upload, several.place], compared)
    return [weights, several]
