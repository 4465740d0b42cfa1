"""Upscaling of picture files: pixels by a `TiledUpscaler`, and all that belongs to them as it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from common.data import allocate
from common.files import folder_for_results, replacing
from common.picture_writing import require_writable, write_pictures
from common.pictures import open_picture
from superres.upscaling import Allocate, Pixels, TiledUpscaler

IN_MEMORY = 1 << 28  # bytes of a result that stay in memory; the rest lies in files until it is encoded


def upscale_picture(
    source: Path,
    target: Path,
    upscaler: TiledUpscaler,
    quality: int = 95,
    advance: Callable[[float], Any] = lambda pixels: None,
) -> tuple[int, int]:
    """Upscale a picture, an animation or the pages of a TIFF.

    Args:
        target: whose ending is the format.
        quality: 1 to 100.
        advance: as in `TiledUpscaler.upscale`.

    Returns:
        Width and height of the result.

    Raises:
        UserError: the source cannot be read, the target cannot be written or is of a format that cannot hold it, or
            there is too little memory or disk space.
    """
    with open_picture(source) as file:
        height, width = upscaler.size(file.image.height, file.image.width)
        require_writable(target, width, height, file.frames, file.is_animation)
        with folder_for_results(target.parent), replacing(target) as temporary, _scratch(target.parent) as scratch:
            pictures = [replace(picture, pixels=upscaler.upscale(picture.pixels, scratch, advance)) for picture in file]
            write_pictures(temporary, pictures, quality, file.plays)
            height, width = pictures[0].pixels.shape[:2]
            return width, height


@contextmanager
def _scratch(folder: Path) -> Iterator[Allocate]:
    """Arrays in memory as long as they are small, and in files beside the result from then on."""
    with TemporaryDirectory(prefix=".upscaling-", dir=folder, ignore_cleanup_errors=True) as scratch:
        used, numbers = 0, count()

        def array(shape: tuple[int, ...], dtype: DTypeLike) -> Pixels:
            nonlocal used
            size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            if used + size > IN_MEMORY:
                return allocate(Path(scratch) / f"{next(numbers)}.npy", shape, dtype)
            used += size
            return np.empty(shape, dtype)

        yield array
