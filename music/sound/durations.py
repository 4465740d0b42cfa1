"""How long a note lasts: scores (C, rows, frames) that are made longer or shorter than they were learned."""

import torch
from einops import rearrange
from torch import Tensor

from music.sound.config import FRAMES
from music.sound.synthesis import BANDS, HARMONICS, ROWS, amplitudes

ATTACK, RELEASE = 12, 20  # frames at the ends of a note that keep their pace
DYING = 6.0  # decibels that a note loses in a second, from which on it goes on to do so
SOUNDING = HARMONICS + BANDS  # rows of a synthesiser's score that are amplitudes


def lasting(scores: Tensor, frames: int) -> Tensor:
    """A score of so many frames, (C, rows, frames), of several alike ones, (S, C, rows, T).

    One of a synthesiser that must last longer than it was learned goes on as it was; all others are stretched.
    """
    goes_on = len(scores) == 1 and scores.shape[2] == ROWS and frames > scores.shape[3]
    return continued(scores[0], frames) if goes_on else stretched(scores, frames)


def continued(score: Tensor, frames: int) -> Tensor:
    """A synthesiser's score (1, `ROWS`, T) with more frames: what lies between its ends is played to and fro.

    What was dying away dies on at its pace, each row at its own.
    """
    held, more = score[..., ATTACK:-RELEASE], frames - score.shape[2]
    count = held.shape[2]
    place = torch.arange(count + more, device=score.device)
    turn = place % (2 * count - 2)
    source = torch.where(turn < count, turn, 2 * count - 2 - turn)  # 0 1 2 1 0 1 2 ...
    slope = _slopes(held)[..., None]
    middle = held[..., source] + slope * (place - source)
    return torch.cat([score[..., :ATTACK], middle, score[..., -RELEASE:] + slope * more], 2)


def _slopes(held: Tensor) -> Tensor:
    """By how much each row of a score (1, `ROWS`, T) falls from frame to frame, (1, `ROWS`); 0 if the note does not."""
    loudness = 20 * amplitudes(held[:, :SOUNDING]).square().sum(1).sqrt().log10()
    if _slope(loudness).item() * FRAMES > -DYING:
        return torch.zeros_like(held[..., 0])
    slopes = _slope(held).clamp(max=0)
    slopes[:, SOUNDING:] = 0
    return slopes


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
