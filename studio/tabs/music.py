"""The tab of music."""

from functools import partial
from typing import Any

import gradio as gr
from gradio.components import Component

from music.config import BARS
from music.theory import METRES
from studio.cursor import PIECE, marked
from studio.pieces import Made, compose, composing_weights, harmonise, hear, piece_styles, rewrite
from studio.places import ONE_AT_A_TIME, UPLOAD, Choice, Places, choice, line, obliging, on, picture, places, sound
from studio.shop import Shop
from studio.tabs.images import seed_number

USUAL = ("as usual", "")
BY_STYLE = ("those of the style", "")
MIDI = [".mid", ".midi"]


def music_tab(shop: Shop) -> list[Choice]:
    """Lay out what makes a piece beside the piece that was made; where weights are chosen is returned."""
    composer = choice(partial(_composers, shop), "", "Weights", "The model that composes")
    weights = composer.place
    with gr.Row():
        with gr.Column(scale=1):
            with gr.Tab("Compose"):
                style, *composing = _composing()
                to_compose = gr.Button("Compose", variant="primary")
            with gr.Tab("Harmonise"):
                upload, of_voices, *harmonising = _harmonising()
                to_harmonise = gr.Button("Harmonise", variant="primary")
            with gr.Tab("Rewrite"):
                piece, of_bars, *rewriting = _rewriting()
                gr.Markdown("Without a file, the piece that is shown is rewritten.")
                to_rewrite = gr.Button("Rewrite", variant="primary")
        with gr.Column(scale=2, elem_id=PIECE):
            result, made, *of_made = _piece(shop)
    for event in (
        on(to_compose, shop, compose, [weights, style, *composing], result),
        on(to_harmonise, shop, harmonise, [weights, upload, of_voices, *harmonising], result),
        on(to_rewrite, shop, rewrite, [weights, piece, made, of_bars, *rewriting], result),
    ):
        event.success(_known_of, made, of_made, api_visibility="private")
    weights.change(_styles_of, weights, [style, of_voices, of_bars], api_visibility="private")
    return [composer]


def _composers(shop: Shop) -> list[Any]:
    return [BY_STYLE, *composing_weights(shop)]


def _styles_of(weights: str | None) -> list[Any]:
    """The styles of these weights, for each place where one is chosen."""
    known = piece_styles(weights or "")
    return [gr.update(choices=[USUAL, *known] if weights else known, value="" if weights else known[0])] * 3


def _composing() -> list[Component]:
    styles = piece_styles()
    return [
        gr.Dropdown(styles, value=styles[0], label="Style", info="A kind of piece or dance"),
        line("Key", "Such as D minor; empty: C major, or as the chords have it"),
        gr.Dropdown([USUAL, *METRES], value="", label="Metre", info="Beats of a bar"),
        gr.Slider(4, 64, BARS, step=1, label="Bars", info="How long"),
        line("Form", "Sections, such as AABA: equal letters are the same music"),
        line("Chords", "Bar by bar, such as Dm | G7 | C Am | F; not with a form"),
        gr.Number(0, label="Tempo", minimum=0, maximum=400, info="Quarters a minute; 0: as usual"),
        line("Band", "Made instruments by voice: flute, 0.5 oboe + 0.5 viola; empty: General MIDI"),
        seed_number(),
    ]


def _harmonising() -> list[Component]:
    return [
        gr.File(label="MIDI file", file_types=MIDI, height=UPLOAD),
        gr.Dropdown(piece_styles(), value="chorale", label="Style", info="Of the other voices"),
        line("Chords", "Bar by bar, such as Dm | G7 | C Am | F; empty: found"),
        seed_number(),
    ]


def _rewriting() -> list[Component]:
    return [
        gr.File(label="Another MIDI file", file_types=MIDI, height=UPLOAD),
        gr.Dropdown(piece_styles(), value="chorale", label="Style", info="Of what is anew"),
        line("Bars", "Such as 5-8; empty: all", "1-2"),
        line("Voices", "By number or name, with spaces between, such as alto tenor; empty: all"),
        seed_number(),
    ]


def _piece(shop: Shop) -> tuple[Places, gr.State, gr.CheckboxGroup, gr.HTML]:
    """Places of a piece, the piece, which of its voices are heard, and where time lies on its picture."""
    made = gr.State(None)
    roll, player = picture("Piano roll"), sound("Listen", has_waveform=False)  # whose events tell where it is
    heard = gr.CheckboxGroup([], label="Voices", info="That are heard", visible=False)
    axis = gr.HTML(visible="hidden")
    result = places(roll, player, made)

    def chosen(made: Made | None, voices: list[str], request: gr.Request) -> str:
        return str(obliging(partial(hear, shop), shop.new_folder(request.session_hash or ""), made, voices))

    heard.input(chosen, [made, heard], player, api_visibility="private", **ONE_AT_A_TIME)
    return result, made, heard, axis


def _known_of(made: Made) -> list[Any]:
    """All voices of a piece, heard, and where time lies on its picture."""
    voices = gr.update(choices=made.voices, value=made.voices, visible=len(made.voices) > 1)
    return [voices, marked(made.axis)]
