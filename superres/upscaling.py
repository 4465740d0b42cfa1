"""From decoded pixels to larger ones: any scale, in tiles of bounded memory, transparency without halos.

Pictures and video share one `TiledUpscaler`. Pixels are uint8 or uint16, (H, W, C), of one grey channel, or three of
RGB, and with one more for alpha where there is transparency.

    upscaler = TiledUpscaler(model, scale=4)
    large = upscaler.upscale(pixels)                          # all of it
    for tile in upscaler.tiles(height, width):                # or piece by piece, here of pixels without alpha
        large[upscaler.placed(tile, height, width)] = upscaler.piece(pixels, tile)
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import psutil
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from common.errors import UserError
from common.pictures.conversion import Allocate
from common.pictures.reading import Pixels
from common.pictures.tiles import Cut, Tile, tiles
from superres.networks import Reach
from superres.resize import resize_weights

REACH = 4  # pixels of the input, beyond which the resize after the network never looks
HEADROOM = 4  # the part of the free memory that one tile may take is one in so many
MOST_BYTES = 1 << 28  # that a tile may take: on the CPU, larger ones leave its caches and are no faster
MOST_BYTES_OF_A_GPU = 1 << 32
WIDE = 8  # sides of a tile, in margins, from which on margins are little work
SOFT = (0.15, 0.7, 0.15)  # filter against stairs; twice as wide, and lines of one pixel would be lost
BLOCK, AROUND = 512, 64  # rows whose invisible pixels are filled at a time, and how far around these it looks


class Model(Protocol):
    """What is needed of a `superres.models.SuperResModel`."""

    @property
    def scale(self) -> int: ...

    @property
    def reach(self) -> Reach: ...

    @property
    def device(self) -> torch.device: ...

    def upscale(self, images: Tensor) -> Tensor: ...


class TiledUpscaler:
    """Makes pictures `scale` times as large, by the network as often as it takes and a bicubic resize of the excess.

    Two passes of a network are one local function like one pass is, and so is the resize. So every output pixel comes
    from one tile alone, whose overlap with its neighbours covers all that the pixel depends on, and on the CPU the
    result is the same to the last bit whatever the tiles.

    Attributes:
        passes: of the network, as many as bring it to `scale` or beyond.
        net_scale: what they enlarge by together.
        radius: how far the passes together look, in input pixels; so far pictures go on beyond their borders, mirrored,
            where the network, which takes what is outside for grey, would dull bright corners.
        step: margins are multiples of so many pixels, at which tiles begin.
        margin: by which tiles overlap what they yield, in input pixels.
        tile: longest side of a tile, in input pixels; halved when memory runs out, for good.

    Args:
        scale: 1 or more; default the model's.
        tile: default by the free memory.

    Raises:
        UserError: `tile` is all margin.
    """

    def __init__(self, model: Model, scale: float | None = None, tile: int | None = None) -> None:
        self.model = model
        self.scale: float = model.scale if scale is None else scale
        self.passes = 1
        while model.scale**self.passes < self.scale:
            self.passes += 1
        self.net_scale = model.scale**self.passes
        # A pass after the first sees pixels that are smaller.
        reach = model.reach
        self.step = reach.step
        self.radius = self._stepped(sum(-(-reach.radius // model.scale**k) for k in range(self.passes)))
        self.margin = self._stepped(self.radius + (REACH if self.net_scale != self.scale else 0))
        self.least = 2 * self.margin + self.step
        if tile is not None and tile < self.least:
            raise UserError(f"--tile {tile}: the network needs tiles of {self.least} pixels or more")
        self.tile = tile or max(self.least, _affordable_side(model, self.passes, WIDE * self.margin))

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what a picture of these becomes."""
        return _enlarged(height, self.scale), _enlarged(width, self.scale)

    def tiles(self, height: int, width: int) -> list[Tile]:
        """The tiles of a picture, row by row."""
        return [tile for row in tiles(height, width, self.tile, self.margin, self.step) for tile in row]

    def placed(self, tile: Tile, height: int, width: int) -> tuple[slice, slice]:
        """The part of the enlarged picture, which was of this height and width, that a tile yields."""
        rows, columns = self.size(height, width)
        return _share(tile.rows, height, rows), _share(tile.columns, width, columns)

    def piece(self, pixels: Pixels, tile: Tile) -> Pixels:
        """The pixels that a tile yields.

        Args:
            pixels: of the whole picture, (H, W, 1) or (H, W, 3).

        Returns:
            (h, w, C) that belong where `placed` says, of the type of `pixels`.
        """
        most = np.iinfo(pixels.dtype).max
        rows, columns = (
            (self.radius * (cut.first == 0), self.radius * (cut.last == length))
            for cut, length in zip((tile.rows, tile.columns), pixels.shape, strict=False)
        )
        region = np.pad(pixels[tile.region].astype(np.float32), (rows, columns, (0, 0)), "symmetric") / np.float32(most)
        images = rearrange(torch.from_numpy(region), "h w c -> 1 c h w").expand(-1, 3, -1, -1)  # in [0, 1]
        for _ in range(self.passes):
            images = self.model.upscale(images)
        images = images[..., _without(*rows, self.net_scale), _without(*columns, self.net_scale)]
        if self.net_scale == self.scale:
            images = images[(..., *tile.kept(self.net_scale))]
        fine = rearrange(images, "1 c h w -> h w c").cpu().numpy()
        if pixels.shape[2] == 1:
            fine = (fine[..., :1] + fine[..., 1:2] + fine[..., 2:]) / 3
        if self.net_scale != self.scale:
            fine = self._resized(fine, tile, *pixels.shape[:2])
        return np.rint(fine * most).clip(0, most).astype(pixels.dtype)

    def upscale(
        self, pixels: Pixels, allocate: Allocate = np.empty, advance: Callable[[float], Any] = lambda count: None
    ) -> Pixels:
        """Upscale a whole picture.

        Colours of invisible pixels are not looked at: the nearest visible ones take their place, so that none of them
        shines through at edges. Alpha is enlarged as if it were grey, and stays exactly what it is where it is flat; if
        it is all or nothing, its edges are softened first.

        Args:
            pixels: (H, W, C), 1 <= C <= 4.
            allocate: (shape, dtype) -> the array for the result.
            advance: is told how many pixels of the input are done, again and again, and of less than none when memory
                ran out and all begins anew.

        Returns:
            (H', W', C), of the type of `pixels`.

        Raises:
            UserError: there is too little memory even for the smallest tiles.
        """
        height, width, channels = pixels.shape
        result = allocate((*self.size(height, width), channels), pixels.dtype)
        colours, alpha = np.split(pixels, [1 if channels <= 2 else 3], 2)
        if is_flat := not alpha.size or bool((alpha == alpha[0, 0]).all()):
            result[..., colours.shape[2] :] = alpha[:1, :1]
        else:
            colours = extended(colours, alpha)
        only = colours[..., :1] if (colours == colours[..., :1]).all() else colours  # in grey there shall be no colours
        share = 1 if is_flat else 0.5  # of the work
        self._fill(result[..., : colours.shape[2]], only, lambda count: advance(share * count))
        if not is_flat:
            self._fill(result[..., -1:], smoothed(alpha), lambda count: advance(share * count), _bounds(alpha))
        return result

    def within_memory(self, attempt: Callable[[], None]) -> None:
        """Do something with tiles, and anew with smaller ones as often as memory runs out.

        Raises:
            UserError: there are none smaller.
        """
        while True:
            try:
                attempt()
                return
            except (RuntimeError, MemoryError) as error:
                if not _is_of_memory(error):
                    raise
            if self.tile == self.least:
                advice = "close other programs, or use --device cpu"
                raise UserError(f"out of memory even with tiles of {self.tile} pixels; {advice}")
            self.tile = max(self.least, self.tile // 2)
            if self.model.device.type == "cuda":
                torch.cuda.empty_cache()

    def _stepped(self, pixels: int) -> int:
        """So many pixels, or somewhat more, so that tiles begin where the network wants."""
        return -(-pixels // self.step) * self.step

    def _fill(
        self,
        result: Pixels,
        pixels: Pixels,
        advance: Callable[[float], Any],
        bounds: tuple[Pixels, Pixels] | None = None,
    ) -> None:
        """Enlarge channels without alpha into `result`.

        Args:
            bounds: the least and the largest that may become of each pixel, shaped as `pixels`.
        """
        size = pixels.shape[:2]

        def attempt() -> None:
            done = 0
            try:
                for tile in self.tiles(*size):
                    place, piece = self.placed(tile, *size), self.piece(pixels, tile)
                    if bounds is not None:
                        piece = np.clip(piece, *(self._repeated(bound, place) for bound in bounds))
                    result[place] = piece
                    core = (tile.rows.stop - tile.rows.start) * (tile.columns.stop - tile.columns.start)
                    done += core
                    advance(core)
            except BaseException:
                advance(-done)
                raise

        self.within_memory(attempt)

    def _resized(self, fine: NDArray[np.float32], tile: Tile, height: int, width: int) -> NDArray[np.float32]:
        """Of what the passes made of a region, (h, w, C): what belongs where the tile is placed."""
        size, place = self.size(height, width), self.placed(tile, height, width)
        for axis, (length, cut) in enumerate(((height, tile.rows), (width, tile.columns))):
            weights = resize_weights(length * self.net_scale, size[axis])
            moved = np.moveaxis(fine, axis, 0)
            columns = slice(cut.first * self.net_scale, cut.last * self.net_scale)
            flat = weights[place[axis], columns] @ moved.reshape(len(moved), -1)
            fine = np.moveaxis(flat.reshape(-1, *moved.shape[1:]), 0, axis)
        return fine

    def _repeated(self, pixels: Pixels, place: tuple[slice, slice]) -> Pixels:
        """What lies over a place of the enlarged picture if pixels are only repeated."""
        height, width = pixels.shape[:2]
        rows, columns = (
            ((np.arange(part.start, part.stop) + 0.5) * before / after).astype(np.int64)
            for part, before, after in zip(place, (height, width), self.size(height, width), strict=True)
        )
        return pixels[rows[:, None], columns]


def extended(colours: Pixels, alpha: Pixels) -> Pixels:
    """Colours, (H, W, C), in which those of invisible pixels are the nearest visible ones'.

    What is more than `AROUND` rows away from any visible pixel stays as it is.

    Args:
        alpha: (H, W, 1), 0 where pixels are invisible.
    """
    from scipy.ndimage import distance_transform_edt  # slow to import, and needed here only

    hidden = alpha[..., 0] == 0
    if not hidden.any() or hidden.all():
        return colours
    filled = colours.copy()
    for start in range(0, len(hidden), BLOCK):
        block = slice(max(0, start - AROUND), start + BLOCK + AROUND)
        if hidden[block].all():
            continue
        rows, columns = distance_transform_edt(hidden[block], return_distances=False, return_indices=True)
        within = slice(start - block.start, start - block.start + BLOCK)
        filled[start : start + BLOCK] = colours[block][rows[within], columns[within]]
    return filled


def smoothed(alpha: Pixels) -> Pixels:
    """Alpha, (H, W, 1), with soft edges if it is all or nothing; these edges are where they were.

    A network takes stairs for what is there to see, and draws them sharply.
    """
    from scipy.ndimage import correlate1d  # as above

    top = np.iinfo(alpha.dtype).max
    if ((alpha != 0) & (alpha != top)).any():
        return alpha
    down = correlate1d(alpha.astype(np.float32), SOFT, 0, mode="nearest")
    return np.rint(correlate1d(down, SOFT, 1, mode="nearest")).astype(alpha.dtype)


def _bounds(pixels: Pixels) -> tuple[Pixels, Pixels]:
    """The least and the largest of every pixel and its eight neighbours."""
    from scipy.ndimage import maximum_filter, minimum_filter  # as above

    return minimum_filter(pixels, (3, 3, 1)), maximum_filter(pixels, (3, 3, 1))


def _enlarged(length: int, scale: float) -> int:
    return max(1, int(length * scale + 0.5))


def _without(before: int, after: int, scale: int) -> slice:
    """What is left of an axis without so many input pixels at its ends."""
    return slice(before * scale, -after * scale or None)


def _share(cut: Cut, length: int, enlarged: int) -> slice:
    """What comes of a core; cores that cover an axis have shares that do."""
    return slice(cut.start * enlarged // length, cut.stop * enlarged // length)


def _affordable_side(model: Model, passes: int, wide: int) -> int:
    """Of the largest square tile that fits in the part of the memory that is meant for one.

    Args:
        wide: up to so large a side a tile may take more than the CPU likes.
    """
    pixels = sum(model.scale ** (2 * k) for k in range(passes))  # that go through the network, for each of the input
    cost = model.reach.cost * pixels
    most = max(MOST_BYTES, cost * wide**2) if model.device.type == "cpu" else MOST_BYTES_OF_A_GPU
    return int((min(_free_bytes(model.device) // HEADROOM, most) / cost) ** 0.5)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def _is_of_memory(error: Exception) -> bool:
    """The CPU has no exception of its own for this."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in str(error)
