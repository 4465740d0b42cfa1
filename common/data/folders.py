"""A user's own data: the files of a folder or .zip, what their sub-folders say, and a key for their content."""

import errno
import io
import os
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, cast

from common.data.arrays import digest
from common.data.shard_names import RANGE
from common.errors import UserError
from common.inputs import DataName

# What readers of files, also in a .zip, raise on broken, encrypted or hostile ones. No KeyError and no TypeError: those
# would be faults of ours.
UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)
PASSING = {  # what says nothing of a file: a full or broken disk, a share that went away, too many open files
    getattr(errno, name)
    for name in (
        "EAGAIN", "EDQUOT", "EHOSTDOWN", "EHOSTUNREACH", "EIO", "EMFILE", "ENETDOWN", "ENETUNREACH", "ENFILE", "ENODEV",
        "ENOMEM", "ENOSPC", "ENOTCONN", "ENXIO", "EREMOTEIO", "EROFS", "ESTALE", "ETIMEDOUT",
    )
    if hasattr(errno, name)
}  # fmt: skip


def require_lasting(error: BaseException, what: str) -> None:
    """Refuse to count a file as unreadable where the disk was at fault, so that no passing trouble is remembered.

    Args:
        error: that reading it ended in; what caused it counts too.
        what: was read.

    Raises:
        UserError: the same file may well be read another time.
    """
    cause: BaseException | None = error
    while cause is not None:
        homeless = isinstance(cause, FileNotFoundError) and cause.filename is None  # `tempfile` finds no folder
        if isinstance(cause, OSError) and (cause.errno in PASSING or homeless):
            advice = "see to the disk and begin again; nothing was kept"
            raise UserError(f"{what} could not be read to the end: {cause.strerror}; {advice}") from error
        cause = cause.__cause__ or cause.__context__


@dataclass(frozen=True, slots=True)
class File:
    """A file on disk, or `member` of a .zip. It can be sent to other processes.

    Attributes:
        path: of the file or of the .zip.
        member: its name in the .zip.
        stated: its checksum and size, as a .zip states them.
    """

    path: Path
    member: str | None = None
    stated: str = ""

    def open(self) -> IO[bytes]:
        """Open it for reading.

        Raises:
            OSError, zipfile.BadZipFile, RuntimeError (an encrypted .zip): it cannot be opened.
        """
        if self.member is None:
            return self.path.open("rb")
        archive = _archive(self.path, self.path.stat().st_mtime_ns, os.getpid())
        return io.BufferedReader(cast(zipfile.ZipExtFile, archive.open(self.member)))

    def read(self, most: int) -> bytes:
        """The file's content; ValueError if that is more than `most` bytes."""
        with self.open() as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise ValueError(f"has more than {most >> 20} MiB")
        return content

    def fingerprint(self) -> str:
        """CRC-32 and size, so that a data set is the same one packed and unpacked."""
        if self.stated:
            return self.stated
        crc = 0
        try:
            with self.path.open("rb") as file:
                while chunk := file.read(1 << 20):
                    crc = zlib.crc32(chunk, crc)
        except OSError as error:  # decoding will meet the same error and report it
            require_lasting(error, str(self.path))
        return f"{crc:08x} {self.path.stat().st_size}"


def find_files(
    data: str, endings: Collection[str], kind: str, built_in: Collection[str]
) -> tuple[dict[str, File], dict[str, str]]:
    """The files of a folder or .zip with one of `endings`, and the others with the reason for leaving them out.

    Args:
        data: a path, as --data gives it.
        endings: in small letters, with their dots.
        kind: what the files are, in a word: "pictures".
        built_in: the names that are no paths, for the error.

    Returns:
        {path inside: File} in order, and {path inside: reason}. Hidden files are in neither.

    Raises:
        UserError: no such path, neither folder nor .zip, or none of its files is of the kind.
    """
    return of_kind(all_files(data, built_in), data, endings, kind)


def of_kind(
    visible: Mapping[str, File], data: str, endings: Collection[str], kind: str
) -> tuple[dict[str, File], dict[str, str]]:
    """What `find_files` returns, of files that are listed already."""
    files = {name: file for name, file in visible.items() if PurePosixPath(name).suffix.lower() in endings}
    if not files:
        raise UserError(f"--data {data}: no {kind} among its {len(visible)} files ({' '.join(sorted(endings))})")
    return files, {name: f"no {kind}, by its ending" for name in visible if name not in files}


def all_files(data: str, built_in: Collection[str]) -> dict[str, File]:
    """All files of a folder or .zip that are not hidden, {path inside: File} in order.

    Args:
        data: a path, as --data gives it.
        built_in: the names that are no paths, for the error.

    Raises:
        UserError: no such path, or neither folder nor .zip.
    """
    DataName(built_in).check(f"--data {data}", data)
    path = Path(data).expanduser()
    if path.is_dir():
        found = {p.relative_to(path).as_posix(): File(p) for p in path.rglob("*") if p.is_file()}
    elif zipfile.is_zipfile(path):
        found = _members(path, data)
    else:
        raise UserError(f"--data {data}: neither a folder nor a .zip file")
    visible = sorted(n for n in found if not any(p.startswith((".", "__MACOSX")) for p in PurePosixPath(n).parts))
    return {name: found[name] for name in visible}


def content_key(data: str, fingerprints: Mapping[str, str], skipped: Mapping[str, str]) -> str:
    """What stands for the content of a folder or .zip in the key of a cache."""
    content = "\n".join(f"{fingerprint} {name}" for name, fingerprint in fingerprints.items())
    return digest(f"{short_name(data)}\n{content}\n{skipped}".encode(errors="surrogateescape"))


def short_name(data: str) -> str:
    """The name of a built-in data set, or of a folder or packed file without what leads to it and its ending.

    Shards that a range in braces names are called as the folder is in which they lie.
    """
    path = Path(data).expanduser().resolve()
    name = path.parent.name if RANGE.search(path.name) else path.name
    return re.sub(r"\.(zip|tar|tgz|tar\.gz|parquet)$", "", name)


def sub_folders(data: str, names: Sequence[str], kind: str) -> list[str]:
    """The sub-folder of each file below the folder that holds them all; [] if they all lie in one folder.

    Raises:
        UserError: some lie in sub-folders and some beside them.
    """
    root = posixpath.commonpath([PurePosixPath("/", name).parent for name in names])
    paths = [PurePosixPath("/", name).relative_to(root).parts for name in names]
    direct = sum(len(path) == 1 for path in paths)
    if 0 < direct < len(paths):
        advice = "put all of them directly inside, or all in sub-folders"
        raise UserError(f"--data {data}: {direct} files lie beside sub-folders with {kind}; {advice}")
    return [] if direct else [path[0] for path in paths]


def _members(path: Path, data: str) -> dict[str, File]:
    try:
        archive = _archive(path, path.stat().st_mtime_ns, os.getpid())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:  # of names, and of a version
        raise UserError(f"--data {data}: damaged .zip file ({error})") from error
    members = [info for info in archive.infolist() if info.filename and not info.is_dir()]
    return {info.filename: File(path, info.filename, f"{info.CRC:08x} {info.file_size}") for info in members}


@lru_cache(maxsize=2)
def _archive(path: Path, changed: int, process: int) -> zipfile.ZipFile:
    """An open .zip, whose list of members is read once.

    Args:
        changed: tells a new file of the same name apart.
        process: a forked process must not read through its parent's file, whose position they would share.
    """
    return zipfile.ZipFile(path)
