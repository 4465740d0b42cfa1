"""Columns of rows that are too many to be Python objects: written part by part, mapped, and read one by one."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import DTypeLike

PART = 4_096  # texts that are written together
Item = TypeVar("Item", covariant=True)
Other = TypeVar("Other")


class Lazy(Sequence[Item]):
    """Items that are made when they are asked for, and not kept; equal to any sequence of the same items.

    Args:
        length: how many there are.
        make: an item by its number, from 0 on.
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, length: int, make: Callable[[int], Item]) -> None:
        self.length, self.make = length, make

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        """An item, or a list of some."""
        rows = range(self.length)[index]
        return [self.make(row) for row in rows] if isinstance(rows, range) else self.make(rows)

    def __iter__(self) -> Iterator[Item]:
        return map(self.make, range(self.length))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(other) != len(self):
            return False
        return all(one == another for one, another in zip(self, other, strict=True))


def chosen(items: Sequence[Other], rows: Sequence[int] | np.ndarray) -> Lazy[Other]:
    """The items of these rows, in their order."""
    return Lazy(len(rows), lambda number: items[int(rows[number])])


class Column:
    """A .npy file of one axis that grows, of which nothing is held."""

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self.file, self.dtype, self.length = path.open("wb"), np.dtype(dtype), 0
        self._head()

    def add(self, values: Any) -> None:
        """Write values after those that are there, (N,)."""
        part = np.asarray(values, self.dtype)
        self.file.write(part.tobytes())
        self.length += len(part)

    def close(self) -> None:
        """Say at the beginning how many there are; NumPy leaves room there for any number."""
        self.file.seek(0)
        self._head()
        self.file.close()

    def _head(self) -> None:
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.length,)}
        np.lib.format.write_array_header_1_0(self.file, header)


class TextColumn:
    """Texts of any length, in two `Column`s: all of them as UTF-8, and the border before and after each."""

    def __init__(self, path: Path) -> None:
        self.content, self.borders = Column(_part(path, "utf8"), np.uint8), Column(_part(path, "borders"), np.int64)
        self.borders.add([0])

    def add(self, texts: Iterable[str]) -> None:
        """Write texts after those that are there; half characters, as names of files may have, stay what they are."""
        coming = iter(texts)
        while part := [text.encode("utf-8", "surrogatepass") for text in islice(coming, PART)]:
            self.borders.add(self.content.length + np.cumsum([len(one) for one in part], dtype=np.int64))
            self.content.add(np.frombuffer(b"".join(part), np.uint8))

    def close(self) -> None:
        """Write both to their ends."""
        self.content.close()
        self.borders.close()


@contextmanager
def writing(folder: Path, kinds: Mapping[str, str | type[str]]) -> Iterator[dict[str, Any]]:
    """Columns to add to, a `TextColumn` for each kind that is str and a `Column` for others, closed at the end."""
    with ExitStack() as stack:
        columns: dict[str, Any] = {}
        for name, kind in kinds.items():
            path = folder / f"{name}.npy"
            columns[name] = TextColumn(path) if kind is str else Column(path, kind)
            stack.callback(columns[name].close)
        yield columns


def texts_of(arrays: Mapping[str, np.ndarray], name: str) -> Lazy[str]:
    """The texts of a `TextColumn`, from what `common.data.arrays.cached` gives."""
    content, borders = (np.asarray(arrays[f"{name}.{part}"]) for part in ("utf8", "borders"))

    def text(row: int) -> str:
        return content[borders[row] : borders[row + 1]].tobytes().decode("utf-8", "surrogatepass")

    return Lazy(len(borders) - 1, text)


def digest_lines(lines: Iterable[str], errors: str = "strict") -> str:
    """`common.data.arrays.digest` of lines joined by line feeds, which are not held together.

    Args:
        errors: what to do about half characters, as for `str.encode`.
    """
    hashed, gap = hashlib.blake2b(digest_size=16), ""
    for line in lines:
        hashed.update(f"{gap}{line}".encode(errors=errors))
        gap = "\n"
    return hashed.hexdigest()


def _part(path: Path, part: str) -> Path:
    return path.with_name(f"{path.stem}.{part}.npy")
