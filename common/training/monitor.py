"""What a domain adds to a run, the trainer's eyes; and how far a run is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import nn


@dataclass
class Verdict:
    """What a look at the current weights found.

    Attributes:
        figures: what to log.
        score: lower is better; the best one's weights are kept. None keeps the latest.
        warning: shown to the user at once, and logged.
    """

    figures: dict[str, float] = field(default_factory=dict)
    score: float | None = None
    warning: str | None = None


class Monitor(Protocol):
    """What a domain adds to a run: how to show the product, how to judge it and how to describe it."""

    def sheet(self, network: nn.Module, path: Path) -> None:
        """Draw samples into `path`, whose ending the monitor chooses (`path` has none)."""

    def judge(self, network: nn.Module, images: int) -> Verdict:
        """Measure the product after so many training images."""

    def describe(self, facts: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The weights folder's config and card; `facts` tells steps, images, seconds, hardware and figures."""

    def state(self) -> dict[str, Any]:
        """What a resumed run must know of earlier verdicts, as JSON."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take `state` back."""


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
    figures: dict[str, float] = field(default_factory=dict)  # of the latest verdict
    monitor: dict[str, Any] = field(default_factory=dict)
