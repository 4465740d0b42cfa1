"""A second critic, that looks through a trained network's eyes (Kumari et al. 2022: vision-aided GANs).

A critic that learns from a few thousand images what an image is takes long; one that is given maps in which eyes and
edges are seen already needs to learn only which of them are real. By itself it would be content with one good image for
all, so it stands beside the first critic.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.blocks import MinibatchDeviation, spectrally_normalised
from common.cores.cgan import ProjectionHead
from common.cores.schedules import linear
from common.randomness import Draw

LENGTH = 3.0  # of what a map holds at each place, as heads see it; so no head's word grows without bounds
RAMP = 10_000  # images over which the generator begins to listen: the first judgements are noise


class MapHead(nn.Module):
    """Judges maps (N, channels, H, W): a logit an image, (N,), with what its condition adds."""

    def __init__(self, channels: int, width: int, condition: nn.Module | None) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 1),
            nn.LeakyReLU(0.2),
            MinibatchDeviation(),
            nn.Conv2d(width + 1, width, 3, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.head = ProjectionHead(width, condition)

    def forward(self, maps: Tensor, raw: Any = None) -> Tensor:
        found = self.layers(LENGTH * F.normalize(maps))
        return self.head(found.mean((2, 3)), raw)


class Aide(nn.Module):
    """Heads on maps of a network that stays as it is, each with a judgement of its own, all spectrally normalised.

    Args:
        features: images (N, C, H, W) in [-1, 1] -> maps, one of each head.
        channels: of the maps.
        conditions: of the heads, or None each.
        weight: what it says to the generator counts so many times the first critic's word, after `RAMP` images.
        width: of the heads.
    """

    def __init__(
        self,
        features: nn.Module,
        channels: Sequence[int],
        conditions: Sequence[nn.Module | None],
        weight: float,
        width: int = 64,
    ) -> None:
        super().__init__()
        self.features, self.weight = features.requires_grad_(False), weight
        heads = (MapHead(count, width, condition) for count, condition in zip(channels, conditions, strict=True))
        self.heads = nn.ModuleList(heads)
        spectrally_normalised(self.heads)

    def forward(self, images: Tensor, raw: Any = None) -> Tensor:
        """Images and raw condition -> logits (N, heads)."""
        maps = self.features(images)
        return torch.stack([head(found, raw) for head, found in zip(self.heads, maps, strict=True)], 1)

    def influence(self, draw: Draw) -> float:
        """What its word counts at this moment of the run."""
        return linear(0, self.weight, draw.images / RAMP)
