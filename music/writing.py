"""A piece as files: MIDI, sound and a picture of both."""

import torch
from pretty_midi import PrettyMIDI

from common.errors import UserError
from common.pictures.sheets import save_picture
from common.weights import bundled, load_config
from music.config import STYLES, GenerateConfig
from music.figures import piano_roll
from music.midi import save_midi
from music.render import RATE, render, save_wav
from music.score import Score

DEFAULT = "chorales"


def weights_for(config: GenerateConfig) -> str:
    """--weights, or the bundled ones that know --style.

    Raises:
        UserError: none of them does.
    """
    if config.weights is not None:
        return config.weights
    if not config.style:
        return DEFAULT
    shipped = bundled("music")
    known = {style: name for style, name in STYLES.items() if name in shipped}
    for name, folder in shipped.items():
        known |= dict.fromkeys(load_config(folder, "music", "any")["network"]["styles"], name)
    if config.style not in known:
        raise UserError(f"--style {config.style}: unknown; there are {', '.join(sorted(known)) or 'none'}")
    return known[config.style]


def write(piece: Score, midi: PrettyMIDI, config: GenerateConfig) -> list[str]:
    """Write all of --out, and return their names.

    Raises:
        UserError: one cannot be written, or the soundfont cannot be read.
    """
    silent = all(path.lower().endswith(".mid") for path in config.out)
    audio = torch.zeros(2, 0) if silent else render(midi, config.soundfont)  # first: it may fail
    for path in config.out:
        if path.lower().endswith(".mid"):
            save_midi(midi, path)
        elif path.lower().endswith(".wav"):
            save_wav(audio, RATE, path)
        else:
            save_picture(piano_roll(piece, audio), path)
    return list(config.out)
