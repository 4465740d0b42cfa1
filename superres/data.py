"""Photos beside what they are when small, decoded once, and patches of both to learn from."""

import copy
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from common.data import allocate, cached, count_reasons, digest, families, split
from common.errors import UserError
from common.folders import File, short_name
from common.game import mix
from superres.config import Degradation
from superres.degradations import degrade
from superres.resize import cropped, low_resolution
from superres.sources import UNREADABLE, Photos, decode, find, reason, size_of

FORMAT = 1  # of what is cached; raise it when the same pictures would be decoded or made small differently
VALIDATION, FEWEST = 0.1, 3  # share of the pictures, but if there are few about so many, up to a quarter
SYMMETRIES = 8  # of a square
VERSIONS: dict[Degradation, int] = {"bicubic": 1, "real": 4}  # small pictures made of each large one


@dataclass(frozen=True)
class Pair:
    """A picture, large and small, uint8: `high` (H, W, 3) and `lows` (V, H / scale, W / scale, 3), versions of it."""

    name: str
    high: Tensor
    lows: Tensor

    def to(self, device: torch.device | str) -> "Pair":
        """The same on another device."""
        return Pair(self.name, self.high.to(device), self.lows.to(device))


class Patches:
    """All square patches of some pictures, in all symmetries and versions; what `common.data.Arrays` is to the trainer.

    A patch goes by a number from 0 to `len` - 1, of its picture, its place on the grid of small pixels, its version
    and its symmetry.

    Args:
        pairs: no side of their small pictures is below `patch`.
        patch: side of a small patch, in pixels.
        scale: by how much large ones are larger.
    """

    def __init__(self, pairs: Sequence[Pair], patch: int, scale: int) -> None:
        self.pairs, self.patch, self.scale = list(pairs), patch, scale
        self.device = torch.device("cpu")
        counts = [
            (pair.lows.shape[1] - patch + 1) * (pair.lows.shape[2] - patch + 1) * len(pair.lows) * SYMMETRIES
            for pair in self.pairs
        ]
        self.ends = np.cumsum(counts)

    def __len__(self) -> int:
        return int(self.ends[-1])

    @property
    def nbytes(self) -> int:
        """Size of all pictures together, in bytes."""
        return sum(pair.high.nbytes + pair.lows.nbytes for pair in self.pairs)

    def indices(self, seed: int, step: int, batch: int) -> Tensor:
        """The patches of global step `step`, int64 (batch,), a function of the arguments alone: any, evenly."""
        generator = torch.Generator().manual_seed(mix(seed, step))
        return torch.randint(len(self), (batch,), generator=generator)

    def gather(self, indices: Tensor) -> dict[str, Tensor]:
        """Patches, uint8 and channels last, on `device`: "low" (N, 3, p, p) and "high" (N, 3, p * scale, p * scale)."""
        lows, highs = zip(*map(self._cut, indices.tolist()), strict=True)
        batch = {"low": torch.stack(lows), "high": torch.stack(highs)}
        return {name: patches.to(self.device).permute(0, 3, 1, 2) for name, patches in batch.items()}

    def on(self, device: torch.device | str, budget_bytes: int) -> Self:
        """Patches that come out on `device`, where pictures are held if `nbytes` is within `budget_bytes`."""
        moved = copy.copy(self)
        moved.device = torch.device(device)
        if moved.device.type != "cpu" and self.nbytes <= budget_bytes:
            moved.pairs = [pair.to(device) for pair in self.pairs]
        return moved

    def _cut(self, index: int) -> tuple[Tensor, Tensor]:
        """The patch of a number, small and large."""
        number = int(np.searchsorted(self.ends, index, side="right"))
        pair = self.pairs[number]
        rest, symmetry = divmod(index - (int(self.ends[number - 1]) if number else 0), SYMMETRIES)
        rest, version = divmod(rest, len(pair.lows))
        y, x = divmod(rest, pair.lows.shape[2] - self.patch + 1)
        return tuple(
            mirrored(picture[y * step : (y + self.patch) * step, x * step : (x + self.patch) * step], symmetry)
            for picture, step in ((pair.lows[version], 1), (pair.high, self.scale))
        )  # type: ignore[return-value]


def mirrored(image: Tensor, symmetry: int) -> Tensor:
    """One of a square's symmetries, 0 (as it is) to 7, of an image (S, S, C): flips, then the diagonal."""
    sides = [side for side in (0, 1) if symmetry >> side & 1]
    flipped = image.flip(sides) if sides else image
    return flipped.transpose(0, 1) if symmetry & 4 else flipped


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
    (`common.data.cached`); later ones only open it.

    Args:
        data: one of `superres.sources.BUILT_IN`, or a path.
        scale: by how much.
        degradation: what makes pictures small: MATLAB's bicubic, or what happens to photos in the wild.
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
    skipped, parts = dict(facts["skipped"]), ([], [])
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
            skipped[name] = reason(error)
    if not sizes:
        raise UserError(f"--data {data}: none of its {len(skipped)} files can be used; {next(iter(skipped.values()))}")
    total = sum(height * width * 3 for height, width in sizes.values())
    arrays = {
        "high": allocate(folder / "high.npy", (total,), np.uint8),
        "low": allocate(folder / "low.npy", (total // scale**2 * VERSIONS[degradation],), np.uint8),
    }
    pairs = _pairs(arrays, sizes, scale, VERSIONS[degradation])

    def fill(pair: Pair) -> str:
        try:
            _fill(pair, photos.files[pair.name], scale, degradation)
        except UNREADABLE as error:
            return reason(error)
        return ""

    with ThreadPool(min(16, os.cpu_count() or 1)) as pool:
        reasons = list(tqdm(pool.imap(fill, pairs), f"decoding {data}", len(pairs), unit="img", disable=None))
    skipped |= {pair.name: why for pair, why in zip(pairs, reasons, strict=True) if why}
    good = [row for row, why in enumerate(reasons) if not why]
    validation = np.zeros(len(pairs), dtype=bool)
    if good:
        prints = dict(zip(photos.files, photos.fingerprints, strict=True))
        pixels = [digest(pairs[row].high.numpy().tobytes()) for row in good]
        share = max(VALIDATION, min(FEWEST / len(good), 0.25))
        validation[good] = split(families([prints[pairs[row].name] for row in good], pixels), share)
    return {"sizes": sizes, "validation": validation.tolist(), "skipped": skipped, "source": photos.source}


def _fill(pair: Pair, file: File, scale: int, degradation: Degradation) -> None:
    high = cropped(decode(file), scale)
    pair.high.numpy()[:] = high
    for version, low in enumerate(pair.lows.numpy()):
        seed = int(digest(f"{pair.name} {version}".encode())[:15], 16)
        low[:] = low_resolution(high, scale) if degradation == "bicubic" else degrade(high, scale, seed)
