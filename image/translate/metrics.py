"""How translated pictures are measured: errors, colourfulness (Hasler & Suesstrunk 2003), features of tiles."""

import math
from typing import Any

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from image.judges.extractor import SIDE, Extractor
from image.translate.patches import Album

PEAK = 255.0
AREA, FLAT = 8, 2  # side of what `weave` averages over, in pixels, and by how many levels it may differ

RGB = NDArray[np.uint8]


def colourfulness(picture: RGB) -> float:
    """M of Hasler & Süsstrunk 2003: 0 for grey, 15 slightly, 45 averagely, 82 highly colourful."""
    red, green, blue = (picture[..., channel].astype(np.float64) for channel in range(3))
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = math.hypot(red_green.std(), yellow_blue.std())
    return spread + 0.3 * math.hypot(red_green.mean(), yellow_blue.mean())


def weave(made: Tensor, true: Tensor) -> float | None:
    """The pattern that repeats with every second pixel, as pixel shuffles leave it: its amplitude in grey levels.

    That is the root of the energy at the three Nyquist frequencies of the grid (along, across and both) in the median
    area of 8 x 8 pixels of what was made where true pictures, uint8 (N, 3, H, W), are of one colour and not white; None
    without such areas. Areas fade out by binomial weights, so that what changes smoothly counts as nothing, and are
    judged by the median, so that a few with strokes in the wrong place do not.
    """
    areas, others = (
        rearrange(side.double(), "n c (h y) (w x) -> (n h w) c y x", y=AREA, x=AREA) for side in (made, true)
    )
    least, most = others.amin((2, 3)), others.amax((2, 3))
    is_flat = ((most - least).amax(1) <= FLAT) & (least.amin(1) < PEAK - FLAT)
    if not is_flat.any():
        return None
    fading = torch.tensor([math.comb(AREA - 1, place) / 2 ** (AREA - 1) for place in range(AREA)], dtype=torch.double)
    waves = torch.stack([fading, fading * (-1) ** torch.arange(AREA)])
    found = waves @ areas[is_flat] @ waves.T  # the mean, and the amplitudes of the three
    found[..., 0, 0] = 0
    return float(found.square().sum((2, 3)).mean(1).median().sqrt())


def squared_error(first: NDArray[Any], second: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> float:
    """Mean squared difference over all channels, of the places (H, W) in `mask` if there is one."""
    error = np.square(first.astype(np.float64) - second)
    return float((error if mask is None else error[mask]).mean())


def psnr(error: float) -> float:
    """PSNR for a mean squared error in grey levels, dB; infinite for none."""
    return 10 * math.log10(PEAK**2 / error) if error else math.inf


def tile_features(extractor: Extractor, pictures: Tensor) -> Tensor:
    """The features of all tiles that uint8 pictures (N, 3, H, W) are cut into."""
    tiles = rearrange(pictures, "n c (rows h) (columns w) -> (n rows columns) c h w", h=SIDE, w=SIDE)
    return extractor.features(tiles.split(1024))


def middles(album: Album, side: int, most: int) -> Tensor:
    """The middles of some pictures, evenly spread over an album, uint8 (N, C, side, side)."""
    count = min(len(album), most)
    found = []
    for row in range(count):
        picture = album[row * len(album) // count]
        y, x = ((length - side) // 2 for length in picture.shape[:2])
        found.append(picture[y : y + side, x : x + side])
    return rearrange(found, "n h w c -> n c h w").contiguous()
