"""`python benchmarks/fuzz.py`: what broken files do to whatever reads files.

Good files of each kind are spoiled at random, and read as the commands read them. Each must be read, or refused in a
way that the commands turn into one line; an exception of another kind, a crash, memory without bounds or more than
`SLOW` seconds of CPU time is a failure, and its file is kept in --out.
"""

import math
import os
import random
import resource
import shutil
import signal
import struct
import sys
import time
import zlib
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from tempfile import TemporaryDirectory
from traceback import extract_tb
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz_kinds import KINDS, Kind

from common.cli import run
from common.config import ThreadConfig, require

ROOT = Path(__file__).resolve().parents[1]
SLOW = 20  # seconds of CPU time after which a file hangs, however busy the machine is
ASLEEP = 600.0  # seconds by the clock after which it does
MEMORY = 4 << 30  # bytes that a reader may take beside the libraries
NASTY = (
    b"\x00" * 4,
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b'"',
    b"[" * 3_000,
    b"9" * 400,
    b"\xe2\x80\xa8",
)
Chance = random.Random
Count: TypeAlias = "Synchronized[int]"


@dataclass(frozen=True, kw_only=True)
class FuzzConfig(ThreadConfig):
    """Settings of the measurement."""

    tries: int = 1_000  # of each kind
    kinds: tuple[str, ...] = ()  # some of them; default: all
    seed: int = 0  # of the damage
    out: Path = Path("runs/fuzz")  # where the files of failures are kept
    threads: int | None = 1  # a forked process must not wait for threads of its parent

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.tries > 0, "tries", f"must be above 0, not {self.tries}")
        unknown = set(self.kinds) - set(KINDS)
        require(not unknown, "kinds", f"knows {', '.join(KINDS)}, and no {', '.join(sorted(unknown))}")


def main(config: FuzzConfig) -> None:
    """Spoil files of every kind at random, read them, and print how often that went wrong."""
    failed = 0
    for name in config.kinds or KINDS:
        start = time.monotonic()
        refused, failures = spoiled_and_read(name, config)
        failed += len(failures)
        took = time.monotonic() - start
        print(
            f"{name}: {config.tries:,} tries, {refused:,} refused, {len(failures)} failures, {took:.0f} s",
            *failures,
            sep="\n  ",
            flush=True,
        )
    sys.exit(1 if failed else 0)


def spoiled_and_read(name: str, config: FuzzConfig) -> tuple[int, list[str]]:
    """Read spoiled files of a kind, in a process that is begun anew where one hangs or dies.

    Returns:
        How many were refused, and what went wrong.
    """
    kind, context, failures = KINDS[name], get_context("fork"), list[str]()
    seeds = sorted(kind.seeds().items())
    done, refused, told = context.Value("q", 0), context.Value("q", 0), context.SimpleQueue()
    with TemporaryDirectory() as folder:
        for seed, content in seeds:  # good files are read here first, so that processes find all imported
            kind.read(_written(Path(folder) / seed, seed, content))
    while done.value < config.tries:
        process = context.Process(target=_reader, args=(kind, seeds, config, done, refused, told))
        process.start()
        at, since, alive = -1, time.monotonic(), True
        while alive:
            process.join(0.2)
            alive = process.is_alive()
            if done.value != at:
                at, since = done.value, time.monotonic()
            elif time.monotonic() - since > ASLEEP:
                process.kill()
            while not told.empty():  # at once, as a full pipe would look like a file that hangs
                failures.append(_kept(kind, seeds, config, name, *told.get()))
        if process.exitcode and done.value < config.tries:
            problem = (
                "hangs"
                if -process.exitcode in (signal.SIGKILL, signal.SIGXCPU)
                else f"ends the process ({process.exitcode})"
            )
            failures.append(_kept(kind, seeds, config, name, done.value, problem))
            done.value += 1
    return refused.value, failures


def _reader(
    kind: Kind, seeds: list[tuple[str, bytes]], config: FuzzConfig, done: Count, refused: Count, told: Any
) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    allowed = kind.allowed()
    with TemporaryDirectory() as folder:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
        for number in range(done.value, config.tries):
            place = Path(folder) / str(number)
            path = _written(place, *_spoiled(kind, seeds, config, number))
            _allow_time()
            try:
                kind.read(path)
            except allowed:
                refused.value += 1
            except (Exception, SystemExit) as error:  # what is looked for: whatever else a reader lets through
                where = extract_tb(error.__traceback__)[-1]
                told.put(
                    (number, f"{type(error).__name__}: {str(error)[:120]} ({Path(where.filename).name}:{where.lineno})")
                )
            shutil.rmtree(place)
            done.value = number + 1


def _allow_time() -> None:
    """Let this process end by SIGXCPU after `SLOW` seconds of CPU time from now on."""
    used, most = sum(os.times()[:2]), resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used) + SLOW, most))


def _written(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(parents=True)
    path = folder / name
    path.write_bytes(content)
    return path


def _kept(kind: Kind, seeds: list[tuple[str, bytes]], config: FuzzConfig, name: str, number: int, problem: str) -> str:
    spoiled, content = _spoiled(kind, seeds, config, number)
    path = config.out / name / f"{number}-{spoiled}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return f"{path}: {problem}"


# --- damage


def _spoiled(kind: Kind, seeds: list[tuple[str, bytes]], config: FuzzConfig, number: int) -> tuple[str, bytes]:
    """The name and content of a try, which follow from the seed and its number."""
    chance = Chance(f"{config.seed} {number}")
    name, content = chance.choice(seeds)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        content = _damaged(content, chance, kind.head if chance.random() < 0.8 else 0)
    if name.endswith(".png") and chance.random() < 0.7:
        content = _with_true_checksums(content)
    return name, content


def _damaged(content: bytes, chance: Chance, head: int) -> bytes:
    """One act of damage, within the first `head` bytes if that is not 0."""
    size = min(len(content), head or len(content))
    if not size:
        return bytes(chance.randrange(256) for _ in range(8))
    place, length = chance.randrange(size), chance.choice((1, 1, 2, 4, 8, 64))
    before, there, after = content[:place], content[place : place + length], content[place + length :]
    match chance.randrange(8):
        case 0 | 1:
            return before + bytes(byte ^ 1 << chance.randrange(8) for byte in there) + after
        case 2:
            return before + bytes(chance.randrange(256) for _ in there) + after
        case 3:
            return before + after
        case 4:
            return before + there * chance.choice((2, 3, 50)) + after
        case 5:
            return before + chance.choice(NASTY) + after
        case 6:
            return before + chance.choice(NASTY) + there + after
        case _:
            return (
                before
                if chance.random() < 0.3
                else before + after[: len(after) // 2] + there + after[len(after) // 2 :]
            )


def _with_true_checksums(content: bytes) -> bytes:
    """A PNG whose chunks, as far as they can be told apart, have the checksums that belong to them."""
    parts, place = [content[:8]], 8
    while place + 12 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        end = place + 8 + length
        if end + 4 > len(content):
            break
        body = content[place + 4 : end]
        parts.append(content[place : place + 4] + body + struct.pack(">I", zlib.crc32(body)))
        place = end + 4
    return b"".join([*parts, content[place:]])


if __name__ == "__main__":
    run(main, "benchmarks/fuzz.py")
