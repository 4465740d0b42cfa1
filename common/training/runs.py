"""The folder of a run: opened once, never overwritten unasked, resumed only with the settings that it began with."""

import json
import math
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from common.config import NEWEST, Optimizer, Order, RunConfig, Settings
from common.errors import UserError
from common.files import TEMPORARY, replacing, sweep, write_json
from common.inputs import flag_of
from common.processes import rank
from common.weights_folders import read_config

if TYPE_CHECKING:
    from common.training.monitor import Progress


SETTINGS, LOCK, LOG = "run.json", ".lock", "metrics.jsonl"
FOLDERS = (".", "checkpoints", "samples")  # of a run, in which it writes
FEW = 1_000  # training examples below which a warning is due
EARLY = 30_000  # examples seen, below which samples seldom show anything yet
LONGER = 10  # minutes that are then proposed
LIMITS = ("steps", "examples", "minutes")  # that end a run; one that goes on has others
GLANCE = 0.5  # seconds that a run waits for its lock, which whoever looks whether it is running holds for a moment
CHANGED = "bring back the files as they were, or start anew with another --out"  # what to do about changed data
UNTOLD = {"optimizer": None}  # settings that were as these while they could not be named
NOTHING_THEN = ("perceptual",)  # settings that were 0, and are none now, where nothing reads them
FREE_TO_CHANGE = {
    "cache_size",
    "out",
    "steps",
    "examples",
    "minutes",
    "resume",
    "overwrite",
    "stop_when_done",
    "track",
    "snapshot",
    "device",
    "threads",
    "precision",
    "compile",
    "accumulate",
}


def folder_of(settings: RunConfig, name: str) -> Path:
    """The folder of a run: --out, or the one of that name in runs/."""
    return settings.out or Path("runs") / name


def decided(settings: Settings, out: Path) -> Settings:
    """The settings of a run with --resume auto told apart: it begins where there is no checkpoint to go on from.

    A run that ended before its first checkpoint is begun anew.
    """
    if settings.resume != "auto" or any((out / "checkpoints").glob("step-*.safetensors")):
        return settings
    return replace(settings, resume=False, overwrite=(out / SETTINGS).is_file())


def check_batch(settings: RunConfig, training: int) -> None:
    """Refuse a batch that is above the default and larger than the training set.

    Raises:
        UserError: it is.
    """
    if settings.batch > max(training, RunConfig.batch):
        raise UserError(
            f"--batch {settings.batch} is more than the {training:,} training examples; choose a smaller one"
        )


def introduce(program: str, out: Path, what: str, training: int, held_out: int) -> None:
    """Say on stderr how many examples a run trains on and how many it does not, and where it goes.

    Args:
        what: they are, in the plural.
    """
    if rank() > 0:
        return
    print(f"{program}: {training:,} training {what}, {held_out:,} held out; writing to {out}", file=sys.stderr)
    if training < FEW:
        print(f"{program}: so few {what} make for little variety; more of them help most", file=sys.stderr)


def conclude(out: Path, progress: "Progress", what: str, sheets: str, then: str) -> None:
    """Say on stdout, at the end of a run, what it left and what to do with it.

    Args:
        what: the examples are, in the plural.
        sheets: what lies in samples/, in the plural; "" for nothing.
        then: what to do now.
    """
    best = f"the best weights, those after {progress.best_images:,} of {progress.images:,} {what}"
    print(f"wrote {out}: {best}; {f'{sheets} in samples/, ' if sheets else ''}figures in metrics.jsonl")
    print(then)


