"""The tab of sounds."""

import gradio as gr

from studio.places import Places, on, places
from studio.shop import Shop
from studio.sounds import SCALES, instruments, morph_note, note
from studio.tabs.images import seed_number

NONE = ("none", "")


def sounds_tab(shop: Shop) -> None:
    """Lay out single notes and those that change."""
    with gr.Tab("Notes"):
        _notes(shop)
    with gr.Tab("From one to another"):
        _morphs(shop)


def _notes(shop: Shop) -> None:
    known = instruments()
    with gr.Row():
        with gr.Column(scale=1):
            instrument = gr.Dropdown(known, value="cello", label="Instrument", info="Who plays")
            other = gr.Dropdown([NONE, *known], value="", label="Mixed with", info="An instrument in between")
            share = gr.Slider(0, 1, 0.5, step=0.05, label="Share of the other", info="0 to 1")
            pitch = _pitch()
            scale = gr.Dropdown([NONE, *SCALES], value="", label="Scale", info="An octave up from the pitch")
            velocity = gr.Slider(1, 127, 100, step=1, label="Velocity", info="How hard it is played")
            seconds = _seconds(0)
            seed = seed_number()
            button = gr.Button("Play", variant="primary")
        with gr.Column(scale=2):
            result = _sound()
    on(button, shop, note, [instrument, other, share, pitch, scale, velocity, seconds, seed], result)


def _morphs(shop: Shop) -> None:
    known = instruments()
    with gr.Row():
        with gr.Column(scale=1):
            first = gr.Dropdown(known, value="flute", label="From", info="How it begins")
            last = gr.Dropdown(known, value="cello", label="To", info="How it ends")
            pitch, seconds, seed = _pitch(), _seconds(4), seed_number()
            button = gr.Button("Play", variant="primary")
        with gr.Column(scale=2):
            result = _sound()
    on(button, shop, morph_note, [first, last, pitch, seconds, seed], result)


def _pitch() -> gr.Textbox:
    return gr.Textbox(label="Pitch", info="Such as A3 or C#4; empty: the middle of the range")


def _seconds(usual: float) -> gr.Number:
    return gr.Number(usual, label="Seconds", minimum=0, maximum=60, info="0: as learned")


def _sound() -> Places:
    return places(
        gr.Image(label="Spectrogram", type="filepath", interactive=False),
        gr.Audio(label="Listen", type="filepath", interactive=False),
    )
