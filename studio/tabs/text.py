"""The tab of text."""

from functools import partial
from typing import Any, get_args

import gradio as gr

from studio.places import Choice, choice, line, on, places
from studio.shop import Shop
from studio.tabs.images import seed_number
from studio.texts import STEPS, between, neighbours, step_of, styles, write, writing_weights
from text.config import DEFAULT_WEIGHTS
from text.generation import TEMPERATURE
from text.verse import MetreName

ANY = ("any", "")


def text_tab(shop: Shop) -> list[Choice]:
    """Lay out writing, ways from one text to another, and neighbours; where weights are chosen is returned."""
    writer = choice(partial(writing_weights, shop), DEFAULT_WEIGHTS, "Weights", "The model that writes")
    with gr.Tab("Write"):
        style = _writing(shop, writer.place)
    with gr.Tab("From one to another"):
        of_way = _ways(shop, writer.place)
    with gr.Tab("Neighbours"):
        of_near = _near(shop, writer.place)
    writer.place.change(_styles_of, writer.place, [style, of_way, of_near], api_visibility="private")
    return [writer]


def _writing(shop: Shop, weights: gr.Dropdown) -> gr.Dropdown:
    with gr.Row():
        with gr.Column(scale=1):
            style = _style("Style", "What kind of text")
            n = gr.Slider(1, 30, 5, step=1, label="Texts", info="How many")
            temperature = gr.Slider(0, 2, TEMPERATURE, label="Temperature", info="0: the likeliest; more: more varied")
            seed = seed_number()
            with gr.Accordion("Wishes", open=False):
                prompt = line("Begins with", "How every text begins")
                must = line("With the words", "In any form, with spaces between")
                avoid = line("Without the words", "In any form, with spaces between")
                starts = line("First letter", "Of every text")
                words = line("Number of words", "Of a text or a line: 7, or 5-9")
                acrostic = line("Acrostic", "A word whose letters begin the lines")
                metre = gr.Dropdown([ANY, *get_args(MetreName)], value="", label="Metre", info="Of English verse")
                rhyme = line("Rhyme", "With a metre: such as AABB or ABAB")
                hold = line("Lines that stand", "Of an acrostic or a metre, by number: 2=the sea is wide", lines=2)
            button = gr.Button("Write", variant="primary")
        with gr.Column(scale=2):
            result = places(_page("Texts"))
    wishes = [prompt, must, avoid, starts, words, acrostic, metre, rhyme, hold]
    on(button, shop, write, [weights, style, n, temperature, seed, *wishes], result)
    return style


def _ways(shop: Shop, weights: gr.Dropdown) -> gr.Dropdown:
    with gr.Row():
        with gr.Column():
            first = line("From", "A text", "the sun is in the sky")
            last = line("To", "Another one", "the night is dark and cold")
            style = _style("Style", "In which both are read")
            button = gr.Button("Write the way", variant="primary")
        with gr.Column():
            step = gr.Slider(1, STEPS, 1, step=1, label="Where on the way", info="Move it once the way is written")
            texts = gr.State([])
            result = places(_page("Text"), texts)
    on(button, shop, between, [weights, first, last, style], result)
    step.change(step_of, [texts, step], result.shown[0], api_visibility="private", show_progress="hidden")
    return style


def _near(shop: Shop, weights: gr.Dropdown) -> gr.Dropdown:
    with gr.Row():
        with gr.Column():
            like = line("Like", "A text in whose neighbourhood is written", "the sun is in the sky")
            n = gr.Slider(1, 30, 5, step=1, label="Texts", info="How many")
            restyle = _style("In another style", "Say it in this style")
            seed = seed_number()
            button = gr.Button("Write neighbours", variant="primary")
        with gr.Column():
            result = places(_page("Neighbours"))
    on(button, shop, neighbours, [weights, like, n, restyle, seed], result)
    return restyle


def _style(label: str, info: str) -> gr.Dropdown:
    return gr.Dropdown([ANY, *styles()], value="", label=label, info=info)


def _styles_of(weights: str) -> list[Any]:
    """The styles of these weights, for each place where one is chosen."""
    return [gr.update(choices=[ANY, *styles(weights)], value="")] * 3


def _page(label: str) -> gr.Textbox:
    return gr.Textbox(label=label, lines=8, interactive=False, buttons=["copy"])
