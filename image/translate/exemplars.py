"""What else may lie in a hole: other places of the same picture whose rims fit, laid over it without a seam.

Pictures repeat themselves at a few offsets (He & Sun 2012). How well the rim of a hole fits is found for all offsets at
once, by masked correlation (Padfield 2012).
"""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from image.translate.holes import surface

COPIES = 2  # offsets of each picture
RIM = 3  # width of what must fit, at half the resolution
LEAST_RIM = 0.5  # so much of the rim must lie on something known
COVER = 1.0  # what it costs if the whole hole would be filled from unknown places, in squares of pixels' values
APART = 4  # at least, between the offsets of a picture, at half the resolution
NEVER = 1e9  # a cost


def guessed(pictures: Tensor, hole: Tensor) -> Tensor:
    """What is made into a filled picture: (N, 4 + 3 * COPIES, H, W).

    First the pictures with a smooth surface in their holes, then the holes, then the pictures with `copies`.

    Args:
        pictures: (N, 3, H, W) in [-1, 1].
        hole: (N, 1, H, W), 1 within and 0 around.
    """
    smooth = surface(pictures, hole)
    return torch.cat([smooth, hole, copies(pictures, hole, smooth)], 1)


def copies(pictures: Tensor, hole: Tensor, smooth: Tensor) -> Tensor:
    """Pictures whose holes are filled from `COPIES` other places each, the best fitting one first.

    What is copied is corrected by a membrane that spans what the rims differ by (Pérez et al. 2003).

    Args:
        pictures: (N, 3, H, W) in [-1, 1].
        hole: (N, 1, H, W), 1 within and 0 around.
        smooth: the pictures with their `surface`.

    Returns:
        (N, 3 * COPIES, H, W).
    """
    found = []
    for down, right in offsets(pictures, hole):
        moved = _moved(smooth, down, right)
        found.append(moved + surface(pictures - moved, hole))
    return torch.cat(found, 1)


def offsets(pictures: Tensor, hole: Tensor) -> list[tuple[Tensor, Tensor]]:
    """How many rows further down, and columns to the right, holes may be copied from: `COPIES` times twice (N,).

    The mean squared difference of the rims counts, and how much of the hole, or of what other copies have left of it,
    would be copied from unknown places.
    """
    unknown = F.max_pool2d(hole, 2, ceil_mode=True)
    known = 1 - unknown
    images = F.avg_pool2d(torch.where(hole > 0.5, 0, pictures), 2, ceil_mode=True) * known
    rim = F.max_pool2d(unknown, 2 * RIM + 1, 1, RIM) * known
    squares = images.square().sum(1, keepdim=True)
    overlap = _correlation(rim, known)
    error = _correlation(rim * squares, known) - 2 * _correlation(rim * images, images) + _correlation(rim, squares)
    fit = error / overlap.clamp(min=1)
    fit = torch.where(overlap < LEAST_RIM * rim.sum((1, 2, 3))[:, None, None], NEVER, fit)
    found, left = [], unknown
    for _ in range(COPIES):
        covered = _correlation(left, known) / left.sum((1, 2, 3))[:, None, None].clamp(min=1)
        steps = _lowest(fit + COVER * (1 - covered))
        found.append((2 * steps[0], 2 * steps[1]))
        fit = torch.where(_near(steps, fit.shape[1:]), NEVER, fit)
        left = left * (1 - _moved(F.pad(known, (1, 1, 1, 1)), *steps)[..., 1:-1, 1:-1])
        left = torch.where(left.amax((1, 2, 3), keepdim=True) > 0, left, unknown)
    return found


def _correlation(first: Tensor, second: Tensor) -> Tensor:
    """The sum over channels and places p of first(p) second(p + offset), for all offsets: (N, 2 H, 2 W), wrapped."""
    size = (2 * first.shape[2], 2 * first.shape[3])
    one, other = (torch.fft.rfft2(side, s=size) for side in (first, second))
    return torch.fft.irfft2((one.conj() * other).sum(1), s=size)


def _lowest(cost: Tensor) -> tuple[Tensor, Tensor]:
    """Where the cost (N, 2 H, 2 W) of wrapped steps is lowest: steps down and to the right, twice (N,)."""
    at, sides = cost.flatten(1).argmin(1), cost.shape[1:]
    steps = zip((at // sides[1], at % sides[1]), sides, strict=True)
    down, right = (torch.where(2 * step >= side, step - side, step) for step, side in steps)
    return down, right


def _near(steps: tuple[Tensor, Tensor], sides: Sequence[int]) -> Tensor:
    """Which wrapped steps are near to those of each row, (N, 2 H, 2 W)."""
    down, right = (
        (torch.arange(side, device=step.device) - step[:, None] + side // 2) % side - side // 2
        for step, side in zip(steps, sides, strict=True)
    )
    return (down.abs() < APART)[:, :, None] & (right.abs() < APART)[:, None]


def _moved(pictures: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """At each place what lies so much further down and to the right; the border is repeated."""
    n, _, height, width = pictures.shape
    rows = (torch.arange(height, device=down.device) + down[:, None]).clamp(0, height - 1)
    columns = (torch.arange(width, device=right.device) + right[:, None]).clamp(0, width - 1)
    each = torch.arange(n, device=down.device)[:, None, None]
    found = rearrange(pictures, "n c h w -> n h w c")[each, rows[:, :, None], columns[:, None]]
    return rearrange(found, "n h w c -> n c h w")
