"""What is to be seen of a training and when, told from how fast its first steps were. Nothing here imports torch."""

from collections.abc import Sequence
from dataclasses import dataclass

TIMED = (8, 20)  # the steps between which is timed: rounds of four, as of lazy penalties, when kernels are chosen


@dataclass(frozen=True)
class Milestone:
    """What is to be seen after how many examples.

    Attributes:
        what: such as "first shapes".
        least, most: examples; what the data are like decides between them.
    """

    what: str
    least: int
    most: int


def forecast(rate: float, counted: str, milestones: Sequence[Milestone]) -> str:
    """A line such as "about 52 images/s here: first shapes in about 10 minutes, clear pictures in about 5 to 11 hours".

    Args:
        rate: examples a second.
        counted: what the examples are, in the plural.
    """
    told = [f"{stone.what} in {time_between(stone.least / rate, stone.most / rate)}" for stone in milestones]
    return f"about {rate:,.{0 if rate >= 10 else 1}f} {counted}/s here" + (f": {', '.join(told)}" if told else "")


def time_between(least: float, most: float) -> str:
    """Two spans of seconds in words: "under a minute", "about 12 minutes", "about 5 to 11 hours"."""
    if most < 60:
        return "under a minute"
    unit, size = next(((unit, size) for unit, size in UNITS if most >= 2 * size), UNITS[-1])
    low, high = (max(round(seconds / size), 1) for seconds in (least, most))
    several = f"{low:,} to {high:,}" if low < high else f"{high:,}"
    return f"about {several} {unit}{'s' if high > 1 else ''}"


UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))  # with their seconds; one is used from two of it on
