"""Networks from pictures to pictures: a U-Net that is a local function of its input, and a critic of patches."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.blocks import ResidualBlock, spectrally_normalised, subpixels
from image.config import Finish
from image.translate.config import TaskName
from image.translate.tasks import TASKS

WIDEST = 4  # the narrow end has at most this many times the width
MIDDLE = 2  # blocks at the narrow end
FULL = 16  # channels at full resolution of a smooth finish


class Local(ABC):
    """Of networks whose outputs depend on no input that is far away, so that pictures may be done in tiles."""

    @property
    @abstractmethod
    def stride(self) -> int:
        """Sides of what goes through the network are multiples of it."""

    @property
    @abstractmethod
    def radius(self) -> int:
        """How far an input may be from an output that depends on it, in pixels, or somewhat less."""

    @property
    def least_tile(self) -> int:
        """Sides of a tile that is not all margin, in pixels."""
        return (2 * -(-self.radius // self.stride) + 1) * self.stride


@dataclass(frozen=True)
class TranslatorConfig(Local):
    """What a translator is built from; it travels in a weights folder.

    Attributes:
        width: channels at half the resolution.
        depth: doublings of the distance between pixels from there on.
        finish: the last layers.
    """

    task: TaskName
    width: int
    depth: int = 4
    finish: Finish = "shuffle"  # of weights that do not say

    @property
    def stride(self) -> int:
        return 2 << self.depth

    @property
    def radius(self) -> int:
        levels = sum(2 << level for level in range(self.depth))  # distances between pixels at which there are blocks
        ends = 2 * (1 + 2) if self.finish == "shuffle" else 2 * (1 + 2) + 3  # first and last layers
        middle = 2 * MIDDLE * self.stride
        return ends + middle + (1 + 1 + 2) * levels + (2 + 2 + 1 + 2) * levels  # on the way down, and up again

    def as_json(self) -> dict[str, Any]:
        """The settings as plain values, for config.json."""
        return asdict(self)


class Translator(nn.Module):
    """Sources (N, inputs, H, W) -> outputs (N, outputs, H, W); sides are multiples of `config.stride`.

    A U-Net (Ronneberger et al. 2015; Isola et al. 2017) of residual blocks, from half the resolution down, as a shuffle
    loses nothing. There is no normalisation over the picture, so each output depends on inputs within `config.radius`
    alone, and a picture may be done in tiles.
    """

    def __init__(self, config: TranslatorConfig) -> None:
        super().__init__()
        self.config, self.task = config, TASKS[config.task]
        widths = [min(config.width << level, config.width * WIDEST) for level in range(config.depth + 1)]
        pairs = list(pairwise(widths))
        self.first = nn.Conv2d(4 * self.task.inputs, widths[0], 3, padding=1)
        self.down = nn.ModuleList(ResidualBlock(narrow, wide, "down") for narrow, wide in pairs)
        self.middle = nn.Sequential(*(ResidualBlock(widths[-1], widths[-1]) for _ in range(MIDDLE)))
        self.up = nn.ModuleList(ResidualBlock(wide, narrow, "up") for narrow, wide in reversed(pairs))
        self.join = nn.ModuleList(ResidualBlock(2 * narrow, narrow) for narrow, _ in reversed(pairs))
        inputs, outputs = self.task.inputs, self.task.outputs
        at_full = config.finish == "smooth"
        self.last = FullFinish(widths[0], inputs, outputs) if at_full else subpixels(widths[0], outputs)

    def forward(self, source: Tensor) -> Tensor:
        seen = self.task.seen(source)
        x = self.first(F.pixel_unshuffle(seen, 2).contiguous(memory_format=torch.channels_last))
        passed = []
        for block in self.down:
            passed.append(x)
            x = block(x)
        x = self.middle(x)
        for up, join, early in zip(self.up, self.join, reversed(passed), strict=True):
            x = join(torch.cat([up(x), early], 1))
        x = F.leaky_relu(x, 0.2)
        at_full = isinstance(self.last, FullFinish)
        return self.task.keep(source, self.last(x, seen) if at_full else F.pixel_shuffle(self.last(x), 2))


class FullFinish(nn.Module):
    """Features (N, width, H / 2, W / 2) and sources -> outputs (N, outputs, H, W), by a few convolutions of all pixels.

    A coarse picture is doubled bilinearly, and what is fine, which is nothing at the start, is added. No layer treats
    pixels by their place, so that no pattern repeats with every second one; and strokes are those of the source to the
    pixel.
    """

    def __init__(self, width: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.coarse = nn.Conv2d(width, outputs, 3, padding=1)
        self.narrow = nn.Conv2d(width, FULL, 3, padding=1)
        self.joined = nn.Conv2d(FULL + inputs, FULL, 3, padding=1)
        self.final = nn.Conv2d(FULL, outputs, 3, padding=1)
        nn.init.zeros_(self.final.weight)

    def forward(self, features: Tensor, source: Tensor) -> Tensor:
        coarse, x = (
            F.interpolate(layer(features), scale_factor=2, mode="bilinear") for layer in (self.coarse, self.narrow)
        )
        x = F.leaky_relu(self.joined(torch.cat([F.leaky_relu(x, 0.2), source.to(x.dtype)], 1)), 0.2)
        return coarse + self.final(x)


class PatchCritic(nn.Module):
    """Sources and outputs -> logits (N, 1, h, w), each of a patch of 70 x 70 pixels (Isola et al. 2017: PatchGAN).

    With spectral norm on every layer (Miyato et al. 2018) and no other normalisation.
    """

    def __init__(self, task: TaskName, width: int) -> None:
        super().__init__()
        self.seen = TASKS[task].seen
        inputs = TASKS[task].inputs + TASKS[task].outputs
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, width, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 8 * width, 4, 1, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(8 * width, 1, 4, 1, 1),
        )  # fmt: skip
        spectrally_normalised(self)

    def forward(self, outputs: Tensor, source: Tensor) -> Tensor:
        return self.layers(
            torch.cat([self.seen(source).to(outputs.dtype), outputs], 1).contiguous(memory_format=torch.channels_last)
        )
