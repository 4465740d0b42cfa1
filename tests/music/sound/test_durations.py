"""Notes that last longer or shorter than they were learned."""

import pytest
import torch
from torch import Tensor

from common.data.arrays import Arrays
from music.sound.config import FRAMES, HOP, RATE, length
from music.sound.durations import ATTACK, RELEASE, fall_of, falls, lasting, stretched
from music.sound.synthesis import ROWS


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
    long = lasting(score, frames, 64.0)
    assert long.shape == (1, ROWS, frames)
    torch.testing.assert_close(long[0, 0], -2 - 0.05 * torch.arange(frames), atol=1e-4, rtol=0)
    torch.testing.assert_close(long[..., :ATTACK], score[0, ..., :ATTACK])
    torch.testing.assert_close(long[0, -2:, -RELEASE:], score[0, 0, -2:, -RELEASE:])


def test_no_partial_of_a_note_that_dies_sounds_for_ever() -> None:
    score = dying(0.05)
    score[:, :, 3] = -2.0
    long = lasting(score, 400, 64.0)
    assert float(long[0, 3, -1]) == pytest.approx(-2 - 0.5 * 64 / 20 * HOP / RATE * (400 - FRAMES), abs=1e-3)


def test_what_is_held_stays_as_loud_and_trembles_at_its_pace() -> None:
    score = dying(0.01)  # in the second that was learned
    long = lasting(score, 400, 1.0)
    end = FRAMES - RELEASE - 1
    kept = score[0, 0, 0, end].expand(400 - RELEASE - end)
    torch.testing.assert_close(long[0, 0, end:-RELEASE], kept, atol=1e-4, rtol=0)
    changes = (long[0, -2, 50:350].sign().diff() != 0).sum() / 300
    assert 0.6 < float(changes) / float((score[0, 0, -2].sign().diff() != 0).sum() / FRAMES) < 1.6


def test_shorter_notes_are_stretched() -> None:
    score = dying(0.05)
    assert torch.equal(lasting(score, 50, 64.0), stretched(score, 50))


def test_falls_by_hand() -> None:
    time = torch.arange(length(1)) / RATE
    tone = torch.sin(2 * torch.pi * 500 * time)
    sounds = torch.stack([tone * 10 ** (-time), tone, tone * 10 ** (-time / 4)])  # 20, 0 and 5 dB a second
    assert fall_of(sounds).tolist() == pytest.approx([20, 0, 5], abs=0.2)
    stored = Arrays({"wave": (sounds * 32_767).to(torch.int16), "label": torch.tensor([0, 2, 2])})
    assert falls(stored, 3) == pytest.approx((20, 0, 0), abs=0.2)
