"""Square patches of pictures, large and small, in all symmetries."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from common.config import NEWEST, Order
from common.data.arrays import digest_of, send
from common.randomness import mix
from superres.symmetries import SYMMETRIES, mirrored

AROUND = 4  # small pixels around a patch that is made small anew, so that it is as if the whole picture were

Degrade = Callable[[NDArray[np.uint8], int], NDArray[np.uint8]]  # (large picture, number of the patch) -> small one


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
        detail: share of the patches of which each is the one with more detail of two.
        degrade: what makes small patches anew of what is large, in the place of those of the pairs; a function of its
            arguments.
    """

    def __init__(
        self, pairs: Sequence[Pair], patch: int, scale: int, detail: float = 0.0, degrade: Degrade | None = None
    ) -> None:
        self.pairs, self.patch, self.scale, self.detail = list(pairs), patch, scale, detail
        self.degrade, self.device = degrade, torch.device("cpu")
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

    def digest(self) -> str:
        """What stands for the content; see `digest_of`."""
        sides = [(f"{number} high", pair.high) for number, pair in enumerate(self.pairs)]
        sides += [(f"{number} low", pair.lows) for number, pair in enumerate(self.pairs)]
        return digest_of(dict(sides))

    def indices(self, seed: int, step: int, batch: int, order: Order = NEWEST) -> Tensor:
        """The patches of global step `step`, int64 (batch,), a function of the arguments alone: any, evenly.

        But of the share `detail` each is the better of two.
        """
        generator = torch.Generator().manual_seed(mix(seed, step))
        drawn = torch.randint(len(self), (batch,), generator=generator)
        if not self.detail:
            return drawn
        others = torch.randint(len(self), (batch,), generator=generator)
        compared = torch.rand(batch, generator=generator) < self.detail
        one, other = _detail(self._cut(torch.cat([drawn, others]), ("low",))["low"]).chunk(2)
        return torch.where(compared & (other > one), others, drawn)

    def gather(self, indices: Tensor) -> dict[str, Tensor]:
        """Patches, uint8 and channels last, on `device`: "low" (N, 3, p, p) and "high" (N, 3, p * scale, p * scale)."""
        patches = self._take(indices) if self.flat else self._cut(indices)
        if self.degrade is not None:
            patches["low"] = self._degraded(indices, self.degrade)
        return {name: rearrange(images.to(self.device), "n h w c -> n c h w") for name, images in patches.items()}

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
            "low": torch.cat([rearrange(pair.lows, "v h w c -> (v h w) c").to(device) for pair in self.pairs]),
            "high": torch.cat([rearrange(pair.high, "h w c -> (h w) c").to(device) for pair in self.pairs]),
        }

    def _cut(self, indices: Tensor, names: Sequence[str] = ("low", "high")) -> dict[str, Tensor]:
        """Patches (N, S, S, 3) out of the pictures one by one."""
        picture, version, y, x, symmetry = self._places(indices.numpy())
        patches: dict[str, list[Tensor]] = {name: [] for name in names}
        for row in range(len(indices)):
            pair = self.pairs[picture[row]]
            for name in names:
                image, step = (pair.lows[version[row]], 1) if name == "low" else (pair.high, self.scale)
                top, left, side = y[row] * step, x[row] * step, self.patch * step
                patches[name].append(mirrored(image[top : top + side, left : left + side], symmetry[row]))
        return {name: torch.stack(images) for name, images in patches.items()}

    def _degraded(self, indices: Tensor, degrade: Degrade) -> Tensor:
        """Small patches (N, p, p, 3) as `degrade` makes them."""
        patches = []
        for number, picture, _, y, x, symmetry in zip(indices.tolist(), *self._places(indices.numpy()), strict=True):
            high = self.pairs[picture].high
            top, left = max(0, y - AROUND), max(0, x - AROUND)  # `y` and `x` are of small pixels
            rows, columns = ((start, stop + self.patch + AROUND) for start, stop in ((top, y), (left, x)))
            region = high[slice(*(k * self.scale for k in rows)), slice(*(k * self.scale for k in columns))]
            low = torch.from_numpy(degrade(region.numpy(), number).copy())
            patches.append(mirrored(low[y - top :, x - left :][: self.patch, : self.patch], symmetry))
        return torch.stack(patches)

    def _take(self, indices: Tensor) -> dict[str, Tensor]:
        """The same out of all pixels at once; an accelerator would wait for the host that cuts one by one."""
        picture, version, y, x, symmetry = self._places(indices.numpy())
        patches = {}
        for name, step in (("low", 1), ("high", self.scale)):
            table, side = self.tables[name], self.patch * step
            width = table.width[picture]
            corner = table.start[picture] + version * table.version[picture] + y * step * width + x * step
            numbers = send(torch.from_numpy(np.stack([corner, width, symmetry])), self.device)
            patches[name] = self.flat[name][_grid(numbers, side)]
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
        """The table of pictures, each given as its versions (V, H, W, 3)."""
        sizes = np.array([image.shape[:3] for image in images], dtype=np.int64)
        pixels = sizes.prod(1)
        return cls(np.cumsum(pixels) - pixels, sizes[:, 2], np.where(sizes[:, 0] > 1, sizes[:, 1] * sizes[:, 2], 0))


def _grid(numbers: Tensor, side: int) -> Tensor:
    """Which pixels patches consist of, int64 (N, side, side), mirrored as by `mirrored`.

    Args:
        numbers: (3, N): the first pixel of each, the width of its picture, and its symmetry.
    """
    corner, width, symmetry = numbers[..., None, None]
    i, j = torch.meshgrid(*[torch.arange(side, device=numbers.device)] * 2, indexing="ij")
    turned = (symmetry & 4).bool()
    y, x = torch.where(turned, j, i), torch.where(turned, i, j)
    y = torch.where((symmetry & 1).bool(), side - 1 - y, y)
    x = torch.where((symmetry & 2).bool(), side - 1 - x, x)
    return corner + y * width + x


def _detail(patches: Tensor) -> Tensor:
    """How much neighbouring pixels of patches uint8 (N, S, S, 3) differ: grey levels, (N,)."""
    brightness = patches.float().mean(3)
    return brightness.diff(dim=1).abs().mean((1, 2)) + brightness.diff(dim=2).abs().mean((1, 2))
