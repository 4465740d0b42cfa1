"""Folders of runs, those that commands began as well: what trains there, with what settings, and how far it is."""

import json
import time
from dataclasses import fields
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from common.cli import command, config_of
from common.config import RunConfig
from common.errors import UserError
from common.inputs import DataName, hints, marks
from common.training.runs import LOG, SETTINGS, is_running, recorded
from common.weights_folders import CONFIG, MODEL, NOT_AS_WRITTEN, read_config

TRAINED = {  # what can be trained on the page, with the command
    "Images": "image.train",
    "Sounds": "music.sound.train",
    "Music": "music.train",
    "Text": "text.train",
    "Super-resolution": "superres.train",
}
WATCHED = {program: domain for domain, program in TRAINED.items()} | {"image.translate.train": "Translation"}
OF_WEIGHTS = {  # of runs of before they told their command, by domain and kind of their weights
    ("image", "gan"): "image.train",
    ("image", "vae"): "image.train",
    ("image", "translator"): "image.translate.train",
    ("music", "sound"): "music.sound.train",
    ("music", "composer"): "music.train",
    ("text", "writer"): "text.train",
    ("superres", "generator"): "superres.train",
}
UNCOUNTED = ("step", "images", "seconds", "images_per_second", "skipped")  # of a line of figures, these are none
POINTS = 400  # of a curve
TAIL = 4_096  # bytes, in which the last line of figures is


def settings_type(program: str) -> type[RunConfig]:
    """The dataclass of settings that a training command takes."""
    return config_of(import_module(program).main)


def built_in(program: str) -> list[str]:
    """The names of the data sets that a training command knows without a path."""
    settings: type = settings_type(program)
    (known,) = (mark.built_in for mark in marks(hints(settings)["data"]) if isinstance(mark, DataName))
    return list(known)


def run_folders(root: Path) -> dict[str, Path]:
    """The runs in a folder, and in folders of it, by what they are called there; the newest first."""
    found = [record.parent for pattern in ("*", "*/*") for record in root.glob(f"{pattern}/{SETTINGS}")]
    newest = sorted(found, key=lambda folder: -_changed(folder / LOG) or -_changed(folder / SETTINGS))
    return {folder.relative_to(root).as_posix(): folder for folder in newest}


def program_of(folder: Path) -> str:
    """The command that trains in the folder of a run; "" where that is not known."""
    try:
        told = recorded(folder).get("program")
        if told is None and (folder / CONFIG).is_file():
            config = read_config(folder)
            told = OF_WEIGHTS.get((str(config.get("domain")), str(config.get("kind"))))
    except NOT_AS_WRITTEN:
        return ""
    return told if told in WATCHED else ""


def settings_of(folder: Path, **changed: Any) -> RunConfig:
    """The settings of the run in a folder, with changes.

    Raises:
        UserError: they are not known here, or not as this version writes them, or refused.
    """
    program = program_of(folder)
    if not program:
        raise UserError(f"{folder}: which command trains there is not known; go on in a terminal")
    kind, then = settings_type(program), recorded(folder)
    known = {name: _restored(then[name]) for name in (field.name for field in fields(kind)) if name in then}
    try:
        return kind(**known | {"out": folder} | changed)
    except TypeError as error:
        raise UserError(f"{folder / SETTINGS} is not as this version writes it; go on in a terminal") from error


def told_command(program: str, config: RunConfig) -> str:
    """The whole command line of a training."""
    return command(program, config, untold=())


def rows(folder: Path) -> list[dict[str, Any]]:
    """All lines of figures of a run, but for a last one that is half-written."""
    path = folder / LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("}")]


def last_row(folder: Path) -> dict[str, Any]:
    """The last line of figures of a run; {} if there is none."""
    try:
        with (folder / LOG).open("rb") as file:
            file.seek(max(_size(folder / LOG) - TAIL, 0))
            lines = file.read().splitlines()
    except OSError:
        return {}
    whole = [line for line in lines if line.startswith(b"{") and line.endswith(b"}")]
    return json.loads(whole[-1]) if whole else {}


