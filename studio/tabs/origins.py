"""The tab of provenance."""

import gradio as gr

from studio.origins import origin
from studio.places import UPLOAD, Choice, on, places
from studio.shop import Shop


def origins_tab(shop: Shop) -> list[Choice]:
    """Lay out a place for a file and what it says of how it was made; weights are chosen nowhere."""
    with gr.Row():
        with gr.Column(scale=1):
            upload = gr.File(label="File", height=UPLOAD)
            button = gr.Button("How was it made?", variant="primary")
            gr.Markdown(
                "Pictures, films, MIDI, WAV and .jsonl files carry a record. It is no proof: whoever has the file can "
                "write another one."
            )
        with gr.Column(scale=2):
            result = places(gr.Textbox(label="Its record", lines=8, interactive=False, buttons=["copy"]))
    on(button, shop, origin, [upload], result)
    return []
