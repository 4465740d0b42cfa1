"""What generators and critics read conditions with (`common.cores.conditions`), of which each owns one of its own."""

from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.conditions import Reading


class WordAttention(nn.Module):
    """Adds to each place of a map what it takes from the words that bear on it (Xu et al. 2018: AttnGAN).

    Queries and keys are of unit length, so the maps need no normalisation; nothing is added at the start.

    Args:
        channels: of the map.
        width: of the words.
    """

    def __init__(self, channels: int, width: int, heads: int = 4):
        super().__init__()
        self.heads, inner = heads, heads * max(min(channels, width) // heads, 1)
        self.query = nn.Conv2d(channels, inner, 1)
        self.key_value = nn.Linear(width, 2 * inner)
        self.out = nn.Conv2d(inner, channels, 1)
        self.sharpness = nn.Parameter(torch.tensor(4.0))  # of the softmax
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, reading: Reading, strength: float = 1.0) -> Tensor:
        """x (N, channels, H, W) -> (N, channels, H, W); `strength` multiplies what is added."""
        words = self.key_value(reading.words)
        query = rearrange(self.query(x), "n (heads d) h w -> n heads (h w) d", heads=self.heads)
        key, value = rearrange(words, "n l (two heads d) -> two n heads l d", two=2, heads=self.heads)
        query, key = F.normalize(query, dim=3) * self.sharpness, F.normalize(key, dim=3)
        mask = reading.present[:, None, None, :]
        taken = F.scaled_dot_product_attention(query, key, value.to(query.dtype), mask, scale=1.0)
        taken = rearrange(taken, "n heads (h w) d -> n h w (heads d)", h=x.shape[2])  # channels last in memory, too
        return x + strength * self.out(rearrange(taken, "n h w c -> n c h w"))


class ProjectionHead(nn.Module):
    """The critic's last layer: psi(h) + <embed(y), h> (Miyato & Koyama 2018); without a condition just psi(h).

    Args:
        width: length of the critic's features h.
        condition: embeds the raw condition as (N, width), or None.
    """

    def __init__(self, width: int, condition: nn.Module | None = None):
        super().__init__()
        self.psi = nn.Linear(width, 1)
        self.condition = condition
        self.scale = width**-0.5  # keeps the product of the order of psi at the start

    def forward(self, features: Tensor, raw: Any = None) -> Tensor:
        """Features (N, width) and raw condition -> logits (N,)."""
        logits = self.psi(features).squeeze(1)
        if self.condition is None or raw is None:
            return logits
        return logits + torch.linalg.vecdot(self.condition(raw), features) * self.scale
