"""`python docs/reference.py`: write the pages of the reference that are made of the program itself.

`commands.md` is what `--help` says, `weights.md` what the cards of the bundled weights do. A test fails while a page is
not what this would write.
"""

import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it is this checkout that is described

from common.cli import parse

ROOT = Path(__file__).resolve().parents[1]
DOMAINS = ("image", "music", "text", "superres")
PACKAGES = (*DOMAINS, "common")
WIDE = {"COLUMNS": "2000"}  # in which --help breaks no line
ENTRY = re.compile(r"(?P<flag>--[\w-]+|[A-Z]+(?: \.\.\.)?)(?: (?P<values>.+))?")
MEANING = re.compile(r"(?P<text>.*) \((?:default: (?P<default>.*)|required)\)")
UNSET = ("None", "False", "''", "")  # defaults that say nothing
TRAINED = re.compile(r"- (?:These weights[^:]*: |VAE: |Trained )(.+)")  # the line of a card that says for how long


@dataclass(frozen=True)
class Flag:
    """One line of a command's --help.

    Attributes:
        name: such as --seed, or PATH ... for what stands without a flag.
        values: what it takes, "" for nothing.
        meaning: as the help says it.
        default: "" if there is none, or the meaning says it; None if the flag must be given.
    """

    name: str
    values: str
    meaning: str
    default: str | None


@dataclass(frozen=True)
class Command:
    """A command by its module's name, what its --help says first, and its flags."""

    name: str
    description: str
    flags: list[Flag]


# --- commands


def command_names() -> list[str]:
    """All commands, as `python -m DOMAIN` lists them, and the studio."""
    listed = [f"{domain}.{name}" for domain in PACKAGES for name in import_module(f"{domain}.__main__").COMMANDS]
    return [*listed, "studio"]


def main_of(name: str) -> Callable[[Any], None]:
    """The function that `python -m NAME` runs.

    Raises:
        ModuleNotFoundError, AttributeError: there is no such command.
    """
    spec = find_spec(name)
    is_package = spec is not None and spec.submodule_search_locations is not None
    return import_module(f"{name}.__main__" if is_package else name).main


def read_command(name: str) -> Command:
    """What a command's --help says."""
    said = io.StringIO()
    with patch.dict(os.environ, WIDE), redirect_stdout(said), suppress(SystemExit):
        parse(main_of(name), name, ["--help"])
    lines = said.getvalue().splitlines()  # without frames, as for a terminal that knows ASCII alone
    start = next(number for number, line in enumerate(lines) if line.startswith(" "))
    return Command(name, "\n".join(lines[1:start]).strip(), list(_flags(lines[start:])))


def _flags(lines: Sequence[str]) -> Iterator[Flag]:
    """The entries of a help, two spaces from the edge; meanings stand behind them or, if these are long, below."""
    head = ""
    for line in lines:
        if re.match(r"  \S", line):
            head, _, meaning = line.strip().partition("  ")
        else:
            meaning = line if line.startswith("    ") else ""
        if meaning.strip() and not head.startswith("-h"):
            yield _flag(head, meaning.strip())


def _flag(head: str, meaning: str) -> Flag:
    entry, told = ENTRY.fullmatch(head), MEANING.fullmatch(meaning)
    assert entry is not None and told is not None, (head, meaning)
    default = told["default"]
    return Flag(entry["flag"], _values(entry["values"] or ""), told["text"], "" if default in UNSET else default)


def _values(values: str) -> str:
    """The parser's "{None}|INT" and "[STR [STR ...]]" as manuals have them: "INT" and "STR ..."."""
    values = re.sub(r"\[(.+) \[(?:\1 )?\.\.\.\]\]", r"\1 ...", values.removeprefix("{None}|"))
    return re.sub(r"\{(?:None,)?([^}]*)\}", lambda choice: choice[1].replace(",", ", "), values)


