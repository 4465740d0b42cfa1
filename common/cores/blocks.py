"""Blocks that two or more domains use."""

from typing import Literal

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional as F

Resampling = Literal["up", "down"]


class MinibatchDeviation(nn.Module):
    """Append one channel that tells how much the images of a group differ, so that a critic sees lost diversity.

    Karras et al. 2018. Groups are neighbours in the batch, so slices of a whole number of groups give on several
    processes what one process gives.
    """

    def __init__(self, group: int = 4):
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C + 1, H, W)."""
        n, _, height, width = x.shape
        group = self.group if n % self.group == 0 else n
        grouped = rearrange(x.float(), "(groups n) c h w -> groups n (c h w)", n=group)
        centred = grouped - grouped.mean(1, keepdim=True)  # var(1) is many times slower on the CPU
        deviation = (centred.square().mean(1) + 1e-8).sqrt().mean(1)  # (N / group,)
        of_images = repeat(deviation, "groups -> (groups n)", n=group)
        channel = repeat(of_images, "n -> n 1 h w", h=height, w=width)
        return torch.cat([x, channel.to(x.dtype)], 1)


class FeatureModulation(nn.Module):
    """Scale and shift each channel by a learned function of a style vector (FiLM, Perez et al. 2018)."""

    def __init__(self, style: int, channels: int):
        super().__init__()
        self.project = nn.Linear(style, 2 * channels)
        nn.init.normal_(self.project.weight, std=0.02)
        nn.init.zeros_(self.project.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """x (N, C, H, W), style (N, style) -> (N, C, H, W)."""
        scale, shift = self.project(style)[:, :, None, None].chunk(2, 1)
        return x * (1 + scale) + shift


class ResidualBlock(nn.Module):
    """x + f(x) with f zero at the start (Zhang et al. 2019: Fixup), no normalisation, bilinear resampling.

    Both convolutions work at the narrower of the two widths and the resampling stands between them, so that neither
    direction pays for many channels at many pixels.

    Args:
        inputs, outputs: channels.
        resampling: "up" doubles the side, "down" halves it; None keeps it.
        style: length of the style vector that modulates f, 0 for none.
    """

    def __init__(self, inputs: int, outputs: int, resampling: Resampling | None = None, style: int = 0):
        super().__init__()
        middle = min(inputs, outputs)
        self.resampling = resampling
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, bias=False)
        self.first = nn.Conv2d(inputs, middle, 3, padding=1)
        self.second = nn.Conv2d(middle, outputs, 3, padding=1)
        self.modulation = FeatureModulation(style, middle) if style else None
        nn.init.kaiming_normal_(self.first.weight, a=0.2)
        _zero(self.first.bias)
        _zero(self.second.weight, self.second.bias)

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """x (N, inputs, H, W), style (N, style) -> (N, outputs, H', W')."""
        h = self.first(F.leaky_relu(x, 0.2))
        if self.modulation is not None and style is not None:
            h = self.modulation(h, style)
        h = self.second(F.leaky_relu(self._resample(h), 0.2))
        if self.resampling == "down":  # the same either way round, and here at a quarter of the pixels
            return self.shortcut(self._resample(x)) + h
        return self._resample(self.shortcut(x)) + h

    def _resample(self, x: Tensor) -> Tensor:
        if self.resampling == "up":
            return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return F.avg_pool2d(x, 2) if self.resampling == "down" else x


def subpixels(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3 x 3 convolution before a pixel shuffle that doubles the side (Shi et al. 2016).

    The four pixels of a shuffle start alike, so there is no checkerboard (Aitken et al. 2017).

    Args:
        inputs, outputs: channels, before the convolution and after the shuffle.
    """
    convolution = nn.Conv2d(inputs, 4 * outputs, 3, padding=1)
    with torch.no_grad():
        convolution.weight.copy_(repeat(convolution.weight[::4], "c ... -> (c four) ...", four=4))
    _zero(convolution.bias)
    return convolution


def spectrally_normalised(network: nn.Module) -> nn.Module:
    """Put spectral norm (Miyato et al. 2018) on every convolution and linear layer, in place."""
    for module in list(network.modules()):
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Linear)):
            nn.utils.parametrizations.spectral_norm(module)
    return network


def convolution(inputs: int, outputs: int) -> list[nn.Module]:
    """A 3 x 3 convolution with BatchNorm and ReLU."""
    return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(True)]


def _zero(*parameters: Tensor | None) -> None:
    for parameter in parameters:
        if parameter is not None:
            nn.init.zeros_(parameter)
