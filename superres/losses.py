"""Losses of upscaled pictures, each a mean over the batch: of images (N, 3, H, W) in [0, 1], which may exceed it."""

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from superres.resize import downscale

AREA = 8  # side of what `grid_loss` averages over, in small pixels


def pixel_loss(upscaled: Tensor, true: Tensor) -> Tensor:
    """Mean absolute difference, a scalar; for its sharper edges in place of the square (Zhao et al. 2017)."""
    return (upscaled - true).abs().mean()


def frequency_loss(upscaled: Tensor, true: Tensor) -> Tensor:
    """Mean absolute difference of the real and the imaginary parts of unitary spectra, a scalar (Cho et al. 2021).

    Spectra of differences are sparse where few waves are amiss, as in textures, so that these weigh more than among
    pixels.
    """
    with torch.autocast(upscaled.device.type, enabled=False):  # transforms want 32 bits
        spectrum = torch.fft.rfft2((upscaled - true).float(), norm="ortho")
        return torch.view_as_real(spectrum).abs().mean()


def consistency_loss(upscaled: Tensor, low: Tensor) -> Tensor:
    """Mean absolute difference of what was upscaled, (N, 3, h, w), and of the upscaled shrunk, a scalar.

    The true picture has next to none, so that whatever else texture does, it may not shift colours.
    """
    return (downscale(upscaled, upscaled.shape[2] // low.shape[2]) - low).abs().mean()


def grid_loss(upscaled: Tensor, true: Tensor, scale: int) -> Tensor:
    """Mean absolute difference of how pixels deviate by their place among the scale x scale made of one, a scalar.

    A pattern that repeats with the small pixels is the mark of a pixel shuffle, and no texture of the true picture
    repeats just so: over areas of 8 x 8 small pixels its pixels at any one place have about the mean of all.
    """
    places = rearrange(upscaled - true, "n c (h y) (w x) -> n c (y x) h w", y=scale, x=scale)
    means = F.avg_pool3d(places, (1, AREA, AREA))
    return (means - means.mean(2, keepdim=True)).abs().mean()


def fidelity_loss(upscaled: Tensor, true: Tensor, frequency: float) -> tuple[Tensor, dict[str, Tensor]]:
    """Pixel loss plus `frequency` times frequency loss, and both by name."""
    figures = {"pixel": pixel_loss(upscaled, true)}
    if not frequency:
        return figures["pixel"], figures
    figures["frequency"] = frequency_loss(upscaled, true)
    return figures["pixel"] + frequency * figures["frequency"], figures
