"""Holes: how large, of which draw, how deep; and the surface that fills begin from, by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from common.pictures.reading import Picture
from common.pictures.writing import write_pictures
from common.randomness import Draw
from image.translate.__main__ import read_mask
from image.translate.holes import MOST, deepest, depth, holes, measured_holes, surface


def test_holes_to_learn_from_cover_up_to_a_third_and_never_nothing() -> None:
    found = holes(Draw(0, rows=400), 64, 80)
    shares = found.mean((1, 2, 3))
    assert found.shape == (400, 1, 64, 80) and set(found.unique().tolist()) == {0, 1}
    assert shares.min() > 0 and 0.3 < shares.max() <= MOST and 0.1 < shares.mean() < 0.2


def test_holes_are_a_function_of_the_draw_and_of_rows_that_are_asked_for() -> None:
    found = holes(Draw(0, rows=8), 32, 32)
    assert torch.equal(found, holes(Draw(0, rows=8), 32, 32)) and not torch.equal(found, holes(Draw(1, rows=8), 32, 32))
    assert torch.equal(found[4:], holes(Draw(0, rows=8, local=slice(4, 8)), 32, 32))


def test_holes_to_measure_by_are_an_eighth_to_three_eighths_wide_and_lie_inside() -> None:
    found = measured_holes(Draw(0, rows=200), 128, 128)[:, 0]
    for axis in (1, 2):
        along = found.amax(3 - axis)
        sides = along.sum(1)
        assert sides.min() >= 16 and sides.max() <= 48 and sides.max() - sides.min() > 25
        assert torch.equal((along.diff(dim=1) != 0).sum(1) + along[:, 0] + along[:, -1], torch.full((200,), 2.0))


def test_the_surface_over_a_slope_is_the_slope() -> None:
    y, x = torch.meshgrid(torch.linspace(-0.5, 0.5, 64), torch.linspace(-0.5, 0.5, 80), indexing="ij")
    true = torch.stack([y, x, y + x])[None]
    hole = torch.zeros(1, 1, 64, 80)
    hole[..., 20:44, 24:52] = 1
    found = surface(torch.where(hole > 0, torch.tensor(9.0), true), hole)
    assert (found - true).abs().max() < 0.02
    assert torch.equal(found[(hole == 0).expand_as(true)], true[(hole == 0).expand_as(true)])


def test_the_surface_is_a_mean_of_neighbours_and_never_beyond_them() -> None:
    pictures, hole = torch.zeros(2, 1, 1, 3), torch.zeros(2, 1, 1, 3)
    pictures[0, ..., 0], pictures[0, ..., 2], hole[0, ..., 1] = 1.0, 3.0, 1
    hole[1, ..., 1:], pictures[1, ..., 0] = 1, 5.0
    found = surface(pictures, hole)
    assert found[0].flatten().tolist() == pytest.approx([1, 2, 3], abs=0.01)
    assert found[1].flatten().tolist() == pytest.approx([5, 5, 5])
    noise = torch.rand(4, 3, 33, 47, generator=torch.Generator().manual_seed(0))
    filled = surface(noise, holes(Draw(0, rows=4), 33, 47))
    assert filled.min() >= 0 and filled.max() <= 1


def test_depths_by_hand() -> None:
    hole = np.zeros((9, 20), bool)
    hole[2:7, 3:17] = True
    assert depth(hole) == 3
    hole[:, 3:17] = True  # from border to border; what is known is left and right
    assert depth(hole) == 7
    assert deepest(128) == pytest.approx(0.57 * 64)


def test_masks_are_light_where_they_are_seen(tmp_path: Path) -> None:
    light = np.zeros((4, 6, 1), np.uint8)
    light[1:3, 2:5] = 255
    white = np.concatenate([np.full((4, 6, 3), 255, np.uint8), light], 2)  # on transparent
    for pixels in (light, light.repeat(3, 2), white, white[..., [0, 3]], white.astype(np.uint16) * 257):
        write_pictures(tmp_path / "mask.png", [Picture(pixels)])
        assert np.array_equal(read_mask(tmp_path / "mask.png"), light[..., 0] > 0)
