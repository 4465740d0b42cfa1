"""`python benchmarks/scale.py`: what starting, reading and training take of more and more pictures, and of processes.

Pictures are a few thousand PNGs of 8 pixels, linked under as many names as are needed, and the same in shards. Each
start is a process of its own. Then trainings in one process and in two, each with a core of its own, and epochs of
reading larger JPEGs from shards. Linux alone tells the memory that is looked at, and pins processes to cores.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from memory import anonymous

from common.cli import run
from common.config import ThreadConfig, require

PROGRAM = "benchmarks/scale.py"
ROOT = Path(__file__).resolve().parents[1]
LEAST, SIDE, DIFFERENT = 1_000, 8, 4_000
IN_SHARD, BATCH, BATCHES = 1_000, 64, 200
MANY = (1e7, 1e9)  # pictures, on paper
PHOTO_SIDE, DECODED_SIDE = 128, 64  # of the JPEGs, and to which they are decoded
CODE = "import sys; sys.path.insert(0, {!r}); import scale; scale.{}"
SETTINGS = ("--device", "cpu", "--threads", "1", "--snapshot", "100000000", "--track", "none")
SMALLEST = ("--core", "gan", "--net-size", "debug")
TRIES = 3  # of trainings in one process and in two


@dataclass(frozen=True, kw_only=True)
class ScaleConfig(ThreadConfig):
    """Settings of the measurement."""

    most: int = 100_000  # pictures; powers of ten up to that are tried
    steps: int = 100  # of each training
    photos: int = 6_000  # JPEGs of 128 pixels, which are read from shards
    epochs: int = 3  # of reading them
    out: Path = Path("runs/scale")  # where pictures and caches lie
    threads: int | None = 1  # of each process

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.most >= LEAST, "most", f"must be {LEAST:,} or more, not {self.most}")
        require(self.photos >= LEAST, "photos", f"must be {LEAST:,} or more, not {self.photos}")


def main(config: ScaleConfig) -> None:
    """Print a table for each question."""
    _starts(config)
    _processes(config)
    _epochs(config)


def _starts(config: ScaleConfig) -> None:
    print(
        "pictures in | first start s, of a core | second, of a core | MB | peak MB | index kB | batches/s | training/s"
    )
    for kind in ("folder", "folder, not decoded", "shards", "shards, not decoded"):
        found: list[dict[str, float]] = []
        while (number := LEAST * 10 ** len(found)) <= config.most:
            folder = _pictures(config.out / f"{kind.partition(',')[0]}-{number}", number)
            cache = config.out / "cache" / f"{kind}-{number}"
            shutil.rmtree(cache, ignore_errors=True)
            size = 1e-6 if "," in kind else 1e3
            first, second = (_child(f"start({str(folder)!r}, {size})", cache) for _ in range(2))
            flags = ["--data", folder, "--size", SIDE, "--batch", BATCH, "--steps", config.steps, *SMALLEST]
            flags += ["--cache-size", size]
            rate = _trained(cache, config.out, 1, *flags)
            index = sum(path.stat().st_size for path in cache.rglob("*") if _is_index(path)) / 1e3
            found.append(second | {"pictures": number})
            print(
                f"{number:,} {kind} | {first['seconds']:.2f}, {first['cpu']:.2f} | "
                f"{second['seconds']:.2f}, {second['cpu']:.2f} | "
                f"{second['kilobytes'] / 1e3:.1f} | {first['peak'] / 1e3:,.0f} | {index:,.0f} | "
                f"{second['read']:,.0f} | {rate:,.0f}",
                flush=True,
            )
        _slopes(found)


def _slopes(found: list[dict[str, float]]) -> None:
    """Print what a picture more takes at a second start, between the two largest numbers, and what many would."""
    if len(found) < 2:
        return
    few, many = found[-2:]
    more = many["pictures"] - few["pictures"]
    seconds, kilobytes = ((many[name] - few[name]) / more for name in ("cpu", "kilobytes"))
    print(f"  {seconds * 1e6:.1f} us of a core and {kilobytes * 1e3:.0f} bytes a picture", end="")
    for number in MANY:
        print(f"; {number:,.0f}: {seconds * number / 60:,.1f} min, {kilobytes * number / 1e6:,.1f} GB", end="")
    print(flush=True)


def start(folder: str, cache_size: float) -> None:
    """Load pictures and read some batches, in this process; print what that took as JSON.

    Args:
        cache_size: as --cache-size; with next to nothing, pictures are decoded when they are asked for.
    """
    import resource

    from image.data.loading import load_images

    before, wall, cpu = anonymous(), time.perf_counter(), time.process_time()
    train = load_images(folder, SIDE, cache_size=cache_size).train
    told = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    told |= {"kilobytes": anonymous() - before, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}
    wall = time.perf_counter()
    for step in range(BATCHES):
        train.gather(train.indices(0, step, BATCH))
    print(json.dumps(told | {"read": BATCHES / (time.perf_counter() - wall)}))


def _processes(config: ScaleConfig) -> None:
    """Print how many digits a second the default training takes in one process on one core, and in two on two."""
    cache, flags = config.out / "cache" / "processes", ("--data", "digits", "--precision", "fp32")
    print("pictures/s of a training | one process | two processes | ratio; medians")
    for batch in (128, 512):
        steps = max(config.steps * BATCH // batch, 10)
        tries = [
            [_trained(cache, config.out, count, *flags, "--batch", batch, "--steps", steps) for count in (1, 2)]
            for _ in range(TRIES)
        ]
        one, two = (median(rates) for rates in zip(*tries, strict=True))
        print(f"{batch} a step | {one:,.0f} | {two:,.0f} | {two / one:.2f}", flush=True)


def _trained(cache: Path, out: Path, count: int, *flags: object) -> float:
    """Pictures a second of a short training in so many processes, each with a core of its own."""
    folder = out / "training"
    shutil.rmtree(folder, ignore_errors=True)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)] if count > 1 else []
    _call([*torchrun, "-m", "image.train", *map(str, flags), "--out", str(folder), *SETTINGS], cache, count)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return float(next(row["images_per_second"] for row in reversed(rows) if "images_per_second" in row))


def _epochs(config: ScaleConfig) -> None:
    folder, cache = config.out / f"photos-{config.photos}", config.out / "cache" / "photos"
    _write_shards(folder, config.photos, "jpg", lambda row: _noise(row, PHOTO_SIDE, PHOTO_SIDE // 8, "JPEG"))
    decoded = 3 * DECODED_SIDE**2 * config.photos / 1e9
    for name, cache_size in (("nothing kept", 1e-9), ("half kept", decoded / 2), ("all decoded", decoded * 2)):
        print(f"{name}: {_call(['-c', _code(f'epochs({str(folder)!r}, {cache_size}, {config.epochs})')], cache)}")


def epochs(folder: str, cache_size: float, count: int) -> None:
    """Read so many epochs in this process; print a line of pictures a second and the memory that no file backs."""
    from image.data.loading import load_images

    train = load_images(folder, DECODED_SIDE, cache_size=cache_size).train
    steps, told = len(train) // BATCH, []
    for epoch in range(count):
        start = time.perf_counter()
        for step in range(epoch * steps, (epoch + 1) * steps):
            train.gather(train.indices(0, step, BATCH))
        told.append(f"{steps * BATCH / (time.perf_counter() - start):,.0f} a second, {anonymous() // 1000} MB")
    print("; ".join(told))


def _child(call: str, cache: Path) -> dict[str, float]:
    return json.loads(_call(["-c", _code(call)], cache))


def _code(call: str) -> str:
    return CODE.format(str(ROOT / "benchmarks"), call)


def _call(command: list[str], cache: Path, cores: int = 1) -> str:
    """What a Python process on so many cores prints."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    environment = os.environ | {"QUARTET_CACHE": str(cache.resolve()), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, *command],
        env=environment,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()


