"""Weights beside each other: where on a picture they differ most, and where twins depart from their models."""

from itertools import combinations

import numpy as np
import torch
from einops import rearrange, repeat
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

from common.data.folders import File
from common.errors import UserError
from common.pictures.photos import decode
from common.pictures.reading import naming
from common.pictures.sheets import sheet
from common.training.devices import pick_device
from superres.config import TWIN, CompareConfig
from superres.models import load_superres_model
from superres.upscaling import TiledUpscaler

WHITE = 32  # levels of 255 by which a twin departs where its map is white
LEAST = 8  # pixels of a picture's shorter side

RGB = NDArray[np.uint8]  # (H, W, 3)
Map = NDArray[np.float32]  # (H, W), levels of 255


def compare(config: CompareConfig) -> tuple[Image.Image, list[str]]:
    """The sheet that `superres.compare` draws, and what it says.

    All weights enlarge by the largest of their scales, the others by a further pass and a bicubic resize.

    Raises:
        UserError: the picture cannot be read or is too small, or weights are damaged.
    """
    with naming(config.picture):
        picture = decode(File(config.picture))
    if min(picture.shape[:2]) < LEAST:
        raise UserError(f"{config.picture} has fewer than {LEAST} pixels a side, too few to compare on")
    models = {name: load_superres_model(name, pick_device(config.device)) for name in config.weights}
    scale = max(model.scale for model in models.values())
    large = {name: TiledUpscaler(model, scale, config.tile).upscale(picture) for name, model in models.items()}
    side = min(config.side, *picture.shape[:2])
    apart = sum((difference(*pair, scale) for pair in combinations(large.values(), 2)), np.zeros(picture.shape[:2]))
    rows, headings = list[tuple[str, torch.Tensor]](), ("as it is", *large)
    for y, x in places(apart, side, config.crops):
        crops = [repeat(picture[y : y + side, x : x + side], "h w c -> (h y) (w x) c", y=scale, x=scale)]
        crops += [one[y * scale : (y + side) * scale, x * scale : (x + side) * scale] for one in large.values()]
        rows.append((f"x {x}\ny {y}", rearrange(torch.from_numpy(np.stack(crops)), "n h w c -> n c h w")))
    width = side * scale * len(headings) + 2 * (len(headings) - 1)
    for soft in (name for name in large if name + TWIN in large):
        departure = difference(large[soft], large[soft + TWIN], scale)
        rows.append((f"{soft}{TWIN}\nless\n{soft}", drawn(departure, width)))
    told = [
        f"{one} and {other} differ by {difference(large[one], large[other], scale).mean():.2f} of 255 on average"
        for one, other in combinations(large, 2)
    ]
    return sheet(rows, upscale=1, headings=headings), told


def difference(one: RGB, other: RGB, scale: int) -> Map:
    """How far two upscaled pictures are apart, at each pixel of the one that was upscaled, as a mean over channels."""
    height, width = (length // scale for length in one.shape[:2])
    total = np.zeros((height, width), np.float32)
    for row in range(height):  # one by one, in little memory
        strips = (each[row * scale : (row + 1) * scale].astype(np.float32) for each in (one, other))
        total[row] = np.abs(next(strips) - next(strips)).reshape(scale, width, -1).mean((0, 2))
    return total


def places(apart: NDArray[np.floating], side: int, count: int) -> list[tuple[int, int]]:
    """The upper left corners (y, x) of squares that do not overlap, those with most in them first.

    Args:
        apart: (H, W), what is to be much.
        count: how many at most; there may be room for fewer.
    """
    half = side // 2
    height, width = apart.shape
    means = uniform_filter(apart.astype(np.float64), side, mode="constant")  # of squares around each pixel
    inside = means[half : height - side + half + 1, half : width - side + half + 1].copy()
    found: list[tuple[int, int]] = []
    while len(found) < count and (inside >= 0).any():
        y, x = (int(index) for index in np.unravel_index(inside.argmax(), inside.shape))
        found.append((y, x))
        inside[max(0, y - side + 1) : y + side, max(0, x - side + 1) : x + side] = -1
    return found


def drawn(departure: Map, width: int) -> torch.Tensor:
    """A map of so many pixels across, (1, 3, H, W) uint8: black where nothing departs, white from 32 levels on."""
    grey = Image.fromarray((departure / WHITE * 255).clip(0, 255).astype(np.uint8))
    sized = grey.resize((width, max(1, round(width * grey.height / grey.width))), Image.Resampling.BOX)
    return repeat(torch.from_numpy(np.array(sized)), "h w -> 1 c h w", c=3)
