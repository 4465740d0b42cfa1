"""Upscaling in tiles, as exact as in one piece.

A picture is cut into **cores** that cover it without overlap. For each core a **region** is read that reaches `radius`
pixels further, or to the picture's border if that is nearer. The function upscales the region, and what lies over the
core is **kept**. A function whose every output depends on no input further than `radius` away, such as convolutions,
sees for a kept pixel all that it would see in the whole picture. At the picture's border regions end where the picture
ends, so padding there, of zeros or by repeating pixels, is the same too.
"""

from dataclasses import dataclass
from itertools import pairwise


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


def cuts(length: int, tile: int, radius: int, step: int = 1) -> list[Cut]:
    """Cut an axis into the fewest pieces whose regions are at most `tile` long, all nearly as long.

    Args:
        length: pixels, at least 1.
        tile: at least 1, and at least 2 * radius + step unless it is the whole axis.
        radius: of what an output depends on, 0 or more.
        step: cores begin at multiples of it, for functions that look at so many pixels together.

    Raises:
        ValueError: the regions would be all margin.
    """
    if length <= tile:
        return [Cut(0, length, 0, length)]
    most = tile - 2 * radius - step + 1
    if most <= 0:
        least = 2 * radius + step
        raise ValueError(f"a tile of {tile} pixels is all margin at a radius of {radius}; take {least} or more")
    inner = length - 2 * radius  # the outermost cores are longer by a margin that they need not have
    count = -(-inner // most)
    edges = sorted({0, length, *((radius + k * inner // count) // step * step for k in range(1, count))})
    return [Cut(start, stop, max(0, start - radius), min(length, stop + radius)) for start, stop in pairwise(edges)]


def tiles(height: int, width: int, tile: int, radius: int, step: int = 1) -> list[list[Tile]]:
    """The tiles of a picture, row by row; as `cuts`."""
    columns = cuts(width, tile, radius, step)
    return [[Tile(rows, across) for across in columns] for rows in cuts(height, tile, radius, step)]
