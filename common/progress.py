"""Progress bars on stderr that show on every terminal."""

import os
import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from common.processes import rank

USUAL = (80, 24)  # columns and lines


def progress_bar(
    iterable: Iterable[Any] = (), description: str = "", total: float | None = None, **settings: Any
) -> "tqdm[Any]":
    """A bar of tqdm, as wide as the terminal; the arguments are those of `tqdm`.

    Terminals of containers and of CI may say that they have no width, on which tqdm shows nothing; they get the usual.
    Of several processes the first alone shows bars.
    """
    columns, lines = terminal_size()
    if rank() > 0:
        settings["disable"] = True
    return tqdm(iterable, description, total, ncols=columns - 1, nrows=lines - 1, **settings)


def terminal_size() -> tuple[int, int]:
    """Columns and lines of the terminal at stderr, or the usual ones where there is none or it tells none."""
    try:
        size = os.get_terminal_size(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):  # no stderr, one that is a file, or one that is closed
        size = os.terminal_size(USUAL)
    return size.columns or USUAL[0], size.lines or USUAL[1]
