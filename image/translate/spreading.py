"""The colours of hints, spread to what belongs to them (Yatziv & Sapiro 2006: chrominance blending).

A place takes a mean of the predicted colour and of those of all hints, which weigh the more the nearer they are. Near
is what is reached over smooth areas, without crossing an edge, and is about as light.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude, label, uniform_filter
from torch import Tensor

# Chosen by 30 photos with 3, 10 and 30 dots of their true colours:
REACH = 0.3  # of the longer side: how far over an even area a hint weighs as much as the prediction
EDGE = 12.0  # what a slope of the luma from black to white within a pixel adds to the distance
TEXTURE, WINDOW = 2.0, 25  # slopes below so many times the mean one of a window of so many pixels are no edges
LIGHT = 0.2  # difference in luma, of 1, that is as far as REACH
POWER = 3  # of the distance, by which hints weigh less
ALIKE = (0.1, 8.0, 8.0)  # hints whose luma, a* and b* are in the same steps of these go from place to place together
LEAST = 1e-3  # distance


def spread(colours: Tensor, luma: Tensor, hints: Tensor) -> Tensor:
    """Colours (2, H, W) that were predicted, nearer to hints (3, H, W) where those belong, by luma (1, H, W).

    Args:
        colours: a* and b*.
        luma: in [-1, 1].
        hints: as `image.translate.hints` has them.
    """
    given, (level,), total = (of.double().numpy(force=True) for of in (hints, luma, colours))
    mask, given, light = given[0] > 0, given[1:], (level + 1) / 2
    smooth, toll = gaussian_filter(light, 2), _toll(light)
    total, weights = total.copy(), np.ones_like(light)
    for places in _alike(mask, smooth, given):
        apart = _distances(toll, places) + np.abs(smooth - smooth[places].mean()) / LIGHT
        weight = np.maximum(apart, LEAST) ** -POWER
        total += weight * given[:, places].mean(1)[:, None, None]
        weights += weight
    return torch.from_numpy(total / weights).to(colours)


def _toll(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far apart neighbouring places are, 1 being REACH."""
    slope = gaussian_gradient_magnitude(light, 1)
    return 1 / (REACH * max(light.shape)) + EDGE * np.maximum(0, slope - TEXTURE * uniform_filter(slope, WINDOW))


def _distances(toll: NDArray[np.float64], places: NDArray[np.bool_]) -> NDArray[np.float64]:
    from skimage.graph import MCP_Geometric  # slow to import

    found: NDArray[np.float64] = MCP_Geometric(toll).find_costs(np.argwhere(places))[0]
    return found


def _alike(mask: NDArray[np.bool_], light: NDArray[np.float64], given: NDArray[np.float64]) -> list[NDArray[np.bool_]]:
    """The places of dots that are about as light and have about the same colour, bool (H, W) each."""
    dots, count = label(mask, np.ones((3, 3)))
    kinds: dict[tuple[int, ...], NDArray[np.bool_]] = {}
    for number in range(1, count + 1):
        places = dots == number
        means = (light[places].mean(), *given[:, places].mean(1))
        kind = tuple(round(mean / step) for mean, step in zip(means, ALIKE, strict=True))
        kinds[kind] = kinds.get(kind, False) | places
    return list(kinds.values())
