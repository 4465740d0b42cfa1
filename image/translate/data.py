"""Pictures of any size to learn a translation from, decoded once, and patches of them cut on the device.

A pair is a picture of six channels: the true picture, and behind it the source that it is to be made from. Other tasks
make their sources of three channels (`image.translate.tasks`).
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from common.data.arrays import allocate, cached, count_reasons, digest, families, split
from common.data.folders import File, content_key, find_files, short_name
from common.data.shard_names import are_shards
from common.errors import UserError
from common.pictures import photos
from common.pictures.formats import ENDINGS
from common.pictures.photos import decode, read_each
from image.config import DATA_SETS
from image.data.loading import load_images
from image.translate.config import DATA, TaskName, require_pairs
from image.translate.patches import Album

FORMAT = 1  # of what is cached; raise it when the same pictures would be decoded differently
TEST, VALIDATION, MIN_HELD_OUT = 0.1, 0.1, 3  # shares of the pictures, but of few about so many, up to a quarter
LARGEST = 2  # times the side of a patch: the shorter side of the largest scenes to learn from
SHRINK = 0.75  # patches come from pictures as they are, and from ones so many times as large, again and again
SOURCES = ("A", "B")  # folders of sources and of true pictures
PARTS = ("train", "validation", "test")

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class PairData:
    """Pictures in three parts; no picture is in two of them.

    Attributes:
        name: short, fit for a file name.
        train: what models learn from, each picture in one size or several.
        validation: what tells a run which of its weights are best.
        test: held out; nothing ever looks at it but `image.translate.evaluate`.
        skipped: the files that could not be used, and why.
        source: one line on origin and licence, for the cards of models.
        key: stands for the content, so that other data of the same name is told apart.
    """

    name: str
    train: Album
    validation: Album
    test: Album
    skipped: dict[str, str]
    source: str
    key: str

    @property
    def training(self) -> int:
        """Pictures to learn from, whatever their sizes."""
        return len(np.unique(self.train.of))


def load_pairs(data: str, task: TaskName, patch: int, reverse: bool = False, scenes: bool = False) -> PairData:
    """Load the embedded photos, a data set of `image.train`, or the pictures or pairs of a folder or .zip file.

    Pictures of several folders and .zip files come together.

    Pairs lie in the folders A and B under the same name, whatever the ending, or side by side in one picture, A to the
    left. About a tenth is held out for tests and a tenth for validation, by content. The first call decodes everything
    into the cache (`common.data.arrays.cached`); later ones only open it.

    Args:
        data: `photos`, one of `image.config.DATA_SETS` (then of `patch` pixels a side), or a path; or several photos
            and paths with commas between.
        patch: shortest side; what is smaller is left out.
        reverse: from B to A.
        scenes: shrink pictures, so that patches show whole things and not details: held-out ones until their shorter
            side is `patch`, those to learn from until it is at most twice that.

    Raises:
        UserError: no such data, pairs that do not match, fewer than three pictures that can be used, or an unwritable
            cache.
    """
    require_pairs(data, task)
    if data in DATA_SETS:
        return _of_images(data, patch)
    key, found = _find(data, task, reverse)

    def build(folder: Path) -> dict[str, Any]:
        with warnings.catch_warnings(action="ignore"):  # Pillow's, on files that are odd but readable
            return _decode_all(folder, found(), data, patch, scenes)

    arrays, facts = cached(f"pairs {FORMAT} {key} {task} {patch} {reverse}{' scenes' if scenes else ''}", build)
    train, validation, test = (
        Album(torch.from_numpy(arrays[part]), np.array(facts[part], np.int64)[:, 1:], np.array(facts[part])[:, 0])
        for part in PARTS
    )
    name = "-".join(short_name(part) for part in DATA.split(data))
    return PairData(name, train, validation, test, facts["skipped"], facts["source"], digest(key.encode()))


def _of_images(data: str, side: int) -> PairData:
    """A data set of squares, with its own held-out part."""
    images = load_images(data, side)
    train = images.train.tensors["image"]
    held_out = split([digest(image.numpy().tobytes()) for image in train], VALIDATION)
    return PairData(
        images.name,
        _album(train[torch.from_numpy(~held_out)]),
        _album(train[torch.from_numpy(held_out)]),
        _album(images.test.tensors["image"]),
        images.skipped,
        images.source,
        digest(f"{data} {side}".encode()),
    )


def _album(images: Tensor) -> Album:
    """An album of images (N, 1 or 3, H, W), in colour."""
    n, height, width = len(images), *images.shape[2:]
    pixels = rearrange(images.expand(-1, 3, -1, -1), "n c h w -> (n h w) c")
    return Album(pixels, np.full((n, 2), (height, width), np.int64), np.arange(n))


# --- finding


@dataclass(frozen=True)
class Found:
    """N pictures or pairs that are yet to be decoded.

    Attributes:
        read: name -> uint8 (H, W, 3 or 6); raises what `common.pictures.photos.decode` does.
        prints: of their contents, by name.
        channels: 3, or 6 of pairs.
        source: one line on origin and licence.
        skipped: files passed over already, and why.
    """

    read: Callable[[str], Pixels]
    prints: dict[str, str]
    channels: int
    source: str
    skipped: Mapping[str, str] = field(default_factory=dict)


def _find(data: str, task: TaskName, reverse: bool) -> tuple[str, Callable[[], Found]]:
    """The part of the cache's key that stands for the content, and how to get at the content."""
    if task != "pairs":
        parts = {name: photos.find(name) for name in DATA.split(data)}
        key = "\n".join(key for key, _ in parts.values())
        return key, lambda: _of_photos(_together({short_name(name): load() for name, (_, load) in parts.items()}), task)
    if are_shards(data):
        raise UserError(f"--data {data}: pairs are not read from shards; name a folder or .zip of them")
    files, skipped = find_files(data, ENDINGS, "pictures", ())
    prints = {name: file.fingerprint() for name, file in files.items()}
    return content_key(data, prints.items(), skipped), lambda: _of_pairs(data, files, prints, skipped, reverse)


