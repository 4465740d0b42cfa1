"""A piece as files: MIDI, notation, sound and a picture of both."""

from pathlib import Path

import torch
from pretty_midi import PrettyMIDI

from common.pictures.sheets import save_picture
from music.config import SOUNDING, GenerateConfig
from music.io.engraving import save_pdf, save_svg
from music.io.midi import save_midi
from music.io.musicxml import save_musicxml, to_musicxml
from music.io.piano_roll import piano_roll
from music.io.sound import RATE, render, save_wav
from music.score import Score


def write(piece: Score, midi: PrettyMIDI, config: GenerateConfig) -> list[str]:
    """Write all of --out, and return their names.

    Raises:
        UserError: one cannot be written, or the soundfont cannot be read.
    """
    silent = not any(path.lower().endswith(SOUNDING) for path in config.out)
    audio = torch.zeros(2, 0) if silent else render(midi, config.soundfont)  # first: it may fail
    programs = [instrument.program for instrument in midi.instruments]
    for path in config.out:
        match Path(path).suffix.lower():
            case ".mid":
                save_midi(midi, path)
            case ".wav":
                save_wav(audio, RATE, path)
            case ".png":
                save_picture(piano_roll(piece, audio), path)
            case ".musicxml":
                save_musicxml(piece, path, programs)
            case ending:
                save = save_svg if ending == ".svg" else save_pdf
                save(to_musicxml(piece, Path(path).stem, programs), path)
    return list(config.out)
