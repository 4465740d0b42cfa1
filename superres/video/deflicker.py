"""Frames averaged with those before where nothing moved, so that noise which a network sharpens does not flicker.

A pixel counts as still where the frames that were upscaled differ by no more than noise does, on average over a window
around it. There is no search for motion: what moves, and all near it, stays as it is.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

from superres.upscaling import Pixels

BEFORE = 2  # frames that a frame is averaged with at most
WINDOW = 7  # side of what differences are averaged over, in pixels of the input
STILL, MOVED = 1.5, 3.0  # grey levels of 255: up to which an average difference is noise, and from which it is motion


class Deflicker:
    """Averages the frames of one film, in their order; what becomes of one depends on `BEFORE` others alone."""

    def __init__(self) -> None:
        self.before: deque[tuple[NDArray[np.float32], Pixels]] = deque(maxlen=BEFORE)

    def __call__(self, picture: Pixels, large: Pixels) -> Pixels:
        """A frame that flickers less.

        Args:
            picture: (H, W, 3), uint8 or uint16.
            large: what became of it, (H', W', 3), of the same type.
        """
        luma = picture.astype(np.float32).mean(2) * np.float32(255 / np.iinfo(picture.dtype).max)
        total, weight = large.astype(np.float32), np.ones((*large.shape[:2], 1), np.float32)
        for other, enlarged in self.before:
            still = stillness(luma, other, (large.shape[0], large.shape[1]))[..., None]
            total += still * enlarged
            weight += still
        self.before.append((luma, large.copy()))
        return np.rint(total / weight).astype(large.dtype)


def stillness(one: NDArray[np.float32], other: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """From 0, where something moved between two frames (H, W), in levels of 255, to 1; enlarged to `size`."""
    apart = uniform_filter(np.abs(one - other), WINDOW, mode="nearest")
    still = ((MOVED - apart) / (MOVED - STILL)).clip(0, 1)
    return np.asarray(Image.fromarray(still).resize((size[1], size[0]), Image.Resampling.BILINEAR))
