"""What a batch will take, said before it begins: from a tile of one of its pictures or films that is upscaled at once.

Time is what the network took for that tile, times all pixels that go through it, margins of tiles included; reading and
writing come on top, which is little beside it. Bytes are those of the tile's result in the output's format, times all
pixels, so they are near where one part is much like another.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import psutil

from common.errors import UserError
from common.file_jobs import Job
from common.pictures.conversion import IN_MEMORY
from common.pictures.reading import Picture, Pixels, open_picture
from common.pictures.writing import write_pictures
from superres.upscaling import TiledUpscaler

SIDE = 96  # of the tile without margins, at most, in pixels of the input
UNITS = ("bytes", "KB", "MB", "GB", "TB")

Sample: TypeAlias = tuple[float, float]  # seconds a pixel that goes through the network, bytes a pixel of the result


@dataclass(frozen=True)
class Extent:
    """How much there is in a file: frames of this height and width."""

    height: int
    width: int
    frames: int = 1


def picture_extent(path: Path) -> Extent:
    """Of a picture, by its header; upright or not makes no difference.

    Raises:
        UserError: it cannot be read.
    """
    with open_picture(path) as file:
        return Extent(file.image.height, file.image.width, file.frames)


def sampled_picture(job: Job, upscaler: TiledUpscaler, quality: int) -> Sample:
    """From the middle of a picture.

    Raises:
        UserError: it cannot be read, or the result cannot be written.
    """
    with open_picture(job.source) as file:
        tile = middle(file.read().pixels)
    seconds, large = timed(upscaler, tile)
    with TemporaryDirectory() as folder:
        path = Path(folder, f"tile{job.target.suffix}")
        write_pictures(path, [Picture(large)], quality)
        return seconds, path.stat().st_size / (large.shape[0] * large.shape[1])


def timed(upscaler: TiledUpscaler, tile: Pixels) -> tuple[float, Pixels]:
    """Seconds for a pixel that goes through the network, and the upscaled tile; the first time is for warming up."""
    upscaler.upscale(tile)
    start = time.perf_counter()
    large = upscaler.upscale(tile)
    return (time.perf_counter() - start) / work(upscaler, Extent(*tile.shape[:2])), large


def middle(pixels: Pixels) -> Pixels:
    """The middle of a picture, (H, W, C), at most `SIDE` pixels each way."""
    top, left = (max(0, (length - SIDE) // 2) for length in pixels.shape[:2])
    return pixels[top : top + SIDE, left : left + SIDE]


def work(upscaler: TiledUpscaler, extent: Extent) -> int:
    """Pixels that go through the network: those of a file, with the margins of tiles and what lies around it."""
    along = []
    for length in (extent.height, extent.width):
        row = upscaler.tiles(1, length)
        along.append(sum(tile.columns.last - tile.columns.first for tile in row) + 2 * upscaler.radius)
    return along[0] * along[1] * extent.frames


def memory(upscaler: TiledUpscaler, extent: Extent) -> int:
    """Bytes that the process will have at most, roughly: what it has, a tile's, and a picture before and after."""
    height, width = (min(length + 2 * upscaler.radius, upscaler.tile) for length in (extent.height, extent.width))
    passes = sum(upscaler.model.scale ** (2 * k) for k in range(upscaler.passes))
    rows, columns = upscaler.size(extent.height, extent.width)
    pictures = 4 * extent.height * extent.width + min(IN_MEMORY, 4 * rows * columns)
    return psutil.Process().memory_info().rss + height * width * upscaler.model.reach.cost * passes + pictures


def estimate(
    jobs: Sequence[Job],
    upscaler_of: Callable[[Path], TiledUpscaler],
    measure: Callable[[Job, TiledUpscaler], tuple[Extent, Callable[[], Sample]]],
    kind: str,
) -> str:
    """An estimate in a line, or "" if no file can be read; what is wrong with files is said when their turn comes.

    Args:
        measure: the extent of a file, and what takes a sample of it; one is taken for each network and scale.
        kind: of the files, such as "picture".
    """
    samples: dict[tuple[int, int], Sample] = {}
    seconds, size, most, count = 0.0, 0.0, 0, 0
    for job in jobs:
        try:
            upscaler = upscaler_of(job.source)
            extent, sample = measure(job, upscaler)
            key = upscaler.model.scale, upscaler.passes
            if key not in samples:
                samples[key] = sample()
        except UserError:
            continue
        rows, columns = upscaler.size(extent.height, extent.width)
        seconds += samples[key][0] * work(upscaler, extent)
        size += samples[key][1] * rows * columns * extent.frames
        most, count = max(most, memory(upscaler, extent)), count + 1
    if not count:
        return ""
    files = f"{count:,} {kind}{'s' * (count > 1)}"
    return f"{files}: about {duration(seconds)}, {amount(size)} of results and {amount(most)} of memory"


def measured_picture(quality: int) -> Callable[[Job, TiledUpscaler], tuple[Extent, Callable[[], Sample]]]:
    """What `estimate` asks of pictures that are written in this quality."""
    return lambda job, upscaler: (
        picture_extent(job.source),
        lambda: sampled_picture(job, upscaler, quality),
    )


def duration(seconds: float) -> str:
    """In words, of one unit or two."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def amount(size: float) -> str:
    """Bytes in words."""
    unit = 0
    while size >= 999.5 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {UNITS[unit]}"
