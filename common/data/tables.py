"""Rows of .jsonl, .csv, .tsv and .parquet files with their lines, or numbers.

One reader for texts and, but for .parquet, for descriptions of pictures.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import IO, Any, cast

from common.config import require_extra
from common.errors import UserError
from common.processes import tell

KINDS = (".jsonl", ".csv", ".tsv")
LONGEST_LINE = 1 << 20  # characters; a file with a longer one is not what it is said to be
LONGEST_FIELD = (1 << 31) - 1  # csv's own limit of 131,072 characters would refuse a whole file for one field
UNDECODED = re.compile("[\udc80-\udcff]")  # bytes that are no UTF-8, as `surrogateescape` keeps them
HALF = re.compile("[\ud800-\udfff]")  # of a character beyond U+FFFF, which JSON can spell alone

Rows = Iterator[tuple[int, dict[str, Any]]]  # the line on which a row begins, and what it tells


def read_parquet(stream: IO[bytes], where: str, needed: Sequence[str], used: Collection[str] = ()) -> Rows:
    """Rows of a Parquet file with their numbers, from 1 on; the other arguments are those of `read_rows`.

    Raises:
        UserError: it is damaged or no Parquet file, a column is not there, or pyarrow is not.
    """
    require_extra(where, "shards", "pyarrow")
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        table = ParquetFile(pyarrow.BufferReader(stream.read()))
        header = [name.strip().lower() for name in table.schema_arrow.names]
        read = {*needed, *used}
        _require_columns(where, header, needed, read)
        names = {given: name for given, name in zip(table.schema_arrow.names, header, strict=True) if name in read}
        batches = table.iter_batches(columns=list(names))
        for number, row in enumerate((row for batch in batches for row in batch.to_pylist()), 1):
            yield number, {names[given]: value for given, value in row.items()}
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{where} is cut, damaged or no Parquet file ({reason}); fetch or write it anew") from error


def read_lines(stream: IO[bytes], where: str) -> Iterator[str]:
    r"""Lines of UTF-8 without a byte order mark, each ended by "\n" but perhaps the last.

    A line ends at "\n", "\r\n" or "\r" alone; other separators, such as U+2028, are characters like all others.

    Args:
        stream: of bytes, from which the file is read.
        where: how messages name the file.

    Raises:
        UserError: a line is no text, or no UTF-8.
    """
    decoded = io.TextIOWrapper(cast(Any, stream), "utf-8-sig", "surrogateescape", newline=None)
    number = 0
    while line := decoded.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE or "\0" in line:
            problem = "has NUL bytes, as UTF-16 has, or more than 1,048,576 characters"
            raise UserError(f"{where}, line {number}, is no text ({problem}); convert the file or leave it out")
        if bad := UNDECODED.search(line):
            wrong = f"byte {ord(bad[0]) - 0xDC00:#04x} at {len(line[: bad.start()].encode())}"
            raise UserError(f"{where}, line {number}, is not UTF-8 ({wrong}); convert the file")
        yield line


def read_rows(stream: IO[bytes], kind: str, where: str, needed: Sequence[str], used: Collection[str] = ()) -> Rows:
    """Rows of a table: JSON objects a line, or a header of columns, whose names are stripped and in small letters.

    In .csv a field may be quoted, and then go over several lines, which is said on stderr; .tsv has no quoting. A row
    with fewer fields than the header lacks the last ones; in a .csv of one column, a text may have commas.

    Args:
        stream: of bytes, from which the file is read.
        kind: one of `KINDS`.
        where: how messages name the file.
        needed: columns that there must be.
        used: further columns that are read; no column that is read may be there twice.

    Raises:
        UserError: naming the line at which a file is not as it should be.
    """
    lines, read = read_lines(stream, where), {*needed, *used}
    return _objects(lines, where, needed, read) if kind == ".jsonl" else _table(lines, kind, where, needed, read)


def _objects(lines: Iterator[str], where: str, needed: Sequence[str], read: Collection[str]) -> Rows:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where}, line {number}, is not JSON ({error}); mend it") from error
        names = [name for name, _ in row] if isinstance(row, _Pairs) else []
        if not set(needed) <= set(names):
            quoted = " and ".join(f'a "{name}"' for name in needed)
            raise UserError(f"{where}, line {number}, is no object with {quoted}; mend it")
        _require_single(f"{where}, line {number},", names, read)
        yield number, dict(row)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its names as often as they are there."""


def _table(lines: Iterator[str], kind: str, where: str, needed: Sequence[str], read: Collection[str]) -> Rows:
    records = _tab_separated(lines) if kind == ".tsv" else _comma_separated(lines, where)
    _, _, first = next(records, (1, "", []))
    header = [name.strip().lower() for name in first]
    _require_columns(where, header, needed, read)
    for number, line, fields in records:
        if len(header) == 1 and len(fields) > 1 and not line.startswith('"'):
            fields = [line.rstrip("\n")]
        if any(fields[len(header) :]):
            advice = "put a text with commas into quotation marks" if kind == ".csv" else "leave out tabs within a text"
            counts = f"has {len(fields)} fields, and the header {len(header)}"
            raise UserError(f"{where}, line {number}, {counts}; {advice}")
        if line.strip():
            yield number, dict(zip(header, fields, strict=False))


def _require_columns(where: str, header: Sequence[str], needed: Sequence[str], read: Collection[str]) -> None:
    for name in needed:
        if name not in header:
            known = ", ".join(filter(None, header)) or "none"
            raise UserError(f"{where} has no column named {name}, but {known}; name one so")
    _require_single(where, header, read)


def _require_single(where: str, names: Sequence[str], read: Collection[str]) -> None:
    for name, times in Counter(names).items():
        if times > 1 and name in read:
            raise UserError(f"{where} has {times} columns named {name}; leave one of them")


Records = Iterator[tuple[int, str, list[str]]]  # the first line's number, the lines as they are, and the fields


def _tab_separated(lines: Iterator[str]) -> Records:
    for number, line in enumerate(lines, 1):
        yield number, line, line.rstrip("\n").split("\t")


def _comma_separated(lines: Iterator[str], where: str) -> Records:
    record: list[str] = []  # the lines of the row that is being read

    def recorded() -> Iterator[str]:
        for line in lines:
            record.append(line)
            yield line

    csv.field_size_limit(LONGEST_FIELD)
    reader, broken = csv.reader(recorded(), strict=True), dict[int, int]()
    try:
        for fields in reader:
            start = reader.line_num - len(record) + 1
            if len(record) > 1:
                broken[start] = len(record)
            yield start, "".join(record), fields
            record.clear()
    except csv.Error as error:
        start = reader.line_num - len(record) + 1
        lines_read = f"line {start}" if len(record) < 2 else f"line {start} to {reader.line_num}"
        raise UserError(f"{where}, {lines_read}, is not as in a table ({error}); mend it") from error
    if broken:
        longest = max(broken, key=lambda line: broken[line])
        rows = f"{len(broken):,} rows go over several lines, the longest from line {longest} to "
        rows += f"{longest + broken[longest] - 1}"
        tell(f"{where}: {rows}; if that is not meant, a quotation mark is missing")
