"""Tars of WebDataset's kind: members that share a stem, up to the first dot of the name, are one example.

A picture has beside it .cls (number or name of the class), .txt (descriptions, one a line) or .json, an object with
`label` or `cls` and with `text` or `caption`.
"""

import io
import json
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from common.data.folders import File
from common.data.shard_files import Index, Row, opened, read_part
from common.errors import UserError
from common.pictures.formats import ENDINGS

TOLD = (".cls", ".txt", ".json")  # what is read of an example beside its picture
MOST_TOLD = 1 << 20  # bytes of such a member
LABELS, TEXTS = ("label", "cls"), ("text", "caption")  # in .json
CHUNK = 1 << 20  # bytes of a picture that are read at a time
BLOCK = 512  # bytes, in which tars are laid out; one of zeros ends them


@dataclass(frozen=True, slots=True)
class Part(File):
    """A picture in a tar.

    Attributes:
        shard: path or URL of the tar.
        start, size: of the picture in it, in bytes.
    """

    shard: str = ""
    start: int = 0
    size: int = 0

    def open(self) -> IO[bytes]:
        """The picture, read into memory; OSError if the tar cannot be read."""
        return io.BytesIO(read_part(self.shard, self.start, self.size))


def read_index(where: str, shard: str) -> Index:
    """What lies where in a tar, which is read once from its beginning to its end.

    Args:
        where: how messages name the shard.

    Raises:
        UserError: the tar is cut, damaged or compressed, a name leads out of it, or what is said of a picture is no
            UTF-8 or no JSON.
        OSError: it cannot be read.
    """
    pictures: dict[str, Row] = {}
    told: dict[str, dict[str, Any]] = {}
    skipped: dict[str, str] = {}
    with opened(shard) as file:
        for member in _members(where, file):
            stem, ending = _key(member.name)
            if ending in ENDINGS and stem not in pictures and member.isreg():
                checksum = _checksum(file, member)
                pictures[stem] = Row(member.name, member.offset_data, member.size, checksum, None, ())
            elif ending in TOLD and member.isreg():
                told.setdefault(stem, {})[ending] = _told(f"{where}: {member.name}", file, member, ending)
            else:
                skipped[member.name] = _reason(member, ending)
    skipped |= {
        f"{stem}{ending}": "no picture of this name" for stem in told.keys() - pictures for ending in told[stem]
    }
    return [_with(row, told.get(stem, {})) for stem, row in pictures.items()], skipped


def files_of(where: str, shard: str) -> dict[str, File]:
    """All files of a tar that are not hidden, by their names.

    Args:
        where: how messages name the tar.

    Raises:
        UserError: as `read_index`.
        OSError: it cannot be read.
    """
    with opened(shard) as file:
        members = (member for member in _members(where, file) if member.isreg())
        return {one.name: _part(shard, one, _checksum(file, one)) for one in members}


def _part(shard: str, member: tarfile.TarInfo, checksum: int) -> Part:
    stated = f"{checksum:08x} {member.size}"
    return Part(Path(shard), member.name, stated, shard, member.offset_data, member.size)


def _members(where: str, file: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """All visible members but folders; at the end, it is looked whether the tar has one."""
    length = file.seek(0, io.SEEK_END)
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            while (member := archive.next()) is not None:
                cast(Any, archive).members.clear()  # or all headers of a large tar would be kept
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts:
                    raise UserError(f"{where}: the name {member.name} leads out of the tar; leave it out")
                if member.isreg() and member.offset_data + member.size > length:
                    raise UserError(f"{where} is cut within {member.name}; fetch or write it anew")
                if not member.isdir() and not any(part.startswith(".") for part in path.parts):
                    yield member
            end = archive.offset
    except tarfile.TarError as error:
        raise UserError(f"{where} is damaged or no tar ({error}); unpack compressed ones, fetch others anew") from error
    file.seek(end)
    if file.read(BLOCK) != bytes(BLOCK):
        raise UserError(f"{where} is cut or damaged at byte {end:,}; fetch or write it anew")


def _key(name: str) -> tuple[str, str]:
    """The stem and the ending, in small letters, of a member: a/b.seg.PNG -> a/b, .seg.png."""
    path = PurePosixPath(name)
    stem, dot, ending = path.name.partition(".")
    return str(path.with_name(stem)) if stem else name, f"{dot}{ending.lower()}"


def _reason(member: tarfile.TarInfo, ending: str) -> str:
    if not member.isreg():
        return "no file of its own"
    return "another picture of the same example" if ending in ENDINGS else "no picture, by its ending"


def _checksum(file: IO[bytes], member: tarfile.TarInfo) -> int:
    file.seek(member.offset_data)
    checksum, left = 0, member.size
    while left and (chunk := file.read(min(left, CHUNK))):
        checksum, left = zlib.crc32(chunk, checksum), left - len(chunk)
    return checksum


def _told(where: str, file: IO[bytes], member: tarfile.TarInfo, ending: str) -> Any:
    """The content of what is beside a picture: lines of text, or what a .json holds."""
    if member.size > MOST_TOLD:
        raise UserError(f"{where} has {member.size:,} bytes, and 1,048,576 are the most; shorten it")
    file.seek(member.offset_data)
    try:
        text = file.read(member.size).decode("utf-8-sig")
        return json.loads(text) if ending == ".json" else [line.strip() for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is no {'JSON' if ending == '.json' else 'UTF-8'} ({error}); mend it") from error


def _with(row: Row, told: dict[str, Any]) -> Row:
    """A picture's row with its class and its descriptions; what .cls and .txt say goes before .json."""
    facts = told.get(".json")
    facts = facts if isinstance(facts, dict) else {}
    labels = told.get(".cls") or [facts[name] for name in LABELS if isinstance(facts.get(name), str | int)]
    texts = told.get(".txt") or [facts[name] for name in TEXTS if isinstance(facts.get(name), str)]
    label = str(labels[0]).strip() if labels else ""
    return row._replace(label=label or None, texts=texts)
