"""Sounds of one length, made or decoded once, and split into what is trained on and what is held out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.data.arrays import Arrays, allocate, cached, count_reasons, digest, families, split
from common.data.folders import short_name
from common.errors import UserError
from music.sound.config import length
from music.sound.data.sources import Sound, Sounds, find

FORMAT = 1  # of what is cached; raise it when the same files would become other sounds
HELD_OUT = 0.1  # share of the sounds; of played ones, of the pairs of instrument and pitch


@dataclass(frozen=True)
class SoundData:
    """Sounds in two parts.

    Each part has "wave", int16 (N, samples) at `RATE`; int64 (N,): "pitch" by MIDI number, or `NO_PITCH`, and
    "velocity"; and "label", int64 (N,), if there are classes.

    Attributes:
        name: short, fit for a file name.
        seconds: that a sound lasts, about (`music.sound.config.length`).
        classes: their names, by label; () if there are none.
        families: of each class; () if they have none.
        pitched: whether pitches are known.
        train: what models learn from.
        test: held out; no model ever trains on it. No note of an instrument is in both parts at any velocity.
        skipped: the files that are left out, and why.
        source: one line on origin and licence, for the cards of models.
        key: stands for the content in keys of caches.
    """

    name: str
    seconds: int
    classes: tuple[str, ...]
    families: tuple[str, ...]
    pitched: bool
    train: Arrays
    test: Arrays
    skipped: dict[str, str]
    source: str
    key: str


def load_sounds(data: str, seconds: int = 1) -> SoundData:
    """Load the notes of instruments, or the WAV, FLAC, OGG and MP3 files of a folder or .zip file.

    In a folder or .zip, sounds lie directly inside (unlabelled) or in at least two sub-folders, one a class. They may
    have any rate, one channel or two; silence around them goes, their loudness becomes the same, and what is broken,
    empty, clipped, shorter than 0.1 or longer than 4 seconds is skipped and listed. A tenth is held out: of the
    instruments by program and pitch, of files by content. The first call makes or decodes everything into the cache
    (`common.data.arrays.cached`); later ones only open it.

    Args:
        data: "instruments", or a path.
        seconds: that each sound lasts: 1, 2 or 4, or some frames more; shorter ones end in silence, longer are cut.

    Raises:
        UserError: no such data, no usable sound, or an unwritable cache.
    """
    content, sounds = find(data, seconds)
    key = f"sounds {FORMAT} {content} {seconds}"
    arrays, facts = cached(key, lambda folder: _build(folder, data, sounds, seconds))
    train, test = (
        Arrays({name.removeprefix(side): array for name, array in arrays.items() if name.startswith(side)})
        for side in ("train.", "test.")
    )
    classes, kinds = (tuple(facts[name]) for name in ("classes", "families"))
    said = {name: facts[name] for name in ("pitched", "skipped", "source")}
    return SoundData(short_name(data), seconds, classes, kinds, train=train, test=test, key=key, **said)


def _build(folder: Path, data: str, sounds: Sounds, seconds: int) -> dict[str, Any]:
    """Write train.wave.npy and so on into `folder`, and return what `load_sounds` must know of them."""
    found = list(sounds.each())
    if not found:
        raise UserError(f"--data {data}: no sound can be used of its {count_reasons(sounds.skipped)}")
    keys = families([one.key for one in found], [digest(one.wave.tobytes()) for one in found])
    test: np.ndarray = split(keys, HELD_OUT)
    if not test.any():
        raise UserError(f"--data {data}: needs two different sounds or more, as some are held out")
    present = sorted({one.label for one in found})
    for side, chosen in (("train", ~test), ("test", test)):
        _write(folder, side, [one for one, here in zip(found, chosen, strict=True) if here], seconds, present)
    return {
        "classes": [sounds.classes[label] for label in present if label >= 0],
        "families": [sounds.families[label] for label in present if sounds.families],
        "pitched": bool(sounds.families),
        "skipped": sounds.skipped,
        "source": sounds.source,
    }


def _write(folder: Path, side: str, chosen: list[Sound], seconds: int, present: list[int]) -> None:
    """Write one part; labels are numbered through where no sound of a class could be read."""
    waves = allocate(folder / f"{side}.wave.npy", (len(chosen), length(seconds)), np.int16)
    for row, one in enumerate(chosen):
        waves[row] = np.rint(one.wave.clip(-1, 1) * 32767)
    columns = {"pitch": [one.pitch for one in chosen], "velocity": [one.velocity for one in chosen]}
    if present[0] >= 0:
        columns["label"] = [present.index(one.label) for one in chosen]
    for name, values in columns.items():
        np.save(folder / f"{side}.{name}.npy", np.array(values, dtype=np.int64))
