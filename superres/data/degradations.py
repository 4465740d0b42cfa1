"""How pictures are made small: by MATLAB's bicubic, or as happens to photos before they reach anyone.

That is blur, shrinking, noise and JPEG, in random order and strength, after BSRGAN (Zhang et al. 2021), with fewer
kinds of each; or two rounds of them (`superres.data.second_order`).
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from superres.config import Degradation
from superres.data.second_order import degrade_twice
from superres.resize import low_resolution

RGB = NDArray[np.uint8]

OFTEN = 0.8  # how often there is blur, and how often noise, and how often JPEG among them
AT_LAST = 0.7  # how often JPEG comes last (again)
PLAIN = 0.5  # how often shrinking is MATLAB's
BLUR = (0.2, 0.6)  # standard deviations across and down, in pixels of the small picture
NOISE = (1.0, 12.0)  # standard deviation, in grey levels
QUALITY = (40, 95)  # of JPEG, of 100
FILTERS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.BOX, Image.Resampling.LANCZOS)


def made_small(image: RGB, scale: int, degradation: Degradation, seed: int) -> RGB:
    """A small picture, uint8 (H, W, 3) -> (H / scale, W / scale, 3); a function of its arguments.

    Args:
        image: sides are multiples of `scale`.
    """
    if degradation == "bicubic":
        return low_resolution(image, scale)
    return (degrade if degradation == "real" else degrade_twice)(image, scale, seed)


def degrade(image: RGB, scale: int, seed: int) -> RGB:
    """A small picture as it may be found, uint8 (H, W, 3) -> (H / scale, W / scale, 3); a function of its arguments.

    Args:
        image: sides are multiples of `scale`.
    """
    draw = np.random.default_rng(seed)
    size = (image.shape[0] // scale, image.shape[1] // scale)
    for step in draw.permutation(["blur", "shrink", "noise", "jpeg"]):
        if step == "shrink":
            image = _shrunk(image, scale, size, draw)
        elif draw.random() < OFTEN:
            ratio = image.shape[0] / size[0]  # of this picture to the small one
            image = {"blur": _blurred, "noise": _noisy, "jpeg": _compressed}[step](image, ratio, draw)
    return _compressed(image, 1, draw) if draw.random() < AT_LAST else image


def _blurred(image: RGB, ratio: float, draw: np.random.Generator) -> RGB:
    deviations = draw.uniform(*BLUR, 2) * ratio
    blurred = gaussian_filter(image.astype(np.float32), (*deviations, 0), mode="reflect", truncate=3)
    return blurred.round().astype(np.uint8)


def _shrunk(image: RGB, scale: int, size: tuple[int, int], draw: np.random.Generator) -> RGB:
    """To `size`: MATLAB's way, or by any filter and a detour through a size in between."""
    if draw.random() < PLAIN:
        return low_resolution(image, scale)
    between = draw.uniform(1, scale)
    picture = Image.fromarray(image)
    for height, width in ((round(size[0] * between), round(size[1] * between)), size):
        picture = picture.resize((width, height), draw.choice(FILTERS))
    return np.asarray(picture)


def _noisy(image: RGB, ratio: float, draw: np.random.Generator) -> RGB:
    """Gaussian noise, of all channels alike as often as not; shrinking will average much of it away."""
    channels = draw.choice([1, 3])
    noise = draw.standard_normal((*image.shape[:2], channels), dtype=np.float32)
    return (image + noise * draw.uniform(*NOISE)).round().clip(0, 255).astype(np.uint8)


def _compressed(image: RGB, ratio: float, draw: np.random.Generator) -> RGB:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=int(draw.integers(*QUALITY, endpoint=True)))
    return np.asarray(Image.open(buffer))
