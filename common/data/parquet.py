"""Parquet files of the Hugging Face Hub's kind: a row is an example, with the picture's bytes in a column."""

import io
import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import IO, TYPE_CHECKING, Any

from common.config import require_extra
from common.data.folders import File
from common.data.shard_files import EXTRA, Index, Row, opened, version
from common.errors import UserError

if TYPE_CHECKING:
    from pyarrow import ChunkedArray, Schema
    from pyarrow.parquet import ParquetFile

# Columns by their usual names, the likeliest first:
PICTURES = ("image", "img", "picture", "jpg", "png", "webp")
LABELS = ("label", "labels", "cls", "class")
TEXTS = ("text", "caption", "captions", "description", "prompt")
READING = Lock()  # so that one thread alone unpacks a group of rows which all wait for


@dataclass(frozen=True, slots=True)
class Cell(File):
    """A picture in a Parquet file; with it a whole group of rows is unpacked, so these are best read in order.

    Attributes:
        shard: path or URL of the file.
        row: its number.
    """

    shard: str = ""
    row: int = 0

    def open(self) -> IO[bytes]:
        """The picture, read into memory."""
        with READING:
            starts = _starts(self.shard, version(self.shard))
            group = next(number for number in reversed(range(len(starts))) if starts[number] <= self.row)
            pictures = _group(self.shard, version(self.shard), group, os.getpid())
        return io.BytesIO(pictures[self.row - starts[group]].as_py() or b"")


def read_index(where: str, shard: str) -> Index:
    """What is said of the pictures of a Parquet file, which are all read once.

    Args:
        where: how messages name the file.

    Raises:
        UserError: it is no Parquet file, or has no column of pictures.
        OSError: it cannot be read.
    """
    require_extra(where, EXTRA, "pyarrow")
    import pyarrow
    from pyarrow.parquet import ParquetFile

    rows: list[Row] = []
    skipped: dict[str, str] = {}
    try:
        with opened(shard) as file:
            table = ParquetFile(file)
            columns = _columns(where, table.schema_arrow)
            for group in range(table.num_row_groups):
                _add_group(table, group, columns, rows, skipped)
    except (pyarrow.ArrowInvalid, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{where} is cut, damaged or no Parquet file ({reason}); fetch or write it anew") from error
    return rows, skipped


@dataclass(frozen=True)
class Columns:
    """Which columns of a file are read; names of the classes by number, if it tells them."""

    picture: str
    label: str | None
    text: str | None
    classes: Sequence[str]


def _columns(where: str, schema: "Schema") -> Columns:
    names = [name for name in (*PICTURES, *schema.names) if name in schema.names and _holds_bytes(schema, name)]
    if not names:
        there = ", ".join(schema.names) or "none"
        raise UserError(f"{where} has no column of pictures, but {there}; the Hub's have one named image, with bytes")
    label, text = (next((name for name in known if name in schema.names), None) for known in (LABELS, TEXTS))
    return Columns(names[0], label, text, _class_names(schema, label))


def _holds_bytes(schema: "Schema", name: str) -> bool:
    """Whether a column has bytes, or what the Hub makes of a picture: bytes and a path."""
    from pyarrow import types

    kind = schema.field(name).type
    if types.is_struct(kind):
        return any(field.name == "bytes" and _are_bytes(field.type) for field in kind)
    return _are_bytes(kind)


def _are_bytes(kind: Any) -> bool:
    from pyarrow import types

    return types.is_binary(kind) or types.is_large_binary(kind)


def _class_names(schema: "Schema", label: str | None) -> list[str]:
    """The names that the Hub's metadata give to the numbers of classes; [] if there are none, or equal ones."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = [str(name) for name in features[label]["names"]]
    except (KeyError, TypeError, ValueError):
        return []
    return names if len(set(names)) == len(names) else []


def _add_group(table: "ParquetFile", group: int, columns: Columns, rows: list[Row], skipped: dict[str, str]) -> None:
    wanted = [name for name in (columns.picture, columns.label, columns.text) if name is not None]
    content = table.read_row_group(group, columns=wanted)
    labels, texts = (
        content.column(name).to_pylist() if name is not None else [None] * len(content)
        for name in (columns.label, columns.text)
    )
    first = len(rows) + len(skipped)
    cells = zip(_bytes(content.column(columns.picture)), labels, texts, strict=True)
    for place, (picture, label, text) in enumerate(cells):
        name, found = f"{first + place:08d}", picture.as_buffer() if picture.is_valid else b""
        if not len(found):
            skipped[name] = "no bytes of a picture"
            continue
        told = [one for one in (text if isinstance(text, list) else [text]) if isinstance(one, str)]
        rows.append(Row(name, first + place, len(found), zlib.crc32(found), _label(label, columns.classes), told))


def _bytes(column: "ChunkedArray") -> "ChunkedArray":
    """The bytes of each picture."""
    from pyarrow import compute, types

    return compute.struct_field(column, "bytes") if types.is_struct(column.type) else column


def _label(label: Any, classes: Sequence[str]) -> str | None:
    if isinstance(label, int) and 0 <= label < len(classes):
        return classes[label]
    return str(label).strip() or None if isinstance(label, str | int) else None


@lru_cache(maxsize=64)
def _starts(shard: str, version: str) -> list[int]:
    """The first row of each group of a file."""
    from pyarrow.parquet import ParquetFile

    with opened(shard) as file:
        facts = ParquetFile(file).metadata
        starts = [0]
        for group in range(facts.num_row_groups):
            starts.append(starts[-1] + facts.row_group(group).num_rows)
        return starts[:-1]


@lru_cache(maxsize=2)
def _group(shard: str, version: str, group: int, process: int) -> "ChunkedArray":
    """The pictures of a group of rows.

    Args:
        version: tells a new file of the same name apart.
        process: a forked process reads its own.
    """
    from pyarrow.parquet import ParquetFile

    with opened(shard) as file:
        table = ParquetFile(file)
        picture = _columns(shard, table.schema_arrow).picture
        return _bytes(table.read_row_group(group, columns=[picture]).column(0))
