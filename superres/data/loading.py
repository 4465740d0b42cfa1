"""Photos beside what they are when small, decoded once, and patches of both to learn from."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from common.data.arrays import allocate, cached, count_reasons, digest, families, split
from common.data.folders import File, short_name
from common.errors import UserError
from common.pictures.photos import UNREADABLE, Photos, decode, find, read_each, reason, size_of
from superres.config import Degradation
from superres.data.degradations import made_small
from superres.data.patches import Pair
from superres.resize import cropped, resize

FORMAT = 1  # of what is cached; raise it when the same pictures would be decoded or made small differently
VALIDATION, MIN_HELD_OUT = 0.1, 3  # share of the pictures, but if there are few about so many, up to a quarter
# Small pictures made of each large one; in second order, those to learn from are made anew of each patch
VERSIONS: dict[Degradation, int] = {"bicubic": 1, "real": 4, "second-order": 1}


@dataclass(frozen=True)
class PhotoData:
    """Pictures in two parts; no picture is in both.

    Attributes:
        name: short, fit for a file name.
        scale: by how much large pictures are larger.
        degradation: what made pictures small.
        train: what models learn from.
        validation: what tells a run which of its weights are best.
        skipped: the files that could not be used, and why.
        source: one line on origin and licence, for the cards of models.
        key: stands for the content, so that other data of the same name is told apart.
    """

    name: str
    scale: int
    degradation: Degradation
    train: Sequence[Pair]
    validation: Sequence[Pair]
    skipped: dict[str, str]
    source: str
    key: str


def load_photos(data: str, scale: int, degradation: Degradation = "bicubic", least: int = 32) -> PhotoData:
    """Load the embedded photos, or the pictures of a folder or .zip file, each large and small.

    A tenth is kept for validation, by content; more of few. The first call decodes everything into the cache
    (`common.data.arrays.cached`); later ones only open it.

    Args:
        data: one of `common.pictures.formats.PHOTO_SETS`, or a path.
        scale: by how much.
        degradation: what makes pictures small: MATLAB's bicubic, or what happens to photos in the wild; in second
            order only those for validation, as `superres.data.patches.Patches` makes patches small that are learned.
        least: shortest side of small pictures; what is smaller is left out.

    Raises:
        UserError: no such data, fewer than two pictures that can be used, or an unwritable cache.
    """
    key, photos = find(data)

    def build(folder: Path) -> dict[str, Any]:
        with warnings.catch_warnings(action="ignore"):  # Pillow's, on files that are odd but readable
            return _decode_all(folder, photos(), data, scale, degradation)

    arrays, facts = cached(f"photos {FORMAT} {key} {scale} {degradation}", build)
    pairs = _pairs(arrays, facts["sizes"], scale, VERSIONS[degradation])
    skipped, parts = dict(facts["skipped"]), (list[Pair](), list[Pair]())
    for pair, held_out in zip(pairs, facts["validation"], strict=True):
        if pair.name in skipped:
            continue
        if min(pair.lows.shape[1:3]) < least:
            skipped[pair.name] = f"smaller than {least * scale} pixels"
        else:
            parts[held_out].append(pair)
    if not all(parts):
        advice = "it needs two different ones or more, as some are kept for validation"
        left_out = f" (skipped {count_reasons(skipped, 'pictures')})" if skipped else ""
        raise UserError(f"--data {data}: {sum(map(len, parts))} pictures can be used{left_out}; {advice}")
    return PhotoData(
        short_name(data), scale, degradation, parts[0], parts[1], skipped, facts["source"], digest(key.encode())
    )


def with_shrunk(pairs: Sequence[Pair], share: float, data: PhotoData, least: int) -> list[Pair]:
    """The pairs, and of each another whose large picture is that one shrunk by MATLAB's bicubic.

    Shrunk pictures are sharper, and free of what JPEG left of them (Kim et al. 2016, VDSR, learn from both).

    Args:
        share: of each side that is left.
        data: whose `scale` and `degradation` small pictures are made by.
        least: shortest side of small pictures; what would be smaller is left out.
    """
    shrunk = []
    for pair in pairs:
        size = [round(share * side) // data.scale * data.scale for side in pair.high.shape[:2]]
        if min(size) >= least * data.scale:
            high = resize(pair.high.numpy(), (size[0], size[1]))
            versions = range(len(pair.lows))
            lows = [_made_small(high, pair.name, version, data.scale, data.degradation) for version in versions]
            shrunk.append(Pair(pair.name, torch.tensor(high), torch.from_numpy(np.stack(lows))))
    return [*pairs, *shrunk]


def _pairs(
    arrays: Mapping[str, NDArray[np.uint8]], sizes: Mapping[str, Sequence[int]], scale: int, versions: int
) -> list[Pair]:
    """Cut the flat arrays into pictures, without copying."""
    pairs, at, low_at = [], 0, 0
    high, low = torch.from_numpy(arrays["high"]), torch.from_numpy(arrays["low"])
    for name, (height, width) in sizes.items():
        shape = (versions, height // scale, width // scale, 3)
        stop, low_stop = at + height * width * 3, low_at + int(np.prod(shape))
        pairs.append(Pair(name, high[at:stop].view(height, width, 3), low[low_at:low_stop].view(shape)))
        at, low_at = stop, low_stop
    return pairs


def _decode_all(folder: Path, photos: Photos, data: str, scale: int, degradation: Degradation) -> dict[str, Any]:
    """Write high.npy and low.npy into `folder`, and return what `load_photos` must know of them."""
    skipped, sizes = dict(photos.skipped), dict[str, tuple[int, int]]()
    for name, file in photos.files.items():
        try:
            sizes[name] = size_of(file, scale)
        except UNREADABLE as error:
            skipped[name] = reason(error, f"--data {data}: {name}")
    if not sizes:
        raise UserError(f"--data {data}: none of its {len(skipped)} files can be used; {next(iter(skipped.values()))}")
    total = sum(height * width * 3 for height, width in sizes.values())
    arrays = {
        "high": allocate(folder / "high.npy", (total,), np.uint8),
        "low": allocate(folder / "low.npy", (total // scale**2 * VERSIONS[degradation],), np.uint8),
    }
    pairs = _pairs(arrays, sizes, scale, VERSIONS[degradation])

    def fill(pair: Pair) -> str:
        _fill(pair, photos.files[pair.name], scale, degradation)
        return ""

    reasons = read_each(fill, pairs, data)
    skipped |= {pair.name: why for pair, why in zip(pairs, reasons, strict=True) if why}
    good = [row for row, why in enumerate(reasons) if not why]
    validation = np.zeros(len(pairs), dtype=bool)
    if good:
        prints = dict(zip(photos.files, photos.fingerprints, strict=True))
        pixels = [digest(pairs[row].high.numpy().tobytes()) for row in good]
        share = max(VALIDATION, min(MIN_HELD_OUT / len(good), 0.25))
        validation[good] = split(families([prints[pairs[row].name] for row in good], pixels), share)
    if degradation == "second-order":
        for row in np.flatnonzero(validation):
            pair = pairs[row]
            pair.lows.numpy()[0] = made_small(pair.high.numpy(), scale, degradation, _seed(pair.name, 0))
    return {"sizes": sizes, "validation": validation.tolist(), "skipped": skipped, "source": photos.source}


def _fill(pair: Pair, file: File, scale: int, degradation: Degradation) -> None:
    high = cropped(decode(file), scale)
    pair.high.numpy()[:] = high
    for version, low in enumerate(pair.lows.numpy()):
        low[:] = _made_small(high, pair.name, version, scale, degradation)


def _made_small(
    high: NDArray[np.uint8], name: str, version: int, scale: int, degradation: Degradation
) -> NDArray[np.uint8]:
    """Of a picture to learn from."""
    return made_small(high, scale, "real" if degradation == "real" else "bicubic", _seed(name, version))


def _seed(name: str, version: int) -> int:
    return int(digest(f"{name} {version}".encode())[:15], 16)
