"""A piece as files: MIDI, sound and a picture of both."""

import torch
from pretty_midi import PrettyMIDI

from common.pictures.sheets import save_picture
from music.config import GenerateConfig
from music.io.midi import save_midi
from music.io.piano_roll import piano_roll
from music.io.sound import RATE, render, save_wav
from music.score import Score


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
