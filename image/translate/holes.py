"""Holes in pictures: where they are to learn from, the smooth surface that a fill begins from, and how deep."""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional as F

from common.randomness import Draw

MOST = 1 / 3  # of a picture that is hole, to learn from
PIECES = 6  # at most, of a hole to learn from: boxes and ellipses, or steps of a stroke
BOX_SIDES = 0.1, 0.57  # of a box, as shares of the picture's; the largest one covers not quite `MOST`
MEASURED_SIDES = 0.125, 0.375  # of the one box or ellipse to measure by: 16 to 48 of 128 pixels
STRIDES = 0.06, 0.3  # lengths of steps, as shares of the longer side
BRUSHES = 0.04, 0.16  # widths of strokes, likewise
TURN = 1.2  # radians by which a stroke may turn from step to step
SWEEPS = 8  # of averaging at each resolution of a surface

Point = tuple[float, float]  # x and y, in pixels
Shape = Callable[[ImageDraw.ImageDraw], None]  # drawn with 1


def holes(draw: Draw, height: int, width: int) -> Tensor:
    """Holes to learn from: in one half of the pictures boxes and ellipses, in the other a stroke of a thick brush.

    A picture has up to six of the boxes, or steps of the stroke, of which the first ones stay that cover up to a third.

    Returns:
        (N, 1, H, W): 1 within and 0 around.
    """
    found = []
    for (is_stroke, count, *others), *pieces in draw.uniform(1 + PIECES, 5).tolist():
        kept = pieces[: 1 + int(count * PIECES)]
        shapes = _stroke(others, kept, height, width) if is_stroke < 0.5 else [_box(p, height, width) for p in kept]
        found.append(_drawn(shapes, height, width))
    return _stacked(found, draw)


def measured_holes(draw: Draw, height: int, width: int) -> Tensor:
    """Holes to measure by, (N, 1, H, W): a box or an ellipse that lies in the picture, an eighth to 3/8 of it wide."""
    boxes = [_box(numbers, height, width, MEASURED_SIDES, inside=True) for numbers in draw.uniform(5).tolist()]
    return _stacked([_drawn([box], height, width) for box in boxes], draw)


def _stacked(found: list[Image.Image], draw: Draw) -> Tensor:
    masks = np.stack([np.asarray(hole, np.float32) for hole in found])
    return torch.from_numpy(masks)[:, None].to(draw.device)


def _drawn(shapes: list[Shape], height: int, width: int) -> Image.Image:
    """As many of the first shapes as cover no more than `MOST`."""
    hole = Image.new("1", (width, height))
    for shape in shapes:
        larger = hole.copy()
        shape(ImageDraw.Draw(larger))
        if np.asarray(larger).mean() > MOST:
            break
        hole = larger
    return hole


def _box(
    numbers: list[float], height: int, width: int, limits: tuple[float, float] = BOX_SIDES, inside: bool = False
) -> Shape:
    """A box or an ellipse, by five numbers in [0, 1): where its middle is, its sides, and which of the two."""
    y, x, up, across, kind = numbers
    corners = []
    for place, share, length in ((x, across, width), (y, up, height)):
        side = max(1, round(_between(limits, share) * length))
        first = round(place * (length - side)) if inside else round(place * length - side / 2)
        corners.append((first, first + side - 1))
    (left, right), (top, bottom) = corners

    def draw(pen: ImageDraw.ImageDraw) -> None:
        (pen.ellipse if kind < 0.5 else pen.rectangle)((left, top, right, bottom), fill=1)

    return draw


def _stroke(numbers: list[float], pieces: list[list[float]], height: int, width: int) -> list[Shape]:
    """The steps of a stroke that turns as it goes, by numbers in [0, 1): its brush and start, then each step's."""
    brush, y, x = numbers
    longer, point, angle, steps = max(height, width), (x * width, y * height), 0.0, list[Shape]()
    for number, (stride, turn, *_) in enumerate(pieces):
        angle += 2 * math.pi * turn if number == 0 else TURN * (2 * turn - 1)
        length = _between(STRIDES, stride) * longer
        end = (point[0] + length * math.cos(angle), point[1] + length * math.sin(angle))
        steps.append(_step(point, end, _between(BRUSHES, brush) * longer))
        point = end
    return steps


def _step(start: Point, end: Point, brush: float) -> Shape:
    """A line with round ends."""

    def draw(pen: ImageDraw.ImageDraw) -> None:
        pen.line((start, end), fill=1, width=max(1, round(brush)))
        for x, y in (start, end):
            pen.ellipse((x - brush / 2, y - brush / 2, x + brush / 2, y + brush / 2), fill=1)

    return draw


def _between(limits: tuple[float, float], share: float) -> float:
    return limits[0] + (limits[1] - limits[0]) * share


def surface(pictures: Tensor, hole: Tensor) -> Tensor:
    """Fill holes with a membrane from rim to rim, by averages from coarse to fine; linear in the number of pixels.

    Where averages of four (Gortler et al. 1996: push and pull) leave a hole, it is filled first at half the resolution.
    Then each place becomes the mean of its neighbours, some times over, which brings it near to a harmonic surface.

    Args:
        pictures: (N, C, H, W); what lies in the hole does not count.
        hole: (N, 1, H, W), 1 within and 0 around; of each picture something is around.
    """
    is_hole, size = hole > 0.5, pictures.shape[2:]
    if not is_hole.any():
        return pictures
    known = 1 - hole
    share = F.avg_pool2d(known, 2, ceil_mode=True)
    half = F.avg_pool2d(torch.where(is_hole, 0, pictures), 2, ceil_mode=True) / share.clamp(min=1e-6)
    coarse = surface(half, (share == 0).float())
    filled = torch.where(is_hole, F.interpolate(coarse, size=size, mode="bilinear"), pictures)
    for _ in range(SWEEPS):
        filled = torch.where(is_hole, _mean_of_neighbours(filled), pictures)
    return filled


def _mean_of_neighbours(pictures: Tensor) -> Tensor:
    """Of the four beside each place; the border is repeated."""
    around = F.pad(pictures, (1, 1, 1, 1), mode="replicate")
    beside = around[..., 1:-1, 2:] + around[..., 1:-1, :-2] + around[..., 2:, 1:-1] + around[..., :-2, 1:-1]
    return beside / 4


def depth(hole: NDArray[np.bool_]) -> float:
    """How far the middle of a hole (H, W) is from what is known, in pixels; the picture's border is not known."""
    return float(distance_transform_edt(hole).max())


def deepest(patch: int) -> float:
    """The depth of the deepest hole that is learned from in patches of so many pixels a side."""
    return BOX_SIDES[1] * patch / 2
