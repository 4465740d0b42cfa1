"""Files that are either whole or not there."""

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common.errors import UserError

if sys.platform != "win32":
    import fcntl

UNIQUE = "[a-z0-9_]{8}"  # what makes a temporary name unique (`tempfile`)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and rename it to `path` when the block ends without an error.

    A reader therefore sees the old file or the new one, never half of one, and a full disk loses nothing. The
    temporary name keeps the ending, because image and array writers choose their format by it; where names are long it
    is no longer than that of `path`, so that what may be called so may be written. What a process that
    was killed left of the same file goes.

    Raises:
        UserError: the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent, re.escape(_short(path)), re.escape(path.suffix))
        handle, name = tempfile.mkstemp(prefix=f".{_short(path)}-", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    temporary = Path(name)
    try:
        with _claimed(handle):
            yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}; what was there before is unharmed") from error
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path, stem: str = ".+", suffix: str = r"(\.[^.]+)?") -> None:
    """Remove the temporary files of `replacing` in a folder, if there is one, whose process is no more.

    Args:
        stem, suffix: patterns of the files that they were to become.
    """
    if not folder.is_dir():
        return
    named = re.compile(rf"\.{stem}-{UNIQUE}{suffix}")
    with os.scandir(folder) as entries:
        found = [entry.path for entry in entries if named.fullmatch(entry.name) and entry.is_file()]
    for path in found:
        if _is_abandoned(path):
            Path(path).unlink(missing_ok=True)


@contextmanager
def _claimed(handle: int) -> Iterator[None]:
    """Lock an open file, which ends with the process whatever ends that; Windows has no such locks, and sweeps not."""
    if sys.platform == "win32":
        os.close(handle)
        yield
        return
    try:
        _is_free(handle)
        yield
    finally:
        os.close(handle)


def _is_abandoned(path: str) -> bool:
    if sys.platform == "win32":
        return False
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return _is_free(handle)
    finally:
        os.close(handle)


def _is_free(handle: int) -> bool:
    """Take the lock of an open file; False if another process has it, or the file system knows none."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def require_free(out: str | Path, overwrite: bool) -> None:
    """Raise a UserError if a file is there that a result would replace and `overwrite` does not allow it."""
    if Path(out).is_file() and not overwrite:
        raise UserError(f"--out {out} is there already; name another file, or add --overwrite")


@contextmanager
def folder_for_results(path: Path) -> Iterator[None]:
    """Make a folder before what is to be written there is computed, so that no long work is lost for want of one.

    A new one that is still empty when the block ends, as after an error, goes again.

    Raises:
        UserError: it cannot be made.
    """
    is_new = not path.exists()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {path}: {error.strerror}; name a folder that can be written") from error
    try:
        yield
    finally:
        if is_new and not any(path.iterdir()):
            path.rmdir()


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def require_nameable(path: Path, more: str = "") -> None:
    """Refuse a file's name that the disk does not take, before what is to be written there is computed.

    Args:
        more: what is put behind the name meanwhile.

    Raises:
        UserError: it is too long.
    """
    length, most = len(os.fsencode(path.name + more)), _longest_name(path.parent)
    if length > most:
        raise UserError(
            f"{path}: the name has {length} bytes, of which {most} are possible; name a shorter one by --out"
        )


def _longest_name(folder: Path) -> int:
    """Of a file in a folder that may be yet to be made, in bytes."""
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    try:
        return os.pathconf(there, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # Windows has none
        return 255


def _short(path: Path) -> str:
    """The name without its ending, or so much of it that the eleven characters of a temporary one fit in beside it."""
    room = max(0, _longest_name(path.parent) - len(os.fsencode(path.suffix)) - 11)
    return os.fsencode(path.stem)[:room].decode(errors="ignore")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
