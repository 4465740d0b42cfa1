"""A user's own data: the files of a folder or .zip, what their sub-folders say, and a key for their content."""

import errno
import hashlib
import io
import os
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import IO, cast

from common.data.arrays import cache_folder
from common.data.columns import digest_lines
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
HIDDEN = (".", "__MACOSX")  # what the names of hidden files and folders begin with
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


class Files(Mapping[str, File]):
    """Files by their names, each made when it is asked for, as there may be millions.

    Args:
        names: in order.
        make: a file by its name.
    """

    def __init__(self, names: Iterable[str], make: Callable[[str], File]) -> None:
        self.names, self.make = dict.fromkeys(names), make

    def __getitem__(self, name: str) -> File:
        if name not in self.names:
            raise KeyError(name)
        return self.make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def find_files(
    data: str, endings: Collection[str], kind: str, built_in: Collection[str]
) -> tuple[Mapping[str, File], dict[str, str]]:
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
) -> tuple[Mapping[str, File], dict[str, str]]:
    """What `find_files` returns, of files that are listed already."""
    files = Files((name for name in visible if ending(name) in endings), visible.__getitem__)
    if not files:
        raise UserError(f"--data {data}: no {kind} among its {len(visible)} files ({' '.join(sorted(endings))})")
    return files, {name: f"no {kind}, by its ending" for name in visible if name not in files}


def ending(name: str) -> str:
    """The ending of a file's name, in small letters, with its dot."""
    return posixpath.splitext(name)[1].lower()


def all_files(data: str, built_in: Collection[str]) -> Mapping[str, File]:
    """All files of a folder or .zip that are not hidden, {path inside: File} in order.

    Args:
        data: a path, as --data gives it.
        built_in: the names that are no paths, for the error.

    Raises:
        UserError: no such path, or neither folder nor .zip.
    """
    path = _existing(data, built_in)
    if path.is_dir():
        return Files(sorted(name for name, _ in walk(path)), lambda name: File(path / name))
    if not zipfile.is_zipfile(path):
        raise UserError(f"--data {data}: neither a folder nor a .zip file")
    found = _members(path, data)
    visible = sorted(n for n in found if not any(p.startswith(HIDDEN) for p in PurePosixPath(n).parts))
    return {name: found[name] for name in visible}


def walk(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The files of a folder and its sub-folders that are not hidden, by their paths inside, in no order.

    A cache that lies there is left out: it grows with what is found.
    """
    waiting, cache = [""], os.path.realpath(cache_folder())
    while waiting:
        inside = waiting.pop()
        with suppress(PermissionError), os.scandir(folder / inside) as entries:
            for entry in entries:
                if entry.name.startswith(HIDDEN):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting += [f"{inside}{entry.name}/"] if os.path.realpath(entry.path) != cache else []
                elif os.path.isfile(entry.path) if entry.is_symlink() else entry.is_file():
                    yield f"{inside}{entry.name}", entry


def data_state(data: str, built_in: Collection[str]) -> str:
    """What changes when a file of a folder, or a .zip, is changed, added, removed or renamed; no file is read.

    That is told by names, sizes and the times at which content and entry were changed. The hashes of a folder's files
    are added up (Bellare & Micciancio 1997), so that millions need neither be sorted nor held.

    Args:
        data: a path, as --data gives it.
        built_in: the names that are no paths, for the error.

    Raises:
        UserError: no such path.
    """
    path = _existing(data, built_in)
    files = ((name, entry.stat()) for name, entry in walk(path)) if path.is_dir() else [("", path.stat())]
    total = 0
    for name, stat in files:
        told = f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {name}".encode(errors="surrogateescape")
        total += int.from_bytes(hashlib.blake2b(told, digest_size=16).digest())
    return f"{path.resolve()} {total % (1 << 128):032x}"


def content_key(data: str, fingerprints: Iterable[tuple[str, str]], skipped: Mapping[str, str]) -> str:
    """What stands for the content of a folder or .zip in the key of a cache.

    Args:
        fingerprints: name and fingerprint of each file.
    """
    content = (f"{fingerprint} {name}" for name, fingerprint in fingerprints)
    return digest_lines(chain([short_name(data)], content, [f"{skipped}"]), "surrogateescape")


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
    parents = {parent: PurePosixPath("/", parent).parts for parent in {posixpath.dirname(name) for name in names}}
    depth = len(posixpath.commonprefix([*parents.values()]))
    inside = {parent: parts[depth] if len(parts) > depth else "" for parent, parts in parents.items()}
    per_file = [inside[posixpath.dirname(name)] for name in names]
    direct = sum(not folder for folder in per_file)
    if 0 < direct < len(per_file):
        advice = "put all of them directly inside, or all in sub-folders"
        raise UserError(f"--data {data}: {direct} files lie beside sub-folders with {kind}; {advice}")
    return [] if direct else per_file


def _existing(data: str, built_in: Collection[str]) -> Path:
    DataName(built_in).check(f"--data {data}", data)
    return Path(data).expanduser()


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
