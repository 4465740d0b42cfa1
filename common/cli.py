"""From a typed config to a command line, and one style of error for all commands.

Nothing here imports torch, so that `--help` answers at once.
"""

import contextlib
import io
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import Any, get_type_hints

import tyro

from common.errors import UserError


def run(main: Callable[[Any], None], program: str) -> None:
    """Parse the command line into `main`'s one argument, a config dataclass, and run it.

    Bad input, on the command line or later, ends in one line on stderr and exit code 2; Ctrl-C in 130. A pipe whose
    reader went away ends quietly.
    """
    try:
        main(parse(main, program))
    except UserError as error:
        _fail(program, str(error))
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def parse(main: Callable[[Any], None], program: str, arguments: list[str] | None = None) -> Any:
    """Build the config that `main` takes from the command line; its docstring is the description in `--help`."""
    (config_type,) = (hint for name, hint in get_type_hints(main).items() if name != "return")
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(
                config_type,
                args=arguments,
                prog=f"python -m {program}",
                description=main.__doc__,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        _fail(program, _first_paragraph(said.getvalue()) + "; --help lists what there is")


def _fail(program: str, message: str) -> None:
    print(f"{program}: {message}", file=sys.stderr)
    sys.exit(2)


def _first_paragraph(box: str) -> str:
    """The message of a framed error text, without its frame: one line."""
    lines = [re.sub(r"^[│\s]+|[│\s]+$", "", line) for line in box.splitlines() if line.startswith("│")]
    message = []
    for line in lines:
        if not line or set(line) <= {"─"}:
            break
        message.append(line)
    return " ".join(message) or box.strip()
