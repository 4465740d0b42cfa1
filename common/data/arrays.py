"""What the domains' loaders share: arrays and their batches, the order of the epochs, held-out splits, a disk cache."""

import copy
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tokenize import TokenError
from typing import Any, Literal, Self, cast

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import DTypeLike
from torch import Tensor

from common.config import NEWEST, Order
from common.data.ondemand import OnDemand
from common.data.order import batch_indices
from common.errors import UserError
from common.processes import count, rank
from common.randomness import mix


class Arrays:
    """Equally long arrays by name, such as {"image": uint8 (N, C, H, W), "label": int64 (N,)}.

    NumPy arrays, memory-mapped ones among them, are wrapped and not copied. Types stay as they are: a model converts
    uint8 itself, where it is cheap. Rows of one that is `OnDemand` are made while the step before is computed.

    Attributes:
        tensors: the arrays by name, each (N, ...).
        device: where `gather` puts its batches; the arrays themselves lie there too, or on the CPU.
    """

    def __init__(
        self, arrays: Mapping[str, np.ndarray | Tensor | OnDemand], device: torch.device | str = "cpu"
    ) -> None:
        self.tensors = {name: _as_tensor(array) for name, array in arrays.items()}
        self.device = torch.device(device)
        if len({len(tensor) for tensor in self.tensors.values()}) != 1:
            raise ValueError(f"need arrays of one length: { {name: len(t) for name, t in self.tensors.items()} }")

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    @property
    def nbytes(self) -> int:
        """Size of all arrays together, in bytes."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def digest(self) -> str:
        """What stands for the content; see `digest_of`."""
        return digest_of(self.tensors)

    def gather(self, indices: Tensor) -> dict[str, Tensor]:
        """Copy the rows `indices` (int64 (B,) in [0, N), any order, on the CPU) to `device`: {name: (B, ...)}."""
        for made in self._on_demand():
            indices = made.usable(indices)
        return {name: send(_rows(tensor, indices), self.device) for name, tensor in self.tensors.items()}

    def take(self, rows: Tensor) -> "Arrays":
        """Arrays of these rows alone, int64 (M,), in their order."""
        return Arrays({name: _taken(tensor, rows) for name, tensor in self.tensors.items()})

    def indices(self, seed: int, step: int, batch: int, order: Order = NEWEST) -> Tensor:
        """The rows of global step `step`, int64 (batch,), a function of the arguments alone (`batch_indices`)."""
        chosen = self._chosen(seed, step, batch, order)
        for made in self._on_demand():
            share = batch // count()  # as the trainer shares a batch among processes
            for coming in (chosen, self._chosen(seed, step + 1, batch, order)):
                made.expect(coming[rank() * share : (rank() + 1) * share])
        return chosen

    def _chosen(self, seed: int, step: int, batch: int, order: Order) -> Tensor:
        return batch_indices(len(self), seed, step, batch, order)

    def _on_demand(self) -> list[OnDemand]:
        tensors: Iterable[Any] = self.tensors.values()
        return [tensor for tensor in tensors if isinstance(tensor, OnDemand)]

    def on(self, device: torch.device | str, budget_bytes: int) -> Self:
        """Arrays whose batches come out on `device`.

        On an accelerator they are held there if `nbytes` is within `budget_bytes`, and `gather` then never makes the
        host wait; otherwise rows are gathered on the host and moved. On the CPU nothing is copied.
        """
        moved = copy.copy(self)
        moved.device = torch.device(device)
        if moved.device.type != "cpu" and self.nbytes <= budget_bytes:
            moved.tensors = {name: _moved(tensor, device) for name, tensor in self.tensors.items()}
        return moved


class FamilyArrays(Arrays):
    """Arrays whose rows belong to families, such as one picture in many colours; large ones are drawn less a row.

    Chance decides each row anew, with replacement, by a weight of 1 over the root of its family's size, so that neither
    a family of a hundred nor a hundred families of one are all that is seen.

    Args:
        families: what names the family of each row.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray | Tensor], families: Sequence[str]) -> None:
        super().__init__(arrays)
        sizes = Counter(families)
        self.weights = torch.tensor([sizes[family] ** -0.5 for family in families])

    def digest(self) -> str:
        """What stands for the content, families among it; see `digest_of`."""
        return digest_of(self.tensors | {"weights": self.weights})

    def _chosen(self, seed: int, step: int, batch: int, order: Order) -> Tensor:
        generator = torch.Generator().manual_seed(mix(seed, step))
        return torch.multinomial(self.weights, batch, replacement=True, generator=generator)