def commands_page() -> str:
    """All of `commands.md`."""
    commands = [read_command(name) for name in command_names()]
    return "\n".join([COMMANDS_HEAD, *_matrix(commands), *(line for one in commands for line in _section(one))])


def _matrix(commands: Sequence[Command]) -> Iterator[str]:
    """A table of all flags, and which commands have them."""
    names = dict.fromkeys(flag.name for command in commands for flag in command.flags if flag.name.startswith("--"))
    yield "| flag |" + "".join(f" {command.name} |" for command in commands)
    yield "|---|" + ":-:|" * len(commands)
    for name in sorted(names):
        has = ("•" if any(flag.name == name for flag in command.flags) else "" for command in commands)
        yield f"| `{name}` |" + "".join(f" {mark} |" for mark in has)
    yield "\n</div>\n"


def _section(command: Command) -> Iterator[str]:
    yield f"## {command.name}\n\n{command.description}\n"
    yield "| flag | takes | default | |\n|---|---|---|---|"
    for flag in command.flags:
        default = "*must be given*" if flag.default is None else _code(flag.default)
        yield f"| {_code(flag.name)} | {_cell(flag.values)} | {default} | {_cell(flag.meaning)} |"
    yield ""


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    """Plain text as a cell of a table."""
    return re.sub(r"([|*\[\]])", r"\\\1", text).replace("<", "&lt;")


# --- weights


def weights_page() -> str:
    """All of `weights.md`."""
    parts = [WEIGHTS_HEAD]
    for domain in DOMAINS:
        cards = {path.parent.name: path for path in sorted((ROOT / domain / "weights").glob("*/README.md"))}
        parts += [f"## {domain}\n", "| name | good for | trained | size |", "|---|---|---|---|"]
        parts += [_row(name, path) for name, path in cards.items()]
        parts.append("")
        parts += [f"### {name}\n\n{_demoted(path.read_text('utf-8'))}" for name, path in cards.items()]
    return "\n".join(parts)


def _row(name: str, card: Path) -> str:
    lines = _list_items(card.read_text("utf-8"))
    use = next(line.removeprefix("- Good for: ") for line in lines if line.startswith("- Good for: "))
    trained = next(found[1] for found in map(TRAINED.fullmatch, lines) if found)
    megabytes = sum(path.stat().st_size for path in card.parent.iterdir()) / 1e6
    return f"| [`{name}`](#{name}) | {use} | {trained} | {megabytes:.1f} MB |"


def _list_items(card: str) -> list[str]:
    """The items of a card's lists, each in one line."""
    return re.sub(r"\n  +(?!- )", " ", card).splitlines()


def _demoted(card: str) -> str:
    """A card without its title, its headings three levels down."""
    body = card.partition("\n")[2].strip()
    return re.sub(r"^##(?= )", "####", body, flags=re.MULTILINE) + "\n"


# --- both

COMMANDS_HEAD = """\
# Commands

<!-- Made by `python docs/reference.py` of what --help says; do not edit. -->

`python -m image`, `python -m music`, `python -m text` and `python -m superres` list these commands, and each has
`--help`, of which this page is made. A flag that several commands have means the same in all of them, but for `--size`,
in `common.shards` pictures and elsewhere pixels; where the command or the `--core` that is asked for does not read one,
it is refused.

## Every flag of every command

<div class="wide" markdown>
"""

WEIGHTS_HEAD = """\
# Bundled weights

<!-- Made by `python docs/reference.py` of the cards in */weights/*/README.md; do not edit. -->

They ship with the project and need no network: `--weights NAME`. Each is a folder of `config.json`,
`model.safetensors` and the card that stands here, which says how it was trained, what was measured, what is known to
be wrong with it, and the licence of what it learned from. To choose by domain, read the tables; research only is what
was trained on data for research.
"""

PAGES = {"commands.md": commands_page, "weights.md": weights_page}


def main() -> None:
    """Write all pages."""
    for name, page in PAGES.items():
        path = ROOT / "docs" / "reference" / name
        path.write_text(page(), encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
