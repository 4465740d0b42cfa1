"""A small collection of tunes for three voices."""

from pathlib import Path

import numpy as np

from music.io.midi import save_midi, to_midi
from music.score import Score, TrackSpec
from music.theory import PITCHES, Key, bar_of

VOICES = (TrackSpec("High", "mono", 60, 84), TrackSpec("Middle", "mono", 53, 76), TrackSpec("Low", "mono", 36, 60))
SCALE = np.array([0, 2, 4, 5, 7, 9, 11])
STYLES = {"march": "4/4", "waltz": "3/4"}


def voice(rng: np.random.Generator, lowest: int, beats: int) -> np.ndarray:
    """A random walk on the white keys over an octave and a half from `lowest`, a C, where it ends: pitches (beats,)."""
    degrees = np.abs(np.cumsum(rng.integers(-2, 3, beats)) + 4) % 11
    degrees[-1] = 0
    return lowest + 12 * (degrees // 7) + SCALE[degrees % 7]


def tune(seed: int, metre: str, key: Key, bars: int = 6) -> Score:
    """A tune in quarter notes; half of them last two."""
    rng, steps = np.random.default_rng(seed), bars * bar_of(metre, 4)
    pitch, onset = np.zeros((2, len(VOICES), steps, PITCHES), bool)
    for index, lowest in enumerate((60, 48, 36)):
        line = voice(rng, lowest, steps // 4) + key.tonic
        for beat, note in enumerate(line):
            pitch[index, 4 * beat : 4 * beat + 4, note] = True
            onset[index, 4 * beat, note] = beat == 0 or line[beat - 1] != note or rng.random() < 0.5
    return Score(VOICES, pitch, onset, metre, key, 90.0)


def save_tunes(folder: Path) -> Path:
    """A folder of 2 x 10 MIDI files for three voices: marches in 4/4 and waltzes in 3/4, in C and G."""
    for number, (style, metre) in enumerate(STYLES.items()):
        (folder / style).mkdir(parents=True)
        for index in range(10):
            score = tune(100 * number + index, metre, Key(7 * (index % 2)))
            save_midi(to_midi(score), folder / style / f"{style} {index}.mid")
    return folder
