"""A piece as files: MIDI, notation, sound and a picture of both."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from mido import MidiFile
from pretty_midi import PrettyMIDI
from torch import Tensor

from common.files import replacing
from common.pictures.sheets import save_picture
from common.training.devices import pick_device
from music.chords import chord_sheet
from music.config import SOUNDING, GenerateConfig
from music.io.engraving import save_pdf, save_svg
from music.io.midi import save_midi
from music.io.musicxml import save_musicxml, to_musicxml
from music.io.piano_roll import piano_roll
from music.io.sound import RATE, render, render_stems, save_wav
from music.score import Score


def write(piece: Score, midi: PrettyMIDI, config: GenerateConfig, file: MidiFile | None = None) -> list[str]:
    """Write all of --out, --stems and --chords-out, and return their names.

    Args:
        piece: for notation and chords.
        midi: how it sounds.
        config: the settings of the command.
        file: what to write as .mid; by default `midi`.

    Raises:
        UserError: one cannot be written, or the soundfont cannot be read.
    """
    audio, stems = _played(midi, config)  # first: it may fail
    programs = [track.program for track in piece.tracks] if file else [own.program for own in midi.instruments]
    for path in config.out:
        match Path(path).suffix.lower():
            case ".mid":
                save_midi(file or midi, path)
            case ".wav":
                save_wav(audio, RATE, path)
            case ".png":
                save_picture(piano_roll(piece, audio), path)
            case ".musicxml":
                save_musicxml(piece, path, programs)
            case ending:
                save = save_svg if ending == ".svg" else save_pdf
                save(to_musicxml(piece, Path(path).stem, programs), path)
    return [*config.out, *_write_stems(midi, stems, config.stems), *_write_chords(piece, config.chords_out)]


def _played(midi: PrettyMIDI, config: GenerateConfig) -> tuple[Tensor, list[Tensor]]:
    """A piece as sound and its voices alone; nothing of what is not to be written."""
    silent = not any(path.lower().endswith(SOUNDING) for path in config.out)
    if silent and config.stems is None:
        return torch.zeros(2, 0), []
    if config.band:
        from music.sound.band import play  # slow to import, and few pieces have a band
        from music.sound.models import load_sound_model

        voices = play(midi, load_sound_model(config.band_source, pick_device(config.device)), config.band, config.seed)
        return torch.stack(voices).sum(0), voices if config.stems is not None else []
    audio = torch.zeros(2, 0) if silent else render(midi, config.soundfont)
    return audio, render_stems(midi, config.soundfont) if config.stems is not None else []


def _write_stems(midi: PrettyMIDI, stems: Sequence[Tensor], folder: Path | None) -> list[str]:
    """A .wav of each voice, named by its number and name."""
    names = []
    for number, (instrument, audio) in enumerate(zip(midi.instruments, stems, strict=False), 1):
        word = re.sub(r"[^\w-]+", "-", instrument.name.lower()).strip("-") or "track"
        names.append(str((folder or Path()) / f"{number:02}-{word}.wav"))
        save_wav(audio, RATE, names[-1])
    return names


def _write_chords(piece: Score, path: Path | None) -> list[str]:
    if path is None:
        return []
    with replacing(path) as temporary:
        temporary.write_text(chord_sheet(piece), encoding="utf-8")
    return [str(path)]
