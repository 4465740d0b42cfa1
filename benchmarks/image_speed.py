"""`python benchmarks/image_speed.py`: training throughput and memory of ours beside a textbook loop.

Both train the same DCGAN on the same images and batch, one step of the critic and one of the generator at a time, with
binary cross-entropy and Adam. Ours also averages the generator's weights, guards every step and writes its log. Each
lives in a process of its own, so that its peak memory is its own, and they take turns, so that a machine that is busy
or slows down as it warms up is so for all of them.
"""

import contextlib
import io
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.textbook import Textbook, batches
from common.cli import run
from common.config import DeviceConfig, PrecisionConfig, require
from common.training.devices import bf16_wanted, peak_memory, pick_device
from common.training.monitor import Monitor
from common.training.trainer import Trainer
from image.config import WIDTHS, NetSize, TrainConfig
from image.data.loading import ImageData, load_images
from image.games import build_game
from image.networks import NetworkConfig, build_critic, build_generator

WARM_UP = 3  # steps that are not timed
LATENT = 100
TEXTBOOK, OURS = "textbook loop", "ours"
PRODUCTS = {"fp32": torch.float32, "bf16": torch.bfloat16}  # of large matrices, to see what a CPU can do at best
IN_BF16 = {"ours, bf16": {"precision": "bf16"}, "ours, bf16 and compiled": {"precision": "bf16", "compile": True}}


@dataclass(frozen=True, kw_only=True)
class SpeedConfig(DeviceConfig):
    """Settings of the measurement."""

    data: str = "digits"  # as of image.train
    size: int = 28  # side of the images in pixels
    net_size: NetSize = "large"  # width of the networks; large is the paper's
    conditional: bool = False  # on the class
    batch: int = 128  # images a step
    steps: int | None = None  # of a turn; default 10 on a CPU and 200 on a GPU
    rounds: int = 5  # turns of each; the median counts
    workers: int = 2  # processes that prepare the textbook loop's batches

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("steps", 1), ("rounds", 1), ("batch", 2), ("workers", 0)):
            value = getattr(self, name)
            require(value is None or value >= least, name, f"must be {least} or more, not {value}")


@dataclass(frozen=True)
class Turn:
    """What a contestant did in one turn."""

    rate: float  # images/s; floating-point operations/s of the matrix product
    memory: int  # peak so far in bytes: on a GPU what its tensors took, else the whole process
    work: int = 0  # floating-point operations an image, where they are counted


