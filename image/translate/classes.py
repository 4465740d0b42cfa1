"""Colours as classes (Zhang et al. 2016): a* and b* on a grid, soft targets, rebalanced classes, and the way back."""

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from image.data.loading import to_model
from image.translate.lab import ab_of
from image.translate.patches import Album

GRID = 10.0  # distance of neighbouring classes in a* and b*
NEIGHBOURS = 5  # classes that share a colour
DEVIATION = 5.0  # of the Gaussian by which they share it
REACH = 128  # no a* and no b* of sRGB is farther from 0
STEP = 5  # between the sRGB values by which the gamut is found


def gamut() -> Tensor:
    """The classes: all places of the grid to which some colour of sRGB is nearest, (Q, 2), a* and b*."""
    with torch.device("cpu"):  # also where a network is built without its numbers
        values = torch.arange(0, 256, STEP)
        pictures = torch.cartesian_prod(values, values, values).T[None, :, :, None]
        return GRID * torch.unique((ab_of(to_model(pictures)) / GRID).round()[0, :, :, 0].T, dim=0)


def soft_encoded(colours: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Share colours (P, 2) among their nearest of the classes (Q, 2).

    Returns:
        Those classes, int64 (P, 5), and their shares, (P, 5), whose sums are 1: a Gaussian of the distance.
    """
    nearest = torch.cdist(colours, classes).topk(min(NEIGHBOURS, len(classes)), largest=False)
    return nearest.indices, (-0.5 * (nearest.values / DEVIATION).square()).softmax(1)


def rebalanced(frequencies: Tensor, uniform: float) -> Tensor:
    """What each class weighs, (Q,): the inverse of its frequency, mixed with the same for all; 1 on average over data.

    Args:
        frequencies: (Q,), whose sum is 1.
        uniform: the share of the same for all, above 0.
    """
    weights = 1 / ((1 - uniform) * frequencies + uniform / len(frequencies))
    return weights / (frequencies * weights).sum()


def annealed_mean(logits: Tensor, classes: Tensor, temperature: float) -> Tensor:
    """The mean colour of distributions that are sharpened first, (N, Q, H, W) -> (N, 2, H, W).

    Args:
        classes: (Q, 2).
        temperature: 1 leaves them as they are; towards 0, the mode is all that counts.
    """
    return torch.einsum("nqhw,qc->nchw", (logits.float() / temperature).softmax(1), classes)


class SoftTargets:
    """`soft_encoded`, looked up in a table: colours count as whole numbers, which a grid of ten cannot tell."""

    def __init__(self, classes: Tensor) -> None:
        values = torch.arange(-REACH, REACH, dtype=torch.float32)
        self.indices, self.shares = soft_encoded(torch.cartesian_prod(values, values), classes)

    def __call__(self, colours: Tensor) -> tuple[Tensor, Tensor]:
        """Colours (N, 2, H, W) -> classes, int64 (N, H, W, 5), and their shares."""
        a, b = (colours.round().long() + REACH).clamp(0, 2 * REACH - 1).unbind(1)
        rows = (2 * REACH * a + b).to(self.indices.device)
        return self.indices[rows].to(colours.device), self.shares[rows].to(colours.device)


def frequencies(album: Album, targets: SoftTargets, count: int) -> Tensor:
    """How often each of `count` classes is in the pictures of an album, (Q,); of each, its smallest version is seen."""
    found = torch.zeros(count)
    for number in np.flatnonzero(np.diff(album.of, append=-1)):
        indices, shares = targets(ab_of(to_model(rearrange(album[int(number)], "h w c -> 1 c h w"))))
        found.index_add_(0, indices.flatten(), shares.flatten())
    return found / found.sum()
