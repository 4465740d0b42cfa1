"""The tab of sounds."""

from functools import partial
from typing import Any

import gradio as gr

from music.sound.config import MAKER
from studio.places import Choice, Places, choice, line, on, picture, places, sound
from studio.shop import Shop
from studio.sounds import SCALES, instruments, morph_note, note, sound_weights
from studio.tabs.images import seed_number

NONE = ("none", "")


def sounds_tab(shop: Shop) -> list[Choice]:
    """Lay out single notes and those that change; where weights are chosen is returned."""
    maker = choice(partial(sound_weights, shop), MAKER, "Weights", "The model that makes sounds")
    with gr.Tab("Notes"):
        of_notes = _notes(shop, maker.place)
    with gr.Tab("From one to another"):
        of_ways = _morphs(shop, maker.place)
    maker.place.change(_played_by, maker.place, [*of_notes, *of_ways], api_visibility="private")
    return [maker]


def _played_by(weights: str) -> list[Any]:
    """What these weights play, for each place where that is chosen."""
    known = instruments(weights)
    first, last = (known[0], known[-1]) if known else (None, None)
    return [
        gr.update(choices=known, value=first),
        gr.update(choices=[NONE, *known], value=""),
        gr.update(choices=known, value=first),
        gr.update(choices=known, value=last),
    ]


def _notes(shop: Shop, weights: gr.Dropdown) -> list[gr.Dropdown]:
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
    on(button, shop, note, [weights, instrument, other, share, pitch, scale, velocity, seconds, seed], result)
    return [instrument, other]


def _morphs(shop: Shop, weights: gr.Dropdown) -> list[gr.Dropdown]:
    known = instruments()
    with gr.Row():
        with gr.Column(scale=1):
            first = gr.Dropdown(known, value="flute", label="From", info="How it begins")
            last = gr.Dropdown(known, value="cello", label="To", info="How it ends")
            pitch, seconds, seed = _pitch(), _seconds(4), seed_number()
            button = gr.Button("Play", variant="primary")
        with gr.Column(scale=2):
            result = _sound()
    on(button, shop, morph_note, [weights, first, last, pitch, seconds, seed], result)
    return [first, last]


def _pitch() -> gr.Textbox:
    return line("Pitch", "Such as A3 or C#4; empty: the middle of the range")


def _seconds(usual: float) -> gr.Number:
    return gr.Number(usual, label="Seconds", minimum=0, maximum=60, info="0: as learned")


def _sound() -> Places:
    return places(
        picture("Spectrogram"),
        sound("Listen"),
    )
