"""Lines of pictures, drawings as people make them, and what cleaning does to them."""

import torch
from torch.nn import functional as F

from common.randomness import Draw
from image.translate.drawings import cleaned, lines, sketches


def shapes(count: int = 16, side: int = 64) -> torch.Tensor:
    """Coloured squares with black borders on white, of several sizes, (N, 3, side, side) in [-1, 1]."""
    pictures = torch.ones(count, 3, side, side)
    for row in range(count):
        edge = 8 + row % 8
        pictures[row, :, edge:-edge, edge:-edge] = -1
        pictures[row, :, edge + 2 : -edge - 2, edge + 2 : -edge - 2] = torch.tensor([1.0, 0, -0.5])[:, None, None]
    return pictures


def test_lines_are_where_it_is_darker_than_around() -> None:
    pictures = torch.ones(1, 3, 21, 21)
    assert lines(pictures).min() == 1 and lines(-pictures).min() > 0.99
    pictures[..., 10] = -1
    found = lines(pictures)[0, 0]
    assert found.shape == (21, 21) and (found[:, 10] < -0.9).all() and (found[:, :6] > 0.9).all()
    faint = torch.ones(1, 3, 21, 21)
    faint[:, 2, :, 10] = 0  # in one channel alone
    assert lines(faint)[0, 0, 5, 10] < 0


def test_sketches_are_of_each_draw_and_some_are_clean() -> None:
    pictures = shapes(64)
    found = sketches(pictures, Draw(0, rows=64))
    assert found.shape == (64, 1, 64, 64) and found.min() >= -1 and found.max() <= 1
    assert torch.equal(found, sketches(pictures, Draw(0, rows=64)))
    assert not torch.equal(found, sketches(pictures, Draw(1, rows=64)))
    dirty = ((found > -0.9) & (found < 0.9)).float().mean((1, 2, 3))
    assert 0.2 < (dirty < 0.045).float().mean() < 0.8


def test_sketches_lie_about_where_the_lines_are() -> None:
    pictures = shapes(64)
    found, near = sketches(pictures, Draw(0, rows=64)), -F.max_pool2d(-lines(pictures), 9, 1, 4)
    paper = near > 0.9
    assert found[paper].mean() > 0.9 > found[~paper].mean() + 0.3


def test_cleaning_takes_tone_and_shade_and_leaves_lines() -> None:
    drawing = lines(shapes(4))
    shade = torch.linspace(0.9, 0.6, 64)[None, None, None]
    pencil = 1 - 0.5 * (1 - drawing) / 2
    for light in ((drawing + 1) / 2, shade * (drawing + 1) / 2, shade * pencil):
        assert (cleaned(light) - drawing).abs().mean() < 0.03


def test_cleaning_survives_any_page() -> None:
    for light in (0.0, 0.5, 1.0):
        assert cleaned(torch.full((1, 1, 5, 70), light)).isfinite().all()
    assert cleaned(torch.full((1, 1, 40, 40), 0.6)).min() == 1
