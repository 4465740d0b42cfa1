"""Longer texts than the bundled weights learned from: poems, packages' descriptions, dictionaries and fortunes.

All but the poems are Debian's, as its own tools give them; `docs/reference/data-sets.md` has the commands.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from textwrap import dedent

from text.words import likeness

MAX_CHARACTERS = 1_600  # of a text: some 400 pieces, so that it fits into what a model reads
STANZA = 4, 16  # lines, at least and at most
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"  # of the numbers in a dictionary's index
ENDED = re.compile(r"[.!?]['\"”’)]*$")
SENTENCES = re.compile(r"[a-z\d)][.!?]['\"”’)]*\s+['\"“‘(]?[A-Z]")  # where one ends and the next begins
MARKED = re.compile(r"[\d\[\]{}*=|<>_&]|--\s*\d|[A-Z]{4}")  # notes, headings and page numbers among verses
LISTED = re.compile(r"^(\s|[-*+•o]\s|\(?\d+[.)])", re.MULTILINE)  # verse, code, and points of lists
CODE = re.compile(r"[{}\[\]|<>=\\^~_#@]|https?:|www\.|ftp:|\.\.\.\.")
SIGNED = re.compile(r"\n\s*-- *(?P<author>[^\n,(]*).*", re.DOTALL)  # who a fortune is by
SKIPPED = {"ascii-art", "songs-poems", "translate-me"}  # fortunes that are no prose

Row = dict[str, str]


@dataclass(frozen=True)
class Origin:
    """Where texts come from.

    Attributes:
        style: of all of them.
        what: they are, for people.
        licence: in a line.
        read: the texts of a folder, as {"text": ..., "source": ...}; those of one source are held out together.
    """

    style: str
    what: str
    licence: str
    read: Callable[[Path], Iterator[Row]]


def long_texts(folder: Path) -> list[Row]:
    """All texts of a folder with their style and what they are from, none twice but for case, marks and brackets.

    Raises:
        OSError: a file is missing.
    """
    found: dict[str, Row] = {}
    for origin in ORIGINS:
        for row in origin.read(folder):
            if len(row["text"]) <= MAX_CHARACTERS:
                found.setdefault(likeness(row["text"]), {"style": origin.style, "origin": origin.what} | row)
    return list(found.values())


def table_of(rows: list[Row]) -> str:
    """Where the texts of a corpus come from, how many and how long they are, and their licences, in Markdown."""
    lines = ["| style | texts | characters, median | most | from | licence |", "|---|---|---|---|---|---|"]
    for origin in ORIGINS:
        lengths = [len(row["text"]) for row in rows if row["origin"] == origin.what]
        counts = f"{len(lengths):,} | {median(lengths or [0]):,.0f} | {max(lengths, default=0):,}"
        lines.append(f"| {origin.style} | {counts} | {origin.what} | {origin.licence} |")
    return "\n".join(lines) + "\n"


def prose(block: str) -> list[str]:
    """The paragraphs of a block that are whole sentences, a line each; no lists, verse, code or addresses."""
    parts = [part.strip("\n") for part in re.split(r"\n[ \t]*\n", dedent(block))]
    lines = [" ".join(part.split()) for part in parts if part and not LISTED.search(part)]
    return [line for line in lines if ENDED.search(line) and not line[0].islower() and not CODE.search(line)]


def fitting(paragraphs: list[str]) -> str:
    """As many of the first paragraphs as fit into a text, a line each; "" if they are not two sentences."""
    kept: list[str] = []
    for paragraph in paragraphs:
        if len("\n".join([*kept, paragraph])) > MAX_CHARACTERS:
            break
        kept.append(paragraph)
    text = "\n".join(kept)
    return text if SENTENCES.search(text) else ""


def poems(folder: Path) -> Iterator[Row]:
    """Whole poems of two stanzas or more."""
    for author, stanzas in _stanzas(folder):
        if len(stanzas) > 1 and all(map(_is_verse, stanzas)) and ENDED.search(stanzas[-1]):
            yield {"text": "\n\n".join(stanzas), "source": author}


def stanzas(folder: Path) -> Iterator[Row]:
    """Stanzas that end with a sentence, and have no half quotation."""
    for author, parts in _stanzas(folder):
        for text in parts:
            has_length = STANZA[0] <= text.count("\n") + 1 <= STANZA[1]
            if has_length and _is_verse(text) and ENDED.search(text) and text.count('"') % 2 == 0:
                yield {"text": text, "source": author}


def _is_verse(text: str) -> bool:
    return "\n" in text and not MARKED.search(text)


def _stanzas(folder: Path) -> Iterator[tuple[str, list[str]]]:
    with gzip.open(folder / "poems.jsonl.gz", "rt", encoding="utf-8") as file:
        for poem in map(json.loads, file):
            parts = re.split(r"\n\s*\n", "\n".join(line.strip() for line in poem["text"].split("\n")))
            yield poem["author"], [part.strip() for part in parts if part.strip()]


def products(folder: Path) -> Iterator[Row]:
    """What packages say of themselves, where several say the same the one with the shortest name."""
    sources, seen = _sources(folder / "packages.gz"), set[str]()
    for name, description in sorted(_descriptions(folder / "translation-en.gz"), key=lambda pair: (len(pair[0]), pair)):
        new = [part for part in prose(description) if part not in seen]
        seen.update(new)
        if text := fitting(new):
            yield {"text": text, "source": sources.get(name, name)}


def _sources(path: Path) -> dict[str, str]:
    """Of what source each package is built, where that has another name."""
    found, name = {}, ""
    for line in _lines(path):
        if line.startswith("Package: "):
            name = line[9:]
        elif line.startswith("Source: "):
            found[name] = line[8:].split()[0]
    return found


def _descriptions(path: Path) -> Iterator[tuple[str, str]]:
    """Names and descriptions of packages, without the line that sums them up."""
    for record in "\n".join(_lines(path)).split("\n\n"):
        name, _, description = record.strip().removeprefix("Package: ").partition("\nDescription-en: ")
        lines = description.split("\n")[1:]
        yield name.split("\n")[0], "\n".join("" if line == " ." else line[1:] for line in lines)


def _lines(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from (line.rstrip("\n") for line in file)


def satire(folder: Path) -> Iterator[Row]:
    """Entries of the Devil's Dictionary, without their verse."""
    for entry in _entries(folder, "devil"):
        head, _, rest = entry.strip().partition("  ")
        if text := fitting(prose(rest)):
            yield {"text": f"{head.split(',')[0].capitalize()}: {text}", "source": ""}


