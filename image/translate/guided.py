"""Colours that are known coarsely, brought to full size along the edges of the luma (He et al. 2013: guided filter)."""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F


def guided(colours: Tensor, small: Tensor, luma: Tensor, radius: int, smooth: float) -> Tensor:
    """In every window, colours are fitted by a straight line over the luma, which then holds at full size.

    Args:
        colours: (N, C, h, w).
        small: luma of the same size, (N, 1, h, w) in [-1, 1].
        luma: (N, 1, H, W).
        radius: of the windows, in pixels of the small picture.
        smooth: variance of the luma below which a window has one colour.

    Returns:
        (N, C, H, W).
    """
    means = partial(_means, radius=radius)
    mean, level = means(small), means(colours)
    slope = (means(small * colours) - mean * level) / (means(small.square()) - mean.square() + smooth)
    slope, offset = (_resized(means(part), luma.shape[2:]) for part in (slope, level - slope * mean))
    return slope * luma + offset


def _means(images: Tensor, radius: int) -> Tensor:
    """Of windows, in which no place beyond the border counts."""
    for size, padding in (((2 * radius + 1, 1), (radius, 0)), ((1, 2 * radius + 1), (0, radius))):
        images = F.avg_pool2d(images, size, 1, padding, count_include_pad=False)
    return images


def _resized(images: Tensor, size: torch.Size) -> Tensor:
    return images if images.shape[2:] == size else F.interpolate(images, size, mode="bilinear", align_corners=False)
