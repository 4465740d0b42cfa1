"""The tab of music."""

from functools import partial
from typing import Any

import gradio as gr

from music.config import BARS
from music.theory import METRES
from studio.pieces import compose, composing_weights, harmonise, piece_styles
from studio.places import Choice, Places, choice, on, picture, places, sound
from studio.shop import Shop
from studio.tabs.images import seed_number

USUAL = ("as usual", "")
BY_STYLE = ("those of the style", "")
MIDI = [".mid", ".midi"]


def music_tab(shop: Shop) -> list[Choice]:
    """Lay out composing and harmonising; where weights are chosen is returned."""
    composer = choice(partial(_composers, shop), "", "Weights", "The model that composes")
    with gr.Tab("Compose"):
        style = _composing(shop, composer.place)
    with gr.Tab("Harmonise my MIDI"):
        of_voices = _harmonising(shop, composer.place)
    composer.place.change(_styles_of, composer.place, [style, of_voices], api_visibility="private")
    return [composer]


def _composers(shop: Shop) -> list[Any]:
    return [BY_STYLE, *composing_weights(shop)]


def _styles_of(weights: str | None) -> list[Any]:
    """The styles of these weights, for each place where one is chosen."""
    known = piece_styles(weights or "")
    return [gr.update(choices=[USUAL, *known] if weights else known, value="" if weights else known[0])] * 2


def _composing(shop: Shop, weights: gr.Dropdown) -> gr.Dropdown:
    styles = piece_styles()
    with gr.Row():
        with gr.Column(scale=1):
            style = gr.Dropdown(styles, value=styles[0], label="Style", info="A kind of piece or dance")
            key = gr.Textbox(label="Key", info="Such as D minor; empty: C major, or as the chords have it")
            metre = gr.Dropdown([USUAL, *METRES], value="", label="Metre", info="Beats of a bar")
            bars = gr.Slider(4, 64, BARS, step=1, label="Bars", info="How long")
            form = gr.Textbox(label="Form", info="Sections, such as AABA: equal letters are the same music")
            chords = gr.Textbox(label="Chords", info="Bar by bar, such as Dm | G7 | C Am | F; not with a form")
            tempo = gr.Number(0, label="Tempo", minimum=0, maximum=400, info="Quarters a minute; 0: as usual")
            band = gr.Textbox(
                label="Band", info="Made instruments by voice: flute, 0.5 oboe + 0.5 viola; empty: General MIDI"
            )
            seed = seed_number()
            button = gr.Button("Compose", variant="primary")
        with gr.Column(scale=2):
            result = _piece()
    on(button, shop, compose, [weights, style, key, metre, bars, form, chords, tempo, band, seed], result)
    return style


def _harmonising(shop: Shop, weights: gr.Dropdown) -> gr.Dropdown:
    with gr.Row():
        with gr.Column(scale=1):
            upload = gr.File(label="MIDI file", file_types=MIDI)
            style = gr.Dropdown(piece_styles(), value="chorale", label="Style", info="Of the other voices")
            chords = gr.Textbox(label="Chords", info="Bar by bar, such as Dm | G7 | C Am | F; empty: found")
            seed = seed_number()
            button = gr.Button("Harmonise", variant="primary")
        with gr.Column(scale=2):
            result = _piece()
    on(button, shop, harmonise, [weights, upload, style, chords, seed], result)
    return style


def _piece() -> Places:
    return places(
        picture("Piano roll"),
        sound("Listen"),
    )
