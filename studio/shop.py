"""What all tabs share: folders of visitors, models in memory, and results with the command that makes them anew.

Nothing here or in the modules that make things imports Gradio, so that each can be called and tested by itself.
"""

import io
import shlex
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock
from typing import Any

from common.cli import command, record_of
from common.errors import UserError
from common.provenance.record import recording
from common.weights_folders import CONFIG, MODEL, WeightsName, bundled, read_config
from studio.config import KEPT, LARGEST

SHOWN = 1_600  # longest side of pictures on the page, in pixels; downloads are as large as they were made
PIXELS = 50_000_000  # of a picture that is changed on the page


class Ended(Exception):
    """Whoever asked for something wants it no more."""


@dataclass(frozen=True)
class Result:
    """What a tab made.

    Attributes:
        shown: a value for each place on the page.
        files: to download.
        command: that makes the same in a terminal.
        told: what whoever asked should know, as the command says it.
    """

    shown: tuple[Any, ...]
    files: tuple[Path, ...]
    command: str
    told: str = ""


class Shelf:
    """Models that were used last, at most `kept` of them."""

    def __init__(self, kept: int = KEPT) -> None:
        self.kept = kept
        self.models: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self._lock = Lock()

    def get(self, load: Callable[..., Any], *words: Any, version: int = 0) -> Any:
        """What `load` makes of these words, loaded now unless it is here; the one unused for longest makes room.

        Args:
            version: of what is loaded, which may be replaced under the same name.
        """
        key = (load, *words, version)
        with self._lock:
            if key not in self.models:
                while len(self.models) >= self.kept:
                    self.models.popitem(last=False)
                self.models[key] = load(*words)
            self.models.move_to_end(key)
            return self.models[key]


@dataclass(frozen=True)
class Shop:
    """Where the page works.

    Attributes:
        device: as of --device.
        root: of all visitors' folders; under the system's folder for temporary files.
        shelf: models in memory.
        runs: the folder of trainings, which belong to all visitors.
        is_local: the page is open to this machine alone.
        used: the runs whose weights can be chosen beside those that ship, by their paths.
        ended: visitors who want no more what is made for them now, or are gone.
    """

    device: str = "auto"
    root: Path = field(default_factory=lambda: Path(mkdtemp(prefix="studio-")))
    shelf: Shelf = field(default_factory=Shelf)
    runs: Path = Path("runs")
    is_local: bool = False
    used: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)

    def place(self, visitor: str) -> Path:
        """The folder of a visitor, which need not be there; the name comes from the browser, so it is no path."""
        return self.root / "visitors" / sha256(visitor.encode()).hexdigest()[:32]

    def new_folder(self, visitor: str) -> Path:
        """An empty folder for one result of a visitor."""
        place = self.place(visitor)
        place.mkdir(parents=True, exist_ok=True)
        return Path(mkdtemp(dir=place))

    def forget(self, visitor: str) -> None:
        """Delete all that a visitor uploaded and made."""
        shutil.rmtree(self.place(visitor), ignore_errors=True)

    def model(self, load: Callable[..., Any], source: str) -> Any:
        """A model of this name, on the device of the page."""
        from common.training.devices import pick_device

        trained = Path(source) / MODEL  # of a run, which may go on
        version = trained.stat().st_mtime_ns if trained.is_file() else 0
        return self.shelf.get(load, source, pick_device(self.device), version=version)

    def weights(self, domain: str, *kinds: str, words: bool | None = None) -> list[str]:
        """The names of weights of some kinds: those that ship, and runs that are used.

        Args:
            words: as of `WeightsName`.
        """
        wanted = WeightsName(domain, kinds, words)
        there = bundled(domain) | {name: Path(name) for name in self.used if (Path(name) / CONFIG).is_file()}
        return [name for name, folder in there.items() if wanted.suits(read_config(folder))]


@contextmanager
def making(program: str, config: Any, folder: Path) -> Iterator[None]:
    """Refuse what a command refuses, and let what is written in the block carry the record that its results carry.

    Args:
        folder: in which the files lie; the record has their names alone.

    Raises:
        UserError: what the settings name is not there or does not fit.
    """
    config.check_inputs()
    record = record_of(program, config)
    with recording(record and record | {"command": without_folder(record["command"], folder)}):
        yield


def shown_command(
    program: str, config: Any, folder: Path, given: tuple[Path, ...] = (), out: tuple[str, ...] = ()
) -> str:
    """The command line that makes a result anew, with files by their names alone.

    Args:
        folder: in which the files lie.
        given: files that stand without a flag.
        out: what --out names.
    """
    start, rest = f"python -m {program}", command(program, config).removeprefix(f"python -m {program}")
    files = f" {shlex.join(path.name for path in given)}" if given else ""
    written = f" --out {shlex.join(out)}" if out else ""
    return f"{start}{files}{rest}{written}".replace(f"{folder}/", "")


def without_folder(text: str, folder: Path) -> str:
    """A message in which files are called by their names alone."""
    return text.replace(f"{folder}/", "")


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collect what a command says on stderr; the page makes one thing at a time, so the words are those of one."""
    said, lines = io.StringIO(), list[str]()
    with redirect_stderr(said), redirect_stdout(io.StringIO()):
        yield lines
    lines += [line for line in said.getvalue().splitlines() if line.strip()]


def take(upload: str | Path | None, folder: Path, wanted: str) -> Path:
    """Copy an uploaded file into the folder of a result.

    Raises:
        UserError: there is none, or it is too large.
    """
    if upload is None:
        raise UserError(f"there is no {wanted} yet; upload one")
    source = Path(upload)
    if source.stat().st_size > LARGEST:
        raise UserError(f"{source.name} is larger than the {LARGEST >> 20} MB that the page takes; use the command")
    return Path(shutil.copy(source, folder / source.name))


def take_picture(upload: str | Path | None, folder: Path) -> Path:
    """Copy an uploaded picture into the folder of a result.

    Raises:
        UserError: there is none, it cannot be read, or it is too large.
    """
    from common.pictures.reading import open_picture

    path = take(upload, folder, "picture")
    with open_picture(path) as file:
        if file.pixels > PIXELS:
            raise UserError(f"{path.name} has {file.pixels:,} pixels, and the page takes {PIXELS:,}; use the command")
    return path


def preview(path: Path, size: tuple[int, int] | None = None) -> Path:
    """A PNG of a picture file, upright, as browsers show it: beside it, and no larger than the page needs.

    Args:
        size: width and height, if another than its own.
    """
    from PIL import ImageOps

    from common.pictures.opening import open_image
    from common.pictures.reading import naming

    with naming(path), open_image(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGBA" if opened.has_transparency_data else "RGB")
    if size is not None:
        image = image.resize(size)
    image.thumbnail((SHOWN, SHOWN))
    target = path.with_name(f"preview-{path.name}.png")
    image.save(target)
    return target
