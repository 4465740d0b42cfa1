"""Hints: dots of colour that a colorizer is given and keeps (Zhang et al. 2017), as (N, 3, H, W).

The first channel is 1 where there is one, and the others are its a* and b* there; all three are 0 elsewhere.
"""

from itertools import product

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor
from torch.nn import functional as F

from common.errors import UserError
from common.pictures.reading import Picture
from common.randomness import Draw
from image.translate.lab import ab_of

CELL = 4  # pixels to a side of the places for which colours are predicted
MOST = 100  # hints to a picture in training
NONE = 0.5  # of the pictures in training have no hints


def random_hints(colours: Tensor, draw: Draw) -> Tensor:
    """Show some of the true colours, one hint to a cell: in half of the pictures none, in others few or many.

    Args:
        colours: a* and b* of cells, (N, 2, h, w).

    Returns:
        (N, 3, CELL h, CELL w).
    """
    height, width = colours.shape[2:]
    chance, number = draw.uniform(2, 1, 1, 1).unbind(1)
    share = torch.where(chance < NONE, 0.0, MOST**number / (height * width))
    is_shown = (draw.uniform(1, height, width) < share).float()
    cells = torch.cat([is_shown, is_shown * colours], 1)
    return repeat(cells, "n c h w -> n c (h y) (w x)", y=CELL, x=CELL)


def dots(colours: Tensor, draw: Draw, count: int) -> Tensor:
    """So many dots of true colours a* and b* (N, 2, H, W) at random places, of 3 x 3 pixels, as hints (N, 3, H, W)."""
    height, width = colours.shape[2:]
    rows, columns = ((draw.uniform(count) * (side - 2)).long() for side in (height, width))
    mask = torch.zeros(len(colours), 1, height, width, device=colours.device)
    for y, x in product(range(3), range(3)):
        mask[torch.arange(len(colours))[:, None], 0, rows + y, columns + x] = 1
    return torch.cat([mask, mask * colours], 1)


def hinted(picture: Picture, size: tuple[int, int]) -> Tensor:
    """The hints that a picture gives where it is more than half opaque, (1, 3, H, W).

    Raises:
        UserError: it is of another size, or has no such places or no others.
    """
    pixels, most = picture.pixels, np.iinfo(picture.pixels.dtype).max
    if pixels.shape[:2] != size:
        (rows, columns), (height, width) = pixels.shape[:2], size
        raise UserError(f"--hints is {columns} x {rows} pixels and the picture {width} x {height}; make them alike")
    mask = pixels[..., -1] > most / 2 if pixels.shape[2] in (2, 4) else np.ones(size, bool)
    if not mask.any():
        raise UserError("--hints has no dots of colour: all of it is transparent")
    if mask.all():
        raise UserError("--hints must be transparent but for dots of colour")
    colours = np.broadcast_to(pixels[..., : 1 if picture.is_grey else 3], (*size, 3)).astype(np.float32)
    seen = rearrange(torch.from_numpy(mask).float(), "h w -> 1 1 h w")
    return torch.cat([seen, seen * ab_of(rearrange(torch.from_numpy(2 * colours / most - 1), "h w c -> 1 c h w"))], 1)


def pooled(hints: Tensor, height: int, width: int) -> Tensor:
    """Hints at another size: in each place the mean of those that are there, (N, 3, H, W) -> (N, 3, height, width)."""
    if hints.shape[2:] == (height, width):
        return hints
    means = F.adaptive_avg_pool2d(hints, (height, width))
    share = means[:, :1]
    return torch.where(share > 0, torch.cat([torch.ones_like(share), means[:, 1:] / share.clamp(min=1e-9)], 1), 0.0)