def main(config: SpeedConfig) -> None:
    """Measure the training throughput and peak memory of ours beside a textbook PyTorch loop, in turns."""
    device = pick_device(config.device)
    config = replace(config, steps=config.steps or (10 if device.type == "cpu" else 200))
    bf16 = IN_BF16 if bf16_wanted(PrecisionConfig(), device) else ()
    products = list(PRODUCTS)[: 2 if bf16 else 1] if device.type == "cpu" else []
    names = [TEXTBOOK, OURS, *bf16, *products]
    with contextlib.ExitStack() as stack:
        pools = {name: stack.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn"))) for name in names}
        for name, pool in pools.items():  # loads, compiles and warms up; does not count
            pool.submit(take_turn, name, config).result()
        turns: dict[str, list[Turn]] = {name: [] for name in names}
        for _ in range(config.rounds):
            for name, pool in pools.items():
                turns[name].append(pool.submit(take_turn, name, config).result())
    report(config, device, turns)


def report(config: SpeedConfig, device: torch.device, turns: dict[str, list[Turn]]) -> None:
    """Print the table."""
    rates = {name: statistics.median(turn.rate for turn in found) for name, found in turns.items()}
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    kind = "conditional" if config.conditional else "unconditional"
    print(
        f"DCGAN of width {WIDTHS[config.net_size]}, {config.size} x {config.size}, {kind}, batch {config.batch}, on "
        f"{where}, torch {torch.__version__}; median of {config.rounds} turns of {config.steps} steps\n"
    )
    print(f"{'':<26}{'images/s':>10}{'(slowest':>11}{'fastest)':>10}{'ratio':>8}{'peak memory':>15}")
    for name, found in turns.items():
        if name not in PRODUCTS:
            slowest, fastest = min(turn.rate for turn in found), max(turn.rate for turn in found)
            memory = max(turn.memory for turn in found) / 2**20
            ratio = rates[name] / rates[TEXTBOOK]
            print(f"{name:<26}{rates[name]:>10,.0f}{slowest:>11,.0f}{fastest:>10,.0f}{ratio:>8.2f}{memory:>11,.0f} MiB")
    reached = rates[TEXTBOOK] * turns[TEXTBOOK][0].work
    for name in [name for name in PRODUCTS if name in rates]:
        print(
            f"\nThe textbook loop computes {reached / 1e9:,.0f} GFLOP/s, and a large matrix product in {name} "
            f"{rates[name] / 1e9:,.0f}: no {name} loop of that work can be more than {rates[name] / reached:.1f} "
            "times as fast here."
        )


# ---- in the contestants' processes -----------------------------------------------------------------------------------


def take_turn(name: str, config: SpeedConfig) -> Turn:
    """Run `config.steps` steps; the first turn in a process also builds and warms up."""
    turn, work = contestant(name, config)
    rate = turn(config.steps or 1)
    return Turn(rate, peak_memory(pick_device(config.device)) or 0, work)


@lru_cache
def contestant(name: str, config: SpeedConfig) -> tuple[Callable[[int], float], int]:
    """A function from a number of steps to images/s, and the operations an image where they are counted."""
    if name in PRODUCTS:
        return matrix_product(PRODUCTS[name]), 0
    torch.manual_seed(0)
    data = load_images(config.data, config.size)
    network = NetworkConfig(
        net="dcgan",
        side=config.size,
        channels=data.spec.channels,
        width=WIDTHS[config.net_size],
        latent=LATENT,
        classes=len(data.spec.classes) if config.conditional else 0,
    )
    if name == TEXTBOOK:
        return textbook(config, data, network)
    return ours(config, data, network, IN_BF16.get(name, {"precision": "fp32"})), 0


def textbook(config: SpeedConfig, data: ImageData, network: NetworkConfig) -> tuple[Callable[[int], float], int]:
    """The plain loop; its operations are counted in a step of its warm-up."""
    device = pick_device(config.device)
    loop = Textbook(build_generator(network), build_critic(network), LATENT, device, config.conditional)
    loader = batches(data.train, config.batch, config.workers, pin_memory=device.type == "cuda")
    with FlopCounterMode(display=False) as counter:
        loop.step(*next(loader))

    def turn(steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            loop.step(*next(loader))  # reads the losses, and so waits for the device
        return steps * config.batch / (time.perf_counter() - start)

    turn(WARM_UP)
    return turn, counter.get_total_flops() // config.batch


class Silence(Monitor):
    """A monitor that neither shows nor judges."""

    def describe(self, facts: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Say nothing."""
        return {}, ""


def ours(
    config: SpeedConfig, data: ImageData, network: NetworkConfig, settings: dict[str, Any]
) -> Callable[[int], float]:
    """The trainer as `image.train` uses it, and its own figure of images/s, which it takes in step with the device."""
    train = TrainConfig(
        **settings,
        device=config.device,
        core="cgan" if config.conditional else "gan",
        net="dcgan",
        net_size=config.net_size,
        latent=LATENT,
        loss="nonsaturating",
        penalty=0.0,
        lr=2e-4,
        betas=(0.5, 0.999),
        condition_dropout=0.0,
        batch=config.batch,
        snapshot=1 << 40,
    )
    game = build_game(train, network)

    def turn(steps: int) -> float:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            Trainer(replace(train, steps=steps), Path(folder)).fit(game, data.train, Silence())
            log = (Path(folder) / "metrics.jsonl").read_text(encoding="utf-8")
        rows = [json.loads(row) for row in log.splitlines()]
        return [row["images_per_second"] for row in rows if "images_per_second" in row][-1]

    turn(WARM_UP)
    return turn


def matrix_product(dtype: torch.dtype, side: int = 2048) -> Callable[[int], float]:
    """Multiply square matrices, to see what the CPU can do at best."""
    matrix = torch.randn(side, side).to(dtype)

    def turn(steps: int) -> float:
        start = time.perf_counter()
        for _ in range(steps):
            torch.mm(matrix, matrix)
        return steps * 2 * side**3 / (time.perf_counter() - start)

    turn(WARM_UP)
    return turn


if __name__ == "__main__":
    run(main, "benchmarks.image_speed")