def figures(lines: list[dict[str, Any]], of_looks: bool) -> list[str]:
    """The names of what was measured at looks at the quality, or of losses."""
    return list(dict.fromkeys(name for line in lines if _is_look(line) == of_looks for name in _counted(line)))


def curve(lines: list[dict[str, Any]], names: list[str]) -> list[list[Any]]:
    """Points of curves: examples seen, the name of the figure, and its value."""
    points: list[list[Any]] = []
    for name in names:
        of_name = [[line["images"], name, line[name]] for line in lines if name in line]
        points += of_name[:: -(-len(of_name) // POINTS) or 1]
    return points


def last_warning(lines: list[dict[str, Any]]) -> str:
    """The last warning of the alarms, and whether the latest look still gave it; "" if there was none."""
    looks = [line for line in lines if _is_look(line)]
    warned = [line for line in looks if "warning" in line]
    if not warned:
        return ""
    over = "" if warned[-1] is looks[-1] else "; the latest look found it no more"
    return f"After {warned[-1]['images']:,} examples{over}: {warned[-1]['warning']}"


def best_figure(folder: Path) -> str:
    """By what the weights that a run keeps are the best, and after how many examples, as its newest checkpoint says."""
    for path in sorted((folder / "checkpoints").glob("step-*.safetensors"), reverse=True)[:1]:
        facts = _facts(path, _changed(path))
        best, measured = facts.get("best"), facts.get("figures", {})
        if best is not None:
            name = next((name for name, value in measured.items() if abs(value) == abs(best)), "score")
            return f"{name} {measured.get(name, best):.3g} after {facts['best_images']:,}"
    return ""


def seconds_left(folder: Path) -> float | None:
    """How long a run that is running goes on at its pace; None where that is not known yet."""
    then, last = recorded(folder), last_row(folder)
    since = time.time() - (_changed(folder / LOG) or _changed(folder / SETTINGS)) / 1e9
    seconds = last.get("seconds", 0.0) + since
    shares = (
        last.get("step", 0) / then["steps"] if then.get("steps") else 0.0,
        last.get("images", 0) / then["examples"] if then.get("examples") else 0.0,
        seconds / (60 * then["minutes"]) if then.get("minutes") else 0.0,
    )
    done = min(max(shares), 1.0)
    return seconds * (1 - done) / done if done else None


def newest_sheet(folder: Path) -> Path | None:
    """The latest samples of a run: a picture, or texts."""
    sheets = [path for path in (folder / "samples").glob("[0-9]*") if path.suffix in (".png", ".txt")]
    return max(sheets, default=None)


def has_weights(folder: Path) -> bool:
    """Whether the folder of a run holds weights by now."""
    return (folder / CONFIG).is_file() and (folder / MODEL).is_file()


def row(name: str, folder: Path) -> list[str]:
    """What a list of runs tells of one: name, domain, whether it is running, examples seen and the best figure."""
    seen = last_row(folder).get("images", 0)
    domain = WATCHED.get(program_of(folder), "not known")
    return [name, domain, "running" if is_running(folder) else "", f"{seen:,}", best_figure(folder)]


def stamp(folder: Path) -> tuple[int, ...]:
    """What changes when a run has new settings, figures, samples or an evaluation."""
    written = [_changed(folder / name) for name in (SETTINGS, LOG, "samples", "evaluation")]
    return (*written, _size(folder / LOG))


def _is_look(line: dict[str, Any]) -> bool:
    return "images_per_second" not in line


def _counted(line: dict[str, Any]) -> list[str]:
    return [name for name, value in line.items() if name not in UNCOUNTED and not isinstance(value, str)]


def _restored(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@lru_cache(maxsize=64)
def _facts(path: Path, changed: int) -> dict[str, Any]:
    """What the header of a checkpoint says; {} if it is gone or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return json.loads((file.metadata() or {}).get("facts", "{}"))
    except (OSError, SafetensorError, ValueError):
        return {}


def _changed(path: Path) -> int:
    """When a file was written, in nanoseconds; 0 if there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
