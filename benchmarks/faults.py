"""`python benchmarks/faults.py`: what kill -9 at any moment leaves, of a training, of upscaled pictures and of weights.

Each try forks a process, kills it at a random moment of its work, and looks: every file that a result is called must be
whole or absent. A training is killed again and again until it comes through, by --resume auto; it must then equal the
undisturbed run bit for bit, and no temporary file may be left.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import run
from common.config import RunConfig, ThreadConfig, require

STEPS, SNAPSHOT, BATCH = 60, 40, 8  # of the training: a checkpoint every five steps
PICTURES, SIDE = 4, 48
WRITES = 20  # of weights


@dataclass(frozen=True, kw_only=True)
class FaultsConfig(ThreadConfig):
    """Settings of the measurement."""

    tries: int = 20  # of each kind
    seed: int = 0  # of the moments
    threads: int | None = 1  # a forked process must not wait for threads of its parent

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.tries > 0, "tries", f"must be above 0, not {self.tries}")


def main(config: FaultsConfig) -> None:
    """Kill processes that train, upscale and write weights, and print how often anything was left in pieces."""
    for module in ("common.training.launch", "superres.upscaling", "superres.upscale"):
        import_module(module)  # once, and not in every process
    chance, failed = random.Random(config.seed), 0
    for name, survives in (("training", train_killed), ("pictures", upscale_killed), ("weights", write_killed)):
        with TemporaryDirectory() as folder:
            took = timed(lambda: WORK[name](Path(folder) / "whole"))  # noqa: B023 (called at once)
            failures = [
                problem
                for number in range(config.tries)
                if (problem := survives(Path(folder), number, lambda: chance.random() * took))  # noqa: B023
            ]
        failed += len(failures)
        print(f"{name}: {config.tries} tries, {len(failures)} failures", *failures, sep="\n  ", flush=True)
    sys.exit(1 if failed else 0)


def timed(work: Callable[[], Any]) -> float:
    """How many seconds undisturbed work takes in a process of its own."""
    start = time.monotonic()
    if not finished(work):
        raise RuntimeError("the undisturbed work failed")
    return time.monotonic() - start


def finished(work: Callable[[], Any], seconds: float | None = None) -> bool:
    """Do work in a forked process, which is killed after so many seconds; whether it came to its end."""
    process = get_context("fork").Process(target=silently, args=(work,))
    process.start()
    process.join(seconds)
    if process.exitcode is None and process.pid:
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    return process.exitcode == 0


def silently(work: Callable[[], Any]) -> None:
    """Do work whose output nobody wants."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    work()