def hint_if_early(settings: RunConfig, seen: int, seconds: float, what: str = "images", early: int = EARLY) -> None:
    """Say on stdout, at the end of a run that saw few examples, that this is early days and how to go on.

    Args:
        settings: of the run; counted limits that it reached would end the next one at once.
        seen: examples so far.
        seconds: trained so far; --minutes counts them too.
        what: the examples are, in the plural.
        early: examples from which on something can be seen.
    """
    if seen >= early:
        return
    limits = (("steps", settings.steps, settings.batch), ("examples", settings.examples, 1))
    passed = [(name, limit) for name, limit, size in limits if limit is not None and limit * size <= seen]
    reached = [f"--{flag_of(type(settings), name)} {limit}" for name, limit in passed]
    instead = f" in place of {' and '.join(reached)}" if reached else ""
    print(
        f"early days: after {seen:,} {what}, samples may show nothing yet; for {LONGER} minutes more, give the same "
        f"flags and --resume --minutes {math.ceil(seconds / 60) + LONGER}{instead}"
    )


def trained_on(folder: Path, built_in: Collection[str]) -> str:
    """The data set of a run, or the built-in one whose name the weights carry.

    Args:
        folder: of the run, or of weights that have been loaded before.
        built_in: the names of data sets that need no path.

    Raises:
        UserError: it was a path, and the weights do not tell where.
    """
    record = folder / SETTINGS
    if record.is_file():
        return json.loads(record.read_text(encoding="utf-8"))["data"]
    name = (read_config(folder).get("data") or {}).get("name", "")
    if name not in built_in:
        raise UserError(
            f"--data: {folder.resolve().name} was trained on {name}, which is not built in; name its folder or file"
        )
    return name


def in_minutes(seconds: float) -> str:
    """How long something took, for the cards of models: "under a minute", "1 minute", "14 minutes"."""
    minutes = round(seconds / 60)
    return "under a minute" if seconds < 60 else f"{minutes:,} minute{'s' if minutes > 1 else ''}"


def check_folder(out: Path, settings: RunConfig) -> None:
    """Check that a run may begin or go on in a folder; nothing is written, and nothing heavy is needed.

    Raises:
        UserError: the run exists and neither --resume nor --overwrite is given; or there is none to resume; or what is
            to be overwritten is not a run; or another process trains there.
    """
    if rank() > 0:
        return  # the first process does it for all
    _check_taken(out, decided(settings, out))
    if (out / LOCK).exists():
        with holding(out):
            pass


@contextmanager
def holding(out: Path) -> Iterator[None]:
    """Make the folder of a run and keep other processes from training there; the lock goes with the process.

    A new folder in which nothing was put, as the run was refused, goes too.

    Raises:
        UserError: another one does already, or the folder cannot be made.
    """
    if rank() > 0:
        yield
        return
    lock, is_new = FileLock(out / LOCK, timeout=GLANCE), not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise UserError(f"--out {out}: another run writes there; wait for its end, or name another folder") from error
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror}; name a folder that can be written") from error
    try:
        yield
    finally:
        lock.release()
        if is_new and [path.name for path in out.iterdir()] == [LOCK]:
            shutil.rmtree(out)


