"""Trainings that are killed, whose disk is full, whose checkpoints are damaged and whose numbers are none."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Literal

from fault_tools import Fault, contents, ended, finished, left_over

from common.config import RunConfig

STEPS, SNAPSHOT, BATCH = 60, 40, 8  # of the training: a checkpoint every five steps
ROWS, WIDTH = 50, 64
MOST_KILLS = 5
LEAST_DISK, MOST_DISK = 8, 400  # KiB, of which the training needs some 300

Spoilt = Literal["data", "loss", "gradients", "weights"]
SPOILT: tuple[Spoilt, ...] = ("data", "loss", "gradients", "weights")


def train(out: Path, steps: int = STEPS, snapshot: int = SNAPSHOT, spoilt: Spoilt | None = None, at: int = 0) -> None:
    """A tiny training through all that a training command does, which goes on where it was stopped.

    Args:
        spoilt: what becomes NaN in a step, or of the data in a row.
        at: that step or row.
    """
    import torch

    from common.cores.game import Game, OptimizerConfig, Player
    from common.data.arrays import Arrays
    from common.training.launch import Run, carry_out
    from common.training.monitor import Monitor

    class Describing(Monitor):
        def describe(self, facts: dict[str, Any]) -> tuple[dict[str, Any], str]:
            return {"domain": "benchmark", "kind": "tiny"}, f"After {facts['images']} examples\n"

    torch.manual_seed(0)
    network, noise = torch.nn.Linear(WIDTH, WIDTH), torch.Generator().manual_seed(0)
    data = torch.randn(ROWS, WIDTH, generator=noise)
    if spoilt == "data":
        data[at % ROWS] = torch.nan

    def loss(batch: dict[str, torch.Tensor], draw: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        found = (network(batch["x"]) - 1).square().mean()
        return (_spoil(found, network, spoilt) if draw.step == at else found), {}

    player = Player(network, loss, OptimizerConfig(), 40)
    config = RunConfig(
        out=out,
        steps=steps,
        batch=BATCH,
        snapshot=snapshot,
        resume="auto",
        device="cpu",
        precision="fp32",
        threads=1,
        final_lr=1.0,
    )  # fmt: skip  (one that does not change makes a shorter run the beginning of a longer one)
    game = Game({"tiny": player}, "tiny")
    carry_out(Run("benchmark", config, "tiny", game, Arrays({"x": data}), Describing(), "examples", "", 50, 0, str))


def _spoil(loss: Any, network: Any, spoilt: Spoilt | None) -> Any:
    """Make the loss of a network, a tensor, or what comes of it, NaN."""
    if spoilt == "loss":
        return loss * float("nan")
    if spoilt == "gradients":
        loss.register_hook(lambda gradient: gradient * float("nan"))
    if spoilt == "weights":
        next(network.parameters()).data[0] = float("nan")
    return loss


def killed(folder: Path, number: int, chance: Random, took: float) -> str:
    """Kill a training until it comes through, and compare it with the undisturbed one."""
    out, log, kills = folder / str(number), folder / f"{number}.log", 0
    while not finished(lambda: train(out), chance.random() * took if kills < MOST_KILLS else None, log):
        if (kills := kills + 1) > MOST_KILLS:
            return f"the run does not go on any more: {log.read_text()[-1000:]}"
    return differs(out, folder / "whole")


def differs(out: Path, whole: Path) -> str:
    """What is wrong with a run that should be the undisturbed one, or ""."""
    if _digests(out) != _digests(whole):
        return "the tensors differ"
    if contents(out, "README.md") != contents(whole, "README.md"):
        return "the card differs"
    return left_over(out)


def _digests(out: Path) -> dict[str, str]:
    """What stands for the tensors of weights and checkpoints, whose facts tell of the clock, too."""
    from common.data.arrays import digest_of
    from common.weights import load_tensors

    return {path.name: digest_of(load_tensors(path)) for path in sorted(out.rglob("*.safetensors"))}


def flipped(folder: Path, number: int, chance: Random, took: float) -> str:
    """Flip a bit of the newest checkpoint of a run that is half done: the one before it is taken, and that is said."""
    out, log = folder / str(number), folder / f"{number}.log"
    if not finished(lambda: train(out, STEPS // 2)):
        return "the first half failed"
    newest = max((out / "checkpoints").iterdir())
    content = bytearray(newest.read_bytes())
    place = chance.randrange(len(content))
    content[place] ^= 1 << chance.randrange(8)
    newest.write_bytes(content)
    if not finished(lambda: train(out), log=log):
        return f"the run does not go on after a bit of byte {place:,} was flipped"
    if "goes on from" not in log.read_text():
        return f"that a bit of byte {place:,} was flipped is not told"
    return differs(out, folder / "whole")


def full(folder: Path, number: int, chance: Random, took: float) -> str:
    """Train on a disk that is full sooner or later; once there is room, the same command goes on."""
    out, log, size = folder / str(number), folder / f"{number}.log", chance.randint(LEAST_DISK, MOST_DISK)
    with _disk(out, size):
        code = ended(lambda: train(out / "run"), log=log)
        if code not in (0, 2) or "Traceback" in log.read_text():
            return f"with {size} KiB the run ends with {code}: {log.read_text()[-300:]}"
        _told("mount", "-o", "remount,size=16m", str(out))
        if not finished(lambda: train(out / "run"), log=log):
            return f"after {size} KiB were full the run does not go on: {log.read_text()[-300:]}"
        problem = differs(out / "run", folder / "whole")
        return problem and f"after {size} KiB were full {problem}"


@contextmanager
def _disk(place: Path, size: int) -> Iterator[None]:
    """A disk in memory of so many KiB, mounted there; that needs root."""
    place.mkdir()
    _told("mount", "-t", "tmpfs", "-o", f"size={size}k", "none", str(place))
    try:
        yield
    finally:
        _told("umount", str(place))


def _told(*words: str) -> None:
    subprocess.run(words, check=True)


def not_a_number(folder: Path, number: int, chance: Random, took: float) -> str:
    """Let data, loss, gradients and weights be NaN in turn: the run ends well, and what it saves is finite."""
    out, spoilt, at = folder / str(number), SPOILT[number % len(SPOILT)], chance.randrange(STEPS)
    if not finished(lambda: train(out, spoilt=spoilt, at=at)):
        return f"{spoilt}, step {at}: the run fails"
    from common.weights import load_tensors

    files = sorted(out.rglob("*.safetensors"))
    if len(files) < 2 or not all(value.isfinite().all() for path in files for value in load_tensors(path).values()):
        return f"{spoilt}, step {at}: what is saved is not finite"
    return left_over(out)


RUNS = {
    "training": Fault(train, killed),
    "bit": Fault(train, flipped),
    "disk": Fault(train, full),
    "NaN": Fault(train, not_a_number),
}
