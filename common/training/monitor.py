"""What a domain adds to a run, the trainer's eyes; and how far a run is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn


@dataclass
class Verdict:
    """What a look at the current weights found.

    Attributes:
        figures: what to log.
        score: lower is better; the best one's weights are kept. None keeps the latest.
        warning: shown to the user at once, and logged.
        saturated: the score cannot get lower, and of equally good weights the latest are kept.
    """

    figures: dict[str, float] = field(default_factory=dict)
    score: float | None = None
    warning: str | None = None
    saturated: bool = False


class Monitor:
    """What a domain adds to a run: how to show the product, how to judge it and how to describe it.

    The least that a monitor does is to describe; without more, nothing is drawn, the latest weights are kept, and
    nothing is remembered from one look to the next.
    """

    def sheet(self, network: nn.Module, path: Path) -> None:
        """Draw samples into `path`, whose ending the monitor chooses (`path` has none)."""

    def judge(self, network: nn.Module, images: int) -> Verdict:
        """Measure the product, whose weights are finite, after so many training images."""
        return Verdict()

    def describe(self, facts: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The weights folder's config and card; `facts` tells steps, images, seconds, hardware and figures."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """What a resumed run must know of earlier verdicts, as JSON."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave, when a run is resumed."""

    def verdict(self, network: nn.Module, images: int) -> Verdict:
        """What `judge` says, or, of weights that are not finite, that they are the worst."""
        if not all(torch.isfinite(tensor).all() for tensor in network.state_dict().values()):
            return Verdict(score=float("inf"), warning="the weights are not finite")
        return self.judge(network, images)


@dataclass
class Progress:
    """How far a run is; saved in every checkpoint."""

    step: int = 0
    images: int = 0
    seconds: float = 0.0
    lr_scale: float = 1.0
    returns: int = 0
    skipped: int = 0
    guards: dict[str, list[float]] = field(default_factory=dict)  # of each player, as of the latest snapshot
    best: float | None = None
    best_images: int = 0
    better_images: int = 0  # when the score last got lower, which of saturated ones is earlier
    figures: dict[str, float] = field(default_factory=dict)  # of the latest verdict
    monitor: dict[str, Any] = field(default_factory=dict)
