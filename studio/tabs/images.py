"""The tab of images."""

from functools import partial
from typing import Any

import gradio as gr

from image.edit.config import DEFAULT_WEIGHTS
from studio.images import (
    UNNAMED,
    classes_of,
    colour,
    drawing_weights,
    edit,
    fill,
    morph,
    paint,
    reads_words,
    sheet,
    step_of,
    way,
)
from studio.places import UPLOAD, Choice, choice, on, picture, places
from studio.shop import Shop

FIRST = "fashion-cgan"  # the weights that are chosen to begin with
PICTURES = [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".avif", ".ppm", ".pgm"]
CANVAS = (384, 384)  # pixels of a drawing


def images_tab(shop: Shop) -> list[Choice]:
    """Lay out sheets, ways, edits, colours, holes and drawings; where weights are chosen is returned."""
    with gr.Tab("Draw"):
        to_draw = _sheets(shop)
    with gr.Tab("From one to another"):
        to_lead = _ways(shop)
    with gr.Tab("Colour a photo"):
        _colours(shop)
    with gr.Tab("Fill a hole"):
        _holes(shop)
    with gr.Tab("Drawing to picture"):
        _drawings(shop)
    with gr.Tab("Edit your own"):
        to_edit = _edits(shop)
    return [to_draw, to_lead, to_edit]


def _sheets(shop: Shop) -> Choice:
    with gr.Row():
        with gr.Column(scale=1):
            drawing = choice(partial(drawing_weights, shop), FIRST, "Weights", "The model that draws")
            weights = drawing.place
            labels = gr.Dropdown(
                classes_of(FIRST), multiselect=True, label="Classes", info="What to draw; none chosen: all, evenly"
            )
            words = gr.Textbox(
                "red heart\nsmiling cat", label="Descriptions", lines=3, visible=False, info="What to draw, one a line"
            )
            n = gr.Slider(0, 400, 0, step=1, label="Pictures", info="How many; 0: about 64")
            seed = seed_number()
            truncation = gr.Slider(
                0,
                1.5,
                0,
                label="Truncation",
                info="Below 1 more typical, above 1 more varied; 0: 0.7 of GANs, 1 of VAEs",
            )
            guidance = gr.Slider(0, 8, 1, label="Guidance", visible=False, info="Above 1 nearer to the descriptions")
            button = gr.Button("Draw", variant="primary")
        with gr.Column(scale=2):
            result = places(picture("Samples"))
    weights.change(_asked_by, weights, [labels, words, guidance], api_visibility="private")
    on(button, shop, sheet, [weights, labels, words, n, seed, truncation, guidance], result)
    return drawing


def _asked_by(weights: str) -> list[Any]:
    """How these weights are asked: by classes, or by descriptions."""
    described, classes = reads_words(weights), classes_of(weights)
    return [
        gr.update(choices=classes, value=[], visible=bool(classes) and not described),
        gr.update(visible=described),
        gr.update(visible=described),
    ]


def _ways(shop: Shop) -> Choice:
    with gr.Row():
        with gr.Column(scale=1):
            leading = choice(partial(drawing_weights, shop, words=False), FIRST, "Weights", "The model that draws")
            known = classes_of(FIRST)
            label = gr.Dropdown(known, value=known[0], label="Class", info="Of all pictures on the way")
            seed, to_seed = seed_number("Of the first"), seed_number("Of the last", 1)
            button = gr.Button("Draw the way", variant="primary")
        with gr.Column(scale=2):
            share = gr.Slider(0, 1, 0, step=0.01, label="Where on the way", info="Move it once the way is drawn")
            pictures = gr.State([])
            result = places(picture("Picture"), pictures)
    leading.place.change(
        lambda name: gr.update(choices=classes_of(name), value=None), leading.place, label, api_visibility="private"
    )
    on(button, shop, way, [leading.place, label, seed, to_seed], result)
    share.change(step_of, [pictures, share], result.shown[0], api_visibility="private", show_progress="hidden")
    return leading


def _colours(shop: Shop) -> None:
    with gr.Row():
        with gr.Column(scale=1):
            upload = gr.File(label="Grey photo", file_types=PICTURES, height=UPLOAD)
            gr.Markdown("Brightness, resolution, EXIF and 16 bits stay in the download.")
            button = gr.Button("Colour it", variant="primary")
        with gr.Column(scale=2):
            result = places(before_and_after())
    on(button, shop, colour, [upload], result)


def _holes(shop: Shop) -> None:
    gr.Markdown("Upload a picture and brush over what is to go.")
    with gr.Row():
        with gr.Column():
            brush = gr.Brush(colors=["#ff0066"], default_size=24, color_mode="fixed")
            painted = gr.ImageEditor(label="Picture", type="pil", brush=brush, layers=False, transforms=(), buttons=[])
            button = gr.Button("Fill it", variant="primary")
        with gr.Column():
            result = places(before_and_after())
    on(button, shop, fill, [painted], result)


def _drawings(shop: Shop) -> None:
    gr.Markdown("Draw an emoji in black lines: a face, a heart, a house.")
    with gr.Row():
        with gr.Column():
            brush = gr.Brush(colors=["#000000"], default_size=6, color_mode="fixed")
            drawn = gr.Sketchpad(label="Drawing", type="pil", brush=brush, layers=False, canvas_size=CANVAS, buttons=[])
            button = gr.Button("Make a picture of it", variant="primary")
        with gr.Column():
            result = places(before_and_after())
    on(button, shop, paint, [drawn], result)


def _edits(shop: Shop) -> Choice:
    gr.Markdown("A picture is sought among all that a model can draw, which takes a minute, and moved from there.")
    with gr.Row():
        with gr.Column(scale=1):
            upload = gr.File(label="Picture", file_types=PICTURES, height=UPLOAD)
            wordless = partial(drawing_weights, shop, words=False)
            editing = choice(wordless, DEFAULT_WEIGHTS, "Weights", "A model that draws pictures like yours")
            weights = editing.place
            label = gr.Dropdown(classes_of(DEFAULT_WEIGHTS), label="Class", info="Towards or away from which to go")
            strength = gr.Slider(-2, 2, 0, label="How far", info="2: all of that class; -2: none of it")
            steps = [
                gr.Slider(-3, 3, 0, label=f"Direction {number}", info="A way that has no name; 0: stay")
                for number in range(1, UNNAMED + 1)
            ]
            button = gr.Button("Edit it", variant="primary")
            other = gr.File(label="Another picture", file_types=PICTURES, height=UPLOAD)
            button_to = gr.Button("Lead from the one to the other")
        with gr.Column(scale=2):
            result = places(picture("Edited"))
    weights.change(
        lambda name: gr.update(choices=classes_of(name), value=None), weights, label, api_visibility="private"
    )
    on(button, shop, edit, [upload, weights, label, strength, *steps], result)
    on(button_to, shop, morph, [upload, other, weights], result)
    return editing


def seed_number(info: str = "Another number, another result", value: int = 0) -> gr.Number:
    """A place for --seed."""
    return gr.Number(value, label="Seed", precision=0, minimum=0, info=info)


def before_and_after() -> gr.ImageSlider:
    """Two pictures under a slider."""
    return gr.ImageSlider(label="Before and after", type="filepath", interactive=False)
