"""Training as a game: what the trainer knows of a model, and all that it knows.

A VAE is a game with one player, a GAN a game with two. A player owns a network and a loss; a loss takes a batch and a
`Draw` and knows no trainer, so it can be tested by hand.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor, nn

Batch = dict[str, Tensor]
Loss = Callable[[Batch, "Draw"], tuple[Tensor, dict[str, Tensor]]]


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


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam, as every recipe here uses it."""

    lr: float = 2e-4
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0  # decoupled (AdamW)
    clip: float | None = None  # largest norm of the gradient over all parameters


@dataclass
class Player:
    """One side of a game.

    Attributes:
        network: the parameters this player moves.
        loss: (batch, draw) -> (scalar to descend, figures to log); figures are scalar tensors, detached by the trainer.
        optimizer: Adam's settings.
        average: half-life of the moving average of the network's weights, in images; None keeps no average.
        compile: whether `--compile` may compile this network (not one that a gradient penalty differentiates twice).
    """

    network: nn.Module
    loss: Loss
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    average: float | None = None
    compile: bool = False


@dataclass
class Game:
    """Players in the order of their turns, and whose (averaged) network is the product that gets saved."""

    players: dict[str, Player]
    product: str


@contextmanager
def only(player: Player, game: Game) -> Iterator[None]:
    """Let gradients flow into this player's parameters alone; the others' are frozen for the turn."""
    others = [p for other in game.players.values() if other is not player for p in other.network.parameters()]
    trainable = [p for p in others if p.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
