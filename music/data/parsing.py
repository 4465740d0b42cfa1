"""Music parsed once into the cache: music21 takes a second for a tune that then opens in no time, at any window."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common.data.arrays import allocate, cached
from common.progress import progress_bar
from music.data.tunes import Item, Music, Tune, parse
from music.score import TrackSpec
from music.theory import GRID, Key

FORMAT = 3  # of what is cached; raise it when the same files would become different tunes
PLAIN = ("steps", "metre", "tempo", "moved", "off_twelfths", "pickup")  # facts of a tune that are numbers or words
PART = 64  # tunes that are kept at a time


@dataclass(frozen=True)
class ParsedTune:
    """A tune that could be read.

    Attributes:
        name, title, style: as in `music.data.tunes.Item`.
        tune: as it was written.
    """

    name: str
    title: str
    style: str
    tune: Tune


@dataclass(frozen=True)
class ParsedMusic:
    """What could be read of a collection.

    Attributes:
        tunes: in the order of the collection.
        skipped: the tunes and files that are left out, and why.
        source, is_balanced, rare: as in `music.data.tunes.Music`.
    """

    tunes: list[ParsedTune]
    skipped: dict[str, str]
    source: str
    is_balanced: bool
    rare: float


def parsed_music(data: str, key: str, find: Callable[[], Music], grid: int = GRID) -> ParsedMusic:
    """Parse a collection onto a grid, or open what was parsed before; where it was interrupted it goes on.

    Args:
        data: as --data gives it, for the progress bar.
        key: stands for the content, as `music.data.sources.find` returns it.
        find: likewise.
        grid: steps a quarter note.

    Raises:
        UserError: as `find` does, or the cache cannot be written.
    """
    music = find()
    parts = [music.items[start : start + PART] for start in range(0, len(music.items), PART)]
    bar = progress_bar(parts, f"parsing {data}", unit=f"{PART} tunes", disable=None)
    tunes, skipped = [], dict(music.skipped)
    with ProcessPoolExecutor(min(os.cpu_count() or 1, 1 + len(music.items) // 8)) as pool:
        for number, items in enumerate(bar):
            build = partial(_build, items=items, pool=pool, grid=grid)
            arrays, facts = cached(f"parsed music {FORMAT} {key} {number}{of_grid(grid)}", build)
            stops = np.cumsum([tune["notes"] for tune in facts["tunes"]], dtype=int)
            notes = np.split(arrays["notes"], stops)
            tunes += [_tune(tune, own, grid) for tune, own in zip(facts["tunes"], notes, strict=False)]
            skipped |= facts["skipped"]
    return ParsedMusic(tunes, skipped, music.source, music.is_balanced, music.rare)


def of_grid(grid: int) -> str:
    """What is added to the key of what is cached; nothing for the grid that there was alone before."""
    return "" if grid == GRID else f" grid {grid}"


def _build(folder: Path, items: Sequence[Item], pool: ProcessPoolExecutor, grid: int) -> dict[str, Any]:
    """Write notes.npy, int32 (N, 4), into `folder`, and return what else there is to know of the tunes."""
    found = list(zip(items, pool.map(partial(parse, grid=grid), items, chunksize=8), strict=True))
    tunes = [(item, tune) for item, tune in found if isinstance(tune, Tune)]
    notes = np.concatenate([np.zeros((0, 4), np.int32), *(tune.notes for _, tune in tunes)])
    allocate(folder / "notes.npy", notes.shape, np.int32)[:] = notes
    skipped = {item.name: tune for item, tune in found if isinstance(tune, str)}
    return {"tunes": [_facts(item, tune) for item, tune in tunes], "skipped": skipped}


def _facts(item: Item, tune: Tune) -> dict[str, Any]:
    names = {"name": item.name, "title": item.title, "style": item.style}
    plain = {name: getattr(tune, name) for name in PLAIN}
    tracks = [asdict(track) for track in tune.tracks]
    return names | plain | {"notes": len(tune.notes), "tracks": tracks, "key": tune.key and asdict(tune.key)}


def _tune(facts: dict[str, Any], notes: np.ndarray, grid: int) -> ParsedTune:
    plain = {name: facts[name] for name in PLAIN}
    tracks = tuple(TrackSpec(**track) for track in facts["tracks"])
    tune = Tune(tracks, notes, key=Key(**facts["key"]) if facts["key"] else None, grid=grid, **plain)
    return ParsedTune(facts["name"], facts["title"], facts["style"], tune)
