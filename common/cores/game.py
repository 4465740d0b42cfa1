"""Training as a game: what the trainer knows of a model, and all that it knows.

A VAE is a game with one player, a GAN a game with two. A player owns a network and a loss; a loss takes a batch and a
`Draw` and knows no trainer, so it can be tested by hand.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import Tensor, nn

from common.config import Optimizer
from common.randomness import Draw

Batch = dict[str, Tensor]
Loss = Callable[[Batch, "Draw"], tuple[Tensor, dict[str, Tensor]]]


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam, or Muon for the matrices and Adam for all else, as every recipe here uses them."""

    lr: float = 2e-4
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0  # decoupled (AdamW)
    clip: float | None = None  # largest norm of the gradient over all parameters
    slow: tuple[str, float] | None = None  # parts of the network whose names begin so learn at this share of the rate
    name: Optimizer = "adam"  # where a run's settings name none


@dataclass
class Player:
    """One side of a game.

    Attributes:
        network: the parameters this player moves.
        loss: (batch, draw) -> (scalar to descend, figures to log); figures are scalar tensors, detached by the trainer.
        optimizer: its settings.
        average: half-life of the moving average of the network's weights, in images; None keeps no average.
        average_ramp: it is at most this share of the images seen, so that the first weights are forgotten (Karras et
            al. 2020).
        joins: images of the run before which it takes no turn.
        compile: whether `--compile` may compile this network (not one that a gradient penalty differentiates twice).
    """

    network: nn.Module
    loss: Loss
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    average: float | None = None
    average_ramp: float = 0.05
    joins: int = 0
    compile: bool = False


@dataclass
class Game:
    """Players in the order of their turns.

    Attributes:
        product: whose (averaged) network gets saved.
        critic: whose network gets saved beside it, for runs that begin with the product; None for none.
        critic_from: images of the run from which on that one has learned enough to be of use.
    """

    players: dict[str, Player]
    product: str
    critic: str | None = None
    critic_from: int = 0


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
