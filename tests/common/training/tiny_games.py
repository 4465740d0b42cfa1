"""Games that take milliseconds a step, for the tests of the trainer and for the processes that they start.

As a script it is a train command: `python tests/common/training/tiny_games.py --game all --steps 9 --out DIR`.
"""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from common.cli import run
from common.config import Precision, RunConfig
from common.cores.game import Batch, Game, OptimizerConfig, Player
from common.data.arrays import Arrays
from common.errors import UserError
from common.processes import count, rank
from common.randomness import Draw
from common.training.monitor import Monitor, Progress, Verdict
from common.training.runs import decided, open_run
from common.training.trainer import Trainer

# Real networks of images, as small as they get: between them they have BatchNorm, spectral norm, labels that are
# dropped, an adaptive augmentation, lazy penalties, averages, a scalar parameter, critics that come late and latents
# that are remembered.
IMAGE_GAMES: dict[str, dict[str, Any]] = {
    "dcgan": {"core": "cgan", "net": "dcgan", "spectral_norm": True, "loss": "hinge"},
    "adaptive": {
        "core": "cgan",
        "augment": ("translation", "cutout", "colour"),
        "augment_strength": 0.5,
        "augment_target": 0.6,
        "augment_images": 300,
    },
    "joined": {"core": "cvae", "critic": "plain", "critic_after": 80, "perceptual": 0.0},
    "vae": {"core": "cvae", "likelihood": "gaussian", "beta_warm_up": 80, "free_bits": 0.01},
}


@dataclass(frozen=True, kw_only=True)
class TinyConfig(RunConfig):
    """Settings of a tiny run."""

    game: str = "plain"  # plain; dcgan, adaptive, joined, vae; or all of these four side by side
    batch: int = 8
    device: str = "cpu"
    precision: Precision = "fp32"  # whatever this machine would choose
    kill_at: int | None = None  # the step in which the process kills itself
    stop_at: int | None = None  # the step in which the last of several processes is told to stop


def main(config: TinyConfig) -> None:
    """Train a tiny model."""
    if config.out is None:
        raise UserError("--out is missing")
    # What kills or stops a run is none of its settings.
    stop_at = config.stop_at if rank() == count() - 1 else None
    signals = {config.kill_at: signal.SIGKILL, stop_at: signal.SIGTERM}
    play(config.game, replace(config, kill_at=None, stop_at=None), signals=signals)


def play(
    name: str,
    config: RunConfig,
    monitor: "Glance | None" = None,
    signals: Mapping[int | None, signal.Signals] = MappingProxyType({}),
) -> Progress:
    """Open the run and train."""
    assert config.out is not None
    config = decided(config, config.out)
    assert config.out is not None
    game = build(name, config)
    for player in game.players.values():
        player.loss = _signalling(player.loss, signals)
    open_run(config.out, config)
    return Trainer(config, config.out).fit(game, DATA, monitor or Glance())


def build(name: str, config: RunConfig, **settings: Any) -> Game:
    """The game of that name; `settings` go before its own."""
    if name == "plain":
        return plain_game()
    if name == "all":
        return side_by_side({name: build(name, config) for name in IMAGE_GAMES})
    from image.config import TrainConfig
    from image.games import build_game
    from image.networks import NetworkConfig

    recipe = TrainConfig(batch=config.batch, seed=config.seed, latent=8, average=50.0, **IMAGE_GAMES[name] | settings)
    points, normed = len(DATA) if name == "joined" else 0, recipe.spectral_norm
    network = NetworkConfig(
        recipe.net, 8, 1, 4, 8, classes=3, spectral_norm=normed, likelihood=recipe.likelihood, points=points
    )
    return build_game(recipe, network)


def side_by_side(games: dict[str, Game]) -> Game:
    """Independent games as one, whose players are called `game-player`; the product is the last one's."""
    players = {f"{name}-{role}": player for name, game in games.items() for role, player in game.players.items()}
    name, last = list(games.items())[-1]
    return Game(players, f"{name}-{last.product}")


def _data(rows: int = 50) -> Arrays:
    """Images (N, 1, 8, 8) of three classes, each a bright third, under noise."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 100, (rows, 1, 8, 8), generator=generator)
    labels = torch.arange(rows) % 3
    for row, label in enumerate(labels):
        images[row, :, 3 * label : 3 * label + 2] += 150
    return Arrays({"image": images.to(torch.uint8), "label": labels})


DATA = _data()


class Regression(nn.Module):
    """Predicts an image's mean with a network that has BatchNorm; remembers its state at the start of every step."""

    def __init__(self, width: int = 8):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(64, width), nn.BatchNorm1d(width), nn.Tanh(), nn.Linear(width, 1))

    def forward(self, batch: Batch) -> Tensor:
        return self.layers(pixels(batch)).squeeze(1)


def pixels(batch: Batch) -> Tensor:
    """(N, 64) in [0, 1]."""
    return batch["image"].flatten(1) / 255


def plain_game(spoil: Callable[[Draw, Tensor], Tensor] = lambda draw, loss: loss, width: int = 8) -> Game:
    """A game of one player whose loss goes through `spoil`."""
    network = Regression(width)

    def loss(batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        value = (network(batch) - pixels(batch).mean(1) + 0.01 * draw.normal()).square().mean()
        return spoil(draw, value), {"plain": value}

    return Game({"plain": Player(network, loss, OptimizerConfig(lr=1e-2), average=40.0)}, "plain")


@dataclass
class Glance(Monitor):
    """A monitor that scores by a script and writes down what it was asked.

    Attributes:
        scores: of one look after the other, then None.
        on_judge: called at every look, with its number.
    """

    scores: list[float | None] = field(default_factory=list)
    on_judge: Callable[[int], None] = lambda number: None
    looks: int = 0

    def sheet(self, network: nn.Module, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".txt").write_text(str(path.stem))

    def judge(self, network: nn.Module, images: int) -> Verdict:
        self.looks += 1
        self.on_judge(self.looks)
        score = self.scores[self.looks - 1] if self.looks <= len(self.scores) else None
        return Verdict({"score": score} if score is not None else {}, score)

    def describe(self, facts: dict[str, Any]) -> tuple[dict[str, Any], str]:
        return {"domain": "tests", "kind": "tiny"}, f"after {facts['best_images']} images\n"

    def state(self) -> dict[str, Any]:
        return {"looks": self.looks}

    def restore(self, state: dict[str, Any]) -> None:
        self.looks = state["looks"]


def _signalling(loss: Any, signals: Mapping[int | None, signal.Signals]) -> Any:
    """The loss, but a signal for this process when its step comes."""

    def wrapped(batch: Batch, draw: Draw) -> Any:
        if draw.step in signals:
            os.kill(os.getpid(), signals[draw.step])
        return loss(batch, draw)

    return wrapped


if __name__ == "__main__":
    torch.set_num_threads(1)
    run(main, "tiny")
