"""Records into files: while a command records (`common.provenance.record`), writers call what is here for their kind.

Pictures carry XMP, GIFs and films a comment, MIDI a text event, WAV an INFO list, and objects of .jsonl a field.
"""

import io
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL.PngImagePlugin import PngInfo

from common.pictures.reading import Picture
from common.provenance import digests, xmp
from common.provenance.record import as_line, complete, current, split

LONGEST_IN_JPEG = 65_000  # bytes of a packet


def xmp_of(pictures: Sequence[Picture]) -> bytes | None:
    """The packet of pictures that a format will hold without loss; None if there is nothing to say."""
    return _packet(pictures[0].xmp, lambda: digests.of_pictures(pictures))


def save_marked(
    path: Path, kind: str, save: Callable[..., object], given: bytes | None = None, info: PngInfo | None = None
) -> None:
    """Write a picture by `save`, a call of Pillow's, so that it carries what it shall.

    Where pixels are recorded they are written twice, since only then it is known what the format makes of them.

    Args:
        path: that `save` writes.
        kind: format, in Pillow's words.
        save: takes Pillow's settings by keyword, beside those that it has already.
        given: the packet of the input.
        info: what else a PNG says.
    """

    def digest() -> str:
        save()
        return digests.of_picture_file(path)

    if kind == "GIF":
        comment = film_comment("", digest)
        save(**({"comment": comment.encode()} if comment else {}))
        return
    packet = None if kind == "BMP" else _packet(given, digest)
    if packet is not None and kind == "JPEG" and len(packet) > LONGEST_IN_JPEG:
        packet = _packet(None, digest)
    save(**_settings(kind, packet, info))


def film_comment(given: str, digest: Callable[[], str]) -> str:
    """The comment of a film or GIF: that of its input, and the record in the last line.

    Args:
        digest: of the frames, if it is asked for.
    """
    rest, earlier = split(given)
    if (record := current()) is None:
        return given
    return f"{rest}\n{as_line(complete(record, digest(), earlier))}".lstrip("\n")


def write_film(coded: io.BytesIO, path: Path) -> None:
    """Write an MP4 of one stream of frames, which is at hand in memory, with its record if there is one."""
    import av  # slow to import

    coded.seek(0)
    comment = film_comment("", lambda: digests.of_film(coded))
    if not comment:
        path.write_bytes(coded.getvalue())
        return
    coded.seek(0)
    with av.open(coded, "r") as film, av.open(f"file:{path}", "w") as result:
        stream = result.add_stream_from_template(film.streams.video[0])
        result.metadata["comment"] = comment
        for packet in film.demux(video=0):
            if packet.size:
                packet.stream = stream
                result.mux(packet)


def mark_midi(path: Path) -> None:
    """Put the record into a MIDI file as a text at its beginning."""
    import mido

    if (record := current()) is not None:
        midi = mido.MidiFile(path, charset="utf-8")
        text = as_line(complete(record, digests.of_midi(path)))
        midi.tracks[0].insert(0, mido.MetaMessage("text", text=text, time=0))
        midi.save(path)


def mark_wav(path: Path) -> None:
    """Put the record behind the samples of a WAV file, as the comment of an INFO list."""
    if (record := current()) is None:
        return
    line = as_line(complete(record, digests.of_wav(path)))
    texts = ((b"ISFT", record["made_by"]), (b"ICMT", line))
    content = b"INFO" + b"".join(_chunk(name, text.encode() + b"\0") for name, text in texts)
    with path.open("rb+") as file:
        file.seek(0, 2)
        file.write(b"\0" * (file.tell() % 2) + _chunk(b"LIST", content))
        size = file.tell() - 8
        file.seek(4)
        file.write(struct.pack("<I", size))


def marked_row(row: dict[str, Any]) -> dict[str, Any]:
    """An object of a .jsonl file, with its record as one more field."""
    record = current()
    return row if record is None else row | {"provenance": complete(record, digests.of_row(row))}


def _packet(given: bytes | None, digest: Callable[[], str]) -> bytes | None:
    record = current()
    return xmp.packet(given, record and complete(record, digest(), xmp.record_in(given)))


def _settings(kind: str, packet: bytes | None, info: PngInfo | None) -> dict[str, Any]:
    if packet is None:
        return {}
    if kind != "PNG":
        return {"xmp": packet}
    info = info or PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode())
    return {"pnginfo": info}


def _chunk(name: bytes, content: bytes) -> bytes:
    """Of RIFF, filled up to an even length."""
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
