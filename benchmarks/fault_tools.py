"""What the faults of `benchmarks/faults.py` share: work in a process that may be killed, and a look at what is left."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.errors import UserError


@dataclass(frozen=True)
class Fault:
    """What is done to some work, again and again.

    Attributes:
        work: undisturbed, into a folder.
        survives: (a folder, in which `whole` has what undisturbed work made; number of the try; chance; seconds that
            undisturbed work takes) -> what is wrong afterwards, or "".
    """

    work: Callable[[Path], None]
    survives: Callable[[Path, int, Random, float], str]


def timed(work: Callable[[], Any]) -> float:
    """How many seconds undisturbed work takes in a process of its own."""
    start = time.monotonic()
    if not finished(work):
        raise RuntimeError("the undisturbed work failed")
    return time.monotonic() - start


def finished(work: Callable[[], Any], seconds: float | None = None, log: Path | None = None) -> bool:
    """Do work in a forked process, which is killed after so many seconds; whether it came to its end."""
    return ended(work, seconds, log) == 0


def ended(
    work: Callable[[], Any],
    seconds: float | None = None,
    log: Path | None = None,
    disturb: Callable[[int], object] = lambda process: os.kill(process, signal.SIGKILL),
) -> int | None:
    """The exit code of such a process: 2 after bad input, 1 after another error, below 0 if it was killed.

    Args:
        log: a file for what it prints.
        disturb: what is done, after so many seconds, to the process of that number if it lives.
    """
    process = get_context("fork").Process(target=_silently, args=(work, log or Path(os.devnull)))
    process.start()
    process.join(seconds)
    if process.exitcode is None and process.pid:
        disturb(process.pid)
        process.join()
    return process.exitcode


def together(*works: Callable[[], Any]) -> list[int | None]:
    """The exit codes of some work that is done at once, each in a forked process."""
    processes = [get_context("fork").Process(target=_silently, args=(work, Path(os.devnull))) for work in works]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def _silently(work: Callable[[], Any], log: Path) -> None:
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    os.dup2(1, 2)
    try:
        work()
    except UserError as error:
        print(error)
        sys.exit(2)


def contents(folder: Path, pattern: str) -> dict[str, bytes]:
    """The files of a folder by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob(pattern))}


def temporary(folder: Path) -> Iterator[Path]:
    """What should have gone: hidden files, but for the lock."""
    return (path for path in folder.rglob(".*") if path.name != ".lock")


def left_over(folder: Path) -> str:
    """What is wrong if a temporary file is left, or ""."""
    return "; ".join(f"{path} is left" for path in temporary(folder))
