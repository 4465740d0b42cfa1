"""Sheets of samples: rows by class, lines as wide as a page."""

import math
from collections.abc import Sequence

from PIL import Image
from torch import Tensor

from common.pictures.sheets import grid, sheet
from image.models import ImageModel

WIDEST = 16  # pictures in a line of a labelled sheet; longer rows are broken


def draw_sheet(rows: Sequence[tuple[str, Tensor]], headings: Sequence[str] = ()) -> Image.Image:
    """All rows on one sheet with their labels and headings, or the only row as a grid if it has no headings.

    Rows of more than `WIDEST` pictures are broken into lines, for which there are no headings.
    """
    if len(rows) == 1 and not headings:
        return grid(rows[0][1])
    longest = max(len(images) for _, images in rows)
    width = line_width(longest)
    parts = [(label, images.split(width)) for label, images in rows]
    lines = [("" if i else label, part) for label, chunks in parts for i, part in enumerate(chunks)]
    return sheet(lines, headings=headings if width == longest else ())


def line_width(count: int) -> int:
    """Pictures in a line where a row of `count` is broken: so many that they fill all lines, or nearly."""
    if count <= WIDEST:
        return count
    nearly = math.ceil(count / math.ceil(count / WIDEST))
    return next((width for width in range(WIDEST, WIDEST // 2, -1) if count % width == 0), nearly)


def by_class(model: ImageModel, images: Tensor, labels: Tensor | None) -> list[tuple[str, Tensor]]:
    """The images of each class under its name, in the order of their first appearance."""
    if labels is None:
        return [("", images)]
    return [(model.classes[label], images[labels == label]) for label in dict.fromkeys(labels.tolist())]
