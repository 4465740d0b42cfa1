"""Progress bars on stderr that show on every terminal, and what tells others than a terminal how far work is."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

from tqdm import tqdm

from common.processes import rank

USUAL = (80, 24)  # columns and lines
# Of what is done, its share of the whole from 0 to 1, and the seconds left; what is not known is None.
Watcher: TypeAlias = Callable[[str, float | None, float | None], None]
_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


def progress_bar(
    iterable: Iterable[Any] = (), description: str = "", total: float | None = None, **settings: Any
) -> "tqdm[Any]":
    """A bar of tqdm, as wide as the terminal; the arguments are those of `tqdm`.

    Terminals of containers and of CI may say that they have no width, on which tqdm shows nothing; they get the usual.
    Of several processes the first alone shows bars. Where somebody is `watching`, they are told and no bar is shown.
    """
    if _watcher.get() is not None:
        return _Watched(iterable, description, total, **settings | {"disable": False})
    columns, lines = terminal_size()
    if rank() > 0:
        settings["disable"] = True
    return tqdm(iterable, description, total, ncols=columns - 1, nrows=lines - 1, **settings)


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Let somebody be told, some times a second, what the bars in the block would show; what they raise ends the work.

    with watching(lambda what, share, left: print(what, share, left)):
        main(config)
    """
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


class _Watched(tqdm):  # type: ignore[type-arg] # at run time tqdm takes no parameter
    """A bar that is told instead of shown."""

    monitor_interval = 0  # no other thread looks at it, which would be stopped in the place of the work

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        watcher, seen = _watcher.get(), self.format_dict
        if watcher is None or msg == "":  # which clears a bar
            return
        rate = seen["rate"] or (seen["n"] / seen["elapsed"] if seen["elapsed"] else 0)
        share = min(seen["n"] / self.total, 1.0) if self.total else None
        watcher(str(self.desc).removesuffix(": "), share, (self.total - seen["n"]) / rate if share and rate else None)


def terminal_size() -> tuple[int, int]:
    """Columns and lines of the terminal at stderr, or the usual ones where there is none or it tells none."""
    try:
        size = os.get_terminal_size(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):  # no stderr, one that is a file, or one that is closed
        size = os.terminal_size(USUAL)
    return size.columns or USUAL[0], size.lines or USUAL[1]
