"""Files that are either whole or not there."""

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from common.errors import UserError

if sys.platform != "win32":
    import fcntl

PART = ".part-"  # stands in a temporary name, before what makes it unique
TEMPORARY = re.compile(r"\..*\.part-[a-z0-9_]{8}(\.[^.]+)?")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and rename it to `path` when the block ends without an error.

    A reader therefore sees the old file or the new one, never half of one, and a full disk loses nothing. The
    temporary name keeps the ending, because image and array writers choose their format by it; where names are long it
    is no longer than that of `path`, so that what may be called so may be written. What processes that were killed left
    in the folder goes when this process first writes there.

    Raises:
        UserError: the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep_once(path.parent.absolute())
        handle, name = tempfile.mkstemp(prefix=f".{_short(path)}{PART}", suffix=path.suffix, dir=path.parent)
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
        with suppress(OSError):  # a disk that can no longer be written keeps it until it can
            temporary.unlink(missing_ok=True)


@cache
def _sweep_once(folder: Path) -> None:
    sweep(folder)  # at every file it would take longer than writing them, where there are thousands


def sweep(folder: Path) -> None:
    """Remove the temporary files of `replacing` in a folder, if there is one, whose process is no more."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        found = [entry.path for entry in entries if TEMPORARY.fullmatch(entry.name) and entry.is_file()]
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
        with suppress(OSError):  # a disk that can no longer be written keeps it
            if is_new and not any(path.iterdir()):
                path.rmdir()


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON, whole or not at all; bytes of file names that are no UTF-8 come back."""
    with replacing(path) as temporary:
        write_text(temporary, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    r"""Write a file in UTF-8; a lone surrogate, as names have that are no UTF-8, is spelt "\udce9", also JSON's way."""
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


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
    """The name without its ending, or so much of it that the other characters of a temporary one fit in beside it."""
    room = max(0, _longest_name(path.parent) - len(os.fsencode(path.suffix)) - len(f".{PART}") - 8)
    return os.fsencode(path.stem)[:room].decode(errors="ignore")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
