"""Differentiable augmentation of what the critic sees (Zhao et al. 2020), with a fixed or adaptive strength.

Real and fake images pass through the same random transformations, so the generator still learns the plain data, and
the critic cannot learn a small data set by heart.
"""

from collections.abc import Callable

import torch
from einops import rearrange, repeat
from torch import Tensor, nn

from common.config import AugmentConfig
from common.cores.schedules import linear
from common.randomness import Draw


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
        for kind in self.config.augment or ():
            applied = repeat(draw.uniform() < probability, "n -> (groups n) 1 1 1", groups=groups)
            parameters = repeat(draw.uniform(3), "n three -> (groups n) three", groups=groups)  # in [0, 1)
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
    _, channels, height, width = images.shape
    rows = repeat(_shifted(height, parameters[:, 0], ratio), "n h -> n c h w", c=channels, w=width)
    columns = repeat(_shifted(width, parameters[:, 1], ratio), "n w -> n c h w", c=channels, h=height)
    return images.gather(2, rows).gather(3, columns)


def deform(
    images: Tensor, parameters: Tensor, angle: float = 0.35, scale: float = 0.25, stretch: float = 0.15
) -> Tensor:
    """Turn by up to `angle` radians, magnify by up to exp(`scale`) or its inverse, and stretch likewise.

    Bilinear, outside filled with the border's colour, and, unlike `grid_sample`, twice differentiable, for penalties.

    Args:
        images: (N, C, H, W).
        parameters: (N, 3) in [0, 1): angle, scale, and stretch along the width; 0.5 changes nothing.
    """
    turn, larger, wider = ((2 * parameters - 1) * parameters.new_tensor([angle, scale, stretch])).unbind(1)
    sine, cosine = turn.sin()[:, None, None], turn.cos()[:, None, None]
    height, width = images.shape[2:]
    y = (torch.arange(height, device=images.device) - (height - 1) / 2)[None, :, None]
    x = (torch.arange(width, device=images.device) - (width - 1) / 2)[None, None, :]
    rows = (cosine * y + sine * x) * (wider - larger).exp()[:, None, None] + (height - 1) / 2
    columns = (cosine * x - sine * y) * (-wider - larger).exp()[:, None, None] + (width - 1) / 2
    return _bilinear(images, rows.clamp(0, height - 1), columns.clamp(0, width - 1))


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
    brightness, saturation, contrast = rearrange(parameters, "n three -> three n 1 1 1")
    images = images + (brightness - 0.5)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (2 * saturation)
    middle = images.mean((1, 2, 3), keepdim=True)
    return middle + (images - middle) * (contrast + 0.5)


TRANSFORMATIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "translation": translate,
    "affine": deform,
    "cutout": cut_out,
    "colour": recolour,
}


def _shifted(side: int, parameter: Tensor, ratio: float) -> Tensor:
    reach = round(side * ratio)
    shift = (parameter * (2 * reach + 1)).floor().long() - reach
    return (torch.arange(side, device=parameter.device) + shift[:, None]).clamp(0, side - 1)  # (N, side)


def _bilinear(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Images (N, C, H, W) at places in them, (N, H, W) within their borders -> (N, C, H, W)."""
    _, channels, height, width = images.shape
    pixels = rearrange(images, "n c h w -> n c (h w)")
    top, left = rows.floor().clamp(max=height - 2), columns.floor().clamp(max=width - 2)
    down, right = (rows - top).unsqueeze(1), (columns - left).unsqueeze(1)  # shares of the pixels below and beside

    def at(row: Tensor, column: Tensor) -> Tensor:
        places = repeat((row * width + column).long(), "n h w -> n c (h w)", c=channels)
        return rearrange(pixels.gather(2, places), "n c (h w) -> n c h w", h=height)

    above = at(top, left) * (1 - right) + at(top, left + 1) * right
    below = at(top + 1, left) * (1 - right) + at(top + 1, left + 1) * right
    return above * (1 - down) + below * down
