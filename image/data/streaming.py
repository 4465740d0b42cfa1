"""Pictures that are too many to be decoded once and kept: decoded while training asks for them, in its order."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from common.data.arrays import Arrays, allocate, cached, digest, split
from common.data.ondemand import Kept, Made, OnDemand
from common.data.order import permuted
from common.errors import UserError
from common.pictures.photos import reason
from common.pictures.reading import UNREADABLE
from image.config import height_and_width
from image.data.decoding import Options, colourless, copy, fill, fitted, present_classes
from image.data.sources import Pictures

HELD_OUT = 10_000  # held-out pictures at most that are decoded and measured against; no other is trained on either


def stream(key: str, pictures: Pictures, options: Options, room: int) -> tuple[Arrays, Arrays, dict[str, Any]]:
    """The pictures to train on, which are decoded when they are asked for; held-out ones; and what is known of them.

    What is decoded stays in the cache, as far as there is room; the rest is decoded anew in every epoch. Whether there
    is colour is told by the held-out ones.

    Args:
        key: stands for the pictures and the options.
        room: bytes that all that is decoded may take on the disk.

    Raises:
        UserError: no held-out picture can be read, or there is no such room.
    """
    assert isinstance(pictures.held_out, tuple)
    share, keys = pictures.held_out
    test = split(keys, share)
    arrays, facts = cached(f"{key} held out", lambda folder: _hold_out(folder, pictures, np.flatnonzero(test), options))
    chosen = {"train": np.flatnonzero(~test), "test": np.array(facts["rows"], dtype=np.int64)}
    shape = (len(chosen["train"]), *arrays["image"].shape[1:])
    kept = _kept(key, shape, room - arrays["image"].nbytes)
    images: dict[str, Any] = {
        "train": _on_demand(key, pictures, chosen["train"], shape, kept, options),
        "test": arrays["image"],
    }
    labels, classes = present_classes(pictures, np.arange(len(keys)))
    train, test_part = (
        Arrays({"image": images[side]} | ({} if labels is None else {"label": labels[rows]}))
        for side, rows in chosen.items()
    )
    names = {side: [pictures.names[row] for row in rows] for side, rows in chosen.items()}
    told = {"channels": shape[1], "classes": classes, "source": pictures.source, "names": names}
    skipped = {"skipped": {**pictures.skipped, **facts["skipped"]}}
    return train, test_part, told | skipped | {"captions": _captions(pictures, keys, chosen)}


def _captions(pictures: Pictures, keys: Sequence[str], chosen: dict[str, np.ndarray]) -> dict[str, Any] | None:
    """The descriptions and the family of each picture, apart for each part; None if there are no descriptions."""
    if pictures.captions is None:
        return None
    captions = pictures.captions
    return {side: [(captions[row], keys[row]) for row in rows] for side, rows in chosen.items()}


def _hold_out(folder: Path, pictures: Pictures, rows: np.ndarray, options: Options) -> dict[str, Any]:
    """Decode held-out pictures, of many some by chance, into `folder`."""
    if not len(rows):
        raise UserError(f"--data {options.data}: needs two different pictures or more, as some are held out")
    rows = rows[np.sort(permuted(np.arange(min(len(rows), HELD_OUT)), len(rows), 0, 0))]
    some = replace(pictures, read=lambda row, size: pictures.read(int(rows[row]), size))
    shape = height_and_width(options.size or pictures.size)
    scratch = allocate(folder / "scratch.npy", (len(rows), 3, *shape), np.uint8)
    reasons = fill(scratch, some, options)
    readable = np.array([place for place, reason in enumerate(reasons) if not reason], dtype=np.int64)
    if not len(readable):
        raise UserError(f"--data {options.data}: none of {len(rows)} held-out pictures can be read ({reasons[0]})")
    is_grey = options.grey or (options.grey is None and colourless(scratch, readable))
    copy(scratch[:, : 1 if is_grey else 3], readable, folder / "image.npy")
    (folder / "scratch.npy").unlink()
    skipped = {pictures.names[row]: reason for row, reason in zip(rows, reasons, strict=True) if reason}
    return {"rows": rows[readable].tolist(), "skipped": skipped}


def _kept(key: str, shape: tuple[int, ...], room: int) -> Kept:
    """A place in the cache for as many of the rows as there is room for."""
    count = max(0, min(shape[0], room // int(np.prod(shape[1:]))))

    def build(folder: Path) -> dict[str, Any]:
        allocate(folder / "rows.npy", (count, *shape[1:]), np.uint8)
        allocate(folder / "checksums.npy", (count,), np.uint32)
        return {}

    if not count:
        return Kept(np.empty((0, *shape[1:]), np.uint8), np.empty(0, np.uint32))
    arrays, _ = cached(f"{key} {count} rows", build, "r+")
    return Kept(arrays["rows"], arrays["checksums"])


def _on_demand(
    key: str, pictures: Pictures, rows: np.ndarray, shape: tuple[int, ...], kept: Kept, options: Options
) -> OnDemand:
    warnings.filterwarnings("ignore", module="PIL")  # on files that are odd but readable, for as long as there are any
    channels, height, width = shape[1:]

    def make(number: int) -> Made:
        try:
            with pictures.read(int(rows[number]), max(height, width)) as image:
                return fitted(image, (height, width), options.fit, channels == 1)[:channels]
        except UNREADABLE as error:
            return reason(error, f"--data {options.data}: {named(number)}")

    def named(number: int) -> str:
        return pictures.names[int(rows[number])]

    return OnDemand(make, kept, shape, digest(key.encode(errors="surrogateescape")), named)
