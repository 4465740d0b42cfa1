"""Pictures that are too many to be decoded once and kept: decoded while training asks for them, in its order."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from common.data.arrays import Arrays, allocate, cached, digest, split
from common.data.columns import chosen
from common.data.ondemand import Kept, Made, OnDemand
from common.data.order import permuted
from common.errors import UserError
from common.pictures.photos import reason
from common.pictures.reading import UNREADABLE
from image.config import height_and_width
from image.data.decoding import LAID_OUT, Options, colourless, copy, fill, fitted, present_classes
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
    arrays, facts = cached(f"{key} {LAID_OUT} held out", lambda folder: _hold_out(folder, pictures, options))
    shape = (len(arrays["train_rows"]), *arrays["image"].shape[1:])
    kept = _kept(key, shape, room - arrays["image"].nbytes)
    rows = {side: np.asarray(arrays[f"{side}_rows"]) for side in ("train", "test")}
    images: dict[str, Any] = {
        "train": _on_demand(key, pictures, rows["train"], shape, kept, options),
        "test": arrays["image"],
    }
    train, test = (
        Arrays({"image": images[side]} | ({"label": arrays[f"{side}_label"]} if facts["classes"] else {}))
        for side in ("train", "test")
    )
    names = {side: chosen(pictures.names, those) for side, those in rows.items()}
    told = {"channels": shape[1], "source": pictures.source, "names": names, "captions": _captions(pictures, rows)}
    return train, test, facts | told | {"skipped": {**pictures.skipped, **facts["skipped"]}}


def _captions(pictures: Pictures, rows: Mapping[str, np.ndarray]) -> dict[str, Any] | None:
    """The descriptions and the family of each picture, apart for each part; None if there are no descriptions."""
    if not pictures.captions:
        return None
    assert isinstance(pictures.held_out, tuple)
    captions, (_, keys) = pictures.captions, pictures.held_out
    return {side: (chosen(captions, those), chosen(keys, those)) for side, those in rows.items()}


def _hold_out(folder: Path, pictures: Pictures, options: Options) -> dict[str, Any]:
    """Decode held-out pictures, of many some by chance, into `folder`; and write which pictures are on which side."""
    assert isinstance(pictures.held_out, tuple)
    share, keys = pictures.held_out
    test = split(keys, share)
    rows = np.flatnonzero(test)
    if not len(rows):
        raise UserError(f"--data {options.data}: needs two different pictures or more, as some are held out")
    rows = rows[np.sort(permuted(np.arange(min(len(rows), HELD_OUT)), len(rows), 0, 0))]
    some = replace(pictures, read=lambda row, size: pictures.read(int(rows[row]), size))
    shape = height_and_width(options.size or pictures.size())
    scratch = allocate(folder / "scratch.npy", (len(rows), 3, *shape), np.uint8)
    reasons = fill(scratch, some, options)
    readable = np.array([place for place, reason in enumerate(reasons) if not reason], dtype=np.int64)
    if not len(readable):
        raise UserError(f"--data {options.data}: none of {len(rows)} held-out pictures can be read ({reasons[0]})")
    is_grey = options.grey or (options.grey is None and colourless(scratch, readable))
    copy(scratch[:, : 1 if is_grey else 3], readable, folder / "image.npy")
    (folder / "scratch.npy").unlink()
    skipped = {name: reason for name, reason in zip(chosen(pictures.names, rows), reasons, strict=True) if reason}
    labels, classes = present_classes(pictures, np.arange(len(keys)))
    for side, those in (("train", np.flatnonzero(~test)), ("test", rows[readable])):
        copy(those, np.arange(len(those)), folder / f"{side}_rows.npy")
        if labels is not None:
            copy(labels, those, folder / f"{side}_label.npy")
    return {"classes": classes, "skipped": skipped}


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
    read, names = pictures.read, pictures.names  # and nothing else of them, which then can be let go

    def make(number: int) -> Made:
        try:
            with read(int(rows[number]), max(height, width)) as image:
                return fitted(image, (height, width), options.fit, channels == 1)[:channels]
        except UNREADABLE as error:
            return reason(error, f"--data {options.data}: {named(number)}")

    def named(number: int) -> str:
        return names[int(rows[number])]

    return OnDemand(make, kept, shape, digest(key.encode(errors="surrogateescape")), named)
