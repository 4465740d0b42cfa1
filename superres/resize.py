"""MATLAB's `imresize` with its bicubic kernel, on which all published figures of super-resolution rest.

The kernel is Keys' (1981) with a = -1/2, stretched when shrinking (antialiasing), and the picture is mirrored at its
borders. Pictures are (H, W) or (H, W, 3). As in MATLAB, the type decides on rounding: uint8 is rounded after each of
the two passes, first along the side that shrinks more, or the height if both shrink alike; floats are never rounded
nor clipped.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import csr_array
from torch import Tensor

REACH = 2  # of the kernel, in pixels of the coarser picture
MATRICES = 64  # kept for sizes seen before

RGB = NDArray[Any]  # uint8, or grey levels of any float type


def resize(image: RGB, size: tuple[int, int]) -> RGB:
    """Bicubic resizing to a height and a width.

    Args:
        image: uint8 or float, (H, W) or (H, W, 3).
        size: both at least 1.

    Returns:
        uint8 if the image is, else float64; `size`, and channels as before.

    Raises:
        ValueError: another type or shape.
    """
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)) or 0 in image.shape:
        raise ValueError(f"pictures are (H, W) or (H, W, 3), and none of {image.shape}")
    if image.dtype == np.uint8:
        return _resize_uint8(image, size)
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"pictures are uint8 or float, and none of {image.dtype}")
    return _along(_along(image, 0, size[0]), 1, size[1])


def upscale(image: RGB, scale: int) -> RGB:
    """Bicubic upscaling, (H, W, ...) -> (H * scale, W * scale, ...); as `resize`."""
    return resize(image, (image.shape[0] * scale, image.shape[1] * scale))


def cropped(image: RGB, scale: int) -> RGB:
    """The upper left part of a picture whose sides are multiples of `scale`; a view. A side below `scale` becomes 0."""
    height, width = (side - side % scale for side in image.shape[:2])
    return image[:height, :width]


def low_resolution(image: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """A picture cropped to multiples of `scale` and shrunk as the published test sets were, bit for bit.

    Their X8 was made of floats, so that only the end is rounded, and their X2, X3 and X4 of uint8.

    Raises:
        ValueError: the picture is smaller than `scale`.
    """
    high = cropped(image, scale)
    size = (high.shape[0] // scale, high.shape[1] // scale)
    return rounded(resize(high.astype(np.float64), size)) if scale == 8 else resize(high, size)


def rounded(image: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Grey levels as uint8: halves away from zero as in MATLAB, clipped to 0 .. 255."""
    return np.floor(image + 0.5).clip(0, 255).astype(np.uint8)


def downscale(images: Tensor, scale: int) -> Tensor:
    """Bicubic shrinking that gradients pass, as `resize` of floats: neither rounded nor clipped.

    Args:
        images: (N, C, H, W) of any range; sides are multiples of `scale`.

    Returns:
        (N, C, H / scale, W / scale), float64 if the images are, else float32.

    Raises:
        ValueError: a side is no multiple of `scale`.
    """
    height, width = images.shape[2:]
    if height % scale or width % scale:
        raise ValueError(f"{height} x {width} pixels are no multiple of {scale}; crop them first")
    dtype = torch.float64 if images.dtype == torch.float64 else torch.float32
    with torch.autocast(images.device.type, enabled=False):  # 8 bits of mantissa would cost whole grey levels
        rows = _dense(height, height // scale, dtype, images.device)
        columns = _dense(width, width // scale, dtype, images.device)
        return rows @ (images.to(dtype) @ columns.T)


def _resize_uint8(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    (height, width), (rows, columns) = image.shape[:2], size
    if rows * width <= columns * height:  # the height shrinks as much as the width or more
        return _along_uint8(_along_uint8(image, 0, rows), 1, columns)
    return _along_uint8(_along_uint8(image, 1, columns), 0, rows)


def _along_uint8(image: NDArray[np.uint8], axis: int, outputs: int) -> NDArray[np.uint8]:
    """One pass by Pillow, whose kernel is MATLAB's but is cut off at borders, and which orders passes as it likes."""
    inputs = image.shape[axis]
    margin = math.ceil(REACH * max(inputs / outputs, 1)) + 1
    margins = [(margin, margin) if k == axis else (0, 0) for k in range(image.ndim)]
    padded = np.pad(image, margins, mode="symmetric")
    size, box = [image.shape[1], image.shape[0]], [0, 0, image.shape[1], image.shape[0]]
    size[1 - axis] = outputs
    box[1 - axis], box[3 - axis] = margin, margin + inputs  # Pillow reads beyond it where the kernel does
    return np.asarray(Image.fromarray(padded).resize((size[0], size[1]), Image.Resampling.BICUBIC, tuple(box)))


def _along(image: NDArray[Any], axis: int, outputs: int) -> NDArray[np.float64]:
    moved = np.moveaxis(image, axis, 0)
    flat = resize_weights(len(moved), outputs) @ moved.reshape(len(moved), -1)
    return np.moveaxis(flat.reshape(outputs, *moved.shape[1:]), 0, axis)


@lru_cache(maxsize=MATRICES)
def resize_weights(inputs: int, outputs: int) -> csr_array:
    """What each pixel of one line gives to each of the new line, (outputs, inputs); rows add up to 1."""
    step = inputs / outputs
    stretch = max(step, 1.0)
    centres = (np.arange(outputs) + 0.5) * step - 0.5  # in pixels of the old line
    first = np.floor(centres - REACH * stretch)
    places = (first[:, None] + np.arange(math.ceil(2 * REACH * stretch) + 2)).astype(np.int64)
    values = _cubic((centres[:, None] - places) / stretch)
    values /= values.sum(1, keepdims=True)
    folded = places % (2 * inputs)
    mirrored = np.minimum(folded, 2 * inputs - 1 - folded)
    rows = np.broadcast_to(np.arange(outputs)[:, None], places.shape)
    return csr_array((values.ravel(), (rows.ravel(), mirrored.ravel())), shape=(outputs, inputs))  # adds duplicates


def _cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' kernel with a = -1/2: 1 at 0, and 0 at every other integer and from 2 on."""
    x = np.abs(x)
    near, far = (1.5 * x - 2.5) * x**2 + 1, ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


@lru_cache(maxsize=MATRICES)
def _dense(inputs: int, outputs: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # what is made in that mode could not be used in training later
        return torch.from_numpy(resize_weights(inputs, outputs).toarray()).to(device, dtype)
