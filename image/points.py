"""Places in a model's latent space, and what is done to several of them alike."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Point:
    """Where N pictures lie.

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


def there_and_back(frames: list[Tensor]) -> list[Tensor]:
    """Frames of an animation that returns to its start, with neither end twice in a row."""
    return frames + frames[-2:0:-1]
