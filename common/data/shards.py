"""Examples in shards: tars as WebDataset has them, and Parquet files as the Hugging Face Hub has them, here or by URL.

Each shard is read to its end once, for the checksums and for what is small: where each picture lies, its class and its
descriptions. This index is kept in the cache; pictures stay in the shard and are read from it one by one.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path, PurePosixPath
from typing import Any

from common.data import parquet, tars
from common.data.arrays import cached
from common.data.folders import UNREADABLE, File, all_files, require_lasting
from common.data.shard_files import Index, Row, version
from common.data.shard_names import are_shards, is_parquet, spelt_out
from common.errors import UserError
from common.inputs import ShardsName
from common.progress import progress_bar

COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
FORMAT = 1  # of what is cached of a shard; raise it when the same shard would be read differently
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
    if not os.path.isdir(os.path.expanduser(data)):
        return {}
    files = all_files(data, built_in)
    endings = {PurePosixPath(name).suffix.lower() for name in files}
    return {} if endings & {*others} else {name: str(file.path) for name, file in files.items() if are_shards(name)}


def read_shards(data: str, shards: Mapping[str, str]) -> tuple[list[Example], dict[str, str]]:
    """All examples of some shards in order, and what is left out with the reason.

    Args:
        data: as --data gives it.
        shards: path or URL of each by the name by which it is called.

    Raises:
        UserError: naming the shard that is missing, cut, damaged or without pictures.
    """

    def index(shard: str) -> Index:
        return _indexed(f"--data {data}: {shard}", shard)

    with ThreadPool(min(AT_ONCE, len(shards))) as pool:
        found = pool.imap(index, shards.values())
        indices = list(progress_bar(found, f"reading {len(shards):,} shards", len(shards), leave=False, disable=None))
    examples: list[Example] = []
    skipped: dict[str, str] = {}
    for (name, shard), (rows, left_out) in zip(shards.items(), indices, strict=True):
        path = Path(shard)  # one for all, as making it takes longer than all else
        examples += [Example(f"{name}/{row.name}", _file(path, shard, row), row.label, row.texts) for row in rows]
        skipped |= {f"{name}/{member}": reason for member, reason in left_out.items()}
    return examples, skipped


def _file(path: Path, shard: str, row: Row) -> File:
    stated = f"{row.checksum:08x} {row.size}"
    if is_parquet(shard):
        return parquet.Cell(path, row.name, stated, shard, row.place)
    return tars.Part(path, row.name, stated, shard, row.place, row.size)


def _indexed(where: str, shard: str) -> Index:
    """The index of a shard, from the cache if the shard has not changed."""
    try:
        read = parquet.read_index if is_parquet(shard) else tars.read_index

        def build(folder: Path) -> dict[str, Any]:
            rows, skipped = read(where, shard)
            return {"rows": rows, "skipped": skipped}

        _, facts = cached(f"shard {FORMAT} {shard} {version(shard)}", build)
    except UNREADABLE as error:
        require_lasting(error, where)
        raise UserError(f"{where} cannot be read ({' '.join(str(error).split()) or type(error).__name__})") from error
    return [Row(*values) for values in facts["rows"]], facts["skipped"]


def class_names(data: str, examples: Sequence[Example]) -> tuple[str, ...]:
    """The classes of examples in order, numbers by their value; () if none has one.

    Raises:
        UserError: naming an example without a class among others, or in tars one with a name among numbers.
    """
    labels = {example.label for example in examples if example.label is not None}
    in_tars = (example.label for example in examples if isinstance(example.file, tars.Part))
    written = {label for label in in_tars if label is not None}
    names = {label for label in written if not label.isdecimal()}
    for example in examples if labels else ():
        if example.label is None:
            raise UserError(f"--data {data}: {example.name} has no class, as others have; give it one, or none to all")
        if example.label in names and names != written:
            problem = f"the class of {example.name} is {example.label!r}, no number as those of others are"
            raise UserError(f"--data {data}: {problem}; write numbers or names alone")
    if all(label.isdecimal() for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))
