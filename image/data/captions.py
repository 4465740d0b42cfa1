"""Descriptions of pictures: those that lie beside a user's own, and the names of emoji."""

import io
import posixpath
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from common.data.folders import UNREADABLE, File
from common.data.tables import HALF, read_lines, read_rows
from common.errors import UserError

TABLES = ("metadata.jsonl", "metadata.csv")  # as in imagefolder: rows with file_name and text
MAX_BYTES = 64 << 20  # bytes of a file with descriptions
NAMED = 14  # version of Unicode up to which names are the same for every Python that this project runs on


def tidy(text: str) -> str:
    """A description as models read it: small letters, composed (NFC), single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


def caption_files(files: Mapping[str, File], pictures: Sequence[str]) -> dict[str, File]:
    """The files that describe pictures: tables, and each .txt with the name of a picture beside it."""
    beside = {str(PurePosixPath(name).with_suffix(".txt")) for name in pictures}
    return {name: file for name, file in files.items() if PurePosixPath(name).name in TABLES or name in beside}


def folder_captions(data: str, described: Mapping[str, File], pictures: Sequence[str]) -> list[list[str]] | None:
    """The descriptions of each picture, in order of the tables' rows or of the lines of its .txt; None for none at all.

    Raises:
        UserError: a file is no UTF-8, or a row of a table has no file_name and text.
    """
    if not described:
        return None
    found: dict[str, list[str]] = {name: [] for name in pictures}
    for name, file in described.items():
        where, content = f"--data {data}: {name}", io.BytesIO(_content(data, name, file))
        if PurePosixPath(name).name in TABLES:
            for picture, text in _table(content, PurePosixPath(name).suffix, where):
                found.get(posixpath.normpath(posixpath.join(posixpath.dirname(name), picture)), []).append(text)
        else:
            stem, lines = name.removesuffix(".txt"), list(read_lines(content, where))
            for picture in pictures:
                if posixpath.splitext(picture)[0] == stem:
                    found[picture] += lines
    captions = [list(dict.fromkeys(filter(None, map(tidy, texts)))) for texts in found.values()]
    return captions if any(captions) else None


def emoji_captions(codes: Sequence[tuple[int, ...]]) -> list[list[str]]:
    """The names of each emoji, the commonest first: Unicode's (CLDR's), aliases, and that of its one character.

    Private characters and OpenMoji's own sequences have none.
    """
    import emoji

    found = []
    for code in codes:
        entry: dict[str, Any] = emoji.EMOJI_DATA.get("".join(map(chr, code)), {})
        names = [tidy(name.strip(":").replace("_", " ")) for name in (entry.get("en", ""), *entry.get("alias", ()))]
        if len(code) == 2 and all(0x1F1E6 <= point <= 0x1F1FF for point in code):
            names.insert(0, f"flag of {names[0]}")
        if len(plain := [point for point in code if point != 0xFE0F]) == 1 and entry.get("E", 0) <= NAMED:
            names.append(unicodedata.name(chr(plain[0]), "").lower())
        chief, *others = filter(None, names) if any(names) else [""]
        found.append(list(dict.fromkeys(filter(None, [chief, *filter(_in_words, others)]))))
    return found


def _in_words(name: str) -> bool:
    """Whether a name is more than a code, as "u55b6" and "clock330" are."""
    return len(name) > 3 and not re.search(r"\d", name)


def _content(data: str, name: str, file: File) -> bytes:
    try:
        return file.read(MAX_BYTES)
    except UNREADABLE as error:
        raise UserError(f"--data {data}: {name} cannot be read as descriptions ({error}); mend or remove it") from error


def _table(content: io.BytesIO, kind: str, where: str) -> Iterable[tuple[str, str]]:
    """The file names and descriptions of a table."""
    for line, row in read_rows(content, kind, where, ("file_name", "text")):
        picture, text = row["file_name"], row.get("text")
        if not isinstance(picture, str) or not isinstance(text, str | int | float) or HALF.search(str(text)):
            raise UserError(f"{where}, line {line}, has no text beside its file_name; write one or remove the line")
        yield picture, str(text)
