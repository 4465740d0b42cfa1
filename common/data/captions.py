"""Descriptions of a user's own pictures, which lie beside them."""

import io
import posixpath
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from common.data.folders import UNREADABLE, File, Files
from common.data.tables import HALF, read_lines, read_rows
from common.errors import UserError

TABLES = ("metadata.jsonl", "metadata.csv")  # as in imagefolder: rows with file_name and text
MAX_BYTES = 64 << 20  # bytes of a file with descriptions


def tidy(text: str) -> str:
    """A description as models read it: small letters, composed (NFC), single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


def caption_files(files: Mapping[str, File], pictures: Iterable[str]) -> Mapping[str, File]:
    """The files that describe pictures: tables, and each .txt with the name of a picture beside it."""
    texts = {name for name in files if name.endswith(".txt")}
    beside = texts.intersection(f"{posixpath.splitext(name)[0]}.txt" for name in pictures)
    names = (name for name in files if posixpath.basename(name) in TABLES or name in beside)
    return Files(names, files.__getitem__)


def folder_captions(data: str, described: Mapping[str, File], pictures: Iterable[str]) -> list[list[str]] | None:
    """What `folder_texts` returns, tidied and each once; None if there are none at all."""
    captions = [tidied(texts) for texts in folder_texts(data, described, pictures)] if described else []
    return captions if any(captions) else None


def tidied(texts: Iterable[str]) -> list[str]:
    """The descriptions of a picture, `tidy` and each once."""
    return list(dict.fromkeys(filter(None, map(tidy, texts))))


def folder_texts(data: str, described: Mapping[str, File], pictures: Iterable[str]) -> list[list[str]]:
    """The descriptions of each picture, in order of the tables' rows or of the lines of its .txt.

    Raises:
        UserError: a file is no UTF-8, or a row of a table has no file_name and text.
    """
    found: dict[str, list[str]] = {name: [] for name in pictures}
    of_stem: dict[str, list[list[str]]] = {}
    for name in pictures:
        of_stem.setdefault(posixpath.splitext(name)[0], []).append(found[name])
    for name, file in described.items():
        where, content = f"--data {data}: {name}", io.BytesIO(_content(data, name, file))
        if PurePosixPath(name).name in TABLES:
            for picture, text in _table(content, PurePosixPath(name).suffix, where):
                found.get(posixpath.normpath(posixpath.join(posixpath.dirname(name), picture)), []).append(text)
        else:
            lines = list(read_lines(content, where))
            for texts in of_stem.get(name.removesuffix(".txt"), []):
                texts += lines
    return list(found.values())


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
