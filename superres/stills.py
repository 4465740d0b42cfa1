"""Upscaling of frames that resemble the one before: what has not changed is not computed again.

Much of many films stands still: drawings, lectures, screens, whole frames that are repeated to reach another rate. A
frame is cut into small tiles as in `common.tiles`. Where all that the network would see of a tile is, to the last bit,
what it saw in the frame before, the result is kept: it could not have come out otherwise, and stays free of flicker
where a processor computes the same thing differently at different sizes. What has changed is computed in rectangles
as large as may be, because each costs a margin.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from common.tiles import Cut, Tile, tiled, tiles
from superres.colours import RGB

CORE = 64  # longest side of a small tile without its margins, in pixels
LARGEST = 512  # longest side of what the network gets at once, for its memory


class Model(Protocol):
    """What is needed of a model; `superres.models.SuperResModel` has it."""

    @property
    def scale(self) -> int: ...
    @property
    def radius(self) -> int: ...
    @property
    def device(self) -> torch.device: ...
    def upscale(self, images: Tensor) -> Tensor: ...


class Upscaler:
    """Upscales the frames of one film, in their order.

    Args:
        peak: what white is in the frames.
        largest: as `LARGEST`; halved whenever a GPU's memory does not suffice.
    """

    def __init__(self, model: Model, height: int, width: int, peak: int, largest: int = LARGEST) -> None:
        self.model, self.peak = model, peak
        self.tiles = tiles(height, width, CORE + 2 * model.radius, model.radius)
        self.largest = max(largest, 2 * model.radius + 1)
        self.before: RGB | None = None
        self.result = torch.empty(3, height * model.scale, width * model.scale, device=model.device)

    def __call__(self, picture: RGB) -> tuple[Tensor, bool]:
        """Upscale a frame.

        Args:
            picture: (H, W, 3), from 0 to `peak`.

        Returns:
            (3, H * scale, W * scale) in [0, 1], which the next call overwrites, and whether it is another than before.
        """
        areas = self._changed(picture)
        for area in areas:
            self.result[(..., *area.placed(self.model.scale))] = self._upscaled(picture, area)
        self.before = picture
        return self.result, bool(areas)

    def _changed(self, picture: RGB) -> list[Tile]:
        whole = _joined(self.tiles[0][0], self.tiles[-1][-1])
        if self.before is None:
            return [whole]
        differs = (picture != self.before).any(2)
        areas = list(_rectangles(self.tiles, differs))
        return areas if sum(map(_size, areas)) < _size(whole) else [whole]

    def _upscaled(self, picture: RGB, area: Tile) -> Tensor:
        region = np.ascontiguousarray(picture[area.region].transpose(2, 0, 1)[None], np.float32)
        images = torch.from_numpy(region).to(self.model.device).div_(self.peak).clamp_(max=1)
        scale, radius = self.model.scale, self.model.radius
        while True:
            try:
                return tiled(images, self.model.upscale, scale, self.largest, radius)[0][(..., *area.kept(scale))]
            except torch.OutOfMemoryError:
                if self.largest // 2 <= 2 * radius:
                    raise
                self.largest //= 2


def _rectangles(rows: list[list[Tile]], differs: NDArray[np.bool_]) -> Iterator[Tile]:
    """The tiles that see a difference, joined with their neighbours to rectangles."""
    open_ones: list[Tile] = []
    for row in rows:
        seen = [bool(differs[tile.region].any()) for tile in row]
        runs = []
        for is_changed, members in groupby(zip(seen, row, strict=True), key=lambda pair: pair[0]):
            if is_changed:
                run = [tile for _, tile in members]
                runs.append(_joined(run[0], run[-1]))
        above = {tile.columns: tile for tile in open_ones}
        open_ones = [_joined(above.pop(run.columns), run) if run.columns in above else run for run in runs]
        yield from above.values()
    yield from open_ones


def _joined(first: Tile, last: Tile) -> Tile:
    """The rectangle from one tile to another."""
    rows = Cut(first.rows.start, last.rows.stop, first.rows.first, last.rows.last)
    return Tile(rows, Cut(first.columns.start, last.columns.stop, first.columns.first, last.columns.last))


def _size(tile: Tile) -> int:
    """Of its region, in pixels."""
    return (tile.rows.last - tile.rows.first) * (tile.columns.last - tile.columns.first)
