"""Pictures of any size, decoded once, and square patches of them to learn from."""

import copy
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from common.config import NEWEST, Order
from common.data.arrays import digest_of, send
from common.data.order import batch_indices
from common.randomness import mix


@dataclass(frozen=True)
class Album:
    """Pictures of any size, all their pixels end to end.

    Attributes:
        pixels: uint8 (P, C).
        sizes: height and width of each, int64 (N, 2).
        of: which picture each is a version of, int64 (N,), ascending.
    """

    pixels: Tensor
    sizes: NDArray[np.int64]
    of: NDArray[np.int64]

    @property
    def starts(self) -> NDArray[np.int64]:
        """The first pixel of each."""
        counts = self.sizes.prod(1)
        return np.cumsum(counts) - counts

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, number: int) -> Tensor:
        """A picture, (H, W, C)."""
        height, width = self.sizes[number].tolist()
        start = int(self.starts[number])
        return rearrange(self.pixels[start : start + height * width], "(h w) c -> h w c", h=height)


class Crops:
    """Square patches of an album, mirrored or not; what `common.data.arrays.Arrays` is to the trainer.

    A patch goes by four numbers: its picture, its upper row and left column, and whether it is mirrored. Every picture
    is seen once an epoch, in any of its sizes.

    Args:
        patch: no side in the album is shorter.
    """

    def __init__(self, album: Album, patch: int) -> None:
        self.album, self.patch = album, patch
        self.pixels, self.starts = album.pixels, album.starts
        self.device = torch.device("cpu")
        self.first, self.versions = np.unique(album.of, return_index=True, return_counts=True)[1:]

    def __len__(self) -> int:
        return len(self.first)

    @property
    def nbytes(self) -> int:
        """Size of all pictures together, in bytes."""
        return self.pixels.nbytes

    def digest(self) -> str:
        """What stands for the content; see `digest_of`."""
        tables = {"sizes": torch.from_numpy(self.album.sizes), "of": torch.from_numpy(np.asarray(self.album.of))}
        return digest_of(tables | {"pixels": self.album.pixels})

    def indices(self, seed: int, step: int, batch: int, order: Order = NEWEST) -> Tensor:
        """The patches of global step `step`, int64 (batch, 4), a function of the arguments alone."""
        chosen = batch_indices(len(self), seed, step, batch, order).numpy()
        generator = torch.Generator().manual_seed(mix(seed, step))
        version, y, x, flip = torch.rand(4, batch, generator=generator, dtype=torch.float64).numpy()
        number = self.first[chosen] + (version * self.versions[chosen]).astype(np.int64)
        room = self.album.sizes[number] - self.patch + 1
        corner = (np.stack([y, x], 1) * room).astype(np.int64)
        return torch.from_numpy(np.column_stack([number, corner, flip < 0.5]))

    def gather(self, indices: Tensor) -> dict[str, Tensor]:
        """Patches on `device`, uint8 (N, 3, patch, patch), channels last: "picture", and of pairs "source"."""
        number, y, x, flip = indices.numpy().T
        width = self.album.sizes[number, 1]
        places = torch.from_numpy(np.stack([self.starts[number] + y * width + x, width, flip]))
        corner, width, flip = send(places, self.pixels.device)[:, :, None, None]
        along = torch.arange(self.patch, device=self.pixels.device)
        columns = torch.where(flip.bool(), self.patch - 1 - along, along)  # (N, 1, patch)
        patches = self.pixels[corner + along[:, None] * width + columns]
        return as_batch(send(rearrange(patches, "n h w c -> n c h w"), self.device))

    def on(self, device: torch.device | str, budget_bytes: int) -> Self:
        """Patches that come out on `device`, where pictures are held if `nbytes` is within `budget_bytes`."""
        moved = copy.copy(self)
        moved.device = torch.device(device)
        if moved.device.type != "cpu" and self.nbytes <= budget_bytes:
            moved.pixels = self.pixels.to(device)
        return moved


def as_batch(pixels: Tensor) -> dict[str, Tensor]:
    """(N, 3 or 6, H, W) -> "picture", (N, 3, H, W), and of six channels "source"."""
    batch = {"picture": pixels[:, :3]}
    return batch | {"source": pixels[:, 3:]} if pixels.shape[1] == 6 else batch
