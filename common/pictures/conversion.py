"""Files of pictures into files of pictures: pixels change, and all that belongs to them stays as it was."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from common.data.arrays import allocate_nameless
from common.files import folder_for_results, replacing
from common.pictures.reading import Picture, Pixels, open_picture
from common.pictures.writing import require_writable, write_pictures

IN_MEMORY = 1 << 28  # bytes of a result that stay in memory; the rest lies in files until it is encoded

Allocate = Callable[[tuple[int, ...], DTypeLike], Pixels]


def convert_picture(
    source: Path,
    target: Path,
    change: Callable[[Picture, Allocate], Picture],
    size: Callable[[int, int], tuple[int, int]] = lambda height, width: (height, width),
    quality: int = 95,
) -> tuple[int, int]:
    """Make of a picture, of each frame of an animation or of each page of a TIFF another one.

    Args:
        target: whose ending is the format.
        change: gets pictures, and what makes arrays (shape, dtype) for large results.
        size: height and width of the result by those of the source.
        quality: 1 to 100.

    Returns:
        Width and height of the result.

    Raises:
        UserError: the source cannot be read, the target cannot be written or is of a format that cannot hold it, or
            there is too little memory or disk space.
    """
    with open_picture(source) as file:
        height, width = size(file.image.height, file.image.width)
        require_writable(target, width, height, file.frames, file.is_animation, file.chunks)
        with folder_for_results(target.parent), replacing(target) as temporary:
            scratch = _scratch(target.parent)
            pictures = [change(picture, scratch) for picture in file]
            write_pictures(temporary, pictures, quality, file.plays, file.has_fallback)
            height, width = pictures[0].pixels.shape[:2]
            return width, height


def _scratch(folder: Path) -> Allocate:
    """Arrays in memory as long as they are small, and in nameless files beside the result from then on."""
    used = 0

    def array(shape: tuple[int, ...], dtype: DTypeLike) -> Pixels:
        nonlocal used
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if used + size > IN_MEMORY:
            return allocate_nameless(folder, shape, dtype)
        used += size
        return np.empty(shape, dtype)

    return array
