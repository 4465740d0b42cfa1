"""Pictures of one's own in a model's latent space: found there, moved along directions, and led to each other.

model, extractor = load_image_model("faces-cgan"), load_extractor()
point = invert(model, pictures, extractor)                      # uint8 (N, C, H, W)
smiling = moved(point, parse_direction(model, "smile=+2"))
pictures = model.decode(smiling.z, smiling.labels)
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from common.cores.latents import Point
from common.pictures.sheets import there_and_back
from image.edit.directions import Direction, between, moved
from image.models import ImageModel

STEPS, FRAMES = 5, 24  # pictures on a row of a sheet between the ends, and of an animation one way


Rows = list[tuple[str, Tensor]]


def edits(
    model: ImageModel, images: Tensor, again: Tensor, point: Point, directions: Sequence[Direction]
) -> tuple[Rows, list[Tensor]]:
    """A picture moved along each direction, and along all of them together if there are several.

    Args:
        images, again: the picture and its reconstruction, (1, C, H, W).

    Returns:
        Rows of a sheet: the picture, its reconstruction and steps along a direction; and frames, there and back.
    """
    if not directions:
        return [("", torch.cat([images, again]))], [images, again]
    ways = [(direction.name, [direction]) for direction in directions]
    if len(directions) > 1:
        ways.append(("all", list(directions)))

    def at(way: Sequence[Direction], share: float) -> Tensor:
        end = point
        for direction in way:
            end = moved(end, direction, share)
        return model.decode(end.z, end.labels)

    shares = [step / STEPS for step in range(1, STEPS + 1)]
    rows = [(name, torch.cat([images, again, *(at(way, share) for share in shares)])) for name, way in ways]
    frames = [at(ways[-1][1], share) for share in torch.linspace(0, 1, FRAMES).tolist()]
    return rows, there_and_back(frames)


def morph(model: ImageModel, images: Tensor, point: Point) -> tuple[Rows, list[Tensor]]:
    """Go from one picture to another: a row of a sheet, and frames, there and back.

    Args:
        images: both pictures, (2, C, H, W).
    """

    def at(share: float) -> Tensor:
        place = between(point[:1], point[1:], share)
        return model.decode(place.z, place.labels)

    ends = torch.cat([images[:1], *(at(step / (STEPS + 1)) for step in range(STEPS + 2)), images[1:]])
    frames = [at(share) for share in torch.linspace(0, 1, FRAMES).tolist()]
    return [("", ends)], there_and_back(frames)
