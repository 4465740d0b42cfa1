"""What a command that turns files into files has to do: its inputs, and for each the file that it becomes."""

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path, PurePath
from typing import NoReturn

from common.errors import UserError


@dataclass(frozen=True)
class Input:
    """A file that was named, or found in a folder or by a pattern.

    Attributes:
        path: of it.
        inside: the same, seen from the folder that was named, or from where the wildcards begin.
    """

    path: Path
    inside: PurePath


@dataclass(frozen=True)
class Job:
    """A file to read, and the file that it becomes."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Batch:
    """All that is to be done.

    Attributes:
        jobs: in the order of the inputs.
        skipped: outputs that there are already.
        made: inputs that are what another one becomes, and hence left out.
        problems: what is wrong with other inputs, a line each.
    """

    jobs: list[Job]
    skipped: list[Path]
    made: list[Path]
    problems: list[str]

    @property
    def asked(self) -> int:
        """Files that the command was asked for."""
        return len(self.jobs) + len(self.skipped) + len(self.problems)


def plan(
    names: Sequence[str],
    endings: Collection[str],
    kinds: str,
    target_of: Callable[[Input], Path],
    overwrite: bool = False,
) -> Batch:
    """Find the inputs, and lay down the outputs before any work begins.

    Args:
        names: files, folders and patterns.
        endings: of the files that are wanted, in small letters.
        kinds: such as "pictures or videos".
        target_of: what an input becomes, by `target_beside` or `target_in`.
        overwrite: write anew what is there.

    Raises:
        UserError: an input would be overwritten, or two inputs become one file.
    """
    inputs, problems = find_inputs(names, endings, kinds)
    targets = {one.path: target_of(one) for one in inputs}
    makers: dict[Path, list[Path]] = {}
    for source, target in targets.items():
        makers.setdefault(_real(target), []).append(source)
    made = [source for source in targets if set(makers.get(_real(source), [])) - {source}]
    jobs = []
    for target_place, sources in makers.items():
        several = [source for source in sources if source not in made]
        if len(several) > 1:
            both = f"{several[0]} and {several[1]} would both become {targets[several[0]]}"
            raise UserError(f"{both}; choose another --out, or do them one by one")
        for source in several:
            if _real(source) == target_place:
                raise UserError(f"{source} would be overwritten by its own result; choose another --suffix or --out")
            jobs.append(Job(source, targets[source]))
    skipped = [] if overwrite else [job.target for job in jobs if job.target.exists()]
    return Batch([job for job in jobs if job.target not in skipped], skipped, made, problems)


def find_inputs(names: Sequence[str], endings: Collection[str], kinds: str) -> tuple[list[Input], list[str]]:
    """The files named, found in folders and found by patterns, each once, and what is wrong with others."""
    found: dict[Path, Input] = {}
    problems = []
    for name in names:
        try:
            for one in _inputs(name, endings, kinds):
                found.setdefault(_real(one.path), one)
        except UserError as error:
            problems.append(str(error))
    return list(found.values()), problems


def target_beside(one: Input, suffix: str, ending: str) -> Path:
    """In the folder of an input, with `suffix` behind its name."""
    return one.path.with_name(f"{one.path.stem}{suffix}{ending}")


def target_in(folder: Path, one: Input, suffix: str, ending: str) -> Path:
    """In another folder, in such sub-folders as the input lies in."""
    return folder / one.inside.with_name(f"{one.path.stem}{suffix}{ending}")


def _inputs(name: str, endings: Collection[str], kinds: str) -> list[Input]:
    path, known = Path(name).expanduser(), " ".join(sorted(endings))
    if path.is_dir():
        return _wanted(path, path.rglob("*"), endings) or _refuse(f"{name}: this folder holds no {kinds} ({known})")
    if path.exists():
        is_wanted = path.suffix.lower() in endings
        return [Input(path, PurePath(path.name))] if is_wanted else _refuse(f"{name}: {kinds} end in one of {known}")
    if not has_magic(name):
        return _refuse(f"{name}: no such file or folder")
    fixed = next(index for index, part in enumerate(path.parts) if has_magic(part))
    matching = map(Path, glob(str(path), recursive=True))
    return _wanted(Path(*path.parts[:fixed]), matching, endings) or _refuse(f"{name}: no {kinds} match this pattern")


def _wanted(root: Path, paths: Iterable[Path], endings: Collection[str]) -> list[Input]:
    """Those that are visible files with one of the endings, by name."""
    inputs = [Input(path, path.relative_to(root)) for path in sorted(paths) if path.suffix.lower() in endings]
    return [one for one in inputs if one.path.is_file() and not any(p.startswith(".") for p in one.inside.parts)]


def _refuse(problem: str) -> NoReturn:
    raise UserError(problem)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
