"""A network that gives greys colours as one that recognises things would guess them (Zhang et al. 2016, 2017).

The left half of a U-Net is SqueezeNet 1.1, which was trained to recognise things; the right half says of each place
how likely each class of colours is.
"""

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.blocks import ResidualBlock
from common.pictures.perceptual import SqueezeNet
from image.translate.classes import annealed_mean, gamut
from image.translate.config import Core, TaskName
from image.translate.guided import guided
from image.translate.hints import CELL, pooled
from image.translate.lab import chroma_at
from image.translate.spreading import spread
from image.translate.tasks import GAIN, TASKS

PARTS = (0, 5, 8, 13)  # of SqueezeNet's layers; each part ends at half the resolution of the one before, from 1 / 4 on
SEEN = (128, 256, 512)  # their channels
STRIDE = 16  # sides of what goes through the network are multiples of it
DROPOUT = 0.2  # of the maps that are seen, in training: photos to learn from are few
RADIUS, SMOOTH = 6, 1e-3  # of the windows in which chroma follows the luma (`image.translate.guided`)
AB = 100.0  # by which a* and b* of hints are divided


@dataclass(frozen=True)
class ColorizerConfig:
    """What a colorizer is built from; it travels in a weights folder.

    Attributes:
        width: channels of the right half at a quarter of the resolution.
        temperature: of the distributions, before their mean is taken (`image.translate.classes.annealed_mean`).
        balance: how much of the preference for rare classes, with which they are learned, is left in the distributions.
        longest: longest side of what goes through the network, in pixels; larger pictures are shrunk to it.
    """

    task: TaskName
    core: Core
    width: int
    temperature: float = 0.38
    balance: float = 1.0
    longest: int = 384

    def as_json(self) -> dict[str, Any]:
        """The settings as plain values, for config.json."""
        return asdict(self)


