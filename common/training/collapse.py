"""The mode-collapse alarm: losses look fine while variety dies, so training watches coverage and classes instead."""

import math
from collections.abc import Sequence
from typing import Any

FALLEN = 0.5  # coverage below this share of its best, and of the floor, has fallen
ALIVE = 0.1  # coverage below this share of the floor is none at all
VANISHED = 0.2  # a class with less than this share of what was asked for has vanished
PATIENCE = 2  # consecutive updates before the alarm believes it: one bad evaluation may be noise
MIN_ASKED = 10  # a class that was asked for less often is too rare to judge
NAMED = 5  # vanished classes that a warning names

REMEDY = "--loss relativistic, a larger --penalty, or a larger --batch"


class CollapseAlarm:
    """Watches one run and says when its variety is lost. Give it every evaluation, in order.

    It speaks, at every update for as long as it lasts, when one of these has held for two updates in a row:
    coverage is below half of its best and below half of the floor (collapse; a best of less than a tenth of the floor
    is early training and does not count); coverage is below a tenth of the floor after the grace period (dead from the
    start); or a class gets less than a fifth of what was asked for after the grace period (vanished). A run that
    rises slowly, or stays at a modest coverage, is none of these.
    """

    def __init__(self, grace: int = 50_000, names: Sequence[str] = (), remedy: str = REMEDY) -> None:
        """
        Args:
            grace: images that a run may see before it must show anything.
            names: the classes' names; their numbers are used without.
            remedy: what to try, as it ends the sentence "Try ...".
        """
        self.grace = grace
        self.names = names
        self.remedy = remedy
        self.best = 0.0
        self.best_images = 0
        self.fallen = 0  # consecutive updates
        self.dead = 0
        self.vanished: list[int] = []  # consecutive updates, one count a class

    def update(
        self,
        *,
        coverage: float,
        floor: float,
        images: int,
        wanted: Sequence[int] | None = None,
        got: Sequence[int] | None = None,
    ) -> str | None:
        """Take one evaluation in, and return a warning of one line a trouble, or None while all is well.

        Args:
            coverage: the samples', in [0, 1] (`common.evaluation.metrics.neighbourhoods`).
            floor: what real data reach at the same N.
            images: how many the run has seen.
            wanted: how many samples were asked for in each class.
            got: how many of the samples look like each class; goes with `wanted`.
        """
        if coverage > self.best:
            self.best, self.best_images = coverage, images
        late = images >= self.grace
        lost = coverage < FALLEN * self.best and coverage < FALLEN * floor and self.best >= ALIVE * floor
        self.fallen = self.fallen + 1 if lost else 0
        self.dead = self.dead + 1 if late and coverage < ALIVE * floor else 0
        warnings = [self._coverage_warning(coverage, floor, images)]
        if wanted is not None and got is not None:
            self._count_vanished(wanted, got, late)
            warnings.append(self._class_warning(wanted, got))
        return "\n".join(filter(None, warnings)) or None

    def state(self) -> dict[str, Any]:
        """What the alarm remembers, as plain JSON values."""
        return {
            "best": self.best,
            "best_images": self.best_images,
            "fallen": self.fallen,
            "dead": self.dead,
            "vanished": list(self.vanished),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Remember what `state` returned, so that a resumed run warns as if it had never stopped."""
        self.best = state["best"]
        self.best_images = state["best_images"]
        self.fallen = state["fallen"]
        self.dead = state["dead"]
        self.vanished = list(state["vanished"])

    def _coverage_warning(self, coverage: float, floor: float, images: int) -> str | None:
        if self.fallen >= PATIENCE:
            return (
                f"coverage fell to {coverage:.2f} (real data: {floor:.2f}, best so far {self.best:.2f} at "
                f"{self.best_images:,} images): mode collapse. Best weights are kept. Try {self.remedy}."
            )
        if self.dead >= PATIENCE:
            return (
                f"coverage is only {coverage:.2f} after {images:,} images (real data: {floor:.2f}): the samples are "
                f"nothing like the data, or all alike. Try a lower --lr, {self.remedy}."
            )
        return None

    def _count_vanished(self, wanted: Sequence[int], got: Sequence[int], late: bool) -> None:
        before = self.vanished or [0] * len(wanted)
        judged = [asked if late and asked >= MIN_ASKED else 0 for asked in wanted]
        self.vanished = [
            count + 1 if seen < VANISHED * asked else 0 for count, seen, asked in zip(before, got, judged, strict=True)
        ]

    def _class_warning(self, wanted: Sequence[int], got: Sequence[int]) -> str | None:
        gone = [label for label, count in enumerate(self.vanished) if count >= PATIENCE]
        if not gone:
            return None
        named = [f"{self._name(label)} ({got[label]} of {wanted[label]} asked for)" for label in gone[:NAMED]]
        more = f" and {len(gone) - NAMED} more" if len(gone) > NAMED else ""
        subject = f"class {named[0]} has" if len(gone) == 1 else f"classes {', '.join(named)}{more} have"
        return f"{subject} all but vanished from the samples. Best weights are kept. Try {self.remedy}."

    def _name(self, label: int) -> str:
        return repr(self.names[label]) if self.names else str(label)


class PosteriorAlarm:
    """The VAE's twin of the mode-collapse alarm: says when the decoder has learned to do without the latent.

    It speaks, at every update for as long as it lasts, when for two updates in a row after the grace period fewer than
    half of the latent dimensions are active, or the latent tells less than a nat of its datum
    (`common.cores.vae.active_units`, `mutual_information`).

    Args:
        grace: examples that a run may see before its latents must be used.
        remedy: what to try, as it ends the sentence "Try ...".
    """

    def __init__(self, grace: int, remedy: str) -> None:
        self.grace, self.remedy = grace, remedy
        self.collapsed = 0  # consecutive updates

    def update(self, *, active: int, latent: int, information: float, images: int) -> str | None:
        """Take one evaluation in, and return a warning or None.

        Args:
            active: units in use, of `latent`.
            information: mutual information in nats; NaN if it was not measured.
            images: examples that the run has seen.
        """
        lost = active < latent / 2 or information < 1
        self.collapsed = self.collapsed + 1 if lost and images >= self.grace else 0
        if self.collapsed < PATIENCE:
            return None
        told = "" if math.isnan(information) else f" and tells {information:.1f} nats of its datum"
        return (
            f"the latent has {active} of {latent} units in use{told}: posterior collapse, so that samples hardly "
            f"depend on it. Try {self.remedy}."
        )

    def state(self) -> dict[str, Any]:
        """What the alarm remembers, as plain JSON values."""
        return {"collapsed": self.collapsed}

    def restore(self, state: dict[str, Any]) -> None:
        """Remember what `state` returned."""
        self.collapsed = state["collapsed"]