def contents(folder: Path, pattern: str) -> dict[str, bytes]:
    """The files of a folder by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob(pattern))}


def temporary(folder: Path) -> Iterator[Path]:
    """What should have gone: hidden files, but for the lock."""
    return (path for path in folder.rglob(".*") if path.name != ".lock")


# --- training


def train(out: Path) -> None:
    """A tiny training through all that a training command does."""
    import torch

    from common.cores.game import Game, OptimizerConfig, Player
    from common.data.arrays import Arrays
    from common.training.launch import Run, carry_out
    from common.training.monitor import Monitor

    class Describing(Monitor):
        def describe(self, facts: dict[str, Any]) -> tuple[dict[str, Any], str]:
            return {"domain": "benchmark", "kind": "tiny"}, f"After {facts['images']} examples\n"

    torch.manual_seed(0)
    network, noise = torch.nn.Linear(64, 64), torch.Generator().manual_seed(0)
    data = Arrays({"x": torch.randn(50, 64, generator=noise)})
    player = Player(network, lambda batch, draw: ((network(batch["x"]) - 1).square().mean(), {}), OptimizerConfig(), 40)
    config = RunConfig(
        out=out, steps=STEPS, batch=BATCH, snapshot=SNAPSHOT, resume="auto", device="cpu", precision="fp32", threads=1
    )
    game = Game({"tiny": player}, "tiny")
    carry_out(Run("benchmark", config, "tiny", game, data, Describing(), "examples", "", 50, 0, str))


def train_killed(folder: Path, number: int, moment: Callable[[], float]) -> str:
    """Kill a training until it comes through, and compare it with the undisturbed one; what is wrong, or ""."""
    out, kills = folder / str(number), 0
    while not finished(lambda: train(out), moment() if kills < 5 else None):
        if (kills := kills + 1) > 5:
            return f"try {number}: the run does not go on any more"
    if digests(out) != digests(folder / "whole"):
        return f"try {number}: the tensors differ after {kills} kills"
    if contents(out, "README.md") != contents(folder / "whole", "README.md"):
        return f"try {number}: the card differs after {kills} kills"
    return "".join(f"try {number}: {path} is left" for path in temporary(out))


def digests(out: Path) -> dict[str, str]:
    """What stands for the tensors of weights and checkpoints, whose facts tell of the clock, too."""
    from common.data.arrays import digest_of
    from common.weights import load_tensors

    return {path.name: digest_of(load_tensors(path)) for path in sorted(out.rglob("*.safetensors"))}


# --- pictures


def upscale(out: Path) -> None:
    """Upscale some pictures."""
    import numpy as np
    from PIL import Image

    from superres.config import UpscaleConfig
    from superres.upscale import main as enlarge

    sources = out.parent / "pictures"
    for number in range(PICTURES):
        path = sources / f"{number}.png"
        if not path.exists():
            sources.mkdir(exist_ok=True)
            noise = np.random.default_rng(number).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
            Image.fromarray(noise).save(path)
    enlarge(UpscaleConfig(paths=(str(sources),), out=out, device="cpu", threads=1))


def upscale_killed(folder: Path, number: int, moment: Callable[[], float]) -> str:
    """Kill the upscaling of pictures, look at what is there, and go on; what is wrong, or ""."""
    out, whole = folder / f"out-{number}", contents(folder / "whole", "*.png")
    finished(lambda: upscale(out), moment())
    made = contents(out, "[!.]*")
    if any(whole.get(name) != content for name, content in made.items()):
        return f"try {number}: a picture is there in part"
    if not finished(lambda: upscale(out)) or contents(out, "[!.]*") != whole:
        return f"try {number}: the pictures that were missing are not made"
    return "".join(f"try {number}: {path} is left" for path in temporary(out))


# --- weights


def write(out: Path) -> None:
    """Write weights again and again, those of other numbers every time."""
    import torch

    from common.weights import save_weights

    network = torch.nn.Linear(200, 200)
    for number in range(WRITES):
        torch.nn.init.constant_(network.weight, number)
        torch.nn.init.constant_(network.bias, number)
        save_weights(out, network, {"domain": "benchmark", "kind": "tiny", "number": number}, f"Number {number}\n" * 99)


def write_killed(folder: Path, number: int, moment: Callable[[], float]) -> str:
    """Kill the writing of weights, look at them, and write again; what is wrong, or ""."""
    from common.errors import UserError

    out = folder / str(number)
    finished(lambda: write(out), moment())
    try:
        torn = (out / "model.safetensors").exists() and not is_one(out)
    except UserError as error:
        return f"try {number}: {error}"
    if torn:
        return f"try {number}: the weights are of several times"
    if not finished(lambda: write(out)) or not is_one(out):
        return f"try {number}: weights cannot be written any more"
    return "".join(f"try {number}: {path} is left" for path in temporary(out))


def is_one(out: Path) -> bool:
    """Whether every file of a weights folder is whole, and the tensors are all of one time."""
    from common.weights import load_tensors
    from common.weights_folders import read_config

    numbers = {
        value for tensor in load_tensors(out / "model.safetensors").values() for value in tensor.unique().tolist()
    }
    card = (out / "README.md").read_text()
    return len(numbers) == 1 and "number" in read_config(out) and len(set(card.splitlines())) == 1


WORK: dict[str, Callable[[Path], None]] = {"training": train, "pictures": upscale, "weights": write}

if __name__ == "__main__":
    run(main, "benchmarks.faults")
