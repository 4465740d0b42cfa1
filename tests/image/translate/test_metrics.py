"""Measures of translated pictures, by hand."""

import math

import numpy as np
import pytest
import torch

from image.translate.metrics import colourfulness, psnr, squared_error, weave


def test_grey_has_no_colourfulness() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (8, 8, 1), dtype=np.uint8)
    assert colourfulness(np.repeat(grey, 3, 2)) == 0


def test_colourfulness_by_hand() -> None:
    pixels = np.array([[[100, 0, 0], [0, 0, 0]]], np.uint8)  # rg: 100 and 0; yb: 50 and 0
    expected = math.hypot(50, 25) + 0.3 * math.hypot(50, 25)
    assert colourfulness(pixels) == pytest.approx(expected)


def test_errors_and_psnr_by_hand() -> None:
    first, second = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    second[0, 0] = 6
    assert squared_error(first, second) == 9
    assert squared_error(first, second, np.array([[True, False], [False, False]])) == 36
    assert psnr(255.0**2) == 0 and psnr(255.0**2 / 100) == pytest.approx(20) and psnr(0) == math.inf


def test_the_weave_by_hand() -> None:
    true = torch.full((1, 3, 16, 16), 100, dtype=torch.uint8)
    true[..., 8:] = 255  # white areas do not count
    dots = torch.zeros(16, 16, dtype=torch.uint8)
    dots[::2, ::2] = 8  # waves of amplitude 2 along, across and both
    assert weave(true + dots, true) == pytest.approx(math.sqrt(3 * 2**2))
    ramp = 3 * torch.arange(16, dtype=torch.uint8)
    for smooth in (0, 5, ramp, ramp[:, None]):
        assert weave(true + smooth, true) == pytest.approx(0, abs=1e-9)
    assert weave(true, true * 0 + 255) is None
