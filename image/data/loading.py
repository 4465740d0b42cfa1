"""Images of any origin, decoded once to one size as uint8, and split into what is trained on and what is held out."""

import json
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from common.data.arrays import Arrays, allocate, cached, digest, families, split
from common.data.columns import Lazy, chosen, texts_of, writing
from common.data.folders import short_name
from common.data.ondemand import ALL, OnDemand
from common.errors import UserError
from image.config import CACHE_SIZE, MAX_SIDE, MIN_SIDE, Fit, Size, as_size, height_and_width
from image.data.decoding import LAID_OUT, Options, colourless, copy, fill, present_classes
from image.data.sources import DEFAULT_SIDE, Found, Pictures, find
from image.data.squares import SQUARES, in_squares
from image.data.streaming import stream

CHUNK, CHUNK_SIDE = 256, 64  # images that go through a network at a time, if they are no larger
FORMAT = 3  # raise it when the same pictures would be decoded or described differently; runs then have other data


@dataclass(frozen=True)
class ImageSpec:
    """What a network must know of its images.

    Attributes:
        size: in pixels, as --size tells it.
        channels: 1 (grey) or 3 (RGB).
        classes: their names, by label; () when the images are unlabelled.
    """

    size: Size
    channels: int
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Captions:
    """Descriptions of N pictures.

    Attributes:
        texts: of each picture, the chief one first; () where there is none.
        families: what names the family of each; pictures of one differ in little, such as the colour of the skin.
    """

    texts: Sequence[Sequence[str]]
    families: Sequence[str]

    def __getitem__(self, rows: Sequence[int]) -> "Captions":
        return Captions(tuple(self.texts[row] for row in rows), tuple(self.families[row] for row in rows))


@dataclass(frozen=True)
class ImageData:
    """A data set in two parts, each with "image", uint8 (N, C, H, W), and if labelled "label", int64 (N,).

    Attributes:
        name: short, fit for a file name.
        spec: size, channels and classes of all images.
        train: what models learn from.
        test: held out; no model ever trains on it. No picture is in both parts, save where an official split has it so.
        skipped: the files that could not be read, and why.
        source: one line on origin and licence, for the cards of models.
        names: what the pictures of `train` and of `test` are called.
        captions: descriptions of the pictures of `train` and of `test`; None if there are none at all.
    """

    name: str
    spec: ImageSpec
    train: Arrays
    test: Arrays
    skipped: dict[str, str]
    source: str
    names: tuple[Sequence[str], Sequence[str]]
    captions: tuple[Captions, Captions] | None = None


def load_images(
    data: str,
    size: Size | None = None,
    fit: Fit = "crop",
    grey: bool | None = None,
    cache_size: float = CACHE_SIZE,
) -> ImageData:
    """Load a built-in data set, or the pictures of a folder or .zip file.

    In a folder or .zip, pictures lie directly inside (unlabelled) or in at least two sub-folders, one a class. They may
    have any size, mode and EXIF orientation; of animations the first frame counts, transparency shows white, and files
    that cannot be read are skipped and listed. Descriptions lie in `metadata.jsonl` or `metadata.csv` (file_name and
    text) or, a line each, in a .txt beside the picture. A tenth is held out, by content. The first call decodes
    everything into the cache (`common.data.arrays.cached`); later ones only open it, as long as names, sizes and times
    of change are the same (`common.data.folders.data_state`).

    Args:
        data: one of `image.config.DATA_SETS`, or a path.
        size: wanted, as --size tells it, sides of 8 to 1024 pixels. By default that of the pictures of built-in sets
            (64 for celeba and emoji); for folders 64, or less if all pictures are squares of one smaller size.
        fit: bring pictures to that shape by cutting out the centre, by padding with white, or by cutting out the
            centre of each of nine squares (`image.data.squares`). Resizing is Lanczos.
        grey: one channel (True) or three (False); by default one if no picture has any colour.
        cache_size: GB that a user's own may take when decoded; of more, those to train on are decoded when asked for
            (`image.data.streaming`).

    Raises:
        UserError: unusable size, no such data, no readable picture, a failed download, or an unwritable cache.
    """
    size = None if size is None else _checked(size)
    found, options = find(data), Options(data, size, fit, grey)
    key = f"images {FORMAT} {found.key} {size} {fit} {grey}"

    def load() -> Pictures:
        return in_squares(found.load()) if fit == "squares" else found.load()

    def build(folder: Path) -> dict[str, Any]:
        with warnings.catch_warnings(action="ignore"):  # Pillow's, on files that are odd but readable
            return _decode(folder, load(), options)

    room = int(cache_size * 1e9)
    if _bytes(found, options) > room:
        _require_rows(found, options, cache_size)
        train, test, facts = stream(key, load(), options, room)
    else:
        arrays, facts = cached(f"{key} {LAID_OUT}", build)
        train, test = (
            Arrays({name.removeprefix(side): array for name, array in arrays.items() if name.startswith(side)})
            for side in ("train.", "test.")
        )
        facts |= _words(arrays, facts["described"])
    spec = ImageSpec(as_size(*train.tensors["image"].shape[2:]), facts["channels"], tuple(facts["classes"]))
    names, captions = (facts["names"]["train"], facts["names"]["test"]), facts["captions"]
    told = captions and (_captions(*captions["train"]), _captions(*captions["test"]))
    return ImageData(short_name(data), spec, train, test, facts["skipped"], facts["source"], names, told)


