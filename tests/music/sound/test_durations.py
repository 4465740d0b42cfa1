"""Notes that last longer or shorter than they were learned."""

import pytest
import torch
from torch import Tensor

from music.sound.config import FRAMES
from music.sound.durations import ATTACK, RELEASE, lasting, stretched
from music.sound.synthesis import HARMONICS, ROWS, amplitudes


def test_stretching_keeps_attack_and_release() -> None:
    maps = torch.randn(1, 2, 8, FRAMES)
    assert torch.equal(stretched(maps, FRAMES), maps[0])
    long = stretched(maps, 200)
    assert torch.equal(long[..., :ATTACK], maps[0, ..., :ATTACK])
    assert torch.equal(long[..., -RELEASE:], maps[0, ..., -RELEASE:])
    assert torch.equal(stretched(maps, 20), maps[0, ..., :20])


def test_several_maps_are_gone_through_from_the_first_to_the_last() -> None:
    maps = torch.stack([torch.full((2, 8, FRAMES), float(number)) for number in range(3)])
    assert (stretched(maps, 100)[0, 0].diff() >= 0).all()
    assert torch.equal(lasting(maps, 100), stretched(maps, 100))


def dying(fall: float) -> Tensor:
    """A score whose harmonics fall by so much a frame, with a vibrato."""
    score = torch.full((1, 1, ROWS, FRAMES), -60.0)
    score[:, :, : 2 * 8] = -2 - fall * torch.arange(FRAMES)
    score[:, :, -2] = torch.sin(torch.arange(FRAMES) / 2)
    return score


@pytest.mark.parametrize("frames", [FRAMES, FRAMES + 1, 100, 400])
def test_what_dies_away_dies_on_at_its_pace(frames: int) -> None:
    score = dying(0.05)
    long = lasting(score, frames)
    assert long.shape == (1, ROWS, frames)
    torch.testing.assert_close(long[0, 0], -2 - 0.05 * torch.arange(frames))
    torch.testing.assert_close(long[..., :ATTACK], score[0, ..., :ATTACK])
    torch.testing.assert_close(long[0, -2:, -RELEASE:], score[0, 0, -2:, -RELEASE:])


def test_what_is_held_stays_as_loud_and_trembles_at_its_pace() -> None:
    score = dying(0.001)
    long = lasting(score, 400)
    loudness = amplitudes(long[0, :HARMONICS]).sum(0)
    assert loudness[200:-RELEASE].min() > 0.9 * loudness[ATTACK]
    assert long[0, -2].diff().abs().max() <= score[0, 0, -2].diff().abs().max() + 0.5  # where it turns
    changes = (long[0, -2, 50:350].sign().diff() != 0).sum() / 300
    assert 0.6 < float(changes) / float((score[0, 0, -2].sign().diff() != 0).sum() / FRAMES) < 1.6


def test_shorter_notes_are_stretched() -> None:
    score = dying(0.05)
    assert torch.equal(lasting(score, 50), stretched(score, 50))