class MirroredArrays:
    """Arrays whose "image" comes mirrored, left for right, every other time: row N + i is the mirror image of row i.

    Args:
        arrays: what is drawn from, in its own order.
    """

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays

    @property
    def nbytes(self) -> int:
        """Size of all arrays together, in bytes."""
        return self.arrays.nbytes

    def __len__(self) -> int:
        return len(self.arrays)

    def digest(self) -> str:
        """What stands for the content; see `digest_of`."""
        return self.arrays.digest()

    def indices(self, seed: int, step: int, batch: int, order: Order = NEWEST) -> Tensor:
        """The rows of global step `step`, int64 (batch,) in [0, 2N), a function of the arguments alone."""
        coins = torch.randint(2, (batch,), generator=torch.Generator().manual_seed(mix(seed, step, 1)))
        return self.arrays.indices(seed, step, batch, order) + len(self) * coins

    def gather(self, indices: Tensor) -> dict[str, Tensor]:
        """The rows `indices`, int64 (B,) in [0, 2N): {name: (B, ...)}."""
        rows = self.arrays.gather(indices % len(self))
        flipped = send(indices >= len(self), self.arrays.device)[:, None, None, None]
        return rows | {"image": torch.where(flipped, rows["image"].flip(3), rows["image"])}

    def on(self, device: torch.device | str, budget_bytes: int) -> Self:
        """The same, on `device`; see `Arrays.on`."""
        moved = copy.copy(self)
        moved.arrays = self.arrays.on(device, budget_bytes)
        return moved


def _as_tensor(array: np.ndarray | Tensor | OnDemand) -> Tensor:
    """A tensor, or what answers as one where it is read: by len, shape, rows and split."""
    return cast(Tensor, array) if isinstance(array, OnDemand) else torch.as_tensor(array)


def _moved(tensor: Tensor, device: torch.device | str) -> Tensor:
    return tensor if isinstance(tensor, OnDemand) else tensor.to(device)


def _taken(tensor: Tensor, rows: Tensor) -> Tensor | OnDemand:
    return tensor.take(rows) if isinstance(tensor, OnDemand) else _rows(tensor, rows)


def _rows(tensor: Tensor, indices: Tensor) -> Tensor:
    return tensor[indices] if isinstance(tensor, OnDemand) else tensor.index_select(0, send(indices, tensor.device))


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """Move a tensor without waiting where that is safe: only CUDA keeps pinned memory alive until the copy is done."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def digest(content: bytes) -> str:
    """A 128-bit BLAKE2b hash (RFC 7693) in hexadecimal."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """A hash, as `digest`, of tensors' names, types, shapes and values."""
    hashed = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(tensors.items()):
        if isinstance(tensor, OnDemand):
            hashed.update(f"{name} {tensor.digest()}\n".encode())
            continue
        hashed.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        hashed.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return hashed.hexdigest()


def split(keys: Sequence[str], test_share: float, seed: int = 0) -> np.ndarray:
    """Choose what is held out, by the hash of each item's key: bool (N,), True for the test side.

    Equal keys fall on the same side, and an item's side does not depend on the others, so a data set that grows keeps
    what it held out. The one exception: with two different keys or more, neither side is ever empty. About
    `test_share`, in (0, 1), of the keys are held out.
    """
    hashes = _hashes(f"{seed} {key}" for key in keys)
    test = hashes < np.uint64(test_share * 2**64)
    return (test | (hashes == hashes.min())) & (hashes != hashes.max())


def families(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """One key an item, shared by all items that a chain of equal `first` or equal `second` keys connects.

    So `split(families(names, contents), ...)` keeps together what has one name, and also what has one content.
    """
    from scipy.sparse import coo_array  # half a second that only the first start needs
    from scipy.sparse.csgraph import connected_components

    a, b = _numbered(first), _numbered(second) + len(first)
    links = coo_array((np.ones(len(a)), (a, b)), shape=(2 * len(a), 2 * len(a)))  # keys are nodes, items are edges
    component = connected_components(links, directed=False)[1][a]
    smallest: dict[int, str] = {}
    for family, key in zip(component, first, strict=True):
        smallest[family] = min(smallest.get(family, key), key)
    return [smallest[family] for family in component]


def _numbered(keys: Sequence[str]) -> np.ndarray:
    """The same number for equal keys, int64, by their hashes; an array of strings would take as much as the longest."""
    return np.unique(_hashes(keys), return_inverse=True)[1]


def _hashes(keys: Iterable[str]) -> np.ndarray:
    """64 bits of the hash of each key, uint64 (N,)."""
    return np.fromiter((int(digest(key.encode())[:16], 16) for key in keys), np.uint64)


def count_reasons(skipped: Mapping[str, str], what: str = "files") -> str:
    """Say of what is skipped how much there is for each reason, with an example: "3 files: 2 empty (a.txt); ...".

    Args:
        skipped: reasons by name.
        what: is skipped, in the plural.
    """
    examples: dict[str, str] = {}
    for name, reason in skipped.items():
        examples.setdefault(reason, name)
    counts = Counter(skipped.values()).most_common()
    reasons = "; ".join(f"{count:,} {reason} ({examples[reason]})" for reason, count in counts[:REASONS])
    more = f"; and {len(counts) - REASONS} more reasons" if len(counts) > REASONS else ""
    return f"{len(skipped):,} {what}: {reasons}{more}"


Entry = tuple[dict[str, np.ndarray], dict[str, Any]]  # arrays by name, memory-mapped; and the facts about them
REASONS = 4  # why files were skipped, that a message names at most
# What opening a cache entry that is not whole raises; the last where the head of an array lacks a bracket.
_DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, TokenError)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST}