def _together(parts: Mapping[str, photos.Photos]) -> photos.Photos:
    """The photos of several places, whose files then bear the place's name too."""
    if len(parts) == 1:
        return next(iter(parts.values()))
    return photos.Photos(
        {f"{place}/{name}": file for place, part in parts.items() for name, file in part.files.items()},
        [print_ for part in parts.values() for print_ in part.fingerprints],
        "; ".join(part.source for part in parts.values()),
        {f"{place}/{name}": reason for place, part in parts.items() for name, reason in part.skipped.items()},
    )


def _of_photos(found: photos.Photos, task: TaskName) -> Found:
    def read(name: str) -> Pixels:
        pixels = decode(found.files[name])
        if task == "colorize" and (pixels == pixels[..., :1]).all():
            raise ValueError("has no colours")
        return pixels

    prints = dict(zip(found.files, found.fingerprints, strict=True))
    return Found(read, prints, 3, found.source, found.skipped)


def _of_pairs(
    data: str, files: Mapping[str, File], prints: dict[str, str], skipped: Mapping[str, str], reverse: bool
) -> Found:
    partners = match(data, list(files))

    def read(name: str) -> Pixels:
        first, second = partners[name], name
        halves = _halves(data, first, decode(files[first])) if first == second else [decode(files[first])]
        if first != second:
            halves.append(decode(files[second]))
            _require_one_size(data, first, second, halves)
        return np.concatenate(halves if reverse else halves[::-1], 2)

    source = f"{len(partners)} pairs from {short_name(data)}; see there for the licence"
    together = {name: f"{prints[name]} {prints[first]}" for name, first in partners.items()}
    return Found(read, together, 6, source, skipped)


def match(data: str, names: Sequence[str]) -> dict[str, str]:
    """The file of B and that of A of each pair; twice the same where A and B lie side by side in one.

    Args:
        names: of files, as paths inside `data`.

    Raises:
        UserError: some have no partner, or two partners.
    """
    sides: dict[str, dict[str, str]] = {side: {} for side in SOURCES}
    others = []
    for name in names:
        path = PurePosixPath(name)
        side = next((part for part in path.parts[:-1] if part in SOURCES), None)
        if side is None:
            others.append(name)
            continue
        stem = path.with_suffix("").as_posix().replace(f"{side}/", "", 1)
        if stem in sides[side]:
            raise UserError(f"--data {data}: {sides[side][stem]} and {name} are both called {path.stem}; rename one")
        sides[side][stem] = name
    if not any(sides.values()):
        return {name: name for name in names}
    if others:
        raise UserError(f"--data {data}: {others[0]} is neither in A nor in B; move it there, or away")
    first, second = sides.values()
    if alone := [
        side[stem] for side, other in ((first, second), (second, first)) for stem in side if stem not in other
    ]:
        advice = f"{len(alone):,} such file{'s' if len(alone) > 1 else ''}; A and B must hold the same names"
        raise UserError(f"--data {data}: {alone[0]} has no partner ({advice})")
    return {second[stem]: first[stem] for stem in first}


