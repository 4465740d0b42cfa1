"""Some bars of some voices of a piece, written anew in view of all that stays."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from mido import MidiFile
from pretty_midi import PrettyMIDI

from common.errors import UserError
from music.config import GenerateConfig, parse_bars
from music.generation import fitting_ranges, fitting_shift, known_metre, piece_settings, require_tracks, say
from music.io.midi import on_grid, parse
from music.io.midi_file import content_of
from music.io.passages import replace_passage, standing
from music.models import MusicModel, from_score
from music.score import Score, notes, transpose, widened
from music.theory import parse_key
from music.windows import in_bars, rewrite_section, to_piece


def rewrite(model: MusicModel, config: GenerateConfig, path: Path) -> tuple[Score, MidiFile]:
    """Write --at-bars of --voices of a MIDI file anew; every other note, and all else in it, stays to the tick.

    A note is of the bars on the grid's nearest step; what is held over either end of them stands.

    Returns:
        The piece on the grid, and the file with the new notes.

    Raises:
        UserError: the piece has other tracks than the model writes, leaves their range, or lacks such bars or voices.
    """
    file, content = parse(path, lambda line: say(path, "--rewrite", line))
    piece = on_grid(str(path), content, lambda line: say(path, "--rewrite", line), model.config.grid)
    piece = replace(piece, key=parse_key(config.key) if config.key else piece.key)
    require_tracks(model, piece, path, "--rewrite", config.style)
    bars = _bars(config.at_bars, piece, path)
    voices = _voices(config.voices, model, piece, path)
    passage = bars[0] * piece.bar - piece.lead, bars[1] * piece.bar - piece.lead  # as the file counts
    written = _written(model, config, piece, file, voices, bars)
    for voice in voices:
        grid, stands = standing(file, voice, *passage, piece.grid)
        old = {(start, pitch) for start, _, pitch in grid[stands].tolist()}
        new = (notes(written, voice) - np.array([piece.lead, piece.lead, 0])).tolist()
        new = [note for note in new if passage[0] <= note[0] < passage[1]]
        new = [(start, min(stop, passage[1]), pitch) for start, stop, pitch in new if (start, pitch) not in old]
        replace_passage(file, voice, *passage, np.array(new, np.int64).reshape(-1, 3), piece.grid)
    file.charset = "utf-8"  # older files are read in another, in which not all that is written later can be said
    return replace(on_grid(str(path), content_of(file), grid=piece.grid), key=piece.key), file


def sounding(file: MidiFile) -> PrettyMIDI:
    """An open MIDI file as `music.io.sound` plays it."""
    content = io.BytesIO()
    file.save(file=content)
    content.seek(0)
    return PrettyMIDI(content, charset=file.charset)


def _written(
    model: MusicModel, config: GenerateConfig, piece: Score, file: MidiFile, voices: list[int], bars: tuple[int, int]
) -> Score:
    """The piece with the bars of the voices written by the model, where nothing stands."""
    flag = f"--rewrite {config.rewrite}"
    settings = piece_settings(model, config, known_metre(model, piece.metre, flag), piece.key.mode)
    shift = fitting_shift(model, piece, piece.key, flag)
    settings = replace(settings, ranges=fitting_ranges(model, config, shift), pickup=piece.pickup)
    length, bar = -(-piece.steps // piece.bar), piece.bar
    free = np.zeros((len(model.config.tracks), length * bar), bool)
    moved = widened(transpose(piece, shift), len(free))
    for voice in voices:
        grid, stands = standing(file, voice, bars[0] * bar - piece.lead, bars[1] * bar - piece.lead, piece.grid)
        free[voice, max(bars[0] * bar, piece.lead) : bars[1] * bar] = True
        if model.config.tracks[voice].kind == "mono":  # else what stands may sound together with what is written
            for start, stop, _ in (grid[stands] + piece.lead).tolist():
                free[voice, start:stop] = False
    known = torch.ones(len(free), length, model.config.bar_steps, dtype=torch.bool)
    known[:, :, :bar] = ~torch.from_numpy(rearrange(free, "tracks (bars steps) -> tracks bars steps", steps=bar))
    given = in_bars(model, from_score(model.config, moved, length))
    return transpose(to_piece(settings, rewrite_section(settings, given, known, *bars)), -shift)


def _bars(text: str, piece: Score, path: Path) -> tuple[int, int]:
    """The first bar, from 0, and the one after the last, on the grid; a pickup is before bar 1, and among all bars."""
    lead_in = min(piece.pickup, 1)
    length = -(-piece.steps // piece.bar) - lead_in
    first, last = parse_bars(text) if text else (1 - lead_in, length)
    if last > length:
        raise UserError(f"--at-bars {text}: {path} has {length} bars; name bars from 1 to {length}")
    return first - 1 + lead_in, last + lead_in


def _voices(words: tuple[str, ...], model: MusicModel, piece: Score, path: Path) -> list[int]:
    """The numbers, from 0, of voices that are called by the piece's names, the model's, or numbers from 1."""
    count = len(piece.tracks)
    found: set[int] = set() if words else set(range(count))
    for word in words:
        called = [
            [index for index, name in enumerate(names) if name.casefold() == word.casefold()]
            for names in (
                [track.name for track in piece.tracks],
                [track.name for track in model.config.tracks],
                [str(number + 1) for number in range(count)],
            )
        ]
        own = next((indices for indices in called if indices), None)
        if own is None:
            names = ", ".join(track.name or str(number) for number, track in enumerate(piece.tracks, 1))
            raise UserError(f"--voices {word}: {path} has {names}; name one of them, or its number from 1 to {count}")
        found.update(own)
    return sorted(found)