def cache_folder() -> Path:
    """Where decoded and downloaded data is kept: the environment variable QUARTET_CACHE, or ~/.cache/quartet.

    A user without a home, as containers may have, gets a folder among the system's temporary ones.
    """
    try:
        return Path(os.environ.get("QUARTET_CACHE") or "~/.cache/quartet").expanduser()
    except RuntimeError:
        return Path(tempfile.gettempdir()) / "quartet"


def cached(key: str, build: Callable[[Path], dict[str, Any]], mode: Literal["c", "r+"] = "c") -> Entry:
    """Open the cache entry `key`, after building it if it is missing or damaged, but for numbers that changed.

    `build` is given an empty folder, makes its .npy files there (with `allocate`) and returns facts about them that
    JSON can hold. The folder is renamed into place when it is whole, and of several processes that ask at once one
    builds and the others wait, so an entry is never seen half done.

    Args:
        key: names the content and everything that `build` depends on.
        build: may raise UserError, which leaves no entry.
        mode: "r+" lets what is written into the arrays reach the entry, and all who have it open.

    Returns:
        The arrays by file name without .npy, memory-mapped copy-on-write (so never written back), and the facts.

    Raises:
        UserError: the cache folder cannot be written, or its disk is full.
    """
    folder = cache_folder() / digest(key.encode())
    with suppress(*_DAMAGED):
        return _open(folder, mode)
    with _naming_the_cache():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            with suppress(*_DAMAGED):  # another process has built it meanwhile
                return _open(folder, mode)
            _build(folder, build)
    return _open(folder, mode)


def allocate(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Make a .npy file with its space on disk reserved, and map it into memory for writing.

    Writing to a map on a full disk kills the process (SIGBUS); reserving first makes a full disk an OSError here.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    with path.open("rb+") as file:
        _reserve(file.fileno(), path.stat().st_size, path.parent)
    return array


def allocate_nameless(folder: Path, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Map a file of a folder's disk that has no name there, so that it goes with the process whatever ends that."""
    with tempfile.TemporaryFile(dir=folder) as file:
        _reserve(file.fileno(), int(np.prod(shape)) * np.dtype(dtype).itemsize, folder)
        return np.memmap(file, dtype, "w+", shape=shape)


def _reserve(handle: int, size: int, folder: Path) -> None:
    """Raise an OSError if a file cannot grow to so many bytes."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    elif shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _open(folder: Path, mode: Literal["c", "r+"]) -> Entry:
    seal, _, text = (folder / "meta.json").read_text(encoding="utf-8").rpartition("\n")
    meta = json.loads(text)
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode=mode) for name in meta["arrays"]}
    if seal not in ("", _seal(arrays, text)):  # entries of earlier versions have none
        raise ValueError(f"{folder} is damaged")
    return arrays, meta["facts"]


def _seal(arrays: Mapping[str, np.ndarray], text: str) -> str:
    """What tells whether facts or shapes changed; numbers are not read for it, which would take long."""
    shapes = [f"{name} {array.dtype} {array.shape}" for name, array in arrays.items()]
    return digest("\n".join([text, *shapes]).encode())


def _build(folder: Path, build: Callable[[Path], dict[str, Any]]) -> None:
    temporary = folder.with_suffix(".partial")
    shutil.rmtree(temporary, ignore_errors=True)  # what a killed process left
    temporary.mkdir()
    try:
        facts = build(temporary)
        paths = sorted(temporary.glob("*.npy"))
        for path in paths:
            with path.open("rb+") as file:
                os.fsync(file.fileno())  # or a power cut could leave zeros of the right length
        arrays = {path.stem: np.load(path, mmap_mode="r") for path in paths}
        text = json.dumps({"arrays": list(arrays), "facts": facts})
        (temporary / "meta.json").write_text(f"{_seal(arrays, text)}\n{text}", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _naming_the_cache() -> Iterator[None]:
    """Turn a full or read-only disk into an error that says where, and how to move the cache."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL | _REFUSED:
            raise
        advice = "free some space there, or set QUARTET_CACHE to another folder"
        raise UserError(f"cannot write the cache folder {cache_folder()}: {error.strerror}; {advice}") from error
