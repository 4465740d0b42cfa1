"""Records out of files, and whether what the files hold is still what was recorded."""

import json
import struct
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mido

from common.errors import UserError
from common.films.formats import READABLE
from common.pictures.formats import ENDINGS
from common.pictures.reading import open_picture
from common.provenance import digests, xmp
from common.provenance.record import Record, parse, split

# What libraries raise on files that are damaged, or are none of their kind.
UNREADABLE: tuple[type[Exception], ...] = (
    *(OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, RecursionError),
    *(wave.Error, struct.error, mido.KeySignatureError),
)
FILMS = (".mp4", ".m4v", ".mov", ".mkv", ".webm")


@dataclass(frozen=True)
class Found:
    """What a file says of how it was made.

    Attributes:
        record: of all of it, or of the first of its texts.
        is_unchanged: whether pixels, frames, notes, samples or texts are as they were made.
    """

    record: Record
    is_unchanged: bool

    @property
    def lines(self) -> list[str]:
        """The record field by field, and whether the file is as it was made."""
        fields = [
            f"{name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in self.record.items()
        ]
        return [*fields, "unchanged since it was made" if self.is_unchanged else "CHANGED since it was made"]


def read_record(path: Path) -> Found:
    """Read the record of a picture, film, MIDI, WAV or .jsonl file.

    Raises:
        UserError: the file cannot be read, is of another kind, or has no record.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise UserError(f"{path}: files of this kind carry no record; those that do end in {' '.join(sorted(KINDS))}")
    record_in, digest = kind
    try:
        record = record_in(path)
        if record is not None:
            return Found(record, digest(path) == record.get("digest"))
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} cannot be read ({reason}); try another copy of it") from error
    raise UserError(f"{path} does not say how it was made: it has no record, or lost it on its way")


def _in_picture(path: Path) -> Record | None:
    with open_picture(path) as file:
        comment = file.image.info.get("comment", b"")
        in_comment = split(comment.decode(errors="replace"))[1] if isinstance(comment, bytes) else None
        return xmp.record_in(file.read().xmp) or in_comment


def _in_film(path: Path) -> Record | None:
    import av  # slow to import

    with av.open(f"file:{path}", options=READABLE, metadata_errors="replace") as film:
        comments = [value for name, value in film.metadata.items() if name.lower() == "comment"]
    return split("\n".join(comments))[1]


def _in_midi(path: Path) -> Record | None:
    midi = mido.MidiFile(path, charset="latin1")
    texts = (message.text for track in midi.tracks for message in track if message.type == "text")
    return next(filter(None, map(parse, texts)), None)


def _in_wav(path: Path) -> Record | None:
    """By the comments of the INFO lists of a RIFF file."""
    content, place, found = path.read_bytes(), 12, []
    while place + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        if name == b"ICMT":
            found.append(content[place + 8 : place + 8 + size].rstrip(b"\0").decode(errors="replace"))
        is_list = name == b"LIST" and content[place + 8 : place + 12] == b"INFO"
        place += 12 if is_list else 8 + size + size % 2  # into the list, or past the chunk
    return split("\n".join(found))[1]


def _in_rows(path: Path) -> Record | None:
    rows = _rows(path)
    record = parse(json.dumps(rows[0].get("provenance"))) if rows else None
    return record and record | {"digest": "of each text"}


def _of_rows(path: Path) -> str:
    """What `_in_rows` says if every object is as its own record says."""
    rows = _rows(path)
    digests_said = ((row.get("provenance") or {}).get("digest") for row in rows)
    is_unchanged = all(said == digests.of_row(row) for said, row in zip(digests_said, rows, strict=True))
    return "of each text" if is_unchanged else "of other texts"


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


# By endings, how the record is found, and the digest of what is there now.
KINDS: dict[str, tuple[Callable[[Path], Record | None], Callable[[Path], str]]] = {
    **dict.fromkeys(ENDINGS, (_in_picture, digests.of_picture_file)),
    **dict.fromkeys(FILMS, (_in_film, lambda path: digests.of_film(f"file:{path}"))),
    **dict.fromkeys((".mid", ".midi"), (_in_midi, digests.of_midi)),
    ".wav": (_in_wav, digests.of_wav),
    ".jsonl": (_in_rows, _of_rows),
}
