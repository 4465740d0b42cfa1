"""Where voices break rules of counterpoint, step by step: what `music.metrics` counts, and `music.mending` mends.

Voices are int64 (..., V, S), what each sings at each step: a MIDI pitch or SILENT, the highest voice first.
"""

from collections.abc import Sequence

import numpy as np

from music.score import TrackSpec

TRIADS = ((0, 4, 7), (0, 3, 7), (0, 3, 6), (0, 4, 8))  # major, minor, diminished, augmented
# Dominant, major, minor, half-diminished and diminished seventh.
SEVENTHS = ((0, 4, 7, 10), (0, 4, 7, 11), (0, 3, 7, 10), (0, 3, 6, 10), (0, 3, 6, 9))
FIFTH = 7  # semitones
STEPWISE = 2  # semitones, the widest move that is no leap
SILENT = -1  # in place of a pitch


def _chord_table() -> np.ndarray:
    """Whether a set of pitch classes, as a sum of 2^class, is part of a chord: bool (4096,)."""
    sets = np.arange(1 << 12)
    chords = [sum(1 << (root + tone) % 12 for tone in chord) for chord in (*TRIADS, *SEVENTHS) for root in range(12)]
    return np.any([sets & ~chord == 0 for chord in chords], axis=0) & (np.bitwise_count(sets) >= 2)


_IS_CHORD = _chord_table()


def voices_of(tracks: Sequence[TrackSpec]) -> list[int]:
    """The mono tracks from the highest voice to the lowest.

    Their order is that of the middles of their ranges; where these are equal, that of the tracks.
    """
    mono = [index for index, track in enumerate(tracks) if track.kind == "mono"]
    return sorted(mono, key=lambda index: -tracks[index].low - tracks[index].high)


def top_line(pitch: np.ndarray) -> np.ndarray:
    """The highest sounding pitch, or SILENT: (..., P) to int64 (...)."""
    highest = pitch.shape[-1] - 1 - pitch[..., ::-1].argmax(axis=-1, keepdims=True)
    return np.where(np.take_along_axis(pitch, highest, -1), highest, SILENT)[..., 0]


def parallel_moves(voices: np.ndarray) -> np.ndarray:
    """Where two voices arrive by parallel fifths, octaves or unisons: bool (..., V (V - 1) / 2, S).

    See `music.metrics.parallels`; pairs are in the order of `np.triu_indices`.
    """
    first, second = np.triu_indices(voices.shape[-2], k=1)
    before = _before(voices)
    motion = np.sign(voices - before) * _moving(voices)
    interval, earlier = (np.abs(own[..., first, :] - own[..., second, :]) % 12 for own in (voices, before))
    perfect = (interval == earlier) & ((interval == 0) | (interval == FIFTH))
    return perfect & (motion[..., first, :] == motion[..., second, :]) & (motion[..., first, :] != 0)


def crossings(voices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the lower of two neighbouring voices is above the upper one, and where both sound: bool (..., V - 1, S)."""
    upper, lower = voices[..., :-1, :], voices[..., 1:, :]
    sounding = (upper != SILENT) & (lower != SILENT)
    return (lower > upper) & sounding, sounding


def dissonances(counts: np.ndarray, beat: int) -> tuple[np.ndarray, np.ndarray]:
    """Where a beat begins with what is part of no chord, and where one begins with three notes: bool (..., S).

    See `music.metrics.chord_on_beat`.

    Args:
        counts: how many notes of each pitch class sound, (..., S, 12).
        beat: steps a beat.
    """
    full = (counts.sum(axis=-1) >= 3) & (np.arange(counts.shape[-2]) % beat == 0)
    return full & ~_IS_CHORD[(counts > 0) @ (1 << np.arange(12))], full


def moves(voices: np.ndarray, onset: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where a voice leaps to a new note, where it repeats one, and where it goes on to one: bool (..., V, S).

    Args:
        onset: where notes begin, bool (..., V, S, P). What begins after a rest goes on from nothing.
    """
    going = np.logical_and(onset.any(axis=-1), _moving(voices))
    size = np.abs(voices - _before(voices))
    return going & (size > STEPWISE), going & (size == 0), going


def _before(voices: np.ndarray) -> np.ndarray:
    """What each voice sang a step earlier."""
    return np.concatenate([np.full_like(voices[..., :1], SILENT), voices[..., :-1]], axis=-1)


def _moving(voices: np.ndarray) -> np.ndarray:
    """Where a voice sounds, and did a step earlier."""
    return (voices != SILENT) & (_before(voices) != SILENT)
