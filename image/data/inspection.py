"""What there is in a data set, in numbers, in words and on a contact sheet."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from common.data.arrays import count_reasons
from common.data.order import epoch_order
from common.pictures.opening import ORIENTATION
from common.pictures.photos import read_each
from common.pictures.reading import ANIMATED
from common.pictures.sheets import grid, sheet
from image.config import Size, height_and_width
from image.data.likeness import ALIKE, THUMBNAIL, Likeness
from image.data.loading import ImageData, in_parts
from image.data.sources import find

NAMED = 3  # examples in a line; data.json names all
EVEN = 1.5  # times as many pictures as the smallest class the largest may have without a word on it
ROWS, ACROSS = 12, 10  # classes and pictures of each on a contact sheet, at most


@dataclass(frozen=True)
class Header:
    """What a picture says of itself before it is decoded: width and height, upright, in pixels, and of what kind."""

    width: int
    height: int
    has_alpha: bool
    is_animated: bool


def read_headers(data: str) -> list[Header]:
    """Of all pictures that can be opened.

    Raises:
        UserError: there is no such data.
    """
    pictures = find(data).load()

    def header(row: int) -> Header:
        with pictures.read(row, None) as image:
            width, height = image.size
            if image.getexif().get(ORIENTATION, 1) >= 5:  # orientations that lie on their side
                width, height = height, width
            is_animated = image.format in ANIMATED and getattr(image, "n_frames", 1) > 1
            return Header(width, height, image.has_transparency_data, is_animated)

    with warnings.catch_warnings(action="ignore"):  # Pillow's, on files that are odd but readable
        found = read_each(header, range(len(pictures.names)), data)
    return [one for one in found if isinstance(one, Header)]


def describe(data: ImageData, headers: Sequence[Header], likeness: Likeness) -> list[tuple[str, str]]:
    """Lines on all that was found, each under its heading."""
    return [
        ("pictures", f"{len(data.train):,} to train on, {len(data.test):,} held out"),
        ("sizes", _sizes(headers, data.spec.size)),
        ("kinds", _kinds(data, headers)),
        ("copies", _copies(likeness)),
        ("look-alikes", _look_alikes(likeness)),
        ("classes", _classes(class_counts(data))),
        ("descriptions", _descriptions(data)),
        ("skipped", _skipped(data.skipped)),
    ]


def as_json(data: ImageData, headers: Sequence[Header], likeness: Likeness) -> dict[str, Any]:
    """The same with all names, for programs."""
    return {
        "data": data.name,
        "source": data.source,
        "training": len(data.train),
        "held_out": len(data.test),
        "sizes": [[header.width, header.height] for header in headers],
        "copies": likeness.copies,
        "look_alikes": likeness.alike,
        "leaked": likeness.leaked,
        "classes": class_counts(data),
        "skipped": data.skipped,
    }


def contact_sheet(data: ImageData) -> Image.Image:
    """Pictures to train on, drawn by lot: ten of each of the largest classes, or a hundred; none that is held out."""
    images, order = data.train.tensors["image"], epoch_order(len(data.train), 0, 0)
    if not data.spec.classes:
        return grid(images[order[: ACROSS * ACROSS]])
    labels = data.train.tensors["label"][order]
    counts = labels.bincount(minlength=len(data.spec.classes))
    chosen = sorted(counts.argsort(descending=True, stable=True)[:ROWS].tolist())
    rows = [(data.spec.classes[label], images[order[labels == label][:ACROSS]]) for label in chosen if counts[label]]
    return sheet(rows)


def class_counts(data: ImageData) -> dict[str, int]:
    """Pictures of each class, held-out ones too, the largest class first; {} if they are unlabelled."""
    if not data.spec.classes:
        return {}
    labels = torch.cat([part.tensors["label"] for part in (data.train, data.test)])
    counts = dict(zip(data.spec.classes, labels.bincount(minlength=len(data.spec.classes)).tolist(), strict=True))
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _sizes(headers: Sequence[Header], size: Size) -> str:
    height, width = height_and_width(size)
    ordered = sorted(headers, key=lambda header: min(header.width, header.height))
    small, middle, large = ordered[0], ordered[(len(ordered) - 1) // 2], ordered[-1]
    told = f"{small.width} x {small.height}"
    if (small.width, small.height) != (large.width, large.height):
        told = f"{told} to {large.width} x {large.height}, median {middle.width} x {middle.height}"
    enlarged = sum(header.width < width or header.height < height for header in headers)
    return f"{told} pixels; {enlarged:,} would be enlarged to {width} x {height}"


def _kinds(data: ImageData, headers: Sequence[Header]) -> str:
    total = len(data.train) + len(data.test)
    coloured = 0 if data.spec.channels == 1 else sum(_coloured(data))
    kinds = f"{coloured:,} in colour, {total - coloured:,} grey" if data.spec.channels == 3 else "all taken as grey"
    alpha = sum(header.has_alpha for header in headers)
    animated = sum(header.is_animated for header in headers)
    shown = f"; {alpha:,} with transparency, which shows white" if alpha else ""
    return f"{kinds}{shown}" + (f"; {animated:,} animated, of which the first frame counts" if animated else "")


def _coloured(data: ImageData) -> Iterator[int]:
    for chunk in (chunk for part in (data.train, data.test) for chunk in in_parts(part.tensors["image"])):
        yield int((chunk != chunk[:, :1]).flatten(1).any(1).sum())


def _copies(likeness: Likeness) -> str:
    spare = sum(len(group) - 1 for group in likeness.copies)
    examples = [f"{group[0]} = {group[1]}" for group in likeness.copies]
    return f"{spare:,} could go: {_some(examples)}" if spare else "none"


def _look_alikes(likeness: Likeness) -> str:
    among = f"of {likeness.compared:,} pictures, at {THUMBNAIL} x {THUMBNAIL} pixels correlated above {ALIKE}"
    if not likeness.alike:
        return f"none {among}"
    pairs = [f"{first} ~ {second}" for first, second, _ in likeness.alike]
    leaked = f"; {likeness.leaked:,} held-out ones have a twin among the training pictures" if likeness.leaked else ""
    return f"{len(pairs):,} {among}: {_some(pairs)}{leaked}"


def _classes(counts: dict[str, int]) -> str:
    if not counts:
        return "none; sub-folders would be classes"
    largest, smallest = next(iter(counts)), list(counts)[-1]
    ratio = counts[largest] / counts[smallest]
    told = f"{len(counts):,}: {_some([f'{name} {count:,}' for name, count in counts.items()], ROWS)}"
    return f"{told}; {largest} is {ratio:.1f} times {smallest}" if ratio > EVEN else told


def _descriptions(data: ImageData) -> str:
    if data.captions is None:
        return "none"
    texts = [texts for part in data.captions for texts in part.texts if texts]
    total = len(data.train) + len(data.test)
    return f"of {len(texts):,} of {total:,} pictures, such as {texts[0][0]!r}; --core tgan draws from words"


def _skipped(skipped: dict[str, str]) -> str:
    return count_reasons(skipped) + "; data.json names all" if skipped else "nothing"


def _some(items: Sequence[str], most: int = NAMED) -> str:
    """The first items, and how many more there are."""
    more = f" and {len(items) - most:,} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more
