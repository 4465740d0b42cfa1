"""From pictures of any kind to rows of one size, uint8."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from einops import rearrange
from PIL import Image, ImageOps

from common.data.arrays import allocate
from common.pictures.photos import read_each
from image.config import Fit, Size
from image.data.sources import Pictures

LAID_OUT = 2  # how what is decoded lies in the cache; raise it when that changes
WHITE = (255, 255, 255)  # shows through transparent pixels, and fills what padding adds


@dataclass(frozen=True)
class Options:
    """What the user asked for; see `load_images`."""

    data: str
    size: Size | None
    fit: Fit
    grey: bool | None


def fill(scratch: np.ndarray, pictures: Pictures, options: Options) -> list[str]:
    """Decode every picture into its row of `scratch`, (N, 3, H, W); return why each failed, or ""."""
    height, width = scratch.shape[2:]

    def decode(row: int) -> str:
        with pictures.read(row, max(height, width)) as image:
            scratch[row] = fitted(image, (height, width), options.fit, bool(options.grey))
        return ""

    return read_each(decode, range(len(scratch)), options.data)


def fitted(image: Image.Image, shape: tuple[int, int], fit: Fit = "crop", grey: bool = False) -> np.ndarray:
    """Turn any picture into RGB of a shape (H, W), uint8 (3, H, W): upright and opaque; `grey` takes the colour out."""
    ImageOps.exif_transpose(image, in_place=True)
    image = _eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, WHITE), image)
    if grey:
        image = image.convert("L")
    image, (height, width) = image.convert("RGB"), shape
    if fit != "pad":
        image = ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    else:
        image = ImageOps.pad(image, (width, height), Image.Resampling.LANCZOS, color=WHITE)
    return rearrange(np.asarray(image), "h w c -> c h w")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey, which Pillow would clip at 255, and floats in [0, 1] to 8 bits."""
    if image.mode[0] not in "IF":
        return image
    values = np.asarray(image, dtype=np.float32) * (255 if image.mode == "F" else 1 / 257)
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


def _chunks(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[start : start + 64] for start in range(0, len(rows), 64))


def copy(source: np.ndarray, rows: np.ndarray, path: Path) -> None:
    """Write these rows into a .npy file of their own."""
    target = allocate(path, (len(rows), *source.shape[1:]), source.dtype)
    for positions in _chunks(np.arange(len(rows))):
        target[positions] = source[rows[positions]]


def colourless(scratch: np.ndarray, rows: np.ndarray) -> bool:
    """Whether these rows, of three channels, are all grey."""
    return all((scratch[chunk] == scratch[chunk, :1]).all() for chunk in _chunks(rows))


def present_classes(pictures: Pictures, rows: np.ndarray) -> tuple[np.ndarray | None, list[str]]:
    """Leave out the classes of which no picture could be read."""
    if pictures.labels is None:
        return None, []
    present = np.unique(pictures.labels[rows])
    return np.searchsorted(present, pictures.labels), [pictures.classes[label] for label in present]
