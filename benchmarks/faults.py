"""`python benchmarks/faults.py`: what kill -9, bad disks, a wrong clock, flipped bits and NaN leave behind.

Each try forks a process, disturbs it at a random moment of its work, and looks: every file that a result is called must
be whole or absent, and the same command must go on to what undisturbed work makes, bit for bit, without a temporary
file. A full disk is one in memory, and one that fails is in a file; mounting them needs root.
"""

import os
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fault_disks import DISKS
from fault_files import FILES
from fault_runs import RUNS
from fault_tools import Fault, timed

from common.cli import run
from common.config import ThreadConfig, require

KINDS: dict[str, Fault] = {**RUNS, **FILES, **DISKS}
LOADED = (
    *("common.training.launch", "torch.utils.tensorboard", "image.data.loading"),
    *("superres.upscaling", "superres.upscale", "superres.video.upscaling"),
)
ROOTS = tuple(name for name in DISKS if name != "permission")  # kinds that root alone can try


@dataclass(frozen=True, kw_only=True)
class FaultsConfig(ThreadConfig):
    """Settings of the measurement."""

    tries: int = 20  # of each kind
    kinds: tuple[str, ...] = ()  # some of them; default: all that may be tried
    seed: int = 0  # of the moments
    threads: int | None = 1  # a forked process must not wait for threads of its parent

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.tries > 0, "tries", f"must be above 0, not {self.tries}")
        unknown = set(self.kinds) - set(KINDS)
        require(not unknown, "kinds", f"knows {', '.join(KINDS)}, and no {', '.join(sorted(unknown))}")


def main(config: FaultsConfig) -> None:
    """Disturb trainings and the writing of results, and print how often anything was left in pieces."""
    for module in LOADED:
        import_module(module)  # once, and not in every process
    chance, failed = Random(config.seed), 0
    permitted = [name for name in KINDS if name not in ROOTS or os.geteuid() == 0]
    for name in config.kinds or permitted:
        failures = tried(KINDS[name], config.tries, chance)
        failed += len(failures)
        print(f"{name}: {config.tries} tries, {len(failures)} failures", *failures, sep="\n  ", flush=True)
    sys.exit(1 if failed else 0)


def tried(fault: Fault, tries: int, chance: Random) -> list[str]:
    """What went wrong in so many tries."""
    with TemporaryDirectory() as folder:
        took = timed(lambda: fault.work(Path(folder) / "whole"))
        problems = [fault.survives(Path(folder), number, chance, took) for number in range(tries)]
    return [f"try {number}: {problem}" for number, problem in enumerate(problems) if problem]


if __name__ == "__main__":
    run(main, "benchmarks.faults")
