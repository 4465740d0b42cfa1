"""Luma and chroma against Pillow, and luma that stays exactly what it is."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from image.translate.chroma import chroma, coloured, luma, rounded_luma


def noise(seed: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def test_luma_is_what_pillow_says() -> None:
    pixels = noise(0, 64)
    found = rounded_luma(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0, 0]
    assert np.array_equal(found, np.asarray(Image.fromarray(pixels).convert("L")))


def test_chroma_is_what_pillow_says() -> None:
    pixels = noise(1, 64)
    found = 127.5 * chroma(torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1)[0] + 128
    expected = np.asarray(Image.fromarray(pixels).convert("YCbCr"))[..., 1:]
    assert np.abs(found.permute(1, 2, 0).numpy() - expected).max() < 1.01


def test_luma_and_chroma_of_plain_colours_by_hand() -> None:
    red = torch.tensor([1.0, -1, -1])[None, :, None, None]
    assert luma(red).item() == pytest.approx(2 * 0.299 - 1, abs=1e-4)
    assert chroma(red).flatten().tolist() == pytest.approx([-0.299 / 0.886, 1], abs=1e-4)
    assert not chroma(torch.full((1, 3, 1, 1), 0.3)).abs().max() > 1e-6


@given(st.integers(0, 1 << 30), st.sampled_from([255, 65535]), st.floats(0, 4))
def test_any_colours_leave_the_luma_as_it_is(seed: int, most: int, strength: float) -> None:
    draw = np.random.default_rng(seed)
    grey = torch.from_numpy(draw.integers(0, most + 1, (1, 1, 8, 8)))
    colours = torch.from_numpy(strength * draw.uniform(-1, 1, (1, 2, 8, 8)))
    found = coloured(grey, colours, most)
    assert found.min() >= 0 and found.max() <= most
    assert torch.equal(rounded_luma(found), grey)


def test_colours_come_back_and_no_colour_is_grey() -> None:
    pixels = torch.from_numpy(noise(2)).permute(2, 0, 1)[None]
    found = coloured(rounded_luma(pixels), chroma(pixels / 127.5 - 1))
    assert (found - pixels).abs().max() <= 2
    grey = torch.arange(256).view(1, 1, 16, 16)
    assert torch.equal(coloured(grey, torch.zeros(1, 2, 16, 16)), grey.expand(-1, 3, -1, -1))
