"""Differentiable augmentation of what the critic sees (Zhao et al. 2020), with a fixed or adaptive strength.

Real and fake images pass through the same random transformations, so the generator still learns the plain data, and
the critic cannot learn a small data set by heart.
"""

import torch
from torch import Tensor, nn

from common.config import AugmentConfig
from common.game import Draw
from common.schedules import linear


class Augmentation(nn.Module):
    """Applies each transformation to each image with probability `strength`, a buffer that adapts if asked to.

    The adaptive rule is linear, p += (mean(sign(real logits)) - target) * batch / images, so that averaging the buffer
    over processes gives what one process would have.
    """

    strength: Tensor

    def __init__(self, config: AugmentConfig, batch: int):
        super().__init__()
        self.config, self.batch = config, batch
        self.register_buffer("strength", torch.tensor(float(config.augment_strength)))

    def forward(self, images: Tensor, draw: Draw) -> Tensor:
        """Augment images (k * n, C, H, W) in [-1, 1]; the k groups of n rows share their transformations."""
        groups = len(images) // draw.local_rows
        probability = self.strength * (
            linear(0, 1, draw.progress / self.config.augment_warm_up) if self.config.augment_warm_up else 1
        )
        for kind in self.config.augment:
            applied = (draw.uniform() < probability).repeat(groups).view(-1, 1, 1, 1)
            parameters = draw.uniform(3).repeat(groups, 1)  # (k * n, 3) in [0, 1)
            images = torch.where(applied, TRANSFORMATIONS[kind](images, parameters), images)
        return images

    @torch.no_grad()
    def adapt(self, real_logits: Tensor) -> None:
        """Raise the strength when the critic is too sure of real images, (N,), and lower it when it is not."""
        if self.config.augment_target is None:
            return
        drift = (real_logits.sign().mean() - self.config.augment_target) * (self.batch / self.config.augment_images)
        self.strength.add_(drift).clamp_(0, 1)


def translate(images: Tensor, parameters: Tensor, ratio: float = 0.125) -> Tensor:
    """Shift by up to `ratio` of the side, in whole pixels, filling with the border's colour.

    Args:
        images: (N, C, H, W).
        parameters: (N, 3) in [0, 1); the first two say how far down and right, 0.5 being no shift.
    """
    n, channels, height, width = images.shape
    rows = _shifted(height, parameters[:, 0], ratio)[:, None, :, None]
    columns = _shifted(width, parameters[:, 1], ratio)[:, None, None, :]
    return images.gather(2, rows.expand(n, channels, height, width)).gather(
        3, columns.expand(n, channels, height, width)
    )


def cut_out(images: Tensor, parameters: Tensor, ratio: float = 0.5) -> Tensor:
    """Set a square of `ratio` of the side to mid-grey (0); `parameters` (N, 3) hold its centre in [0, 1)."""
    masks = []
    for axis, side in enumerate(images.shape[2:]):
        position = (torch.arange(side, device=images.device) + 0.5) / side
        masks.append((position - parameters[:, axis : axis + 1]).abs() < ratio / 2)  # (N, side)
    hole = masks[0][:, None, :, None] & masks[1][:, None, None, :]
    return images.masked_fill(hole, 0.0)


def recolour(images: Tensor, parameters: Tensor) -> Tensor:
    """Change brightness by up to 0.5, saturation by a factor in [0, 2) and contrast by one in [0.5, 1.5)."""
    brightness, saturation, contrast = (column.view(-1, 1, 1, 1) for column in parameters.unbind(1))
    images = images + (brightness - 0.5)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (2 * saturation)
    middle = images.mean((1, 2, 3), keepdim=True)
    return middle + (images - middle) * (contrast + 0.5)


TRANSFORMATIONS = {"translation": translate, "cutout": cut_out, "colour": recolour}


def _shifted(side: int, parameter: Tensor, ratio: float) -> Tensor:
    reach = round(side * ratio)
    shift = (parameter * (2 * reach + 1)).floor().long() - reach
    return (torch.arange(side, device=parameter.device) + shift[:, None]).clamp(0, side - 1)  # (N, side)
