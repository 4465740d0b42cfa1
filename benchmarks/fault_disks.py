"""Trainings and results on disks that fill up, become read-only or may no longer be written; all but one need root."""

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from fault_files import film_is_whole, pictures_are_whole, upscale, upscale_film
from fault_runs import differs, train
from fault_tools import Fault, ended

LEAST_DISK, MOST_DISK = 8, 400  # KiB, of which the training needs some 300
LEAST_ROOM, MOST_ROOM = 4, 480  # KiB, of which the pictures need some 450
LEAST_REEL, MOST_REEL = 4, 450  # KiB, of which the film needs some 400, its parts among them

Check = Callable[[Path, Path], str]  # (what was made, what undisturbed work made) -> what is wrong, or ""


def full(work: Callable[[Path], None], check: Check, least: int, most: int) -> Fault:
    """Work on a disk that is full sooner or later; once there is room, the same command goes on."""

    def survives(folder: Path, number: int, chance: Random, took: float) -> str:
        place, log, size = folder / f"disk-{number}", folder / f"{number}.log", chance.randint(least, most)
        with _in_memory(place, size):
            problem = _ends_well(ended(lambda: work(place), log=log), log)
            _told("mount", "-o", "remount,size=16m", str(place))
            problem = problem or _goes_on(work, place, folder / "whole", log, check)
        return problem and f"with {size} KiB {problem}"

    return Fault(work, survives)


def read_only(folder: Path, number: int, chance: Random, took: float) -> str:
    """Let the disk of a training fail, so that it can only be read; once it is mended, the same command goes on."""
    place, log, at = folder / f"disk-{number}", folder / f"{number}.log", chance.random() * took
    image = folder / f"{number}.img"
    image.write_bytes(b"")
    os.truncate(image, 16 << 20)
    _told("mkfs.ext4", "-q", "-O", "^has_journal", str(image))
    with _of_file(place, image):
        problem = _ends_well(ended(lambda: train(place / "run"), at, log, lambda process: _fail(place)), log)
    subprocess.run(["e2fsck", "-f", "-y", str(image)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with _of_file(place, image):
        problem = problem or _goes_on(train, place / "run", folder / "whole", log, differs)
    image.unlink()
    return problem and f"after {at:.2f} s {problem}"


def forbidden(folder: Path, number: int, chance: Random, took: float) -> str:
    """Take the right to write from a training; once it has it again, the same command goes on."""
    place, log, at = folder / f"place-{number}", folder / f"{number}.log", chance.random() * took
    place.mkdir()

    def work() -> None:
        _as_an_owner()
        train(place / "run")

    problem = _ends_well(ended(work, at, log, lambda process: _permit(place, 0o555)), log)
    _permit(place, 0o755)
    problem = problem or _goes_on(train, place / "run", folder / "whole", log, differs)
    return problem and f"after {at:.2f} s {problem}"


def _as_an_owner() -> None:
    """Give up, in this process, root's right to write where its owner may not."""
    libc, version = ctypes.CDLL(None, use_errno=True), (ctypes.c_uint32 * 2)(0x20080522, 0)
    rights = (ctypes.c_uint32 * 6)()
    libc.capget(version, rights)
    rights[0] &= ~(1 << 1)  # CAP_DAC_OVERRIDE, of those in effect
    libc.capset(version, rights)


def _permit(place: Path, mode: int) -> None:
    """Say of a folder and all in it what may be done with them."""
    for path in (place, *place.rglob("*")):
        if path.is_dir():
            path.chmod(mode)


def _ends_well(code: int | None, log: Path) -> str:
    """What is wrong with how disturbed work ended, or ""."""
    said = log.read_text()
    well = code in (0, 1, 2) and "Traceback" not in said
    return "" if well else f"the work ends with {code}: {said[-300:]}"


def _goes_on(work: Callable[[Path], None], out: Path, whole: Path, log: Path, check: Check) -> str:
    """What is wrong with what the same command makes later, or ""."""
    code = ended(lambda: work(out), log=log)
    return f"the work does not go on ({code}): {log.read_text()[-300:]}" if code else check(out, whole)


@contextmanager
def _in_memory(place: Path, size: int) -> Iterator[None]:
    """A disk in memory of so many KiB, mounted there."""
    with _mounted(place, "-t", "tmpfs", "-o", f"size={size}k", "none"):
        yield


@contextmanager
def _of_file(place: Path, image: Path) -> Iterator[None]:
    """A disk that is a file, mounted there, which can only be read after its first error."""
    with _mounted(place, "-o", "loop,errors=remount-ro", str(image)):
        yield


@contextmanager
def _mounted(place: Path, *what: str) -> Iterator[None]:
    place.mkdir(exist_ok=True)
    _told("mount", *what, str(place))
    try:
        yield
    finally:
        _told("umount", str(place))


def _fail(place: Path) -> None:
    """Let the disk that is mounted there have an error."""
    found = subprocess.run(["findmnt", "-n", "-o", "SOURCE", str(place)], check=True, capture_output=True, text=True)
    name = Path(found.stdout.strip()).name
    if not name.startswith("loop"):
        raise RuntimeError(f"{place} is no disk of ours")
    Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("benchmark\n")


def _told(*words: str) -> None:
    subprocess.run(words, check=True)


DISKS = {
    "disk": full(train, differs, LEAST_DISK, MOST_DISK),
    "pictures-disk": full(upscale, pictures_are_whole, LEAST_ROOM, MOST_ROOM),
    "film-disk": full(upscale_film, film_is_whole, LEAST_REEL, MOST_REEL),
    "read-only": Fault(train, read_only),
    "permission": Fault(train, forbidden),
}
