"""A piece as somebody might play it: louder and softer, earlier and later, by metre, phrase and voice.

By rule and not learned. The spread is measured: in 14 songs of POP909, whose MIDI was played, velocities have a
standard deviation of 6 (melody), 13 (bridge) and 17 (piano), and notes lie 7, 19 and 11 ms off the sixteenths.
"""

import copy

import numpy as np
from pretty_midi import Note, PrettyMIDI

from music.score import Score, notes

LOUDNESS, TIMING = 18.0, 0.020  # standard deviation in each voice at 1: MIDI velocity, and seconds
LATEST = 0.45  # steps off the grid, at most, so that every note is still read at its own
PHRASE = 4  # bars
DRIFT = 0.8  # of how loud and late a note is, that the next one takes over
LOUDER, EARLIER = 6.0, 0.008  # velocity and seconds by which the first voice leads at 1, and inner ones step back
SOFTEST, MIDDLE, LOUDEST = 20, 84.0, 124  # MIDI velocities


def humanised(midi: PrettyMIDI, score: Score, amount: float, seed: int) -> PrettyMIDI:
    """A copy of what `music.io.midi.to_midi` made of a piece, played.

    Strong beats are louder, phrases of `PHRASE` bars rise and fall, and end late; the first voice is louder than the
    others and a little before them. The rest is chance that drifts. Notes stay nearest to their own steps.

    Args:
        midi: one instrument a track.
        score: the piece.
        amount: 0 to 1; at 1 velocities and beginnings spread in each voice by `LOUDNESS` and `TIMING`, the most that
            was measured, unless `LATEST` is less.
        seed: of the chance.
    """
    midi = copy.deepcopy(midi)
    step = 60 / score.tempo / score.grid
    for index, instrument in enumerate(midi.instruments):
        rng = np.random.default_rng([seed, index])
        start = notes(score, index)[:, 0]
        accent, late = _metre_and_phrase(start, score)
        loudness = amount * (LOUDNESS * _spread(accent + _drift(start, rng)) + LOUDER * (1 if index == 0 else -1))
        shift = amount * (TIMING * _spread(late + _drift(start, rng)) - EARLIER * (index == 0))
        shift = np.clip(shift, -LATEST * step, LATEST * step)
        for note, louder, later in zip(instrument.notes, loudness.tolist(), shift.tolist(), strict=True):
            middle = note.velocity + amount * (MIDDLE - note.velocity)  # the metre's own is in `accent`
            note.velocity = int(np.clip(round(middle + louder), SOFTEST, LOUDEST))
            note.start, note.end = max(note.start + later, 0.0), note.end + later
        _parted(instrument.notes)
    return midi


def _metre_and_phrase(start: np.ndarray, score: Score) -> tuple[np.ndarray, np.ndarray]:
    """How loud and how late notes are for where they stand, in standard deviations of chance: (N,) each."""
    beat, phrase = score.beat, PHRASE * score.bar
    place = start % phrase / phrase
    strong = np.where(start % score.bar == 0, 1.0, np.where(start % beat == 0, 0.3, -0.8))
    return strong + np.sin(np.pi * place), np.where(start % beat == 0, -0.2, 0.4) + place**4


def _drift(start: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Chance that notes have in common with the ones before, alike for what begins together but for a third: (N,)."""
    moments, which = np.unique(start, return_inverse=True)
    chance = rng.standard_normal(len(moments))
    for number in range(1, len(moments)):
        chance[number] = DRIFT * chance[number - 1] + np.sqrt(1 - DRIFT**2) * chance[number]
    own: np.ndarray = chance[which] + rng.standard_normal(len(start)) / 3
    return own


def _spread(values: np.ndarray) -> np.ndarray:
    """Values with mean 0 and standard deviation 1; zeros where they do not differ."""
    deviation = values.std() if len(values) else 0.0
    return (values - values.mean()) / deviation if deviation > 0 else np.zeros_like(values)


def _parted(played: list[Note]) -> None:
    """End notes where the next one of their pitch begins."""
    following: dict[int, float] = {}
    for note in sorted(played, key=lambda note: -note.start):
        note.end = min(note.end, following.get(note.pitch, note.end))
        following[note.pitch] = note.start
