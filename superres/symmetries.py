"""The eight symmetries of a square, of pictures of any shape."""

from torch import Tensor

SYMMETRIES = 8


def mirrored(image: Tensor, symmetry: int, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """One of the symmetries, 0 (as it is) to 7, of an image: flips, then the diagonal.

    Args:
        axes: of its height and width; from 4 on these are swapped.
    """
    flipped = _flipped(image, symmetry, axes)
    return flipped.transpose(*axes) if symmetry & 4 else flipped


def unmirrored(image: Tensor, symmetry: int, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """What `mirrored` made so, as it was."""
    return _flipped(image.transpose(*axes) if symmetry & 4 else image, symmetry, axes)


def _flipped(image: Tensor, symmetry: int, axes: tuple[int, int]) -> Tensor:
    sides = [axis for side, axis in enumerate(axes) if symmetry >> side & 1]
    return image.flip(sides) if sides else image
