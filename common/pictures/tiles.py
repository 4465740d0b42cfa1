"""Upscaling in tiles, as exact as in one piece.

A picture is cut into **cores** that cover it without overlap. For each core a **region** is read that reaches `radius`
pixels further, or to the picture's border if that is nearer. The function upscales the region, and what lies over the
core is **kept**. A function whose every output depends on no input further than `radius` away, such as convolutions,
sees for a kept pixel all that it would see in the whole picture. At the picture's border regions end where the picture
ends, so padding there, of zeros or by repeating pixels, is the same too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

Upscaler = Callable[[Tensor], Tensor]  # (N, C, h, w) -> (N, C', h * scale, w * scale)


@dataclass(frozen=True)
class Cut:
    """A piece of one axis: pixels from `start` up to `stop` are its core, from `first` up to `last` its region."""

    start: int
    stop: int
    first: int
    last: int

    @property
    def region(self) -> slice:
        """Where the picture is read for this tile."""
        return slice(self.first, self.last)

    def placed(self, scale: int) -> slice:
        """Where the tile's core lies in the upscaled picture."""
        return slice(self.start * scale, self.stop * scale)

    def kept(self, scale: int) -> slice:
        """Where the tile's core lies in its own upscaled region."""
        return slice((self.start - self.first) * scale, (self.stop - self.first) * scale)


@dataclass(frozen=True)
class Tile:
    """A rectangle of a picture."""

    rows: Cut
    columns: Cut

    @property
    def region(self) -> tuple[slice, slice]:
        """Where the picture is read for this tile."""
        return self.rows.region, self.columns.region

    def placed(self, scale: int) -> tuple[slice, slice]:
        """Where the tile's core lies in the upscaled picture."""
        return self.rows.placed(scale), self.columns.placed(scale)

    def kept(self, scale: int) -> tuple[slice, slice]:
        """Where the tile's core lies in its own upscaled region."""
        return self.rows.kept(scale), self.columns.kept(scale)


def cuts(length: int, tile: int, radius: int) -> list[Cut]:
    """Cut an axis into the fewest pieces whose regions are at most `tile` long, all nearly as long.

    Args:
        length: pixels, at least 1.
        tile: at least 1, and more than 2 * radius unless it is the whole axis.
        radius: of what an output depends on, 0 or more.

    Raises:
        ValueError: the regions would be all margin.
    """
    if length <= tile:
        return [Cut(0, length, 0, length)]
    if tile <= 2 * radius:
        raise ValueError(f"a tile of {tile} pixels is all margin at a radius of {radius}; take more than {2 * radius}")
    inner = length - 2 * radius  # the outermost cores are longer by a margin that they need not have
    count = -(-inner // (tile - 2 * radius))
    edges = [0, *(radius + k * inner // count for k in range(1, count)), length]
    return [Cut(start, stop, max(0, start - radius), min(length, stop + radius)) for start, stop in pairwise(edges)]


def tiles(height: int, width: int, tile: int, radius: int) -> list[list[Tile]]:
    """The tiles of a picture, row by row; as `cuts`."""
    columns = cuts(width, tile, radius)
    return [[Tile(rows, across) for across in columns] for rows in cuts(height, tile, radius)]


def strips(picture: Tensor, upscaler: Upscaler, scale: int, tile: int, radius: int) -> Iterator[Tensor]:
    """Upscale a picture strip by strip, from above; memory is that of a strip and of one tile at work.

    Args:
        picture: (N, C, H, W), of whatever type and on whatever device the upscaler takes.
        upscaler: depends on no pixel further than `radius` away; it gets regions, views of the picture.
        tile: longest side of a region.

    Yields:
        (N, C', h, W * scale); their heights add up to H * scale.

    Raises:
        ValueError: as `cuts`, or the upscaler does not enlarge by `scale`.
    """
    height, width = picture.shape[2:]
    for row in tiles(height, width, tile, radius):
        yield torch.cat([_upscaled(picture, upscaler, scale, one) for one in row], 3)


def tiled(picture: Tensor, upscaler: Upscaler, scale: int, tile: int, radius: int) -> Tensor:
    """All `strips` in one, (N, C', H * scale, W * scale)."""
    return torch.cat(list(strips(picture, upscaler, scale, tile, radius)), 2)


def _upscaled(picture: Tensor, upscaler: Upscaler, scale: int, tile: Tile) -> Tensor:
    """What is kept of one tile."""
    region = picture[(..., *tile.region)]
    result = upscaler(region)
    if result.shape[2:] != (region.shape[2] * scale, region.shape[3] * scale):
        raise ValueError(f"{tuple(region.shape)} became {tuple(result.shape)}, which is not {scale} times as large")
    return result[(..., *tile.kept(scale))]
