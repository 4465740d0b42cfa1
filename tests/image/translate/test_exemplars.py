"""Copies of other places: found where a picture repeats itself, and laid over a hole without a seam."""

import pytest
import torch
from torch import Tensor

from image.translate.exemplars import APART, COPIES, copies, guessed, offsets
from image.translate.holes import surface


def repeating(period: int, height: int = 64, width: int = 96) -> Tensor:
    """Noise that repeats itself from left to right, (1, 3, H, W)."""
    tile = torch.rand(1, 3, height, period, generator=torch.Generator().manual_seed(0))
    return 2 * tile.repeat(1, 1, 1, -(-width // period))[..., :width] - 1


def hole_in(pictures: Tensor, rows: slice, columns: slice) -> Tensor:
    hole = torch.zeros(len(pictures), 1, *pictures.shape[2:])
    hole[..., rows, columns] = 1
    return hole


@pytest.mark.parametrize("columns", [slice(40, 52), slice(2, 14), slice(84, 96)])
def test_what_repeats_itself_is_restored(columns: slice) -> None:
    true = repeating(24)
    hole = hole_in(true, slice(20, 36), columns)
    given = torch.where(hole > 0, torch.tensor(7.0), true)
    down, right = offsets(given, hole)[0]
    assert down.item() == 0 and abs(right.item()) % 24 == 0 and right.item() != 0
    found = copies(given, hole, surface(given, hole))
    torch.testing.assert_close(found[:, :3], true, rtol=0, atol=1e-5)
    assert found.shape == (1, 3 * COPIES, 64, 96)


def test_copies_are_from_places_apart_and_each_row_has_its_own() -> None:
    pictures = torch.cat([repeating(24), repeating(32)])
    hole = hole_in(pictures, slice(20, 36), slice(40, 52))
    first, second = offsets(pictures, hole)
    assert first[1][0].item() % 24 == 0 and first[1][1].item() % 32 == 0
    steps = torch.stack(first) - torch.stack(second)
    assert (steps.abs().amax(0) >= 2 * APART).all()
    alone = offsets(pictures[1:], hole[1:])[0]
    assert [step.item() for step in alone] == [step[1].item() for step in first]


def test_a_copy_that_is_brighter_all_over_is_corrected() -> None:
    true = repeating(24) / 2
    true[..., 60:] += 0.4
    hole = hole_in(true, slice(20, 36), slice(30, 44))
    found = copies(true, hole, surface(true, hole))[:, :3]
    inside = hole.expand_as(true) > 0
    assert (found - true)[inside].abs().max() < 0.02


@pytest.mark.parametrize("size", [(1, 5), (3, 3), (33, 47)])
def test_pictures_of_any_size_and_holes_that_leave_little_have_copies(size: tuple[int, int]) -> None:
    pictures = torch.rand(2, 3, *size)
    hole = torch.ones(2, 1, *size)
    hole[..., 0, 0] = 0
    found = guessed(pictures, hole)
    assert found.shape == (2, 4 + 3 * COPIES, *size) and found.isfinite().all()
    assert torch.equal(found[:, :3, 0, 0], pictures[..., 0, 0])
