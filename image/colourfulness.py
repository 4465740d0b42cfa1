"""How near and how colourful translated pictures are. Pictures are uint8 (H, W, 3)."""

import math

import numpy as np
from numpy.typing import NDArray

PEAK = 255.0

Picture = NDArray[np.uint8]


def colourfulness(picture: Picture) -> float:
    """M of Hasler & Süsstrunk 2003: 0 for grey, 15 slightly, 45 averagely, 82 highly colourful."""
    red, green, blue = (picture[..., channel].astype(np.float64) for channel in range(3))
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = math.hypot(red_green.std(), yellow_blue.std())
    return spread + 0.3 * math.hypot(red_green.mean(), yellow_blue.mean())


def squared_error(first: NDArray, second: NDArray, mask: NDArray[np.bool_] | None = None) -> float:
    """Mean squared difference over all channels, of the places (H, W) in `mask` if there is one."""
    error = np.square(first.astype(np.float64) - second)
    return float((error if mask is None else error[mask]).mean())


def psnr(error: float) -> float:
    """Of a mean squared error in grey levels, dB; infinite for none."""
    return 10 * math.log10(PEAK**2 / error) if error else math.inf
