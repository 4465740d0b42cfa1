"""`python benchmarks/memory.py`: whether memory stays flat while very much is made, each kind in a process of its own.

Pieces of music, texts, enlarged pictures, pictures and steps of training are made by the functions of the commands, and
the memory that no file backs is looked at at each tenth. Linux alone tells it.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from itertools import count
from multiprocessing import get_context
from os import devnull
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import run
from common.config import ThreadConfig, require

PROGRAM = "benchmarks/memory.py"
Kind = Literal["music", "texts", "enlarged", "pictures", "steps"]
USUAL: dict[Kind, int] = {"music": 100, "texts": 2_000, "enlarged": 200, "pictures": 20_000, "steps": 20_000}
TENTHS, SETTLED = 10, 2  # tenths, of which the first may fill caches
TEXTS, PICTURES = 20, 100  # that are made at a time
SIDES = range(16, 40)  # of the pictures that are enlarged, in pixels


@dataclass(frozen=True, kw_only=True)
class MemoryConfig(ThreadConfig):
    """Settings of the measurement."""

    kinds: tuple[Kind, ...] = get_args(Kind)  # what is made
    n: int | None = None  # of each kind; default: what takes some twenty seconds
    threads: int | None = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.n is None or self.n >= 100, "n", f"must be 100 or more, not {self.n}")


def main(config: MemoryConfig) -> None:
    """Print the memory at each tenth, in MB, and what it grows by after the first fifth."""
    print(f"{'what':>18}  MB at tenths{'':52}  kB a thousand more")
    for kind in config.kinds:
        process = get_context("spawn").Process(target=watch, args=(kind, config.n or USUAL[kind]))
        process.start()
        process.join()


def watch(kind: Kind, number: int) -> None:
    """Make so many of a kind in this process, and print a line."""
    import numpy as np
    import torch

    torch.set_num_threads(1)
    found: list[int] = []
    with TemporaryDirectory() as folder:
        for done in MAKERS[kind](Path(folder), number):
            if done * TENTHS >= number * (len(found) + 1):
                found.append(anonymous())
            if done >= number:
                break
    thousands = np.arange(SETTLED, len(found)) * number / TENTHS / 1_000
    slope = np.polyfit(thousands, found[SETTLED:], 1)[0]
    tenths = " ".join(f"{kilobytes / 1_000:6.1f}" for kilobytes in found)
    print(f"{number:>9,} {kind:>8}  {tenths}  {slope:+,.1f}", flush=True)


def anonymous() -> int:
    """Kilobytes of this process that are no part of a file."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


def _music(folder: Path, number: int) -> Iterator[int]:
    """Plain draws of short jigs, written as MIDI."""
    from music.config import GenerateConfig
    from music.io.export import write
    from music.models import load_music_model
    from music.performing import perform

    out = (str(folder / "song.mid"),)
    config = GenerateConfig(out=out, style="jig", bars=4, candidates=1, overwrite=True, device="cpu")
    model = load_music_model(config.source, "cpu")
    for seed in count():
        piece, midi, file = perform(model, replace(config, seed=seed))
        write(piece, midi, config, file)
        yield seed + 1


def _texts(folder: Path, number: int) -> Iterator[int]:
    """Plain draws, written as text."""
    from text.config import GenerateConfig
    from text.generation import make_texts, save_texts
    from text.models import load_text_model

    config = GenerateConfig(out=folder / "texts.txt", n=TEXTS, candidates=1, overwrite=True, device="cpu")
    model = load_text_model(config.weights, "cpu")
    for seed in count():
        save_texts(make_texts(model, replace(config, seed=seed)), folder / "texts.txt")
        yield (seed + 1) * TEXTS


def _enlarged(folder: Path, number: int) -> Iterator[int]:
    """Noise of some sizes, from file to file."""
    import numpy as np
    from PIL import Image

    from common.pictures.conversion import convert_picture
    from superres.config import UpscaleConfig
    from superres.models import load_superres_model
    from superres.upscaling import TiledUpscaler

    for side in SIDES:
        noise = np.random.default_rng(side).integers(0, 255, (side, 48, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{side}.png")
    config = UpscaleConfig(paths=(folder,))
    upscaler = TiledUpscaler(load_superres_model(config.source_for(4), "cpu"))
    for done in count(1):
        source = folder / f"{SIDES[done % len(SIDES)]}.png"
        convert_picture(
            source,
            folder / "large.png",
            lambda picture, allocate: replace(picture, pixels=upscaler.upscale(picture.pixels, allocate)),
            upscaler.size,
            config.quality,
        )
        yield done


def _pictures(folder: Path, number: int) -> Iterator[int]:
    """Samples, written as sheets."""
    from image.config import GenerateConfig
    from image.generation import make_gallery, write_gallery
    from image.models import load_image_model

    config = GenerateConfig(out=str(folder / "sheet.png"), n=PICTURES, overwrite=True, device="cpu")
    model = load_image_model(config.source, "cpu")
    for seed in count():
        write_gallery(make_gallery(model, replace(config, seed=seed)), config)
        yield (seed + 1) * PICTURES


def _steps(folder: Path, number: int) -> Iterator[int]:
    """A tiny training, through all that a training command does, which is stopped at each tenth and goes on."""
    from fault_runs import BATCH, train

    part = number // TENTHS
    for done in range(part, number + 1, part):
        with open(devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            train(folder / "run", done, part * BATCH)
        yield done


MAKERS: dict[Kind, Callable[[Path, int], Iterator[int]]] = {
    "music": _music,
    "texts": _texts,
    "enlarged": _enlarged,
    "pictures": _pictures,
    "steps": _steps,
}


if __name__ == "__main__":
    run(main, PROGRAM)
