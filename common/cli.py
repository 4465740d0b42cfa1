"""From a typed config to a command line, and one style of error for all commands.

Nothing here imports torch, so that `--help` answers at once.
"""

import contextlib
import errno
import inspect
import io
import os
import re
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import fields
from difflib import get_close_matches
from importlib import import_module
from itertools import groupby, takewhile
from pathlib import Path
from typing import Any, get_type_hints

import tyro

from common.config import OutputConfig, RunConfig, ThreadConfig
from common.errors import UserError
from common.inputs import flag_of
from common.processes import count
from common.provenance.record import Record, made_by, recording
from common.training.runs import check_folder

HEADING = 13  # characters of a heading that stands to the left
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # torch's and NumPy's
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of a disk, a user's share of it, a file
UNTOLD = ("out", "resume", "overwrite", "settings_from", "provenance", "threads", "track")  # they change no content
KINDS = {"int": "a whole number", "INT": "a whole number", "float": "a number", "FLOAT": "a number"}  # of the parser
MISMATCHES = (  # how the parser says that a value is of another type
    r"Error parsing (?P<flag>\S+): no type matching (?P<wanted>.+) could be instantiated from (?P<given>.+?)\.?",
    r"Error parsing (?P<flag>\S+): invalid literal for (?P<wanted>int)\(\) with base 10: (?P<given>.+)",
    r"Error parsing (?P<flag>\S+): could not convert string to (?P<wanted>float): (?P<given>.+)",
)
CHOICE = r"invalid choice '(?P<given>.*)' for argument '(?P<flag>\S+)'\. Expected one of \((?P<among>.+)\)\.?"


def run(main: Callable[[Any], None], program: str) -> None:
    """Parse the command line into `main`'s one argument, a config dataclass, and run it.

    What the config names is looked for before `main` loads torch. Bad input, on the command line or later, ends in one
    line on stderr and exit code 2; Ctrl-C in 130.
    """
    with _steady_output(program):
        try:
            _require_alone(main, program)
            config = parse(main, program, with_settings(sys.argv[1:], program))
            config.check_inputs()
            if isinstance(config, RunConfig) and config.out is not None:
                check_folder(config.out, config)
            use_threads(config.threads if isinstance(config, ThreadConfig) else None)
            with recording(record_of(program, config)):
                main(config)
        except UserError as error:
            _fail(program, str(error))
        except KeyboardInterrupt as stop:
            print(f"{program}: interrupted{f'; {stop}' if str(stop) else ''}", file=sys.stderr)
            sys.exit(128 + signal.SIGINT)


def _require_alone(main: Callable[[Any], None], program: str) -> None:
    """Refuse several processes of a command that does not share its work; each would do and write all of it.

    Raises:
        UserError: there are several.
    """
    if count() > 1 and not config_of(main).shares:
        raise UserError(f"its work cannot be shared among processes; start it by python -m {program}, without torchrun")


def record_of(program: str, config: Any) -> Record | None:
    """How the results of a command are made; None where they shall not tell it."""
    if not isinstance(config, OutputConfig) or not config.provenance:
        return None
    seed = getattr(config, "seed", None)
    return made_by(program, command(program, config), seed, config.sources, config.is_composite)


def list_commands(domain: str, commands: tuple[str, ...]) -> None:
    """Print what `python -m DOMAIN` says: each command with the first line of its module."""
    widest = max(18, *(len(f"{domain}.{command}") for command in commands))
    with _steady_output(domain):
        for command in commands:
            name = f"{domain}.{command}"
            print(f"python -m {name:<{widest}} {_summary(name)}")


def _summary(name: str) -> str:
    """What a command does: of a package, what is run of it says so."""
    module = import_module(name)
    if hasattr(module, "__path__"):
        module = import_module(f"{name}.__main__")
    return (module.__doc__ or "").splitlines()[0].partition(": ")[2]


def use_threads(count: int | None) -> None:
    """Say by environment variables, before torch loads, how many threads compute and that they sleep while they wait.

    By default a thread that waits for the others spins, on a core that another program could use. Where some eight
    programs shared two cores, `image.train` so saw 2 images/s; 6 with threads that sleep, and 50 with --threads 1. On
    cores that nothing else uses it was not measured.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if count is not None:
        os.environ.update(dict.fromkeys(THREADS, str(count)))
        if torch := sys.modules.get("torch"):  # as in benchmarks
            torch.set_num_threads(count)


@contextlib.contextmanager
def _steady_output(program: str) -> Iterator[None]:
    """Print what the terminal's encoding lacks by its number, and end quietly when a pipe's reader went away.

    Where what is printed finds no room, as in a file on a full disk, that is one line and exit code 2.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # there may be none
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            print(end="", flush=True)
    except BrokenPipeError:
        _leave_output()
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        _leave_output()
        _fail(program, f"cannot write: {error.strerror}; make room, or send the output elsewhere")