def is_running(out: Path) -> bool:
    """Whether a process trains in the folder of a run, by its lock; nothing is made for that."""
    if not (out / LOCK).is_file():
        return False
    lock = FileLock(out / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:  # nobody could write here
        return False
    lock.release()
    return False


def _check_taken(out: Path, settings: RunConfig) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; name a folder")
    is_run, is_taken = (out / SETTINGS).is_file(), out.exists() and any(map(_is_of_a_run, out.iterdir()))
    if settings.resume and not is_run:
        raise UserError(f"--resume: {out} holds no run; leave it out to start one, or name another --out")
    if settings.resume or not is_taken:
        return
    if not settings.overwrite:
        raise UserError(f"{out} exists; go on with --resume, start anew with --overwrite, or name another --out")
    if not is_run:
        raise UserError(f"--overwrite: {out} holds no {SETTINGS}, so it is not a run, and nothing in it is touched")


def _is_of_a_run(path: Path) -> bool:
    """Whether a file is neither the lock nor what a process left that was killed as it began."""
    return path.name != LOCK and not TEMPORARY.fullmatch(path.name)


def open_run(
    out: Path,
    settings: RunConfig,
    digest: Callable[[], str] | None = None,
    beside: Mapping[str, bytes] | None = None,
    program: str = "",
) -> None:
    """Make the folder of a run, or check that it can be resumed with these settings and data.

    What a process that was killed left half-written there goes.

    Args:
        digest: of the data; runs of before it was recorded are told by `beside` alone.
        beside: contents of the files that lie beside the weights, such as a vocabulary, by name.
        program: the command that trains, for those who look at the folder.

    Raises:
        UserError: as `check_folder`; or the settings or data are not those of the run to resume, which stays as it is.
    """
    if rank() > 0:
        return
    _check_taken(out, settings)
    now = plain(settings) | ({"data_digest": digest()} if digest else {})
    named = {"program": program} if program else {}
    if settings.resume:
        then = recorded(out)
        _check_same(then, now, out)
        _check_beside(out, beside or {})
        write_json(out / SETTINGS, then | {name: now[name] for name in LIMITS} | named)
    else:
        _clear(out)
        write_json(out / SETTINGS, now | {"order": NEWEST} | named)
    for folder in FOLDERS:
        sweep(out / folder)
    for name, content in (beside or {}).items():
        if not (out / name).is_file():
            with replacing(out / name) as temporary:
                temporary.write_bytes(content)


def _check_beside(out: Path, beside: Mapping[str, bytes]) -> None:
    for name, content in beside.items():
        if (out / name).is_file() and (out / name).read_bytes() != content:
            raise UserError(f"--resume: {out / name} is not what these data make; {CHANGED}")


def _clear(out: Path) -> None:
    """Empty the folder of a run but for its lock, and of the settings last: without them it would be no run."""
    for path in sorted(out.iterdir(), key=lambda path: path.name == SETTINGS) if out.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()


def require_alike(beginnings: Sequence[tuple[int, int]]) -> None:
    """Refuse processes that would each train something else, as on machines that see other files.

    Args:
        beginnings: of each process the step at which it begins, and its examples.

    Raises:
        UserError: they are not all the same.
    """
    if len(set(beginnings)) > 1:
        told = " and ".join(f"step {step:,} with {count:,} examples" for step, count in dict.fromkeys(beginnings))
        advice = "--data must be the same on all machines, and --out on a disk that all of them share"
        raise UserError(f"the processes begin at {told}; {advice}")


def forget_later_logs(out: Path, step: int) -> None:
    """After a crash the log may be ahead of the checkpoint; drop the rows that will be written again."""
    path = out / LOG
    if not path.exists():
        return
    rows = path.read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows if row.endswith("}") and json.loads(row)["step"] <= step]
    with replacing(path) as temporary:
        temporary.write_text("".join(row + "\n" for row in kept), encoding="utf-8")


def recorded(out: Path) -> dict[str, Any]:
    """The settings that the run in a folder began with and its limits now, as plain values; {} if there is none."""
    record = out / SETTINGS
    return json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}


def order_of(out: Path) -> Order:
    """The order of the epochs with which the run in a folder began; runs of before it was recorded have a list."""
    return recorded(out).get("order", "shuffled")


def optimizer_of(out: Path) -> Optimizer | None:
    """What the run in a folder was told to learn by; runs of before there was a choice learn by Adam."""
    return recorded(out).get("optimizer", "adam")


def plain(settings: RunConfig) -> dict[str, Any]:
    """Settings as values of JSON, by their names."""
    return json.loads(json.dumps(asdict(settings), default=str))


def _check_same(then: dict[str, Any], now: dict[str, Any], out: Path) -> None:
    for name, value in now.items():
        told = then.get(name, UNTOLD.get(name, value))  # runs of old do not tell of newer settings
        was_nothing = name in NOTHING_THEN and (told, value) == (0, None)
        if name in FREE_TO_CHANGE or told == value or was_nothing:
            continue
        if name == "data_digest":
            room = then.get("cache_size")
            other = "" if room == now.get("cache_size") else f"give --cache-size {room:g} as then, or "
            raise UserError(f"--resume: the data are not those that {out} was started with; {other}{CHANGED}")
        raise UserError(
            f"--resume: {out} was started with --{name.replace('_', '-')} {told}, not {value}; give the same flags"
        )