def jargon(folder: Path) -> Iterator[Row]:
    """Entries of the Jargon File."""
    for entry in _entries(folder, "jargon"):
        head, _, rest = entry.strip("\n").partition("\n\n")
        yield from _defined(head.split("\n")[0], re.sub(r"^(\s*)\[[^\]]*\]\s*", r"\1", rest))


def computing(folder: Path) -> Iterator[Row]:
    """Entries of the Free On-line Dictionary of Computing."""
    for entry in _entries(folder, "foldoc"):
        head, _, rest = entry.strip("\n").partition("\n\n")
        yield from _defined(" ".join(head.split()).split("%%%")[0], re.sub(r"^(\s*)<[^>]*>\s*", r"\1", rest))


def _defined(head: str, entry: str) -> Iterator[Row]:
    """An entry that refers to others in braces."""
    if text := fitting(prose(re.sub(r"[{}]|\{\s+", "", entry))):
        yield {"text": f"{head}: {text}", "source": ""}


def _entries(folder: Path, name: str) -> list[str]:
    """The entries of a dictionary in the format of dictd: a file of texts, and an index of where each begins."""
    with gzip.open(folder / f"{name}.dict.dz") as packed:
        whole = packed.read()
    rows = [line.split("\t") for line in (folder / f"{name}.index").read_text(encoding="utf-8").splitlines()]
    places = {(_number(row[1]), _number(row[2])) for row in rows if not row[0].startswith("00-database")}
    return [whole[start : start + length].decode("utf-8", "replace") for start, length in sorted(places)]


def _number(digits: str) -> int:
    value = 0
    for digit in digits:
        value = 64 * value + DIGITS.index(digit)
    return value


def fortunes(folder: Path) -> Iterator[Row]:
    """Sayings of two sentences or more."""
    for path in sorted((folder / "fortunes").iterdir()):
        for saying in path.read_text(encoding="utf-8", errors="replace").split("\n%\n") if _is_told(path) else ():
            signed = SIGNED.search(saying)
            if text := fitting(prose(SIGNED.sub("", saying))):
                yield {"text": text, "source": signed["author"].strip() if signed else ""}


def _is_told(path: Path) -> bool:
    return not path.suffix and path.name not in SKIPPED


ORIGINS = (
    Origin("poem", "whole poems", "public domain, but for some later authors", poems),
    Origin("stanza", "stanzas of the same poems", "public domain, but for some later authors", stanzas),
    Origin("product", "descriptions of Debian's packages", "each package's own, all of them free software", products),
    Origin("satire", "The Devil's Dictionary, in Debian's dict-devil", "public domain", satire),
    Origin("jargon", "The Jargon File 4.4.7, in Debian's dict-jargon", "public domain; asks to be cited", jargon),
    Origin(
        "computing",
        "The Free On-line Dictionary of Computing, http://foldoc.org/, Editor Denis Howe, in Debian's dict-foldoc",
        "GFDL 1.1 or later",
        computing,
    ),
    Origin(
        "fortune",
        "sayings in Debian's fortunes and fortunes-min",
        "the collection BSD, the sayings those of their authors: for research only",
        fortunes,
    ),
)
