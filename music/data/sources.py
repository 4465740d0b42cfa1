"""Where music comes from: the collections in music21's wheel, POP909, and folders or .zip files of one's own."""

import tarfile
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from common.data.folders import File, content_key, find_files, require_lasting, short_name, sub_folders
from common.errors import UserError
from music.data import pop909
from music.data.corpus import chorales, dances
from music.data.notation import musicxml, tunes_in_abc
from music.data.styles import styles
from music.data.tunes import MAX_BYTES, UNREADABLE, Item, Music, Reader, Tune, note_table, plain
from music.score import Score, notes
from music.theory import TWELFTHS

BUILT_IN: dict[str, Callable[[], Music]] = {"chorales": chorales, "dances": dances, "styles": styles}
MIDI, XML, ABC = {".mid", ".midi"}, {".xml", ".mxl", ".musicxml"}, {".abc"}


def find(data: str) -> tuple[str, Callable[[], Music]]:
    """The part of the cache's key that stands for the content, and how to get at the content.

    Raises:
        UserError: there is no such data, or nothing in it is music by its ending.
    """
    if data in BUILT_IN:
        return f"{data} music21 {version('music21')}", BUILT_IN[data]
    path = Path(data).expanduser()
    if path.is_file() and tarfile.is_tarfile(path):
        return f"{zlib.crc32(path.read_bytes()):08x} pop909", lambda: pop909.find_in_tar(data, path)
    files, skipped = find_files(data, MIDI | XML | ABC, "music", BUILT_IN)
    key = content_key(data, {name: file.fingerprint() for name, file in files.items()}, skipped)
    if any(PurePosixPath(name).name == "beat_midi.txt" for name in skipped):
        return f"{key} pop909", lambda: pop909.find_in_folder(data, path, [*files, *skipped])
    return key, lambda: _folder(data, files, skipped)


def _folder(data: str, files: dict[str, File], skipped: dict[str, str]) -> Music:
    source = f"{len(files)} files of music from {short_name(data)}; see there for the licence"
    items, skipped = [], dict(skipped)
    styles = sub_folders(data, list(files), "music") or [""] * len(files)
    for (name, file), style in zip(files.items(), styles, strict=True):
        ending, read = PurePosixPath(name).suffix.lower(), partial(file.read, MAX_BYTES)
        if ending not in ABC:
            reader = _midi if ending in MIDI else musicxml
            items.append(Item(name, plain(PurePosixPath(name).stem), partial(reader, read, ending), style))
            continue
        try:
            items += [replace(item, style=style) for _, item in tunes_in_abc(name, read())]
        except UNREADABLE as error:
            require_lasting(error, name)
            skipped[name] = str(error)
    return Music(items, source, skipped)


def _midi(read: Reader, ending: str) -> Tune:
    from music.io.midi import moved, on_grid, parse

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"tune{ending}"
        path.write_bytes(read())
        try:
            content = parse(path)[1]
            tune = _listed(on_grid(str(path), content))
            return replace(tune, moved=moved(content), off_twelfths=moved(content, TWELFTHS))
        except UserError as error:
            raise ValueError(str(error).removeprefix(f"{path}: ")) from error  # the name is the temporary file's


def _listed(score: Score) -> Tune:
    """The notes of piano rolls."""
    found = [(t, pitch, start, stop) for t in range(len(score.tracks)) for start, stop, pitch in notes(score, t)]
    return Tune(score.tracks, note_table(found), score.steps, score.metre, score.key, score.tempo)
