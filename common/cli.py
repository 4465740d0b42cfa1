"""From a typed config to a command line, and one style of error for all commands.

Nothing here imports torch, so that `--help` answers at once.
"""

import contextlib
import inspect
import io
import os
import re
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from difflib import get_close_matches
from importlib import import_module
from itertools import groupby, takewhile
from typing import Any, get_type_hints

import tyro

from common.config import RunConfig, ThreadConfig
from common.errors import UserError
from common.inputs import flag_of
from common.training.runs import check_folder

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # torch's and NumPy's
KINDS = {"int": "a whole number", "INT": "a whole number", "float": "a number", "FLOAT": "a number"}  # of the parser
MISMATCHES = (  # how the parser says that a value is of another type
    r"Error parsing (?P<flag>\S+): no type matching (?P<wanted>.+) could be instantiated from (?P<given>.+?)\.?",
    r"Error parsing (?P<flag>\S+): invalid literal for (?P<wanted>int)\(\) with base 10: (?P<given>.+)",
    r"Error parsing (?P<flag>\S+): could not convert string to (?P<wanted>float): (?P<given>.+)",
)


def run(main: Callable[[Any], None], program: str) -> None:
    """Parse the command line into `main`'s one argument, a config dataclass, and run it.

    What the config names is looked for before `main` loads torch. Bad input, on the command line or later, ends in one
    line on stderr and exit code 2; Ctrl-C in 130.
    """
    with _steady_output():
        try:
            config = parse(main, program)
            config.check_inputs()
            if isinstance(config, RunConfig) and config.out is not None:
                check_folder(config.out, config)
            use_threads(config.threads if isinstance(config, ThreadConfig) else None)
            main(config)
        except UserError as error:
            _fail(program, str(error))
        except KeyboardInterrupt as stop:
            print(f"{program}: interrupted{f'; {stop}' if str(stop) else ''}", file=sys.stderr)
            sys.exit(128 + signal.SIGINT)


def list_commands(domain: str, commands: tuple[str, ...]) -> None:
    """Print what `python -m DOMAIN` says: each command with the first line of its module."""
    widest = max(18, *(len(f"{domain}.{command}") for command in commands))
    with _steady_output():
        for command in commands:
            name = f"{domain}.{command}"
            summary = (import_module(name).__doc__ or "").splitlines()[0].partition(": ")[2]
            print(f"python -m {name:<{widest}} {summary}")


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
def _steady_output() -> Iterator[None]:
    """Print what the terminal's encoding lacks by its number, and end quietly when a pipe's reader went away."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # there may be none
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            print(end="", flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def parse(main: Callable[[Any], None], program: str, arguments: list[str] | None = None) -> Any:
    """Build the config that `main` takes from the command line; its docstring is the description in `--help`."""
    (config_type,) = (hint for name, hint in get_type_hints(main).items() if name != "return")
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


def _require_once(arguments: list[str]) -> None:
    """Refuse a flag that is given twice, of which the parser takes the last alone."""
    words = takewhile(lambda word: word != "--", arguments)
    flags = [word.partition("=")[0].replace("_", "-") for word in words if word.startswith("--")]
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


def command(program: str, config: Any) -> str:
    """The command line that repeats a run, for its card: every flag that differs from its default.

    What stands alone, as the pictures that a command changes, is left out, and so is where results go.
    """
    words = [f"python -m {program}"]
    for name, default in ((field.name, field.default) for field in fields(config)):
        value = getattr(config, name)
        if value != default and name not in ("out", "resume", "overwrite") and flag_of(type(config), name):
            given = [] if default is False else value if isinstance(value, tuple) else [value]
            words.append(shlex.join([f"--{flag_of(type(config), name)}", *map(str, given)]))
    return " ".join(words)
