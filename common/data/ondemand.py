"""Rows that are made when they are asked for, of data that are too many to be made once and kept."""

import copy
import os
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NoReturn, Self

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from common.errors import UserError

Made = np.ndarray | str  # a row, or why it cannot be made
ALL_AT_ONCE = "this needs all pictures at once, which are too many to be decoded and kept; name less --data"
ALL = slice(None)
PART = 256  # rows that are made together where all are gone through


@dataclass(frozen=True)
class Kept:
    """The first rows of some data, as far as they were made already; processes may share it.

    A row counts only if its checksum is right, so that one of which a half was written, or reached the disk, is none.

    Attributes:
        rows: (K, ...), uint8.
        checksums: of each row, uint32 (K,); 0 where there is none yet.
    """

    rows: np.ndarray
    checksums: np.ndarray

    def get(self, number: int) -> np.ndarray | None:
        """A copy of a row; None if it is not kept."""
        if number >= len(self.rows) or not self.checksums[number]:
            return None
        row = np.array(self.rows[number])
        return row if _checksum(row) == self.checksums[number] else None

    def put(self, number: int, row: np.ndarray) -> None:
        """Keep a row, if it is one of the first."""
        if number < len(self.rows):
            self.rows[number] = row
            self.checksums[number] = _checksum(row)


class OnDemand:
    """Rows, uint8 (N, ...), that threads make when they are asked for, or before where it is known which will be.

    To those who read it, it is as a tensor: it has len and shape, gives rows by their indices, and splits into parts.
    A row that cannot be made is replaced by the next one that can, always the same, and that is told on stderr.

    Args:
        make: what makes a row by its number, or says why it cannot.
        kept: where rows are looked for first, and put when they are made.
        shape: (N, ...).
        content: what stands for the content of all rows.
        named: how messages call a row.
    """

    dtype = torch.uint8
    nbytes = 0  # that are held

    def __init__(
        self, make: Callable[[int], Made], kept: Kept, shape: tuple[int, ...], content: str, named: Callable[[int], str]
    ) -> None:
        self.make, self.kept, self.shape, self.content, self.named = make, kept, torch.Size(shape), content, named
        self.numbers = torch.arange(shape[0])
        self.pool = ThreadPoolExecutor(min(16, os.cpu_count() or 1))
        self.bad: set[int] = set()
        self.coming: deque[dict[int, Future[Made]]] = deque([{}], maxlen=2)  # this step's rows, and the next one's

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        """These rows, or those that stand in for them; a copy."""
        rows = self.usable(torch.arange(len(self))[rows])
        made = [self._future(row).result() for row in rows.tolist()]
        return torch.from_numpy(np.stack([row for row in made if not isinstance(row, str)]))

    def __iter__(self) -> Iterator[Tensor]:
        for part in self.split(PART):
            yield from part

    def __getattr__(self, name: str) -> NoReturn:
        """Refuse what else a tensor can do, as that needs all rows at once."""
        raise AttributeError(name) if name.startswith("_") else UserError(ALL_AT_ONCE)

    @classmethod
    def __torch_function__(cls, *_: Any) -> NoReturn:
        """Refuse what torch would do with all rows at once."""
        raise UserError(ALL_AT_ONCE)

    def split(self, size: int, turns: slice = ALL) -> Iterator[Tensor]:
        """All rows in parts of `size`, or some of the parts, each made while the one before is used."""
        parts = torch.arange(len(self)).split(size)[turns]
        for number, part in enumerate(parts):
            for coming in parts[number : number + 2]:
                self.expect(coming)
            yield self[part]

    def take(self, rows: Tensor) -> Self:
        """These rows alone, int64 (M,), in their order."""
        taken = copy.copy(self)
        taken.numbers = self.numbers[rows]
        taken.shape = torch.Size((len(rows), *self.shape[1:]))
        taken.coming = deque([{}], maxlen=2)
        return taken

    def digest(self) -> str:
        """What stands for the content."""
        return f"{self.content} {_checksum(self.numbers.numpy()):08x}"

    def expect(self, rows: Tensor) -> None:
        """Begin to make rows, and forget those that were made before the last call."""
        found = {row: self._found(row) for row in rows.tolist()}
        self.coming.append({row: future or self._begin(row) for row, future in found.items()})

    def usable(self, rows: Tensor) -> Tensor:
        """The same rows, but for each that cannot be made the next one that can.

        Raises:
            UserError: none can, or the disk was at fault.
        """
        if any(self._found(row) is None for row in rows.tolist()):
            self.expect(rows)
        return torch.tensor([self._usable(row) for row in rows.tolist()])

    def _usable(self, row: int) -> int:
        for step in range(len(self)):
            other = (row + step) % len(self)
            made = self._future(other).result()
            if not isinstance(made, str):
                return other
            self._tell(int(self.numbers[other]), made)
        raise UserError("none of the pictures can be read")

    def _tell(self, number: int, reason: str) -> None:
        """Say of the first bad row, of the tenth and so on, what is wrong."""
        before = len(self.bad)
        self.bad.add(number)
        if before < len(self.bad) and str(len(self.bad)).strip("0") == "1":
            told = (
                f"{self.named(number)} cannot be read ({reason}), as {len(self.bad):,} so far; the next one stands in"
            )
            tqdm.write(told, file=sys.stderr)

    def _found(self, row: int) -> Future[Made] | None:
        return next((futures[row] for futures in self.coming if row in futures), None)

    def _future(self, row: int) -> Future[Made]:
        return self._found(row) or self.coming[-1].setdefault(row, self._begin(row))

    def _begin(self, row: int) -> Future[Made]:
        return self.pool.submit(self._row, int(self.numbers[row]))

    def _row(self, number: int) -> Made:
        row: Made | None = self.kept.get(number)
        if row is None:
            row = self.make(number)
            if not isinstance(row, str):
                self.kept.put(number, row)
        return row


def _checksum(row: np.ndarray) -> int:
    return zlib.crc32(row.tobytes())
