"""Drawings are brought to the size that a network knows, and what was painted comes back within the strokes."""

import numpy as np
import pytest
import torch
from skimage import data

from image.translate.pages import Page


def scan(height: int = 300, width: int = 300) -> torch.Tensor:
    """A frame with a bar in the middle, strokes of 8 pixels, on grey and uneven paper with grain; from 0 to 1."""
    light = torch.ones(1, 1, height, width)
    light[..., 40:-40, 40:-40] = 0.2
    light[..., 48:-48, 48:-48] = 1
    light[..., 40:-40, width // 2 - 4 : width // 2 + 4] = 0.2
    grain = 0.03 * torch.randn(height, width, generator=torch.Generator().manual_seed(0))
    return (light * torch.linspace(0.9, 0.7, width) + grain).clamp(0, 1)


@pytest.mark.parametrize(("size", "known"), [((300, 300), (96, 96)), ((200, 300), (64, 96)), ((48, 40), (96, 80))])
def test_the_longer_side_is_what_is_known(size: tuple[int, int], known: tuple[int, int]) -> None:
    page = Page.of(torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0)), 96)
    assert page.drawing.shape == (1, 1, *known)
    assert page.enlarged(torch.zeros(1, 3, *known)).shape == (1, 3, *size)


def test_what_is_of_the_known_size_comes_back_as_it_is() -> None:
    painted = torch.rand(1, 3, 96, 96)
    assert torch.equal(Page.of(torch.rand(1, 1, 96, 96), 96).enlarged(painted), painted)


def test_paper_is_white_and_colours_end_at_the_strokes() -> None:
    page = Page.of(scan(), 96)
    is_stroke = page.drawing < 0
    assert page.drawing[..., :10, :].mean() > 0.9 and 0.02 < is_stroke.float().mean() < 0.2
    painted = torch.ones(1, 3, 96, 96)  # white around, red to the left of the bar and blue to the right, black strokes
    painted[:, 1:, 14:-14, 14:48], painted[:, :2, 14:-14, 48:-14] = -1, -1
    found = page.enlarged(torch.where(is_stroke, -1, painted))
    red, blue, white = found[..., 52:-52, 52:140], found[..., 52:-52, 160:-52], found[..., :, :34]
    for colour, expected in ((red, (1.0, -1, -1)), (blue, (-1.0, -1, 1)), (white, (1.0, 1, 1))):
        assert (colour - torch.tensor(expected)[:, None, None]).abs().mean() < 0.1
    assert found[..., 60:-60, 148:152].mean() < -0.8


def test_drawings_raise_no_doubts() -> None:
    assert Page.of(scan(), 96).doubts() == []


@pytest.mark.parametrize("name", ["astronaut", "camera", "coffee", "chelsea"])
def test_photos_are_told_from_drawings(name: str) -> None:
    pixels = np.asarray(getattr(data, name)(), np.float32) / 255
    grey = pixels if pixels.ndim == 2 else pixels.mean(2)
    (doubt,) = Page.of(torch.from_numpy(grey)[None, None], 96).doubts()
    assert "photo" in doubt


@pytest.mark.parametrize(
    ("light", "words"),
    [
        (torch.full((1, 1, 100, 100), 0.8), "shows no lines"),
        (0.25 * scan(), "is dark"),
        (scan(1200, 800), "800 x 1,200 pixels"),
    ],
)
def test_what_is_beyond_the_learned_is_told(light: torch.Tensor, words: str) -> None:
    (doubt,) = Page.of(light, 96).doubts()
    assert words in doubt
