"""Fidelity: the published figures of bicubic, a second SSIM written from its definition, hand-worked values."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from numpy.typing import NDArray

from common.errors import UserError
from superres.metrics import (
    Fidelity,
    down_consistency,
    fidelity,
    luma,
    mean_fidelity,
    psnr,
    psnr_y,
    ssim,
    ssim_y,
)
from superres.resize import cropped, low_resolution, resize, rounded, upscale

Pairs = dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]]
PUBLISHED = {2: (33.66, 0.9299), 3: (30.39, 0.8682), 4: (28.42, 0.8104)}  # bicubic on Set5, as in Kim et al. 2016
BY_COLOUR = {2: (33.67, 0.9303), 3: (30.40, 0.8689), 4: (28.43, 0.8111), 8: (24.40, 0.6581)}  # ours


def noise(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_bicubic_has_its_published_figures(set5: Pairs, scale: int) -> None:
    if scale not in PUBLISHED:
        pytest.skip("none published by this protocol")
    found = []
    for high, _ in set5.values():
        true = rounded(luma(cropped(high, scale))).astype(float)
        low = resize(true, (true.shape[0] // scale, true.shape[1] // scale))
        ours = rounded(upscale(low, scale))
        found.append((psnr(ours, true, scale), ssim(ours, true, scale)))
    decibels, similarity = np.mean(found, axis=0)
    assert (round(decibels, 2), round(similarity, 4)) == PUBLISHED[scale]


def test_bicubic_of_the_published_pictures_is_no_further_off_than_rounding(set5: Pairs, scale: int) -> None:
    found = [fidelity(upscale(low, scale), cropped(high, scale), low, scale) for high, low in set5.values()]
    mean = mean_fidelity(found)
    assert (round(mean.psnr_y, 2), round(mean.ssim_y, 4)) == BY_COLOUR[scale]
    if scale == 4:
        assert mean.psnr_y == pytest.approx(28.42, abs=0.015) and mean.ssim_y == pytest.approx(0.8104, abs=0.001)
        assert mean.psnr_rgb == pytest.approx(26.69, abs=0.005)


def test_true_pictures_are_consistent_with_what_was_made_of_them(set5: Pairs, scale: int) -> None:
    for high, low in set5.values():
        off = down_consistency(cropped(high, scale), low)
        assert off < 0.12 if scale == 8 else off == 0


def test_luma_by_hand() -> None:
    colours = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [51, 102, 0]]], np.uint8)
    expected = [16, 235, 16 + 65.481, 16 + 128.553, 16 + 24.966, 16 + 65.481 / 5 + 2 * 128.553 / 5]
    np.testing.assert_allclose(luma(colours)[0], expected, atol=1e-9)
    grey = noise(4, 5)
    np.testing.assert_allclose(luma(grey), luma(np.repeat(grey[..., None], 3, 2)))


def test_psnr_by_hand() -> None:
    black = np.zeros((6, 6), np.uint8)
    assert psnr(black, black + 1) == pytest.approx(20 * math.log10(255))
    assert psnr(black, black + 255) == 0
    assert psnr(black, black) == math.inf
    assert psnr(black + 1, black) == psnr(black, black + 1)  # uint8 does not wrap


def test_the_border_does_not_count() -> None:
    true = noise(20, 24, 3)
    ours = true.copy()
    ours[:2], ours[-2:], ours[:, :2], ours[:, -2:] = 0, 0, 0, 0
    assert psnr_y(ours, true, 2) == math.inf and ssim_y(ours, true, 2) == pytest.approx(1)
    assert psnr_y(ours, true, 1) < 30 and ssim_y(ours, true, 1) < 0.9999


def test_psnr_of_colours_takes_all_channels() -> None:
    true = noise(20, 20, 3) // 2
    ours = true + np.array([3, 0, 0], np.uint8)
    assert psnr(ours, true, 4) == pytest.approx(10 * math.log10(255**2 / 3))


def test_ssim_of_even_planes_by_hand() -> None:
    first, second = np.full((11, 13), 100.0), np.full((11, 13), 120.0)
    c1 = (0.01 * 255) ** 2
    assert ssim(first, second) == pytest.approx((2 * 100 * 120 + c1) / (100**2 + 120**2 + c1))
    assert ssim(first, first) == pytest.approx(1)


def test_ssim_is_what_its_definition_says() -> None:
    x = noise(14, 17).astype(float)
    y = np.clip(x + np.random.default_rng(1).normal(0, 30, x.shape), 0, 255)
    line = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line) / np.outer(line, line).sum()
    values = []
    for top in range(14 - 10):
        for left in range(17 - 10):
            a, b = x[top : top + 11, left : left + 11], y[top : top + 11, left : left + 11]
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
            together = (window * (a - mean_a) * (b - mean_b)).sum()
            numerator = (2 * mean_a * mean_b + 2.55**2) * (2 * together + 7.65**2)
            values.append(numerator / ((mean_a**2 + mean_b**2 + 2.55**2) * (var_a + var_b + 7.65**2)))
    assert ssim(x, y) == pytest.approx(float(np.mean(values)), abs=1e-12)


def test_down_consistency_by_hand() -> None:
    even = np.full((16, 24, 3), 100, np.uint8)
    low = np.full((4, 6, 3), 100, np.uint8)
    low[0, 0] = 160  # one pixel of 24
    assert down_consistency(even, low) == pytest.approx(60 / 24)
    high = noise(32, 32)
    assert down_consistency(high, low_resolution(high, 4)) == 0


def test_all_measures_at_once_and_their_mean() -> None:
    true = noise(48, 48, 3)
    low = low_resolution(true, 2)
    ours = upscale(low, 2)
    one = fidelity(ours, true, low, 2)
    assert one == Fidelity(
        psnr_y(ours, true, 2), ssim_y(ours, true, 2), psnr(ours, true, 2), down_consistency(ours, low)
    )
    assert mean_fidelity([one, Fidelity(30.0, 1.0, 20.0, 0.0)]).psnr_y == pytest.approx((one.psnr_y + 30) / 2)
    assert all(type(value) is float for value in astuple(mean_fidelity([one])))


def test_what_cannot_be_measured_is_said() -> None:
    small = noise(12, 18)
    with pytest.raises(UserError, match="18 x 12 pixels is too small to measure; 19 x 19 would do"):
        ssim(small, small, 4)
    with pytest.raises(UserError, match="9 x 9 would do"):
        psnr(noise(1, 1), noise(1, 1), 4)
    with pytest.raises(ValueError, match="not of one shape"):
        psnr(small, noise(12, 17))
    with pytest.raises(ValueError, match="differ in channels"):
        down_consistency(noise(8, 8, 3), noise(2, 2))
