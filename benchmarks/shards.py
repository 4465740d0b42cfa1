"""`python benchmarks/shards.py`: how fast pictures come from shards, and what memory they take, as epochs go by.

Shards of --pictures JPEGs of --side pixels are made once in --out. They are read as training reads them, with nothing
kept, with half of the pictures kept and with all decoded beforehand. Linux alone tells the memory that is looked at.
"""

import io
import os
import re
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import run
from common.config import ThreadConfig, require

PROGRAM = "benchmarks/shards.py"
CHUNKS = 1_000  # pictures in a shard
BATCH = 64
NOTHING = "nothing kept"
MANY = (1e7, 1e8, 1e9)  # pictures


@dataclass(frozen=True, kw_only=True)
class ShardSpeedConfig(ThreadConfig):
    """Settings of the measurement."""

    pictures: int = 6_000  # of which a tenth is held out
    side: int = 128  # of the JPEGs, in pixels
    size: int = 64  # to which they are decoded
    epochs: int = 3
    out: Path = Path("runs/shard-speed")  # where the shards and what is cached of them lie

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.pictures >= 1_000, "pictures", f"must be 1,000 or more, not {self.pictures}")


def main(config: ShardSpeedConfig) -> None:
    """Print a line for each epoch: pictures a second, and the memory of the process that no file backs."""
    from image.data.loading import load_images

    folder = config.out / f"{config.pictures}-{config.side}"
    if not folder.exists():
        _write(folder, config)
    os.environ["QUARTET_CACHE"] = str(config.out / "cache")
    decoded = 3 * config.size**2 * config.pictures / 1e9
    for name, cache_size in ((NOTHING, 1e-9), ("half kept", decoded / 2), ("all decoded", decoded * 2)):
        start, before = time.perf_counter(), _memory()
        train = load_images(str(folder), config.size, cache_size=cache_size).train
        print(
            f"{name}: {len(train):,} pictures found in {time.perf_counter() - start:.1f} s, {before} -> {_memory()} MB"
        )
        if name == NOTHING:
            taken, start = _memory() - before, time.process_time()
            load_images(str(folder), config.size, cache_size=cache_size)
            _on_paper(config.pictures, time.process_time() - start, taken)
        steps = len(train) // BATCH
        for epoch in range(config.epochs):
            start = time.perf_counter()
            for step in range(epoch * steps, (epoch + 1) * steps):
                train.gather(train.indices(0, step, BATCH))
            speed = steps * BATCH / (time.perf_counter() - start)
            print(f"  epoch {epoch}: {speed:,.0f} pictures a second, {_memory()} MB", flush=True)


def _on_paper(pictures: int, seconds: float, megabytes: int) -> None:
    """Print what a start would take of more pictures, in each process: seconds of a core once shards are indexed."""
    print(f"  {seconds / pictures * 1e6:.0f} us and {megabytes / pictures * 1e3:.2f} kB a picture", end="")
    for many in MANY:
        minutes, gigabytes = many * seconds / pictures / 60, many * megabytes / pictures / 1e3
        print(f"; {many:,.0f}: {minutes:,.1f} min, {gigabytes:,.0f} GB", end="")
    print()


def _memory() -> int:
    """Megabytes of this process that are no part of a file."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def _write(folder: Path, config: ShardSpeedConfig) -> None:
    """Shards of coarse noise, which as JPEGs are about as large as photos."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for first in range(0, config.pictures, CHUNKS):
        with tarfile.open(folder / f"{first // CHUNKS:04}.tar", "w") as archive:
            for number in range(first, min(first + CHUNKS, config.pictures)):
                stream, coarse = io.BytesIO(), rng.integers(0, 255, (config.side // 8, config.side // 8, 3), np.uint8)
                Image.fromarray(coarse).resize((config.side, config.side)).save(stream, "JPEG", quality=90)
                info = tarfile.TarInfo(f"{number:08}.jpg")
                info.size = stream.tell()
                stream.seek(0)
                archive.addfile(info, stream)


if __name__ == "__main__":
    run(main, PROGRAM)
