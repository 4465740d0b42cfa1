"""Examples in shards: tars as WebDataset has them, and Parquet files as the Hugging Face Hub has them, here or by URL.

Each shard is read to its end once, for the checksums and for what is small: where each picture lies, its class and its
descriptions. This index is kept in the cache, and that of all shards once more as arrays, which every process maps;
pictures stay in the shard and are read from it one by one.
"""

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from common.data import parquet, tars
from common.data.arrays import cached, digest
from common.data.columns import Lazy, digest_lines, texts_of, writing
from common.data.folders import UNREADABLE, File, content_key, ending, require_lasting, short_name, walk
from common.data.shard_files import Index, Row, version
from common.data.shard_names import are_shards, is_parquet, spelt_out
from common.errors import UserError
from common.inputs import ShardsName
from common.progress import progress_bar

COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
FORMAT = 1  # of what is cached of a shard; raise it when the same shard would be read differently
COLUMNS: dict[str, str | type[str]] = {
    "names": str,
    "texts": str,
    "shards": "i4",
    "labels": "i4",
    "places": "i8",
    "sizes": "i8",
    "checksums": "u4",
}
AT_ONCE = 8  # shards that are read side by side


@dataclass(frozen=True, slots=True)
class Example:
    """A picture with what is said of it.

    Attributes:
        name: of the shard and of the picture in it.
        file: to read it from, by whose `fingerprint` it is known.
        label: number or name of its class.
        texts: descriptions.
    """

    name: str
    file: File
    label: str | None
    texts: Sequence[str]


