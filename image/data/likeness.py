"""Pictures that a data set has twice: exact copies, and those that look nearly the same."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from common.data.arrays import digest
from common.data.order import epoch_order
from image.data.loading import ImageData, in_parts

THUMBNAIL = 8  # pixels a side, at which pictures are compared
ALIKE = 0.99  # least correlation; at 64 x 64 it still joins JPEGs of quality 30 with their originals, crops seldom
MAX_COMPARED = 20_000  # pictures; every one with every other takes seconds


@dataclass(frozen=True)
class Likeness:
    """What is in a data set more than once.

    Attributes:
        copies: names of pictures that are the same to the pixel at the size of the training, together.
        alike: names of a picture and of the one most like it of those behind it, and their correlation; highest first.
        leaked: held-out pictures of which there is a copy or a look-alike among the training pictures.
        compared: pictures among which look-alikes were sought.
    """

    copies: list[list[str]]
    alike: list[tuple[str, str, float]]
    leaked: int
    compared: int


def find_alike(data: ImageData) -> Likeness:
    """Find copies among all pictures and look-alikes among up to `MAX_COMPARED`, by chance which."""
    names, training = [*data.names[0], *data.names[1]], len(data.train)
    same: dict[str, list[int]] = {}
    for row, image in enumerate(_images(data)):
        same.setdefault(digest(image.numpy().tobytes()), []).append(row)
    rows = torch.tensor([group[0] for group in same.values()])  # in order, so training pictures come first
    rows = rows[epoch_order(len(rows), 0, 0)[:MAX_COMPARED].sort().values]
    best, partner, leaked = look_alikes(_thumbnails(data)[rows], int((rows < training).sum()))
    found = [(names[rows[i]], names[rows[partner[i]]], float(best[i])) for i in (best > ALIKE).nonzero()[:, 0].tolist()]
    copied = sum(row >= training for group in same.values() if group[0] < training for row in group)
    copies = [[names[row] for row in group] for group in same.values() if len(group) > 1]
    return Likeness(copies, sorted(found, key=lambda pair: -pair[2]), copied + leaked, len(rows))


def look_alikes(thumbnails: Tensor, training: int) -> tuple[Tensor, Tensor, int]:
    """The highest correlation of each of N pictures with those behind it, and which one that is of.

    Args:
        thumbnails: of length 1 or 0, (N, D).
        training: how many of them, the first ones, are trained on.

    Returns:
        Correlations (N,), rows (N,), and how many of the others have a look-alike among the first.
    """
    best, partner = torch.zeros(len(thumbnails)), torch.zeros(len(thumbnails), dtype=torch.long)
    leaked = torch.zeros(len(thumbnails) - training, dtype=torch.bool)
    for start in range(0, len(thumbnails), 1024):
        near = (thumbnails[start : start + 1024] @ thumbnails[start:].T).triu(1)
        stop, border = start + len(near), training - start
        best[start:stop], columns = near.max(1)
        partner[start:stop] = start + columns
        if border > 0:
            leaked |= (near[:border, border:] > ALIKE).any(0)
    return best, partner, int(leaked.sum())


def _images(data: ImageData) -> Iterator[Tensor]:
    """All pictures, (C, H, W), those to train on first."""
    for part in (data.train, data.test):
        yield from part.tensors["image"]


def _thumbnails(data: ImageData) -> Tensor:
    """All pictures small, without their mean and of length 1, (N, D); of one colour alone, 0."""
    parts = []
    for chunk in (chunk for part in (data.train, data.test) for chunk in in_parts(part.tensors["image"])):
        small = F.adaptive_avg_pool2d(chunk.float(), THUMBNAIL).flatten(1)
        centred = small - small.mean(1, keepdim=True)
        parts.append(F.normalize(centred, eps=1.0))
    return torch.cat(parts)
