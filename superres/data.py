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

from common.data.arrays import allocate, cached, count_reasons, digest, families, send, split
from common.data.folders import File, short_name
from common.errors import UserError
from common.pictures.photos import UNREADABLE, Photos, decode, find, reason, size_of
from common.randomness import mix
from superres.config import Degradation
from superres.degradations import degrade
from superres.resize import cropped, low_resolution, resize

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


class Patches:
    """All square patches of some pictures, in all symmetries and versions; as `Arrays` to the trainer.

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
        self.flat: dict[str, Tensor] = {}  # `pixels`, where they are held on an accelerator
        self.tables = {
            "low": Table.of([pair.lows for pair in self.pairs]),
            "high": Table.of([pair.high[None] for pair in self.pairs]),
        }
        self.versions = np.array([len(pair.lows) for pair in self.pairs], dtype=np.int64)
        shapes = np.array([pair.lows.shape[1:3] for pair in self.pairs], dtype=np.int64)
        self.counts = (shapes - patch + 1).prod(1) * self.versions * SYMMETRIES
        self.ends = np.cumsum(self.counts)

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
        patches = self._take(indices) if self.flat else self._cut(indices)
        return {name: images.to(self.device).permute(0, 3, 1, 2) for name, images in patches.items()}

    def on(self, device: torch.device | str, budget_bytes: int) -> Self:
        """Patches that come out on `device`, where pictures are held if `nbytes` is within `budget_bytes`."""
        moved = copy.copy(self)
        moved.device = torch.device(device)
        if moved.device.type != "cpu" and self.nbytes <= budget_bytes:
            moved.flat = self.pixels(device)
        return moved

    def pixels(self, device: torch.device | str) -> dict[str, Tensor]:
        """All pictures end to end on `device`, uint8 (pixels, 3): "low" and "high"."""
        return {
            "low": torch.cat([pair.lows.flatten(0, 2).to(device) for pair in self.pairs]),
            "high": torch.cat([pair.high.flatten(0, 1).to(device) for pair in self.pairs]),
        }

    def _cut(self, indices: Tensor) -> dict[str, Tensor]:
        """Patches (N, S, S, 3) out of the pictures one by one."""
        picture, version, y, x, symmetry = self._places(indices.numpy())
        patches: dict[str, list[Tensor]] = {"low": [], "high": []}
        for row in range(len(indices)):
            pair = self.pairs[picture[row]]
            for name, image, step in (("low", pair.lows[version[row]], 1), ("high", pair.high, self.scale)):
                top, left, side = y[row] * step, x[row] * step, self.patch * step
                patches[name].append(mirrored(image[top : top + side, left : left + side], symmetry[row]))
        return {name: torch.stack(images) for name, images in patches.items()}

    def _take(self, indices: Tensor) -> dict[str, Tensor]:
        """The same out of all pixels at once; an accelerator would wait for the host that cuts one by one."""
        picture, version, y, x, symmetry = self._places(indices.numpy())
        patches = {}
        for name, step in (("low", 1), ("high", self.scale)):
            table, side = self.tables[name], self.patch * step
            width = table.width[picture]
            corner = table.start[picture] + version * table.version[picture] + y * step * width + x * step
            numbers = send(torch.from_numpy(np.stack([corner, width, symmetry])), self.device)
            patches[name] = self.flat[name][_grid(*numbers.unbind(), side)]
        return patches

    def _places(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """What patches' numbers stand for: picture, version, y and x in small pixels, and symmetry, each (N,)."""
        picture = np.searchsorted(self.ends, indices, side="right")
        rest, symmetry = np.divmod(indices - (self.ends - self.counts)[picture], SYMMETRIES)
        rest, version = np.divmod(rest, self.versions[picture])
        y, x = np.divmod(rest, self.tables["low"].width[picture] - self.patch + 1)
        return picture, version, y, x, symmetry


@dataclass(frozen=True)
class Table:
    """Where pictures lie when all their pixels are laid end to end, each (pictures,): the first pixel of each, its
    width, and from one version of it to the next (0 if there is but one); in pixels."""

    start: NDArray[np.int64]
    width: NDArray[np.int64]
    version: NDArray[np.int64]

    @classmethod
    def of(cls, images: Sequence[Tensor]) -> "Table":
        """Of versions (V, H, W, 3) of pictures."""
        sizes = np.array([image.shape[:3] for image in images], dtype=np.int64)
        pixels = sizes.prod(1)
        return cls(np.cumsum(pixels) - pixels, sizes[:, 2], np.where(sizes[:, 0] > 1, sizes[:, 1] * sizes[:, 2], 0))


def _grid(corner: Tensor, width: Tensor, symmetry: Tensor, side: int) -> Tensor:
    """Which pixels patches consist of, int64 (N, side, side), mirrored as by `mirrored`; arguments are (N,)."""
    corner, width, symmetry = (values[:, None, None] for values in (corner, width, symmetry))
    i, j = torch.meshgrid(*[torch.arange(side, device=corner.device)] * 2, indexing="ij")
    turned = (symmetry & 4).bool()
    y, x = torch.where(turned, j, i), torch.where(turned, i, j)
    y = torch.where((symmetry & 1).bool(), side - 1 - y, y)
    x = torch.where((symmetry & 2).bool(), side - 1 - x, x)
    return corner + y * width + x


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
    (`common.data.arrays.cached`); later ones only open it.

    Args:
        data: one of `common.pictures.photos.BUILT_IN`, or a path.
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
        low[:] = _made_small(high, pair.name, version, scale, degradation)


def _made_small(
    high: NDArray[np.uint8], name: str, version: int, scale: int, degradation: Degradation
) -> NDArray[np.uint8]:
    if degradation == "bicubic":
        return low_resolution(high, scale)
    return degrade(high, scale, int(digest(f"{name} {version}".encode())[:15], 16))