class Colorizer(nn.Module):
    """Luma (N, 1, H, W) in [-1, 1], or with hints (N, 4, H, W), -> chroma times GAIN, (N, 2, H, W); of any size.

    Colours are predicted for the picture as a whole, at `config.longest` pixels at most, and follow the luma's edges to
    full size; so they cost little more in a huge picture than in a small one.
    """

    classes: Tensor
    preference: Tensor

    def __init__(self, config: ColorizerConfig) -> None:
        from torchvision.models import squeezenet1_1  # slow to import

        super().__init__()
        self.config, self.task, width = config, TASKS[config.task], config.width
        layers = squeezenet1_1(weights=None).features
        layers[0] = nn.Conv2d(1, 64, 3, stride=2, padding=1)
        self.encoder = nn.ModuleList(layers[start:stop] for start, stop in pairwise(PARTS))
        self.scales = nn.ModuleList(nn.Sequential(nn.GroupNorm(8, count), nn.Dropout2d(DROPOUT)) for count in SEEN)
        self.middle = nn.Conv2d(SEEN[2] + 3, 4 * width, 1)
        self.context = nn.Linear(4 * width, 4 * width)
        self.block = ResidualBlock(4 * width, 4 * width)
        self.eighth = _joint(4 * width + SEEN[1] + 3, 2 * width)
        self.quarter = _joint(2 * width + SEEN[0] + 3, width)
        self.register_buffer("classes", gamut())
        self.register_buffer("preference", torch.zeros(len(self.classes)))
        self.last = nn.Conv2d(width, len(self.classes), 1)

    def recognise(self, trained: SqueezeNet) -> None:
        """Begin with the features of a trained network, whose three colours are all the luma."""
        tensors = {name.split(".", 2)[2]: value for name, value in trained.slices.state_dict(prefix="slices.").items()}
        kernel = tensors["0.weight"] / trained.deviation
        tensors["0.weight"] = kernel.sum(1, keepdim=True) / 2  # luma is in [-1, 1], and colours were in [0, 1]
        tensors["0.bias"] = tensors["0.bias"] + (kernel * (0.5 - trained.mean)).sum((1, 2, 3))
        names = {name.split(".", 1)[1]: name for name in self.encoder.state_dict()}
        self.encoder.load_state_dict({names[name]: value for name, value in tensors.items()})

    def expect(self, frequencies: Tensor, weights: Tensor) -> None:
        """Begin by telling every place that classes are as frequent as they are, (Q,), times what they weigh, (Q,)."""
        self.preference.copy_(weights.log())
        nn.init.zeros_(self.last.weight)
        self.last.bias = nn.Parameter((frequencies * weights).clamp(min=1e-6).log())

    def logits(self, source: Tensor, frozen: bool = False) -> Tensor:
        """How likely each class is in each cell, (N, 1 or 4, H, W) -> (N, Q, H / CELL, W / CELL).

        Args:
            source: its sides are multiples of STRIDE.
            frozen: whether the recognising half learns nothing.
        """
        quarter, eighth, sixteenth = self._recognised(source[:, :1].contiguous(), frozen)
        hints = F.pad(source[:, 1:], (0, 0, 0, 0, 0, 4 - source.shape[1]))  # without any: none anywhere
        x = self.middle(_with_hints(hints, sixteenth))
        x = self.block(x + self.context(x.mean((2, 3)))[:, :, None, None])
        x = self.eighth(_with_hints(hints, _twice(x), eighth))
        x = self.quarter(_with_hints(hints, _twice(x), quarter))
        return self.last(F.leaky_relu(x, 0.2))

    def forward(self, source: Tensor) -> Tensor:
        """Chroma times GAIN."""
        return self.read(source, self.guess(source), self.config.temperature, self.config.balance)

    def guess(self, source: Tensor) -> Tensor:
        """The logits of a source of any size, with some cells beyond its border."""
        return self.logits(_padded(_shrunk(source, self.config.longest)))

    def read(self, source: Tensor, logits: Tensor, temperature: float, balance: float) -> Tensor:
        """As `forward`, of what `guess` said of the source."""
        return self.spread(source, self.colours(logits, temperature, balance))

    def colours(self, logits: Tensor, temperature: float, balance: float) -> Tensor:
        """The colours of cells, a* and b*, (N, 2, H / CELL, W / CELL), by what `guess` said."""
        return annealed_mean(logits - (1 - balance) * self.preference[:, None, None], self.classes, temperature)

    def spread(self, source: Tensor, colours: Tensor) -> Tensor:
        """As `forward`, of the colours of a source's cells."""
        luma, hints = source[:, :1], source[:, 1:]
        small = _shrunk(source, self.config.longest)
        colours = F.interpolate(colours, scale_factor=CELL, mode="bilinear", align_corners=False)
        height, width = small.shape[2:]
        colours = colours[..., :height, :width]
        if hints.any():
            colours = torch.stack([spread(*one) for one in zip(colours, small[:, :1], small[:, 1:], strict=True)])
        chroma = guided(chroma_at(small[:, :1], colours), small[:, :1], luma, RADIUS, SMOOTH)
        if hints.shape[1]:
            chroma = torch.where(hints[:, :1] > 0, chroma_at(luma, hints[:, 1:]), chroma)
        return GAIN * chroma

    def _recognised(self, x: Tensor, frozen: bool) -> list[Tensor]:
        """Features at a quarter, an eighth and a sixteenth of the resolution, of about the same size."""
        found = []
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            for layers in self.encoder:
                x = layers(x)
                found.append(x)
        return [scale(features) for scale, features in zip(self.scales, found, strict=True)]


def _joint(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), ResidualBlock(outputs, outputs))


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _with_hints(hints: Tensor, *features: Tensor) -> Tensor:
    """Features (N, C, h, w) side by side, and hints as they are at that size."""
    mask, colours = pooled(hints, *features[0].shape[2:]).split((1, 2), 1)
    return torch.cat([*features, mask, colours / AB], 1)


def _shrunk(source: Tensor, longest: int) -> Tensor:
    """A source whose longer side is at most `longest`."""
    share = longest / max(source.shape[2:])
    if share >= 1:
        return source
    height, width = (max(1, round(share * side)) for side in source.shape[2:])
    luma = F.interpolate(source[:, :1], (height, width), mode="bilinear", antialias=True)
    return torch.cat([luma, pooled(source[:, 1:], height, width)], 1) if source.shape[1] > 1 else luma


def _padded(source: Tensor) -> Tensor:
    """A source whose sides are multiples of STRIDE: the border is repeated, but no hints are."""
    height, width = source.shape[2:]
    beyond = (0, -width % STRIDE, 0, -height % STRIDE)
    return torch.cat([F.pad(source[:, :1], beyond, mode="replicate"), F.pad(source[:, 1:], beyond)], 1)
