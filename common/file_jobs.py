"""What a command that turns files into files has to do: its inputs, and for each the file that it becomes."""

import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path, PurePath
from typing import Any, NoReturn

from tqdm import tqdm

from common.errors import UserError
from common.files import require_nameable
from common.films.formats import is_film
from common.pictures.formats import FORMATS
from common.processes import count, rank, summed, wait
from common.progress import progress_bar

BAR = "{desc}{percentage:3.0f}%|{bar}| {n_fmt} of {total_fmt} pixels, {remaining} left"


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
class FileJobs:
    """All that a command has to do with files.

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
    marks: Collection[str] = (),
) -> FileJobs:
    """Find the inputs, and lay down the outputs before any work begins.

    Of several processes (`common.processes`) each gets a share of the jobs, and the first all else that is to be told.

    Args:
        names: files, folders and patterns.
        endings: of the files that are wanted, in small letters.
        kinds: such as "pictures or videos".
        target_of: what an input becomes, as by `targets`.
        overwrite: write anew what is there.
        marks: patterns of what the command puts behind names, with whatever settings. An input so named is left out,
            as one of its results, if its original is an input too, beside it or where a folder in --out repeats it.

    Raises:
        UserError: --out does not fit the inputs.
    """
    inputs, problems = find_inputs(names, endings, kinds)
    targets = {one.path: target_of(one) for one in inputs}
    makers: dict[Path, list[Path]] = {}
    for source, target in targets.items():
        makers.setdefault(_real(target), []).append(source)
    marked = _marked(inputs, marks)
    made = [source for source in targets if source in marked or set(makers.get(_real(source), [])) - {source}]
    jobs = []
    for target_place, sources in makers.items():
        several = [source for source in sources if source not in made]
        for source in several:
            if problem := _problem(source, targets[source], target_place, several[0]):
                problems.append(problem)
            else:
                jobs.append(Job(source, targets[source]))
    skipped = [] if overwrite else [job.target for job in jobs if job.target.exists()]
    left = [job for job in jobs if job.target not in skipped][rank() :: count()]
    wait()  # so that none sees files that another one made meanwhile
    return FileJobs(left, skipped, made, problems) if rank() == 0 else FileJobs(left, [], [], [])


def _problem(source: Path, target: Path, target_place: Path, first: Path) -> str:
    """Why an input cannot become a file, or ""; `first` is the one that does if several would."""
    if source != first:
        return f"{first} and {source} would both become {target}; choose another --out, or do them one by one"
    if _real(source) == target_place:
        return f"{source} would be overwritten by its own result; choose another --suffix or --out"
    try:
        require_nameable(target)
    except UserError as error:
        return str(error)
    return ""


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


def _marked(inputs: Sequence[Input], marks: Collection[str]) -> set[Path]:
    """The inputs that by their names are results of others."""
    originals = {one.inside.with_name(one.path.stem) for one in inputs}
    marked = set()
    for one in inputs:
        plain = re.sub(f"(?:{'|'.join(marks)})$", "", one.path.stem)
        parts = one.inside.with_name(plain or one.path.stem).parts
        if plain != one.path.stem and any(PurePath(*parts[k:]) in originals for k in range(len(parts))):
            marked.add(one.path)
    return marked


def targets(
    names: Sequence[str],
    out: Path | None,
    suffix: str,
    ending_of: Callable[[Path], str],
    written: Collection[str],
    asked: str = "",
) -> Callable[[Input], Path]:
    """What each input becomes: a file beside it with `suffix` behind its name, or in `out`, or `out` itself.

    Args:
        names: as in `plan`.
        out: a folder, in which sub-folders are as where the input lies, or a file if one file was named.
        ending_of: of what becomes of a file.
        written: endings that can be written.
        asked: the ending by --format, or "".

    Raises:
        UserError: --out does not fit the inputs.
    """
    is_single = len(names) == 1 and not _is_several(names[0])
    is_file = out is not None and out.suffix.lower() in written and not out.is_dir()
    if out is not None and out.suffix and is_single and not is_file and not out.is_dir():
        raise UserError(f"--out {out}: unknown ending; choose one of {' '.join(written)}, or make this folder first")
    if is_file and not is_single:
        raise UserError(f"--out {out} is one file, which is for one input; name a folder")
    if out is not None and is_file and asked not in ("", out.suffix.lower()):
        raise UserError(f"--format {asked[1:]} and --out {out} differ; leave --format out")

    def target(one: Input) -> Path:
        name = f"{one.path.stem}{suffix}{ending_of(one.path)}"
        if out is None:
            return one.path.with_name(name)
        return out if is_file else out / one.inside.with_name(name)

    return target


@contextmanager
def reporting(batch: FileJobs, program: str) -> Iterator[Callable[[str], None]]:
    """Yield what is to be told of every failure, and end as a command should.

    What is left out is said first. If several files were asked for, failures are said as they come, and the exit code
    is 1 if some of them failed and 2 if all did; of several processes all end so, when the last is done.

    Raises:
        UserError: the only file failed.
    """
    failures: list[str] = []

    def fail(problem: str) -> None:
        failures.append(problem)
        if batch.asked > 1 or count() > 1:
            tqdm.write(f"{program}: {problem}", file=sys.stderr)

    for problem in batch.problems:
        fail(problem)
    if batch.made:
        print(f"left out {_some(batch.made)} made of another input")
    if batch.skipped:
        print(f"skipped {_some(batch.skipped)} there already; --overwrite makes anew")
    yield fail
    if failures and batch.asked == 1 and count() == 1:
        raise UserError(failures[0])
    failed, asked = summed([len(failures), batch.asked])
    if failed and rank() == 0:
        print(f"{program}: {failed:,} of {asked:,} failed", file=sys.stderr)
    if failed:
        sys.exit(1 if failed < asked else 2)


def each_picture(
    jobs: Sequence[Job], make: Callable[[Job, Callable[[float], Any]], tuple[int, int]], fail: Callable[[str], None]
) -> None:
    """Make picture after picture under a progress bar, and tell `fail` what goes wrong.

    Args:
        make: (job, what is told how many pixels of the input are done) -> width and height of the result.
    """
    with progress_bar(total=sum(map(_pixels, jobs)), unit_scale=True, bar_format=BAR, leave=False, disable=None) as bar:
        for job in jobs:
            bar.set_description(job.source.name)
            try:
                width, height = make(job, bar.update)
            except UserError as error:
                fail(str(error))
            else:
                tqdm.write(f"wrote {job.target}: {width:,} x {height:,} pixels", file=sys.stdout)


def each_film(jobs: Sequence[Job], make: Callable[[Job], None], fail: Callable[[str], None]) -> None:
    """Make film after film, each under a progress bar of its own, and tell `fail` what goes wrong."""
    for job in jobs:
        try:
            make(job)
        except UserError as error:
            fail(str(error))
        else:
            print(f"wrote {job.target}")


def pictures_and_films(jobs: Sequence[Job]) -> tuple[list[Job], list[Job]]:
    """Jobs by what their inputs are."""
    films = [job for job in jobs if is_film(job.source)]
    return [job for job in jobs if not is_film(job.source)], films


def ending_of(path: Path, asked: str) -> str:
    """The ending of what becomes of a picture, `asked` for or its own, or of a film, if such can be written."""
    if is_film(path):
        from common.films.writing import suffix_for  # not quick to import

        return suffix_for(path)
    return asked or (path.suffix if path.suffix.lower() in FORMATS else ".png")


def _pixels(job: Job) -> int:
    """Of a picture, by the file's header; 0 if that is wrong, which will come out later."""
    from common.pictures.reading import open_picture

    try:
        with open_picture(job.source) as file:
            return file.pixels
    except UserError:
        return 0


def _some(paths: list[Path]) -> str:
    return f"{paths[0]}, which is" if len(paths) == 1 else f"{len(paths):,} files, such as {paths[0]}, which are"


def _is_several(name: str) -> bool:
    """Whether a name is that of a folder or a pattern; what is not there is one file, and missing."""
    path = Path(os.path.expanduser(name))
    return path.is_dir() or (has_magic(name) and not path.exists())


def _inputs(name: str, endings: Collection[str], kinds: str) -> list[Input]:
    path, known = Path(os.path.expanduser(name)), " ".join(sorted(endings))
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