def _leave_output() -> None:
    """Forget what was not yet printed, at which Python would fail once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def config_of(main: Callable[[Any], None]) -> Any:
    """The dataclass of settings that the main function of a command takes."""
    (config_type,) = (hint for name, hint in get_type_hints(main).items() if name != "return")
    return config_type


def parse(main: Callable[[Any], None], program: str, arguments: list[str] | None = None) -> Any:
    """Build the config that `main` takes from the command line; its docstring is the description in `--help`."""
    config_type: Any = config_of(main)
    given, said = sys.argv[1:] if arguments is None else arguments, io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            config = tyro.cli(
                config_type,
                args=given,
                prog=f"python -m {program}",
                description=inspect.getdoc(main),
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        problem = _plain(_first_paragraph(said.getvalue()))
        _fail(program, f"{problem}; {_suggestion(problem, config_type)}--help lists what there is")
    _require_once(given)
    return config


def with_settings(given: list[str], program: str) -> list[str]:
    """Arguments with those behind them that made the file of --settings-from, but for flags that are given already.

    Raises:
        UserError: the file has no record, or one of another command.
    """
    end = given.index("--") if "--" in given else len(given)
    words = [word for argument in given[:end] for word in _parts(argument)]
    if "--settings-from" not in words[:-1]:
        return given
    path = words[words.index("--settings-from") + 1]
    made, *recorded = _recorded(path)
    if made != program:
        raise UserError(f"--settings-from {path} was made by {made}; name a file that {program} made")
    flags = [index for index, word in enumerate(recorded) if word.startswith("--")]
    settings = [recorded[start:stop] for start, stop in zip(flags, [*flags[1:], None], strict=True)]
    left_out = {*words, *(f"--{name.replace('_', '-')}" for name in UNTOLD)}  # the latter no record of ours has
    new = [word for setting in settings if _parts(setting[0])[0] not in left_out for word in setting]
    return [*given[:end], *new, *given[end:]]


def _recorded(path: str) -> list[str]:
    """The program that made a file, and its arguments."""
    from common.provenance.reading import read_record  # slow to import

    try:
        return shlex.split(read_record(Path(path)).record["command"].removeprefix("python -m ")) or [""]
    except ValueError as error:  # quotes that were not closed
        raise UserError(f"{path}: its record is damaged ({error}); try another copy of it") from error


def _parts(argument: str) -> list[str]:
    """A flag in its usual spelling, and the value that may be behind "="; of other arguments, themselves."""
    if not argument.startswith("--"):
        return [argument]
    flag, equals, value = argument.partition("=")
    return [flag.replace("_", "-"), *([value] if equals else [])]


def _require_once(arguments: list[str]) -> None:
    """Refuse a flag that is given twice, of which the parser takes the last alone."""
    words = takewhile(lambda word: word != "--", arguments)
    flags = [_parts(word)[0] for word in words if word.startswith("--")]
    for flag, times in Counter(flags).items():
        if times > 1:
            raise UserError(f"{flag} is given {times} times; name it once, with all of its values behind it")


def _fail(program: str, message: str) -> None:
    print(f"{program}: {message}", file=sys.stderr)
    sys.exit(2)


def _plain(message: str) -> str:
    """The parser's "no type matching {None}|INT could be instantiated from ['x']." in words that users know."""
    for pattern in MISMATCHES:
        if mismatch := re.fullmatch(pattern, message):
            kinds = [KINDS.get(kind, kind) for kind in mismatch["wanted"].split("|") if kind != "{None}"]
            return f"{mismatch['flag']} takes {' or '.join(kinds)}, not {mismatch['given'].strip('[]')}"
    if choice := re.fullmatch(CHOICE, message):
        among = sorted(set(re.findall(r"'(.*?)'", choice["among"])) - {"None"})
        return f"{choice['flag']} takes {' or '.join(among)}, not '{choice['given']}'"
    return message


def _suggestion(message: str, config_type: type) -> str:
    """A question like "did you mean --minutes? " where flags that there are not resemble some that there are, or ""."""
    if not message.startswith("Unrecognized options: "):
        return ""
    names = [flag_of(config_type, field.name) for field in fields(config_type)]
    given = [flag.replace("_", "-") for flag in re.findall(r"(?<!\S)--?(\w[\w-]*)", message)]
    meant = dict.fromkeys(f"--{name}" for flag in given for name in get_close_matches(flag, names, n=1))
    return f"did you mean {' and '.join(meant)}? " if meant else ""


def _first_paragraph(box: str) -> str:
    """The message of a framed error text, without its frame: one line.

    The frame is drawn in Unicode, with the title in its upper edge, or in ASCII, with the title on a line of its own.
    """
    lines = [line.strip("│ ") for line in box.splitlines() if not line.startswith(("╭", "╰"))]
    groups = groupby(lines, key=lambda line: not line.strip("─-"))  # rules and empty lines part the paragraphs
    paragraphs = [" ".join(group) for is_rule, group in groups if not is_rule]
    return paragraphs[1 if len(paragraphs) > 1 and "╭" not in box else 0]


def command(program: str, config: Any, untold: Collection[str] = UNTOLD) -> str:
    """The command line that repeats a run, for its card: every flag that differs from its default.

    What stands alone, as the pictures that a command changes, is left out, and so is what is `untold`: by default where
    results go.
    """
    words = [f"python -m {program}"]
    for name, default in ((field.name, field.default) for field in fields(config)):
        value = getattr(config, name)
        if value != default and name not in untold and flag_of(type(config), name):
            given = [] if default is False else value if isinstance(value, tuple) else [value]
            words.append(shlex.join([f"--{flag_of(type(config), name)}", *map(_as_typed, given)]))
    return " ".join(words)


def _as_typed(value: Any) -> str:
    """A value as a user would type it: 60 for 60.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def tell(lines: Sequence[tuple[str, str]]) -> None:
    """Print lines, each under its heading, which stands to its left."""
    for heading, text in lines:
        print(f"{heading:<{HEADING}} {text}")
