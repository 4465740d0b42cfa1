"""Walking and calculating in a latent space whose prior is N(0, I), which in many dimensions is a thin sphere."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

PARALLEL = 1e-4  # sine of an angle below which two directions count as one (or as opposite)


def slerp(start: Tensor, end: Tensor, share: float | Tensor) -> Tensor:
    """Spherical interpolation (Shoemake 1985; White 2016): constant angular speed, and no passage through the origin.

    Where the two point the same way, or opposite ways, so that no great circle is the shortest, it is linear.

    Args:
        start, end: (..., D).
        share: 0 gives `start` and 1 `end`; a number, or a tensor that broadcasts against (..., 1).
    """
    share = torch.as_tensor(share, dtype=start.dtype, device=start.device)
    cosine = torch.cosine_similarity(start, end, dim=-1).clamp(-1, 1).unsqueeze(-1)
    angle = cosine.arccos()
    sine = angle.sin()
    linear = sine < PARALLEL
    sine = torch.where(linear, 1, sine)
    first = torch.where(linear, 1 - share, ((1 - share) * angle).sin() / sine)
    second = torch.where(linear, share, (share * angle).sin() / sine)
    return first * start + second * end


def walk(stops: Tensor, share: float) -> Tensor:
    """The point (..., D) after `share` in [0, 1] of the legs of a spherical path through `stops` (K >= 2, ..., D)."""
    leg = min(int(share * (len(stops) - 1)), len(stops) - 2)
    return slerp(stops[leg], stops[leg + 1], share * (len(stops) - 1) - leg)


def analogy(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """first - second + third (Radford et al. 2016) at the length |first| |third| / |second|; all (..., D).

    So it stays on the sphere if the three lie on it, and A - A + C is C.
    """
    result = first - second + third
    lengths = [vector.norm(dim=-1, keepdim=True).clamp(min=1e-12) for vector in (first, second, third, result)]
    return result * (lengths[0] * lengths[2] / (lengths[1] * lengths[3]))


@dataclass(frozen=True)
class Point:
    """Where N examples lie in the latent space of a model that may know classes.

    Attributes:
        z: latents, (N, latent).
        labels: weights of all classes and of "no label", (N, classes + 1), or None for models without classes.
    """

    z: Tensor
    labels: Tensor | None

    def __getitem__(self, rows: Tensor | slice) -> "Point":
        return Point(self.z[rows], None if self.labels is None else self.labels[rows])


def combine(function: Callable[..., Tensor], *points: Point) -> Point:
    """What a function makes of the latents, and what it makes of the label weights, of points of one model."""
    labels = [point.labels for point in points if point.labels is not None]
    return Point(function(*(point.z for point in points)), function(*labels) if labels else None)
