"""A network that fills holes: it mixes and corrects guesses, and sees as far as a hole is wide."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.blocks import ResidualBlock
from image.translate.config import TaskName
from image.translate.exemplars import COPIES
from image.translate.networks import FullFinish, Local, PatchCritic
from image.translate.tasks import TASKS

DILATIONS = (1, 2, 4, 8, 1, 2, 4, 8)
COARSE = 4  # pixels between places at which the dilated blocks work


@dataclass(frozen=True)
class InpainterConfig(Local):
    """What an inpainter is built from; it travels in a weights folder.

    Attributes:
        width: channels at half the resolution; at a quarter there are twice as many.
        dilations: of the blocks at a quarter of the resolution.
        copies: how many guesses there are beside the smooth one.
    """

    task: TaskName
    width: int
    dilations: tuple[int, ...] = DILATIONS
    copies: int = COPIES

    @property
    def stride(self) -> int:
        return COARSE

    @property
    def radius(self) -> int:
        ends, down, up, join = 2 * (1 + 2) + 3, 2 + 4 + 2, 4 + 2 + 4, 2 + 2
        return ends + down + COARSE * sum(self.dilations) + up + join

    def as_json(self) -> dict[str, Any]:
        """The settings as plain values, for config.json."""
        return asdict(self)


class DilatedBlock(nn.Module):
    """x + f(x), (N, C, H, W) -> the same, f zero at the start: a dilated convolution (Yu & Koltun 2016), then 1 x 1."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(channels, channels, 1)
        nn.init.kaiming_normal_(self.first.weight, a=0.2)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.leaky_relu(self.first(F.leaky_relu(x, 0.2)), 0.2))


class Inpainter(nn.Module):
    """Guesses as `image.translate.exemplars.guessed` makes them -> filled pictures (N, 3, H, W).

    Dilated convolutions in a row see far at little cost (Iizuka et al. 2017). They say how to mix the guesses from
    place to place, at the start half of it the smooth one, and what to add, at the start nothing. Sides are multiples
    of 4. An output depends on inputs within `config.radius` alone, so a picture may be done in tiles.
    """

    def __init__(self, config: InpainterConfig) -> None:
        super().__init__()
        self.config, self.task = config, TASKS[config.task]
        width = config.width
        inputs = 4 + 3 * config.copies
        self.first = nn.Conv2d(4 * inputs, width, 3, padding=1)
        self.down = ResidualBlock(width, 2 * width, "down")
        self.middle = nn.Sequential(*(DilatedBlock(2 * width, dilation) for dilation in config.dilations))
        self.up = ResidualBlock(2 * width, width, "up")
        self.join = ResidualBlock(width, width)
        self.last = FullFinish(width, inputs, 3 + 1 + config.copies)
        for layer in (self.last.coarse, self.last.final):  # so that all begins as nothing
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)

    def forward(self, source: Tensor) -> Tensor:
        early = self.first(F.pixel_unshuffle(source, 2).contiguous(memory_format=torch.channels_last))
        x = self.join(early + self.up(self.middle(self.down(early))))
        output = self.last(F.leaky_relu(x, 0.2), source).to(source.dtype)
        change, smooth, copies = output.split((3, 1, self.config.copies), 1)
        shares = torch.cat([smooth + math.log(self.config.copies), copies], 1).softmax(1)
        guesses = [source[:, :3], *source[:, 4:].split(3, 1)]
        mixed = sum(share * guess for share, guess in zip(shares.split(1, 1), guesses, strict=True))
        return self.task.keep(source, mixed + change)


class HoleCritic(PatchCritic):
    """A critic of patches that says 0 of those whose middle is not in the hole, where nothing is made."""

    def forward(self, outputs: Tensor, source: Tensor) -> Tensor:
        logits = super().forward(outputs, source)
        return logits * F.adaptive_max_pool2d(source[:, 3:4], logits.shape[2:]).to(logits.dtype)
