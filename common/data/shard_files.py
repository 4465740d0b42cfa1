"""Shards as files: opened here or by URL, read in part; and what an index says of what is in them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

from common.config import require_extra
from common.data.shard_names import is_remote
from common.errors import UserError

EXTRA = "shards"


class Row(NamedTuple):
    """What an index says of a picture, in values that JSON can hold.

    Attributes:
        name: in the shard.
        place: in a tar the first byte, in a Parquet file the number of the row.
        size: in bytes.
        checksum: CRC-32.
        label, texts: as in `Example`.
    """

    name: str
    place: int
    size: int
    checksum: int
    label: str | None
    texts: Sequence[str]


Index = tuple[list[Row], dict[str, str]]  # of a shard; and what was left out of it, with the reason


def version(shard: str) -> str:
    """What changes when a shard does."""
    if is_remote(shard):
        system, path = _remote(shard)
        told = system.info(path)
        names = ("size", "etag", "ETag", "mtime", "last_modified", "LastModified", "created")
        return str({name: str(told[name]) for name in names if name in told})
    stat = os.stat(shard)
    return f"{os.path.realpath(shard)} {stat.st_size} {stat.st_mtime_ns}"


def read_part(shard: str, start: int, size: int) -> bytes:
    """So many bytes of a file or of what a URL names, from `start` on.

    Raises:
        OSError: there are fewer, or it cannot be read.
    """
    if is_remote(shard):
        system, path = _remote(shard)
        content = system.cat_file(path, start=start, end=start + size)
    else:
        with open(shard, "rb") as file:
            file.seek(start)
            content = file.read(size)
    if len(content) != size:
        raise OSError(f"{shard} is shorter than it was")
    return content


@contextmanager
def opened(shard: str) -> Iterator[IO[bytes]]:
    """A shard, opened for reading wherever in it."""
    if is_remote(shard):
        system, path = _remote(shard)
        with system.open(path, "rb") as file:
            yield file
    else:
        with open(shard, "rb") as file:
            yield file


def _remote(shard: str) -> tuple[Any, str]:
    """The file system of a URL, and the path there."""
    require_extra(shard, EXTRA, "fsspec")
    import fsspec

    try:
        return fsspec.core.url_to_fs(shard)
    except ImportError as error:  # of the package that speaks the protocol
        raise UserError(f"{shard} cannot be read ({' '.join(str(error).split())})") from error
