"""What generators and critics of pictures and of spectrograms are made of: residual blocks between two resolutions."""

import math
from collections.abc import Sequence
from itertools import pairwise, zip_longest

import torch
from einops import rearrange
from torch import Tensor, nn

from common.cores.blocks import MinibatchDeviation, ResidualBlock, subpixels
from common.cores.cgan import WordAttention
from common.cores.conditions import Reading

COARSE = 1  # blocks that make the coarse shapes, where styles are mixed


class ResidualTrunk(nn.Module):
    """Makes maps of a vector: residual blocks without normalisation, each modulated by a style made of the vector.

    The last doubling is a pixel shuffle, so that no block pays for the full resolution, or, as the four pixels of a
    shuffle may go each its own way and show a weave, a narrow block of its own. Zero-initialised residual branches
    and bilinear resampling follow Huang et al. 2024 (R3GAN), the style network Karras et al. 2019.

    Args:
        inputs: length of the vector.
        outputs: channels of the maps at the end.
        start: height and width of the smallest maps.
        channels: at each resolution, from the smallest to the full one; each doubles both sides.
        style: length of the style.
        shuffled: whether the last doubling is a pixel shuffle.
        words: width of the words to which each doubled map attends; 0 for none.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        start: tuple[int, int],
        channels: Sequence[int],
        style: int,
        shuffled: bool = True,
        words: int = 0,
    ):
        super().__init__()
        self.start, channels = start, channels[: -1 if shuffled else None]
        self.style = nn.Sequential(
            nn.Linear(inputs, style), nn.LeakyReLU(0.2), nn.Linear(style, style), nn.LeakyReLU(0.2)
        )
        self.project = nn.Linear(inputs, channels[0] * math.prod(start))
        blocks = [ResidualBlock(channels[0], channels[0], None, style)]
        for wide, narrow in pairwise(channels):
            blocks.append(ResidualBlock(wide, narrow, "up", style))
        self.blocks = nn.ModuleList(blocks)
        attentive = channels[1:] if shuffled else channels[1:-1]  # words would cost too much at the full resolution
        self.attention = nn.ModuleList(WordAttention(narrow, words) for narrow in attentive if words)
        last: list[nn.Module] = [nn.Conv2d(channels[-1], outputs, 3, padding=1)]
        if shuffled:
            last = [subpixels(channels[-1], outputs), nn.PixelShuffle(2)]
        self.last = nn.Sequential(nn.LeakyReLU(0.2), *last)

    def forward(
        self, vector: Tensor, reading: Reading | None = None, strength: float = 1.0, fine: Tensor | None = None
    ) -> Tensor:
        """(N, inputs) -> (N, outputs, H, W), with what words add to the maps, times `strength`.

        Args:
            fine: another vector, of which all blocks but the first `COARSE` take the style (Karras et al. 2019).
        """
        style = self.style(vector)
        fine_style = style if fine is None else self.style(fine)
        height, width = self.start
        x = rearrange(self.project(vector), "n (c h w) -> n c h w", h=height, w=width)
        x = x.contiguous(memory_format=torch.channels_last)
        for number, (block, attention) in enumerate(zip_longest(self.blocks, [None, *self.attention])):
            x = block(x, style if number < COARSE else fine_style)
            if attention is not None and reading is not None:
                x = attention(x, reading, strength)
        return self.last(x)


class ResidualFeatures(nn.Module):
    """What a critic has below its head: residual blocks without normalisation, and the minibatch deviation.

    Args:
        inputs: channels of the images.
        start: height and width of the smallest maps.
        channels: from half the resolution of the images to the smallest maps; the features are as long as the last.
    """

    def __init__(self, inputs: int, start: tuple[int, int], channels: Sequence[int]):
        super().__init__()
        blocks: list[nn.Module] = [nn.PixelUnshuffle(2), nn.Conv2d(4 * inputs, channels[0], 3, padding=1)]
        for narrow, wide in pairwise(channels):
            blocks.append(ResidualBlock(narrow, wide, "down"))
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Sequential(
            MinibatchDeviation(),
            nn.Conv2d(channels[-1] + 1, channels[-1], 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(channels[-1] * math.prod(start), channels[-1]),
            nn.LeakyReLU(0.2),
        )

    def features(self, images: Tensor) -> Tensor:
        """Images (N, inputs, H, W) -> what the head judges, (N, channels[-1])."""
        return self.last(self.blocks(images))
