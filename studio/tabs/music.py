"""The tab of music."""

import gradio as gr

from music.config import BARS
from music.theory import METRES
from studio.pieces import compose, harmonise, piece_styles
from studio.places import Places, on, places
from studio.shop import Shop
from studio.tabs.images import seed_number

USUAL = ("as usual", "")
MIDI = [".mid", ".midi"]


def music_tab(shop: Shop) -> None:
    """Lay out composing and harmonising."""
    with gr.Tab("Compose"):
        _composing(shop)
    with gr.Tab("Harmonise my MIDI"):
        _harmonising(shop)


def _composing(shop: Shop) -> None:
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
    on(button, shop, compose, [style, key, metre, bars, form, chords, tempo, band, seed], result)


def _harmonising(shop: Shop) -> None:
    with gr.Row():
        with gr.Column(scale=1):
            upload = gr.File(label="MIDI file", file_types=MIDI)
            style = gr.Dropdown(piece_styles(), value="chorale", label="Style", info="Of the other voices")
            chords = gr.Textbox(label="Chords", info="Bar by bar, such as Dm | G7 | C Am | F; empty: found")
            seed = seed_number()
            button = gr.Button("Harmonise", variant="primary")
        with gr.Column(scale=2):
            result = _piece()
    on(button, shop, harmonise, [upload, style, chords, seed], result)


def _piece() -> Places:
    return places(
        gr.Image(label="Piano roll", type="filepath", interactive=False),
        gr.Audio(label="Listen", type="filepath", interactive=False),
    )