def _is_index(path: Path) -> bool:
    """Whether a file of the cache is an array that grows with the number of pictures, but not pixels."""
    return path.suffix == ".npy" and path.name not in ("train.image.npy", "test.image.npy", "image.npy", "rows.npy")


def _pictures(folder: Path, number: int) -> Path:
    """So many PNGs, links to a few different ones or in shards, by the folder's name; made once."""
    originals = folder.parent / "originals"
    if not originals.exists():
        with _appearing(originals) as part:
            for row in range(DIFFERENT):
                (part / f"{row}.png").write_bytes(_noise(row, SIDE, SIDE, "PNG"))
    if folder.name.startswith("shards"):
        few = [(originals / f"{row}.png").read_bytes() for row in range(DIFFERENT)]
        _write_shards(folder, number, "png", lambda row: few[row % DIFFERENT])
    elif not folder.exists():
        with _appearing(folder) as part:
            for row in range(number):
                os.link(originals / f"{row % DIFFERENT}.png", part / f"{row:09}.png")
    return folder


def _write_shards(folder: Path, number: int, ending: str, content: Callable[[int], bytes]) -> None:
    if folder.exists():
        return
    with _appearing(folder) as part:
        for first in range(0, number, IN_SHARD):
            with tarfile.open(part / f"{first // IN_SHARD:06}.tar", "w") as archive:
                for row in range(first, min(first + IN_SHARD, number)):
                    info, picture = tarfile.TarInfo(f"{row:09}.{ending}"), content(row)
                    info.size = len(picture)
                    archive.addfile(info, io.BytesIO(picture))


def _noise(seed: int, side: int, grain: int, kind: str) -> bytes:
    """Noise of so many grains a side, which as a JPEG of grains of 8 pixels is about as large as a photo."""
    import numpy as np
    from PIL import Image

    coarse = np.random.default_rng(seed).integers(0, 255, (grain, grain, 3), np.uint8)
    Image.fromarray(coarse).resize((side, side)).save(stream := io.BytesIO(), kind, quality=90)
    return stream.getvalue()


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A folder that is given its name when it is whole."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    yield part
    part.rename(folder)


if __name__ == "__main__":
    run(main, PROGRAM)
