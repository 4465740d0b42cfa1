"""How close an upscaled picture is to the true one, by the protocol of the published figures.

Pictures are uint8, (H, W) grey or (H, W, 3) RGB. PSNR-Y and SSIM-Y are taken on luma without a border as wide as the
scale, and averaged over pictures. Luma is not rounded to integers, which would cost 0.01 dB at 28 dB and some 0.05 dB
at 37 dB. Bicubic's published 28.42 dB and 0.8104 (Set5, x4) are of luma that was rounded and then shrunk and enlarged
alone; by way of the published LR pictures, in colour, bicubic has 28.43 dB and 0.8111.
"""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from common.errors import UserError
from superres.resize import resize

PEAK = 255.0
LUMA = np.array([65.481, 128.553, 24.966]) / 255  # of R, G and B of 0 .. 255
BLACK = 16.0
WINDOW, DEVIATION = 11, 1.5  # pixels, of SSIM's Gaussian
STABILISERS = ((0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2)

Plane = NDArray[np.floating[Any]] | NDArray[np.uint8]


@dataclass(frozen=True)
class Fidelity:
    """What one picture, or the mean of several, has by each measure."""

    psnr_y: float  # dB
    ssim_y: float  # up to 1
    psnr_rgb: float  # dB, over all channels
    down_consistency: float  # grey levels


def fidelity(upscaled: NDArray[np.uint8], true: NDArray[np.uint8], low: NDArray[np.uint8], scale: int) -> Fidelity:
    """All measures of one picture.

    Args:
        upscaled, true: of the same shape.
        low: what was upscaled.
        scale: by how much, and the width of the border that is left out.

    Raises:
        UserError: the picture is too small for a border and a window.
        ValueError: shapes differ.
    """
    return Fidelity(
        psnr_y(upscaled, true, scale), ssim_y(upscaled, true, scale), psnr(upscaled, true, scale),
        down_consistency(upscaled, low),
    )  # fmt: skip


def mean_fidelity(pictures: Sequence[Fidelity]) -> Fidelity:
    """The mean over pictures, of decibels too, as is the custom; at least one."""
    return Fidelity(*np.mean([astuple(one) for one in pictures], axis=0).tolist())


def luma(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Y of ITU-R BT.601 in studio range, 16 .. 235, unrounded: uint8 (H, W) or (H, W, 3) -> (H, W)."""
    return BLACK + (image @ LUMA if image.ndim == 3 else image * LUMA.sum())


def psnr(first: Plane, second: Plane, border: int = 0) -> float:
    """Peak signal-to-noise ratio, dB: 10 log10(255^2 / mean squared difference); infinite for equal pictures.

    Args:
        first, second: grey levels, of the same shape, with channels or without.
        border: pixels left out on every side.

    Raises:
        UserError: the border leaves nothing.
        ValueError: shapes differ.
    """
    error = float(np.square(np.subtract(*_inner(first, second, border, 1))).mean())
    return 10 * math.log10(PEAK**2 / error) if error else math.inf


def ssim(first: Plane, second: Plane, border: int = 0) -> float:
    """Structural similarity (Wang et al. 2004), as their `ssim_index.m`: the mean where the whole window fits.

    Args:
        first, second: grey levels, (H, W) both.
        border: pixels left out on every side.

    Raises:
        UserError: the border leaves less than a window of 11 x 11.
        ValueError: shapes differ.
    """
    x, y = _inner(first, second, border, WINDOW)
    x_mean, y_mean = _local_mean(x), _local_mean(y)
    x_variance = _local_mean(x * x) - x_mean**2
    y_variance = _local_mean(y * y) - y_mean**2
    covariance = _local_mean(x * y) - x_mean * y_mean
    c1, c2 = STABILISERS
    luminance = (2 * x_mean * y_mean + c1) / (x_mean**2 + y_mean**2 + c1)
    structure = (2 * covariance + c2) / (x_variance + y_variance + c2)
    return float((luminance * structure).mean())


def psnr_y(upscaled: NDArray[np.uint8], true: NDArray[np.uint8], scale: int) -> float:
    """`psnr` of luma without a border of `scale` pixels, dB."""
    return psnr(luma(upscaled), luma(true), scale)


def ssim_y(upscaled: NDArray[np.uint8], true: NDArray[np.uint8], scale: int) -> float:
    """`ssim` of luma without a border of `scale` pixels."""
    return ssim(luma(upscaled), luma(true), scale)


def down_consistency(upscaled: NDArray[np.uint8], low: NDArray[np.uint8]) -> float:
    """How far an upscaled picture is from what it was made of: mean |bicubic shrinking of it - low|, grey levels.

    0 for the true picture if `low` is its `low_resolution` (but about 0.1 at x8, which they rounded otherwise).

    Raises:
        ValueError: one is grey and the other is not.
    """
    if upscaled.shape[2:] != low.shape[2:]:
        raise ValueError(f"{upscaled.shape} and {low.shape} differ in channels")
    shrunk = resize(upscaled, (low.shape[0], low.shape[1]))
    return float(np.abs(shrunk.astype(np.float64) - low).mean())


def _inner(first: Plane, second: Plane, border: int, least: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if first.shape != second.shape:
        raise ValueError(f"{first.shape} and {second.shape} are not of one shape")
    height, width = first.shape[:2]
    if min(height, width) - 2 * border < least:
        needed = least + 2 * border
        raise UserError(f"a picture of {width} x {height} pixels is too small to measure; {needed} x {needed} would do")
    inside = (slice(border, height - border), slice(border, width - border))
    return first[inside].astype(np.float64), second[inside].astype(np.float64)


def _local_mean(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian means where the window fits, (H, W) -> (H - 10, W - 10)."""
    half = WINDOW // 2
    gaussian = np.exp(-np.square(np.arange(-half, half + 1) / DEVIATION) / 2)
    gaussian /= gaussian.sum()
    return correlate1d(correlate1d(plane, gaussian, 0), gaussian, 1)[half:-half, half:-half]
