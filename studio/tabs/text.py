"""The tab of text."""

from typing import get_args

import gradio as gr

from studio.places import on, places
from studio.shop import Shop
from studio.tabs.images import seed_number
from studio.texts import STEPS, between, neighbours, step_of, styles, write
from text.generation import TEMPERATURE
from text.verse import MetreName

ANY = ("any", "")


def text_tab(shop: Shop) -> None:
    """Lay out writing, ways from one text to another, and neighbours."""
    with gr.Tab("Write"):
        _writing(shop)
    with gr.Tab("From one to another"):
        _ways(shop)
    with gr.Tab("Neighbours"):
        _near(shop)


def _writing(shop: Shop) -> None:
    with gr.Row():
        with gr.Column(scale=1):
            style = _style("Style", "What kind of text")
            n = gr.Slider(1, 30, 5, step=1, label="Texts", info="How many")
            temperature = gr.Slider(0, 2, TEMPERATURE, label="Temperature", info="0: the likeliest; more: more varied")
            seed = seed_number()
            with gr.Accordion("Wishes", open=False):
                prompt = gr.Textbox(label="Begins with", info="How every text begins")
                must = gr.Textbox(label="With the words", info="In any form, with spaces between")
                avoid = gr.Textbox(label="Without the words", info="In any form, with spaces between")
                starts = gr.Textbox(label="First letter", info="Of every text")
                words = gr.Textbox(label="Number of words", info="Of a text or a line: 7, or 5-9")
                acrostic = gr.Textbox(label="Acrostic", info="A word whose letters begin the lines")
                metre = gr.Dropdown([ANY, *get_args(MetreName)], value="", label="Metre", info="Of English verse")
                rhyme = gr.Textbox(label="Rhyme", info="With a metre: such as AABB or ABAB")
            button = gr.Button("Write", variant="primary")
        with gr.Column(scale=2):
            result = places(_page("Texts"))
    wishes = [prompt, must, avoid, starts, words, acrostic, metre, rhyme]
    on(button, shop, write, [style, n, temperature, seed, *wishes], result)


def _ways(shop: Shop) -> None:
    with gr.Row():
        with gr.Column():
            first = gr.Textbox("the sun is in the sky", label="From", info="A text")
            last = gr.Textbox("the night is dark and cold", label="To", info="Another one")
            style = _style("Style", "In which both are read")
            button = gr.Button("Write the way", variant="primary")
        with gr.Column():
            step = gr.Slider(1, STEPS, 1, step=1, label="Where on the way", info="Move it once the way is written")
            texts = gr.State([])
            result = places(_page("Text"), texts)
    on(button, shop, between, [first, last, style], result)
    step.change(step_of, [texts, step], result.shown[0], api_visibility="private", show_progress="hidden")


def _near(shop: Shop) -> None:
    with gr.Row():
        with gr.Column():
            like = gr.Textbox("the sun is in the sky", label="Like", info="A text in whose neighbourhood is written")
            n = gr.Slider(1, 30, 5, step=1, label="Texts", info="How many")
            restyle = _style("In another style", "Say it in this style")
            seed = seed_number()
            button = gr.Button("Write neighbours", variant="primary")
        with gr.Column():
            result = places(_page("Neighbours"))
    on(button, shop, neighbours, [like, n, restyle, seed], result)


def _style(label: str, info: str) -> gr.Dropdown:
    return gr.Dropdown([ANY, *styles()], value="", label=label, info=info)


def _page(label: str) -> gr.Textbox:
    return gr.Textbox(label=label, lines=8, interactive=False, buttons=["copy"])
