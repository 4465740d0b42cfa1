"""How long a note lasts: scores (C, rows, frames) that are made longer or shorter than they were learned."""

import torch
from einops import rearrange
from torch import Tensor

from common.data.arrays import Arrays
from music.sound.config import HOP, RATE
from music.sound.spectrograms import to_float
from music.sound.synthesis import BANDS, HARMONICS, ROWS

ATTACK, RELEASE = 12, 20  # frames at the ends of a note that keep their pace
DYING = 3.5  # decibels a second by which an instrument's notes fall that die away; bowed and blown ones fall less
PARTIAL = 0.5  # share of that by which each partial of such a note falls at least, or some would sound for ever
SOUNDING = HARMONICS + BANDS  # rows of a synthesiser's score that are amplitudes
DECIBELS = 20  # of a step of 1 in such a row (`music.sound.synthesis.amplitudes`)
CHUNK = 256  # sounds at a time
FLOOR = 1e-5  # level below which all is silence


def fall_of(sounds: Tensor) -> Tensor:
    """By how many decibels a second notes as learned, float (N, samples), fall while they are held, (N,)."""
    frames = sounds.unfold(1, HOP, HOP)[:, ATTACK:-RELEASE]
    return -_slope(frames.square().mean(2).sqrt().clamp(min=FLOOR).log10()) * DECIBELS * RATE / HOP


def falls(data: Arrays, classes: int) -> tuple[float, ...]:
    """The median of `fall_of` over the notes of each class; 0 of one without any."""
    each = torch.cat([fall_of(to_float(part)) for part in data.tensors["wave"].split(CHUNK)])
    of = (each[data.tensors["label"] == label] for label in range(classes))
    return tuple(round(notes.median().item(), 1) if len(notes) else 0.0 for notes in of)


def lasting(scores: Tensor, frames: int, fall: float = 0.0) -> Tensor:
    """A score of so many frames, (C, rows, frames), of several alike ones, (S, C, rows, T).

    One of a synthesiser that must last longer than it was learned goes on as it was; all others are stretched.

    Args:
        fall: decibels a second by which such notes fall.
    """
    goes_on = len(scores) == 1 and scores.shape[2] == ROWS and frames > scores.shape[3]
    return continued(scores[0], frames, fall) if goes_on else stretched(scores, frames)


def continued(score: Tensor, frames: int, fall: float = 0.0) -> Tensor:
    """A synthesiser's score (1, `ROWS`, T) with more frames: what lies between its ends is played to and fro.

    What trembles goes on at its pace. Of instruments whose notes die away each row falls on by the straight line
    through it, and of others it stays where that line ends.
    """
    held, more = score[..., ATTACK:-RELEASE], frames - score.shape[2]
    count = held.shape[2]
    place = torch.arange(count + more, device=score.device)
    turn = place % (2 * count - 2)
    source = torch.where(turn < count, turn, 2 * count - 2 - turn)  # 0 1 2 1 0 1 2 ...
    line, further = _slope(held)[..., None], (place - count + 1).clamp(min=0)
    on = torch.zeros_like(line)
    if fall >= DYING:
        on[:, :SOUNDING] = line[:, :SOUNDING].clamp(max=-PARTIAL * fall / DECIBELS * HOP / RATE)
    middle = held[..., source] + line * (place.clamp(max=count - 1) - source) + on * further
    return torch.cat([score[..., :ATTACK], middle, score[..., -RELEASE:] + on * more], 2)


def _slope(values: Tensor) -> Tensor:
    """Of the straight line nearest to values along their last axis (least squares)."""
    place = torch.arange(values.shape[-1], device=values.device) - (values.shape[-1] - 1) / 2
    return (values * place).sum(-1) / place.square().sum()


def stretched(scores: Tensor, frames: int) -> Tensor:
    """One score (C, rows, frames) of several alike ones, (S, C, rows, T), from the first of which it goes to the last.

    Attack and release keep their pace; what lies between is stretched or shortened. A note that is shorter than these
    two is cut.
    """
    length, edges = scores.shape[3], ATTACK + RELEASE
    if frames <= edges:
        source = torch.arange(frames, dtype=torch.float32)
    else:
        middle = torch.linspace(ATTACK, length - 1 - RELEASE, frames - edges)
        source = torch.cat([torch.arange(ATTACK), middle, torch.arange(length - RELEASE, length)])
    which = torch.linspace(0, len(scores) - 1, frames)
    by_frame = rearrange(scores, "s c f t -> s t c f")
    return rearrange(_between(by_frame, which, source), "t c f -> c f t")


def _between(scores: Tensor, which: Tensor, frame: Tensor) -> Tensor:
    """Bilinear at fractional places (T,) of the first two axes of scores (S, T', C, F): (T, C, F)."""

    def at(first: Tensor, second: Tensor) -> Tensor:
        return scores[first.clamp(max=scores.shape[0] - 1), second.clamp(max=scores.shape[1] - 1)]

    low, early = which.long(), frame.long()
    up, late = (which - low)[:, None, None], (frame - early)[:, None, None]
    first = at(low, early) * (1 - late) + at(low, early + 1) * late
    return first * (1 - up) + (at(low + 1, early) * (1 - late) + at(low + 1, early + 1) * late) * up
