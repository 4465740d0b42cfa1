"""Randomness as a function of (seed, step, player): nothing to save, and the same for one process and for many."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Draw:
    """The randomness and the clock of one player's turn, a function of (seed, step, player) alone.

    Noise is drawn for the global batch and each process takes its rows, so one process or eight see the same noise and
    a resumed run needs no saved generator state. Draws within one turn follow each other.

    Attributes:
        seed, step, player: what the noise is a function of; `player` is its index in the game.
        rows: how many rows the global batch has.
        local: which of them are this process's (or this micro-batch's).
        images: how many images the run had seen before this step.
        progress: how much of the run is done, in [0, 1].
        device: where the noise is drawn and wanted.
    """

    seed: int
    step: int = 0
    player: int = 0
    rows: int = 1
    local: slice = field(default_factory=lambda: slice(None))
    images: int = 0
    progress: float = 0.0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def local_rows(self) -> int:
        """How many rows are this process's."""
        return len(range(*self.local.indices(self.rows)))

    @cached_property
    def generator(self) -> torch.Generator:
        """The generator behind the noise; two draws with the same (seed, step, player) start alike."""
        return torch.Generator(self.device).manual_seed(mix(self.seed, self.step, self.player))

    def normal(self, *shape: int) -> Tensor:
        """Standard normal noise, (rows of this process, *shape)."""
        return torch.randn(self.rows, *shape, generator=self.generator, device=self.device)[self.local]

    def uniform(self, *shape: int) -> Tensor:
        """Uniform noise in [0, 1), (rows of this process, *shape)."""
        return torch.rand(self.rows, *shape, generator=self.generator, device=self.device)[self.local]

    def integers(self, high: int, *shape: int) -> Tensor:
        """Integers in [0, high), int64, (rows of this process, *shape)."""
        return torch.randint(high, (self.rows, *shape), generator=self.generator, device=self.device)[self.local]


def mix(*numbers: int) -> int:
    """Hash whole numbers to one 63-bit seed (SplitMix64's finaliser, chained), so that neighbours do not correlate."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1