class Examples(Lazy[Example]):
    """What is known of N pictures in shards, in arrays that all processes share.

    Attributes:
        names, keys: the name and the fingerprint of each.
        shards: int32 (N,), the number of the shard of each.
        labels: int32 (N,), the number of the class of each among `classes`; -1 of those without one.
        classes: as they are written, in no order.
        described: whether any picture has descriptions.
        skipped: what is left out, with the reason.
        content, told: stand for the pictures, and for what is said of them.

    Args:
        found: path or URL of each shard by the name by which it is called.
        arrays, facts: what `_build` left in the cache.
    """

    def __init__(self, found: Mapping[str, str], arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        length = len(arrays["shards"])
        super().__init__(length, self._example)
        self.names, self.keys = Lazy(length, self._name), Lazy(length, self._key)
        self.called, self.found, self.paths = list(found), list(found.values()), [*map(Path, found.values())]
        self.members, self.texts = texts_of(arrays, "names"), texts_of(arrays, "texts")
        self.shards, self.labels, self.places, self.sizes, self.checksums = (
            np.asarray(arrays[name]) for name in ("shards", "labels", "places", "sizes", "checksums")
        )
        self.classes: Sequence[str] = facts["classes"]
        self.described: bool = facts["described"]
        self.skipped: dict[str, str] = facts["skipped"]
        self.content, self.told = facts.get("content", ""), facts.get("told", "")

    def _name(self, row: int) -> str:
        return f"{self.called[self.shards[row]]}/{self.members[row]}"

    def _key(self, row: int) -> str:
        return f"{self.checksums[row]:08x} {self.sizes[row]}"

    def _example(self, row: int) -> Example:
        number = self.shards[row]
        path, shard, member, place = self.paths[number], self.found[number], self.members[row], int(self.places[row])
        file: File
        if is_parquet(shard):
            file = parquet.Cell(path, member, self._key(row), shard, place)
        else:
            file = tars.Part(path, member, self._key(row), shard, place, int(self.sizes[row]))
        label = None if self.labels[row] < 0 else self.classes[self.labels[row]]
        return Example(self._name(row), file, label, json.loads(self.texts[row] or "[]"))


def find_shards(data: str, built_in: Collection[str], others: Collection[str]) -> dict[str, str]:
    """The shards that --data names, path or URL of each by what it is to be called; {} if it names something else.

    A folder is one of shards if it has some, and no file with an ending of `others`.

    Args:
        built_in: the names that are no paths.

    Raises:
        UserError: they are compressed.
    """
    if data in built_in:
        return {}
    if are_shards(data) and not os.path.isdir(data):
        ShardsName(built_in).check(f"--data {data}", data)
        shards = spelt_out(data)
        is_plain = len({PurePosixPath(shard).name for shard in shards}) == len(shards)
        return {PurePosixPath(shard).name if is_plain else shard: os.path.expanduser(shard) for shard in shards}
    if data.lower().endswith(COMPRESSED):
        raise UserError(f"--data {data}: nothing in a compressed tar can be read by its place; unpack it to a .tar")
    folder = Path(data).expanduser()
    return _shards_in(folder, others) if folder.is_dir() else {}


def _shards_in(folder: Path, others: Collection[str]) -> dict[str, str]:
    found = {}
    for name, entry in walk(folder):
        if ending(name) in others:
            return {}
        if are_shards(name):
            found[name] = entry.path
    return dict(sorted(found.items()))


def read_shards(data: str, shards: Mapping[str, str]) -> Examples:
    """All examples of some shards, in order.

    Args:
        data: as --data gives it.
        shards: path or URL of each by the name by which it is called.

    Raises:
        UserError: naming the shard that is missing, cut, damaged or without pictures.
    """

    def version_of(shard: str) -> str:
        with _named(f"--data {data}: {shard}"):
            return version(shard)

    with ThreadPool(min(AT_ONCE, len(shards))) as pool:
        versions = pool.map(version_of, shards.values())
    key = digest(f"{list(shards.items())} {versions}".encode(errors="surrogateescape"))
    arrays, facts = cached(f"shards {FORMAT} {short_name(data)} {key}", lambda folder: _build(folder, data, shards))
    return Examples(shards, arrays, facts)


def _build(folder: Path, data: str, shards: Mapping[str, str]) -> dict[str, Any]:
    """Put the indices of all shards together into `folder`."""

    def index(shard: str) -> Index:
        return _indexed(f"--data {data}: {shard}", shard)

    labels: dict[str, int] = {}
    skipped: dict[str, str] = {}
    described = False
    with ThreadPool(min(AT_ONCE, len(shards))) as pool, writing(folder, COLUMNS) as columns:
        found = pool.imap(index, shards.values())
        bar = progress_bar(found, f"reading {len(shards):,} shards", len(shards), leave=False, disable=None)
        for number, (name, (rows, left_out)) in enumerate(zip(shards, bar, strict=True)):
            columns["names"].add(row.name for row in rows)
            columns["texts"].add(json.dumps(row.texts) if row.texts else "" for row in rows)
            columns["shards"].add(np.full(len(rows), number))
            columns["labels"].add(
                [-1 if row.label is None else labels.setdefault(row.label, len(labels)) for row in rows]
            )
            columns["places"].add([row.place for row in rows])
            columns["sizes"].add([row.size for row in rows])
            columns["checksums"].add([row.checksum for row in rows])
            skipped |= {f"{name}/{member}": reason for member, reason in left_out.items()}
            described |= any(text.strip() for row in rows for text in row.texts)
    facts = {"classes": list(labels), "described": described, "skipped": skipped}
    examples = Examples(shards, {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}, facts)
    content = content_key(data, zip(examples.names, examples.keys, strict=True), skipped)
    told = digest_lines((f"{example.label} {example.texts}" for example in examples), "backslashreplace")
    return facts | {"content": content, "told": told}


def _indexed(where: str, shard: str) -> Index:
    """The index of a shard, from the cache if the shard has not changed."""
    with _named(where):
        read = parquet.read_index if is_parquet(shard) else tars.read_index

        def build(folder: Path) -> dict[str, Any]:
            rows, skipped = read(where, shard)
            return {"rows": rows, "skipped": skipped}

        _, facts = cached(f"shard {FORMAT} {shard} {version(shard)}", build)
    return [Row(*values) for values in facts["rows"]], facts["skipped"]


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Have errors say what could not be read."""
    try:
        yield
    except UNREADABLE as error:
        require_lasting(error, where)
        raise UserError(f"{where} cannot be read ({' '.join(str(error).split()) or type(error).__name__})") from error


def class_names(data: str, examples: Examples) -> tuple[str, ...]:
    """The classes of examples in order, numbers by their value; () if none has one.

    Raises:
        UserError: naming an example without a class among others, or in tars one with a name among numbers.
    """
    classes, labels = examples.classes, examples.labels
    if not classes:
        return ()
    without = np.flatnonzero(labels < 0)
    if len(without):
        name = examples.names[int(without[0])]
        raise UserError(f"--data {data}: {name} has no class, as others have; give it one, or none to all")
    in_tars = np.array([not is_parquet(shard) for shard in examples.found])[examples.shards]
    written = np.unique(labels[in_tars])
    names = [number for number in written if not classes[number].isdecimal()]
    if 0 < len(names) < len(written):
        row = int(np.flatnonzero(np.isin(labels, names))[0])
        problem = f"the class of {examples.names[row]} is {classes[labels[row]]!r}, no number as those of others are"
        raise UserError(f"--data {data}: {problem}; write numbers or names alone")
    if all(label.isdecimal() for label in classes):
        return tuple(sorted(classes, key=lambda label: (int(label), label)))
    return tuple(sorted(classes))