def described(data: ImageData) -> tuple[ImageData, Captions, Captions]:
    """The pictures that have descriptions, and the descriptions of those to train on and of those held out.

    Raises:
        UserError: none has, or none on one side.
    """
    sides = []
    for arrays, names, captions in zip((data.train, data.test), data.names, data.captions or (), strict=False):
        rows = [row for row, texts in enumerate(captions.texts) if texts]
        if rows:
            kept = arrays.take(torch.tensor(rows))
            sides.append((kept, [names[row] for row in rows], captions[rows]))
    if len(sides) < 2:
        raise UserError(
            f"--data {data.name} has no descriptions; put a metadata.jsonl with file_name and text, or a .txt with the "
            "name of each picture, beside the pictures, or use --core cgan"
        )
    (train, names, known), (test, others, held_out) = sides
    return replace(data, train=train, test=test, names=(names, others), captions=(known, held_out)), known, held_out


def to_model(image: Tensor) -> Tensor:
    """Map uint8 0..255 to float32 in [-1, 1], any shape."""
    return image.float() / 127.5 - 1


def to_uint8(image: Tensor) -> Tensor:
    """Map floats in [-1, 1] (clipped) to the nearest of uint8 0..255, any shape; undoes `to_model` exactly."""
    return ((image.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def at_a_time(height: int, width: int) -> int:
    """How many images go through a network at a time: 256, or of more than 64 x 64 pixels as many fewer."""
    return max(1, min(CHUNK, CHUNK * CHUNK_SIDE**2 // (height * width)))


def in_parts(images: Tensor, turns: slice = ALL) -> Iterable[Tensor]:
    """Images (N, C, H, W) in the parts that go through a network at a time, or some of these parts."""
    size, rows = at_a_time(*images.shape[2:]), cast(Tensor | OnDemand, images)
    return rows.split(size, turns) if isinstance(rows, OnDemand) else rows.split(size)[turns]


def _checked(size: Size) -> Size:
    """A size as --size tells it, in one of its forms."""
    height, width = height_and_width(size)
    if min(height, width) < MIN_SIDE or max(height, width) > MAX_SIDE:
        raise UserError(f"--size {size}: images can be {MIN_SIDE} to {MAX_SIDE} pixels wide and high")
    return as_size(height, width)


def _bytes(found: Found, options: Options) -> int:
    """What pictures take when decoded, in colour; 0 of built-in ones."""
    height, width = height_and_width(options.size or DEFAULT_SIDE)
    return 3 * height * width * found.count * (SQUARES if options.fit == "squares" else 1)


def _require_rows(found: Found, options: Options, cache_size: float) -> None:
    if not found.by_row:
        wanted = math.ceil(_bytes(found, options) / 1e8) / 10
        problem = f"takes up to {wanted} GB when decoded, and --cache-size is {cache_size:g}"
        advice = f"raise that, or turn it into tars by `python -m common.shards {options.data} --out shards/`"
        raise UserError(f"--data {options.data}: {problem}; Parquet cannot be read picture by picture: {advice}")


def _decode(folder: Path, pictures: Pictures, options: Options) -> dict[str, Any]:
    """Write train.image.npy and so on into `folder`, and return what `load_images` must know of them."""
    shape = height_and_width(options.size or pictures.size())
    scratch = allocate(folder / "scratch.npy", (len(pictures.names), 3, *shape), np.uint8)  # so memory stays flat
    reasons = fill(scratch, pictures, options)
    rows = np.array([row for row, reason in enumerate(reasons) if not reason], dtype=np.int64)
    if not len(rows):
        raise UserError(f"--data {options.data}: none of its {len(reasons)} pictures can be read ({reasons[0]})")
    channels = 1 if options.grey or (options.grey is None and colourless(scratch, rows)) else 3
    keys = _families(pictures, scratch, rows)
    test = pictures.held_out[rows] if isinstance(pictures.held_out, np.ndarray) else split(keys, pictures.held_out[0])
    if not test.any():
        raise UserError(f"--data {options.data}: needs two different pictures or more, as some are held out")
    labels, classes = present_classes(pictures, rows)
    sides = {"train": rows[~test], "test": rows[test]}
    for side, picked in sides.items():
        copy(scratch[:, :channels], picked, folder / f"{side}.image.npy")
        if labels is not None:
            copy(labels, picked, folder / f"{side}.label.npy")
    (folder / "scratch.npy").unlink()
    skipped = {name: reason for name, reason in zip(pictures.names, reasons, strict=True) if reason}
    kept = {"train": chosen(keys, np.flatnonzero(~test)), "test": chosen(keys, np.flatnonzero(test))}
    _write_words(folder, pictures, sides, kept)
    facts = {"channels": channels, "classes": classes, "source": pictures.source, "described": bool(pictures.captions)}
    return facts | {"skipped": {**pictures.skipped, **skipped}}


def _write_words(
    folder: Path, pictures: Pictures, sides: Mapping[str, np.ndarray], families: Mapping[str, Sequence[str]]
) -> None:
    """Write the names of the pictures of each part, and their descriptions and families if there are any."""
    kinds = ("names", "texts", "families") if pictures.captions else ("names",)
    with writing(folder, {f"{side}_{kind}": str for side in sides for kind in kinds}) as columns:
        for side, rows in sides.items():
            columns[f"{side}_names"].add(chosen(pictures.names, rows))
            if pictures.captions:
                columns[f"{side}_texts"].add(map(json.dumps, chosen(pictures.captions, rows)))
                columns[f"{side}_families"].add(families[side])


def _words(arrays: Mapping[str, np.ndarray], is_described: bool) -> dict[str, Any]:
    """What `_write_words` wrote: names by part, and descriptions with families or None."""
    names, texts, families = (
        {side: texts_of(arrays, f"{side}_{kind}") for side in ("train", "test") if is_described or kind == "names"}
        for kind in ("names", "texts", "families")
    )
    captions = {side: (_parsed(some), families[side]) for side, some in texts.items()}
    return {"names": names, "captions": captions or None}


def _parsed(texts: Sequence[str]) -> Lazy[Any]:
    return Lazy(len(texts), lambda row: json.loads(texts[row]))


def _captions(texts: Sequence[Sequence[str]], families: Sequence[str]) -> Captions:
    return Captions(Lazy(len(texts), lambda row: tuple(texts[row])), families)


def _families(pictures: Pictures, scratch: np.ndarray, rows: np.ndarray) -> list[str]:
    """What each picture shares with those that have its key or its pixels; an official split tells no keys."""
    if isinstance(pictures.held_out, np.ndarray):
        return [pictures.names[row] for row in rows]
    _, keys = pictures.held_out
    return families(chosen(keys, rows), Lazy(len(rows), lambda number: digest(scratch[rows[number]].tobytes())))


def to_batch_images(batch: dict[str, Tensor]) -> Tensor:
    """A batch as loaded -> images (N, C, H, W) in [-1, 1], channels last."""
    return to_model(batch["image"]).contiguous(memory_format=torch.channels_last)
