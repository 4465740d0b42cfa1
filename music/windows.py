"""Passages of any length from a network that writes a few bars: the best of several draws, window by window."""

from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor

from common.randomness import mix
from music.chord_symbols import Chord, Progression
from music.chords import chords_by_beat, misfit
from music.config import TEMPI
from music.metrics import quality
from music.models import MusicModel
from music.rolls import MusicContext
from music.score import Score
from music.theory import METRES, Key, Mode


@dataclass(frozen=True)
class PieceSettings:
    """What all windows of a piece have in common."""

    model: MusicModel
    metre: str
    mode: Mode
    style: str
    temperature: float | None
    rounds: int
    candidates: int
    seed: int
    chords: Progression = ()  # asked for, of the piece in C


FOREIGN = 6.0  # how much a window all of whose sound is foreign to the chords asked for counts beside `quality`
ON_BEAT, PASSING = 6.0, 1.5  # nats by which pitches foreign to a chord asked for are less likely, and between beats


def write_section(settings: PieceSettings, bars: int, before: Tensor | None, given: Tensor | None = None) -> Tensor:
    """Write some bars, (2, T, bars, bar_steps, P). All notes at their beginning are struck: they can follow any.

    Args:
        before: what comes before, (2, T, bars before, bar_steps, P), if anything.
        given: what of the bars stands already, likewise of `bars` bars; only its first track counts.
    """
    config = settings.model.config
    window, tracks = config.bars, len(config.tracks)
    context = torch.zeros(2, tracks, 0, config.bar_steps, config.pitches, dtype=torch.bool)
    if before is not None:
        context = before[:, :, -(window // 2) :]
    lead, total = context.shape[2], max(context.shape[2] + bars, window)
    piece = torch.zeros(2, tracks, total, config.bar_steps, config.pitches, dtype=torch.bool)
    piece[:, :, :lead] = context
    known = torch.zeros(tracks, total, dtype=torch.bool)
    known[:, :lead] = True
    if given is not None:
        piece[:, 0, lead : lead + bars] = given[:, 0]
        known[0] = True
    asked = chords_by_beat(settings.chords, settings.metre, bars) if settings.chords else []
    rows: list[list[Chord]] = [[]] * lead + asked + [[]] * (total - lead - len(asked))
    starts = sorted({*range(0, total - window, window - window // 2), total - window})
    for number, start in enumerate(starts):
        place = slice(start, start + window)
        first, last = before is None and start == 0, start == total - window
        seed = mix(settings.seed, number) % (1 << 31)
        piece[:, :, place] = _window(settings, piece[:, :, place], known[:, place], first, last, seed, rows[place])
        known[:, place] = True
    written = piece[:, :, lead : lead + bars]
    written[1, :, 0, 0] = written[0, :, 0, 0]
    return written


def _window(
    settings: PieceSettings, bars: Tensor, known: Tensor, first: bool, last: bool, seed: int, asked: list[list[Chord]]
) -> Tensor:
    """The best of the candidates for one window of bars (2, T, B, bar_steps, P), of which `known` (T, B) stay."""
    model = settings.model
    mask = repeat(known, "tracks bars -> tracks (bars steps)", steps=model.config.bar_steps)
    flat = rearrange(bars, "... bars steps pitches -> ... (bars steps) pitches").clone()
    flat[1, :, 0] = flat[0, :, 0]  # as in the windows that are learned from, which begin with an onset
    condition = model.condition(
        settings.candidates, settings.metre, settings.mode, settings.style, first, last, flat, mask
    )
    if any(asked):
        condition["bias"] = _bias(settings, asked).expand(settings.candidates, -1, -1)
    rolls = model.write(condition, seed, settings.temperature, settings.rounds)
    return torch.where(known[:, :, None, None], bars, in_bars(model, _best(settings, rolls, condition, asked)))


def _bias(settings: PieceSettings, asked: list[list[Chord]]) -> Tensor:
    """What is added to the logits of pitches, so that few are foreign to the chords asked for, float (S, P)."""
    config, beat = settings.model.config, METRES[settings.metre] // max(map(len, asked))
    classes = torch.arange(config.low, config.high + 1) % 12
    bias = torch.zeros(len(asked), config.bar_steps, config.pitches)
    for number, row in enumerate(asked):
        for place, chord in enumerate(row):
            foreign = ~torch.isin(classes, torch.tensor(sorted(chord.classes)))
            bias[number, place * beat : (place + 1) * beat, foreign] = -PASSING
            bias[number, place * beat, foreign] = -ON_BEAT
    return rearrange(bias, "bars steps pitches -> (bars steps) pitches")


def in_bars(model: MusicModel, roll: Tensor) -> Tensor:
    """Cut a roll into bars, (2, T, S, P) -> (2, T, bars, bar_steps, P)."""
    return rearrange(roll, "... (bars steps) pitches -> ... bars steps pitches", steps=model.config.bar_steps)


def _best(settings: PieceSettings, rolls: Tensor, condition: MusicContext, asked: list[list[Chord]]) -> Tensor:
    """The best of the candidates, (2, T, S, P), also by how little of it is foreign to the chords asked for."""
    model = settings.model
    if settings.candidates == 1 or (model.typical is None and not any(asked)):
        return rolls[0]
    scores = model.scores(rolls, condition)

    def faults(row: int) -> float:
        own = quality(scores[row], model.typical) if model.typical else 0.0
        return own + FOREIGN * float(misfit(scores[row], asked).mean()) if any(asked) else own

    return rolls[min(range(len(scores)), key=faults)]


def to_piece(settings: PieceSettings, bars: Tensor) -> Score:
    """Bars (2, T, B, bar_steps, P) as one piece in C."""
    config, length = settings.model.config, METRES[settings.metre]
    whole = bars[:, :, :, :length].numpy()
    rolls = rearrange(whole, "... bars steps pitches -> ... (bars steps) pitches")
    grid = np.zeros((*rolls.shape[:3], 128), bool)
    grid[..., config.low : config.high + 1] = rolls
    tempo = TEMPI.get(settings.style, settings.model.tempo)
    return Score(config.tracks, grid[0], grid[1], settings.metre, Key(0, settings.mode), tempo)
