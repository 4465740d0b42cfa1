"""Scores of a few notes, for the tests of metrics and comparisons."""

from collections.abc import Iterable

import numpy as np
from hypothesis import strategies as st

from music.score import Kind, Score, TrackSpec
from music.theory import Key

Notes = list[tuple[int, int, int]]  # pitch, first step, step after the last


def piece(
    *tracks: Notes, kinds: Iterable[Kind] = (), steps: int = 16, metre: str = "4/4", key: Key | None = None
) -> Score:
    """A score whose tracks, from the highest voice to the lowest, hold these notes; mono by default."""
    pitch = np.zeros((len(tracks), steps, 128), bool)
    onset = np.zeros_like(pitch)
    for index, notes in enumerate(tracks):
        for height, start, stop in notes:
            pitch[index, start:stop, height] = True
            onset[index, start, height] = True
    kinds = list(kinds) or ["mono"] * len(tracks)
    specs = tuple(TrackSpec(f"track {index}", kind, 0, 127 - index) for index, kind in enumerate(kinds))
    return Score(specs, pitch, onset, metre, key or Key())


def line(*pitches: int | None, steps: int = 4) -> Notes:
    """Notes of equal length, one after the other; None is a rest."""
    return [(pitch, i * steps, (i + 1) * steps) for i, pitch in enumerate(pitches) if pitch is not None]


def chord(*pitches: int, start: int = 0, stop: int = 4) -> Notes:
    return [(pitch, start, stop) for pitch in pitches]


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """Three mono voices, one of chords and drums, two bars."""
    lines = [draw(st.lists(st.none() | st.integers(40, 80), min_size=8, max_size=8)) for _ in range(3)]
    chords = [draw(st.sets(st.integers(40, 80), max_size=4)) for _ in range(4)]
    poly = [note for i, pitches in enumerate(chords) for note in chord(*pitches, start=8 * i, stop=8 * i + 8)]
    drums = [(36, step, step + 1) for step in draw(st.sets(st.integers(0, 31)))]
    key = Key(draw(st.integers(0, 11)), draw(st.sampled_from(["major", "minor"])))
    kinds: list[Kind] = ["mono", "mono", "mono", "poly", "drums"]
    return piece(*(line(*pitches) for pitches in lines), poly, drums, kinds=kinds, steps=32, key=key)