def _halves(data: str, name: str, pixels: Pixels) -> list[Pixels]:
    """A picture cut in the middle: A and B."""
    width = pixels.shape[1]
    if width % 2:
        raise UserError(
            f"--data {data}: {name} is {width} pixels wide, so it is no two pictures of one size side by side; "
            "such, or folders A and B, are needed"
        )
    return [pixels[:, : width // 2], pixels[:, width // 2 :]]


def _require_one_size(data: str, first: str, second: str, pair: Sequence[Pixels]) -> None:
    (height, width), (other_height, other_width) = (pixels.shape[:2] for pixels in pair)
    if (height, width) != (other_height, other_width):
        raise UserError(
            f"--data {data}: {first} is {width} x {height} and {second} {other_width} x {other_height} pixels; "
            "pairs must be of one size"
        )


# --- decoding


def _decode_all(folder: Path, found: Found, data: str, least: int, scenes: bool) -> dict[str, Any]:
    """Write a .npy file for each part into `folder`, and return what `load_pairs` must know of them."""
    skipped, names = dict(found.skipped), list(found.prints)
    pictures: dict[str, Pixels] = {}

    def read(name: str) -> Pixels:
        pixels = found.read(name)
        if min(pixels.shape[:2]) < least:
            raise ValueError(f"smaller than {least} pixels")
        return _reduced(pixels, LARGEST * least) if scenes else pixels

    for name, result in zip(names, read_each(read, names, data), strict=True):
        if isinstance(result, str):
            skipped[name] = result
        else:
            pictures[name] = result
    if len(pictures) < len(PARTS):
        left_out = f" (skipped {count_reasons(skipped)})" if skipped else ""
        advice = "it needs three or more, as some are kept for validation and tests"
        raise UserError(f"--data {data}: {len(pictures)} pictures can be used{left_out}; {advice}")
    facts: dict[str, Any] = {"skipped": skipped, "source": found.source}
    for part, chosen in _parts(pictures, found.prints).items():
        if scenes and part != "train":
            pictures |= {name: _reduced(pictures[name], least) for name in chosen}
        versions = [(number, v) for number, name in enumerate(chosen) for v in _versions(pictures[name], part, least)]
        facts[part] = [(number, *pixels.shape[:2]) for number, pixels in versions]
        _write(folder / f"{part}.npy", [pixels for _, pixels in versions], found.channels)
    return facts


def _parts(pictures: Mapping[str, Pixels], prints: Mapping[str, str]) -> dict[str, list[str]]:
    """Names by part; what has equal files or equal pixels is in one part."""
    names = list(pictures)
    keys = families([prints[name] for name in names], [digest(pictures[name].tobytes()) for name in names])
    if len(set(keys)) < len(PARTS):
        raise UserError("--data: its pictures are all alike; three different ones or more are needed")
    test = split(keys, _share(TEST, len(keys)))
    rest = np.flatnonzero(~test)
    validation = np.zeros(len(keys), bool)
    validation[rest] = split([keys[row] for row in rest], _share(VALIDATION, len(keys)), seed=1)
    sides = {"train": ~test & ~validation, "validation": validation, "test": test}
    return {part: [names[row] for row in np.flatnonzero(sides[part])] for part in PARTS}


def _share(usual: float, count: int) -> float:
    return max(usual, min(MIN_HELD_OUT / count, 0.25))


def _versions(pixels: Pixels, part: str, least: int) -> list[Pixels]:
    """A picture, and to learn from also smaller ones, as long as no side is below `least`."""
    found = [pixels]
    while part == "train" and min(found[-1].shape[:2]) * SHRINK >= least:
        found.append(_shrunk(pixels, SHRINK ** len(found)))
    return found


def _reduced(pixels: Pixels, side: int) -> Pixels:
    """A picture whose shorter side is at most `side`."""
    factor = side / min(pixels.shape[:2])
    return _shrunk(pixels, factor) if factor < 1 else pixels


def _shrunk(pixels: Pixels, factor: float) -> Pixels:
    height, width = (max(1, round(side * factor)) for side in pixels.shape[:2])
    parts = [
        np.asarray(Image.fromarray(pixels[..., first : first + 3]).resize((width, height), Image.Resampling.LANCZOS))
        for first in range(0, pixels.shape[2], 3)
    ]
    return np.concatenate(parts, 2)


def _write(path: Path, pictures: Sequence[Pixels], channels: int) -> None:
    """Lay pictures end to end."""
    array = allocate(path, (sum(pixels.shape[0] * pixels.shape[1] for pixels in pictures), channels), np.uint8)
    at = 0
    for pixels in pictures:
        flat = rearrange(pixels, "h w c -> (h w) c")
        array[at : at + len(flat)] = flat
        at += len(flat)
