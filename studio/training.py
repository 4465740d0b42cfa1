"""Trainings that the page begins, stops and goes on with: the commands of a terminal, as processes that outlive it."""

import math
import re
import shlex
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen
from threading import Lock
from typing import Any

import psutil

from common.config import RunConfig
from common.errors import UserError
from common.training.runs import LOCK, SETTINGS, check_folder, is_running
from studio.choices import chosen
from studio.config import LARGEST
from studio.runs import TRAINED, built_in, last_row, program_of, run_folders, settings_of, settings_type, told_command

NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,64}")  # of a run
WAITED = 30.0  # seconds in which a training that cannot begin says so at once; afterwards it does where it is watched
LINES = 12  # of a log, shown
INTERRUPTED = 128 + signal.SIGINT  # exit code of a run that was stopped


@dataclass
class Trainings:
    """Trainings in a folder of runs, of which the page begins one at a time.

    What runs is told by the locks of the folders, so that nothing is lost where the page is loaded or served anew. Of
    what was begun the process is remembered, because it holds no lock while it reads its data.

    Attributes:
        root: the folder of runs; beside that of NAME lie what it says, NAME.log, and uploaded data, NAME.zip.
        device: as of --device.
        is_local: the page is open to this machine alone, so that data may be named by a path on it.
    """

    root: Path
    device: str = "auto"
    is_local: bool = False
    process: "Popen[bytes] | None" = None
    begun: str = ""
    line: str = ""
    stopping: dict[str, psutil.Process] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def names(self) -> list[str]:
        """The runs that there are, the newest first, with one that reads its data as yet before them."""
        there = list(run_folders(self.root))
        return [self.begun, *there] if self.prepares(self.begun) and self.begun not in there else there

    def folder(self, name: str) -> Path:
        """The folder of a run.

        Raises:
            UserError: there is none of that name.
        """
        if name not in self.names():
            raise UserError(f"there is no run {name or 'chosen'}; choose one of the list")
        return self.root / name

    def runs(self, name: str) -> bool:
        """Whether a run trains."""
        with self._lock:  # two who look at the same time would take each other for the training
            return is_running(self.root / name)

    def prepares(self, name: str) -> bool:
        """Whether a run that was begun here reads its data as yet."""
        is_alive = self.process is not None and self.process.poll() is None
        has_begun = (self.root / name / SETTINGS).is_file() and self.runs(name)
        return bool(name) and name == self.begun and is_alive and not has_begun

    def start(
        self,
        domain: str,
        known: str,
        typed: str,
        upload: str | Path | None,
        minutes: float,
        name: str,
        *settings: str | None,
    ) -> tuple[str, str]:
        """Begin a training, and return the name of the run and the command.

        Args:
            domain: one of `TRAINED`.
            known: the name of a built-in data set, read where there is no other data.
            typed: the path of data on this machine, or "".
            upload: a .zip of data, or None.
            minutes: after which it ends.
            name: of the run.
            settings: others, in the order of `studio.choices`; what is empty is as by default.

        Raises:
            UserError: the settings are refused, a training from this page is running, or the command says why it
                cannot begin.
        """
        program, name, more = TRAINED[domain], name.strip(), chosen(settings)
        if not NAME.fullmatch(name):
            raise UserError("the run needs a name of letters, digits, - and _, such as my-first")
        brought = self._take(upload, name)
        try:
            data = str(brought) if brought else self._named(program, known, typed)
            asked: dict[str, Any] = {"data": data, "minutes": minutes, "out": self.root / name, "device": self.device}
            config = settings_type(program)(**more | asked)
            return name, self._begin(name, program, config)
        except UserError:
            if brought and not (self.root / name).exists():
                brought.unlink(missing_ok=True)
            raise

    def go_on(self, name: str, minutes: float) -> tuple[str, str]:
        """Go on with a run for some minutes more, and return its name and the command.

        Raises:
            UserError: as of `start`; or there is no such run, or its command is not known.
        """
        folder = self.folder(name)
        if minutes <= 0:
            raise UserError(f"--minutes must be above 0, not {minutes}")
        limit = math.ceil(last_row(folder).get("seconds", 0) / 60) + minutes
        config = settings_of(folder, minutes=limit, steps=None, examples=None, resume=True, overwrite=False)
        return name, self._begin(name, program_of(folder), config)

    def ends(self, name: str) -> bool:
        """Whether a run that trains was told to stop, and saves."""
        return name in self.stopping and self.runs(name) and self.stopping[name] == trainer_in(self.root / name)

    def stop(self, name: str) -> None:
        """End a run as Ctrl-C does, so that it saves and can go on.

        Raises:
            UserError: it is not running, is ending already, or its process belongs to somebody else.
        """
        if self.prepares(name) and self.process:
            self.process.terminate()
            return
        folder = self.folder(name)
        if not self.runs(name):
            raise UserError(f"{name} is not running")
        process = trainer_in(folder)
        if process is None:
            raise UserError(f"{name}: its process is not this user's, or elsewhere; stop it there, by Ctrl-C")
        if self.stopping.get(name) == process:  # a second Ctrl-C ends it before it has saved
            raise UserError(f"{name} is ending; it saves first, which takes up to a minute")
        self.stopping[name] = process
        process.send_signal(signal.SIGINT)

    def command(self, name: str) -> str:
        """The command that trains in the folder of a run; "" where it is not known."""
        folder = self.root / name
        if name == self.begun and not (folder / SETTINGS).is_file():
            return self.line
        try:
            return told_command(program_of(folder), settings_of(folder, overwrite=False))
        except UserError:
            return ""

    def said(self, name: str) -> str:
        """The last lines that a run said, if it was begun on the page."""
        log = self.root / f"{name}.log"
        return "\n".join(_lines(log)[-LINES:]) if name in self.names() and log.is_file() else ""

    def failure(self, name: str) -> str:
        """Why a run that was begun here ended before its time; "" if it did not."""
        code = self.process.poll() if self.process and name == self.begun else 0
        if code in (None, 0, INTERRUPTED) or code == -signal.SIGTERM:
            return ""
        said = _lines(self.root / f"{name}.log")[-1:] or [f"it ended with exit code {code}"]
        return re.sub(r"^[a-z.]+: ", "", said[0])

    def _begin(self, name: str, program: str, config: RunConfig) -> str:
        """Start the process of a training, wait until it trains or has ended, and return its command."""
        config.check_inputs()
        line = told_command(program, config)
        with self._lock:
            self._require_idle()
            check_folder(self.root / name, config)
            self.root.mkdir(parents=True, exist_ok=True)
            with (self.root / f"{name}.log").open("ab" if config.resume else "wb") as log:
                words = [sys.executable, *shlex.split(line)[1:]]
                self.process = Popen(words, stdin=DEVNULL, stdout=log, stderr=STDOUT, start_new_session=True)
            self.begun, self.line = name, line
        until = time.monotonic() + WAITED
        while self.prepares(name) and time.monotonic() < until:
            time.sleep(0.2)
        if said := self.failure(name):
            self._forget(name)
            raise UserError(said)
        return line

    def _forget(self, name: str) -> None:
        """Leave nothing of a training that could not begin."""
        if not (self.root / name / SETTINGS).is_file():
            (self.root / f"{name}.log").unlink(missing_ok=True)
        if (self.root / name).is_dir() and {path.name for path in (self.root / name).iterdir()} <= {LOCK}:
            shutil.rmtree(self.root / name)

    def _require_idle(self) -> None:
        begun = [name for name in run_folders(self.root) if (self.root / f"{name}.log").is_file()]
        running = [name for name in begun if is_running(self.root / name)]
        if self.process is not None and self.process.poll() is None:
            running = [self.begun]
        if running:
            raise UserError(f"{running[0]} trains; one training at a time is begun here: stop it, or wait for its end")

    def _named(self, program: str, known: str, typed: str) -> str:
        """The data that were chosen or, where that is allowed, named by a path."""
        if not typed.strip():
            if known not in built_in(program):
                raise UserError(f"--data {known}: not built in; there are {', '.join(built_in(program))}")
            return known
        if not self.is_local:
            raise UserError("others can open this page, so no path of this machine is read; upload a .zip")
        return typed.strip()

    def _take(self, upload: str | Path | None, name: str) -> Path | None:
        """Keep an uploaded .zip beside the run, which reads it again where it goes on."""
        if upload is None:
            return None
        source, target = Path(upload), self.root / f"{name}.zip"
        if source.suffix.lower() != ".zip":
            raise UserError(f"{source.name} is no .zip; pack the folder of the data as one")
        if source.stat().st_size > LARGEST:
            raise UserError(f"{source.name} is larger than the {LARGEST >> 20} MB that the page takes; use the command")
        for there in (self.root / name, target):
            if there.exists():
                raise UserError(f"{there} exists; take another name")
        self.root.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(source, target))


def trainer_in(folder: Path) -> psutil.Process | None:
    """The process that holds the lock of a run, if it may be seen; forks of it are younger."""
    lock, found = str((folder / LOCK).resolve()), list[psutil.Process]()
    for process in psutil.process_iter():
        try:
            is_page = process.pid == psutil.Process().pid or "studio" in process.cmdline()  # which looks at locks
            if not is_page and any(file.path == lock for file in process.open_files()):
                found.append(process)
        except psutil.Error:
            continue
    return min(found, key=lambda process: process.create_time(), default=None)


def _lines(log: Path) -> list[str]:
    """What a log says, line by line."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    return [line for line in text.splitlines() if line.strip()]
