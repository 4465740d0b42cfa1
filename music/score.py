"""A piece of music on a grid: what every part of the music package passes on to the next.

A step of the grid is a sixteenth note, or on the finer grid, which holds triplets, too, a third of one.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from common.errors import UserError
from music.theory import GRID, PITCHES, Key, bar_of, beat_of

Kind = Literal["mono", "poly", "drums"]


@dataclass(frozen=True)
class TrackSpec:
    """One voice or instrument.

    Attributes:
        name: as MIDI shows it.
        kind: mono: one note at a time; poly: any number; drums: hits without length, on General MIDI's channel 10.
        low, high: lowest and highest MIDI pitch, both included.
        program: General MIDI program, 0 to 127 (of no meaning for drums).
    """

    name: str
    kind: Kind
    low: int
    high: int
    program: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high < PITCHES:
            raise ValueError(f"track {self.name}: pitches {self.low} to {self.high} are not within 0 to 127")
        if not 0 <= self.program < 128:
            raise ValueError(f"track {self.name}: program {self.program} is not within 0 to 127")


@dataclass(frozen=True)
class Score:
    """A piece, or some bars of one.

    Attributes:
        tracks: the voices, in the order of the rolls.
        pitch: bool (tracks, steps, 128), what sounds at each step.
        onset: bool (tracks, steps, 128), where a note begins; a subset of `pitch`. A pitch that sounds on without a new
            onset is held; its first step always has one. For drums the two are equal.
        metre: one of METRES; `steps` need not be a whole number of bars (the last bar may be short).
        key: where the piece stands. Data sets and models hold everything with its tonic moved to C.
        tempo: quarter notes a minute.
        pickup: steps before the first bar line; 0 where the piece begins at one. They end the first bar of the grid,
            which is silent before them. They are whole sixteenths, as no metre of MIDI is as short as another step.
        grid: steps a quarter note, of GRIDS.
    """

    tracks: tuple[TrackSpec, ...]
    pitch: np.ndarray
    onset: np.ndarray
    metre: str = "4/4"
    key: Key = field(default_factory=Key)
    tempo: float = 100.0
    pickup: int = 0
    grid: int = GRID

    @property
    def steps(self) -> int:
        """How many steps the piece has."""
        return self.pitch.shape[1]

    @property
    def bar(self) -> int:
        """How many steps a bar has."""
        return bar_of(self.metre, self.grid)

    @property
    def beat(self) -> int:
        """How many steps a beat has."""
        return beat_of(self.metre, self.grid)

    @property
    def lead(self) -> int:
        """How many steps of the grid are silent before the pickup, and no part of the piece."""
        return self.bar - self.pickup if self.pickup else 0


def notes(score: Score, track: int) -> np.ndarray:
    """The notes of one track by time and pitch, int64 (N, 3): first step, step after the last, pitch.

    A note lasts from its onset until its pitch falls silent or begins anew.
    """
    pitch, onset = score.pitch[track], score.onset[track]  # (steps, 128)
    silent_or_new = np.concatenate([onset | ~pitch, np.ones((1, PITCHES), bool)])
    stops = np.where(silent_or_new, np.arange(score.steps + 1)[:, None], score.steps)
    next_stop = np.minimum.accumulate(stops[::-1])[::-1]  # (steps + 1, 128): the first stop here or later
    start, note = np.nonzero(onset)
    return np.stack([start, next_stop[start + 1, note], note], axis=1)


def narrowed(score: Score, count: int) -> Score:
    """The first tracks of a piece."""
    return replace(score, tracks=score.tracks[:count], pitch=score.pitch[:count], onset=score.onset[:count])


def widened(score: Score, count: int) -> Score:
    """A piece with silent tracks added up to a number of them; they are called as its first one."""
    silence = np.zeros((count - len(score.tracks), *score.pitch.shape[1:]), bool)
    pitch, onset = np.concatenate([score.pitch, silence]), np.concatenate([score.onset, silence])
    return replace(score, pitch=pitch, onset=onset, tracks=score.tracks + score.tracks[:1] * len(silence))


def transpose(score: Score, semitones: int) -> Score:
    """Move a piece and its key; drums stay.

    Raises:
        UserError: a note would leave MIDI's 128 pitches.
    """
    rolls = []
    for roll in (score.pitch, score.onset):
        moved = roll.copy()
        for index, track in enumerate(score.tracks):
            if track.kind != "drums":
                moved[index] = np.roll(roll[index], semitones, axis=1)
                if roll[index, :, PITCHES - semitones :].any() if semitones > 0 else roll[index, :, :-semitones].any():
                    raise UserError(f"moving {track.name} by {semitones} semitones would leave MIDI's 128 pitches")
        rolls.append(moved)
    key = Key((score.key.tonic + semitones) % 12, score.key.mode)
    return replace(score, pitch=rolls[0], onset=rolls[1], key=key)
