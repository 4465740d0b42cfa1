"""Played pieces: how much they spread, that they are still the same notes, and that 0 changes nothing."""

import io

import numpy as np
import pytest

from common.errors import UserError
from music.config import GenerateConfig
from music.io.humanising import LOUDNESS, TIMING, humanised
from music.io.midi import from_midi, to_midi
from music.models import MusicModel
from music.performing import perform
from music.score import Score, TrackSpec
from music.theory import PITCHES


def chorale(tempo: float) -> Score:
    """Two voices in eighths and in quarters, of which some repeat, 16 bars."""
    pitch, onset = np.zeros((2, 2, 256, PITCHES), bool)
    for voice, length in enumerate((2, 4)):
        for number, start in enumerate(range(0, 256, length)):
            note = 72 - 12 * voice + number // 2 * 5 % 7
            pitch[voice, start : start + length, note] = onset[voice, start, note] = True
    return Score((TrackSpec("Upper", "mono", 48, 84), TrackSpec("Lower", "mono", 36, 84)), pitch, onset, tempo=tempo)


@pytest.mark.parametrize(("amount", "tempo"), [(1.0, 80.0), (1.0, 240.0), (0.4, 100.0)])
def test_playing_spreads_and_stays_on_its_sixteenths(amount: float, tempo: float) -> None:
    score = chorale(tempo)
    even = to_midi(score)
    played = humanised(even, score, amount, 3)
    read = from_midi(played)
    assert (read.onset == score.onset).all() and (read.pitch == score.pitch).all()
    for before, after in zip(even.instruments, played.instruments, strict=True):
        shifts = [new.start - old.start for old, new in zip(before.notes, after.notes, strict=True)]
        velocities = np.array([note.velocity for note in after.notes])
        assert velocities.min() >= 1 and velocities.max() <= 127
        assert tempo > 200 or 0.9 < np.std(shifts) / (amount * TIMING) < 1.1
        assert amount < 1 or velocities.std() > 0.95 * LOUDNESS > 17
        strong, weak = (
            np.mean([n.velocity for n, o in zip(after.notes, before.notes, strict=True) if o.velocity == v])
            for v in (100, 86)
        )
        assert strong > weak
    assert np.mean([n.velocity for n in played.instruments[0].notes]) > np.mean(
        [n.velocity for n in played.instruments[1].notes]
    )


def test_a_seed_is_a_playing_and_0_changes_no_byte(model: MusicModel) -> None:
    def content(humanise: float, seed: int = 1) -> bytes:
        file = io.BytesIO()
        config = GenerateConfig(bars=2, candidates=1, seed=seed, humanise=humanise)
        piece, midi, _ = perform(model, config)
        assert humanise or [n.velocity for n in midi.instruments[0].notes] == [
            n.velocity for n in to_midi(piece).instruments[0].notes
        ]
        midi.write(file)
        return file.getvalue()

    assert content(0.5) == content(0.5) != content(0.0)
    for wrong in (-0.1, 1.5):
        with pytest.raises(UserError, match="--humanise must be 0 to 1"):
            GenerateConfig(humanise=wrong)
