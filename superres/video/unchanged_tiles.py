"""Upscaling of frames that resemble the one before: what has not changed is not computed again.

Much of many films stands still: drawings, lectures, screens, whole frames that are repeated to reach another rate. A
frame is cut into small tiles. Where all that the network would see of a tile is, to the last bit,
what it saw in the frame before, the result is kept: it could not have come out otherwise, and is free of flicker even
where a processor computes the same thing differently at different sizes. What has changed is computed in rectangles
as large as may be, because each costs a margin.
"""

from collections.abc import Iterator
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from common.pictures.tiles import Cut, Tile, tiles
from superres.upscaling import Pixels, TiledUpscaler

CORE = 64  # longest side of a small tile without its margins, in pixels


class FrameUpscaler:
    """Upscales the frames of one film, in their order.

    Args:
        upscaler: what computes a tile.
        height, width: of a frame.
    """

    def __init__(self, upscaler: TiledUpscaler, height: int, width: int) -> None:
        self.upscaler, self.size = upscaler, (height, width)
        self.small = tiles(height, width, CORE + 2 * upscaler.margin, upscaler.margin, upscaler.step)
        self.before: Pixels | None = None
        self.result: Pixels | None = None

    def __call__(self, picture: Pixels) -> tuple[Pixels, bool]:
        """Upscale a frame.

        Args:
            picture: (H, W, 3), uint8 or uint16.

        Returns:
            (H', W', 3), of the same type, which the next call overwrites, and whether it may differ from the last one.
        """
        if self.result is None:
            self.result = np.empty((*self.upscaler.size(*self.size), 3), picture.dtype)
        result, is_new = self.result, False

        def attempt() -> None:
            nonlocal is_new
            for tile in self.changed(picture):
                result[self.upscaler.placed(tile, *self.size)] = self.upscaler.piece(picture, tile)
                is_new = True

        self.upscaler.within_memory(attempt)
        self.before = picture
        return result, is_new

    def changed(self, picture: Pixels) -> list[Tile]:
        """Rectangles that cover all that must be computed: the whole frame if that is less work."""
        whole = self.upscaler.tiles(*self.size)
        if self.before is None:
            return whole
        differs = (picture != self.before).any(2)
        most = max(1, (self.upscaler.tile - 2 * self.upscaler.margin) // CORE)  # small tiles in one that memory allows
        areas = list(_rectangles(self.small, differs, most))
        return areas if sum(map(_pixels, areas)) < sum(map(_pixels, whole)) else whole


def _rectangles(rows: list[list[Tile]], differs: NDArray[np.bool_], most: int) -> Iterator[Tile]:
    """The tiles that see a difference, joined with their neighbours to rectangles of at most `most` x `most`."""
    above: dict[Cut, Tile] = {}  # by their columns, rectangles that may grow downwards
    for number, row in enumerate(rows):
        if number % most == 0:
            yield from above.values()
            above = {}
        kinds = [(bool(differs[tile.region].any()), column // most) for column, tile in enumerate(row)]
        grown = {}
        for (is_changed, _), members in groupby(zip(kinds, row, strict=True), key=lambda pair: pair[0]):
            if is_changed:
                run = [tile for _, tile in members]
                tile = _joined(run[0], run[-1])
                grown[tile.columns] = _joined(above.pop(tile.columns, tile), tile)
        yield from above.values()
        above = grown
    yield from above.values()


def _joined(first: Tile, last: Tile) -> Tile:
    """The rectangle from one tile to another."""
    rows = Cut(first.rows.start, last.rows.stop, first.rows.first, last.rows.last)
    return Tile(rows, Cut(first.columns.start, last.columns.stop, first.columns.first, last.columns.last))


def _pixels(tile: Tile) -> int:
    """Of its region."""
    return (tile.rows.last - tile.rows.first) * (tile.columns.last - tile.columns.first)
