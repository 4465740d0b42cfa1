"""Where music comes from: the collections in music21's wheel, POP909, and folders or .zip files of one's own."""

import os
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path, PurePosixPath

from common.data.folders import File, content_key, find_files, of_kind, require_lasting, short_name, sub_folders
from common.data.shard_names import spelt_out
from common.data.tars import files_of
from common.errors import UserError
from music.data import pop909
from music.data.corpus import chorales, dances
from music.data.notation import musicxml, tunes_in_abc
from music.data.styles import styles
from music.data.tunes import MAX_BYTES, UNREADABLE, Item, Music, Reader, Tune, note_table, plain
from music.score import Score, notes
from music.theory import GRIDS

BUILT_IN: dict[str, Callable[[], Music]] = {"chorales": chorales, "dances": dances, "styles": styles}
MIDI, XML, ABC = {".mid", ".midi"}, {".xml", ".mxl", ".musicxml"}, {".abc"}
ENDINGS = MIDI | XML | ABC
BEATS = "beat_midi.txt"  # by which POP909 is known


def find(data: str) -> tuple[str, Callable[[], Music]]:
    """The part of the cache's key that stands for the content, and how to get at the content.

    Raises:
        UserError: there is no such data, or nothing in it is music by its ending.
    """
    if data in BUILT_IN:
        return f"{data} music21 {version('music21')}", BUILT_IN[data]
    path = Path(data).expanduser()
    if data.lower().endswith(".tar") and not path.is_dir():
        held = _in_tars(data)
        if all(PurePosixPath(name).name != BEATS for name in held):
            return _found(data, *of_kind(held, data, ENDINGS, "music"))
    if path.is_file() and tarfile.is_tarfile(path):
        return f"{zlib.crc32(path.read_bytes()):08x} pop909", lambda: pop909.find_in_tar(data, path)
    files, skipped = find_files(data, ENDINGS, "music", BUILT_IN)
    if any(PurePosixPath(name).name == BEATS for name in skipped):
        key, _ = _found(data, files, skipped)
        return f"{key} pop909", lambda: pop909.find_in_folder(data, path, [*files, *skipped])
    return _found(data, files, skipped)


def _found(data: str, files: Mapping[str, File], skipped: dict[str, str]) -> tuple[str, Callable[[], Music]]:
    key = content_key(data, ((name, file.fingerprint()) for name, file in files.items()), skipped)
    return key, lambda: _folder(data, files, skipped)


def _in_tars(data: str) -> dict[str, File]:
    """The files of one tar, or of those that a range in braces names, by their names, which must differ."""
    held: dict[str, File] = {}
    for shard in map(os.path.expanduser, spelt_out(data)):
        where = f"--data {data}: {shard}"
        found = files_of(where, shard)
        if twice := sorted(found.keys() & held):
            raise UserError(f"{where} has {twice[0]}, which one before it has too; rename one")
        held |= found
    return held


def _folder(data: str, files: Mapping[str, File], skipped: dict[str, str]) -> Music:
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


def _midi(read: Reader, ending: str, grid: int) -> Tune:
    from music.io.midi import moved, on_grid, parse

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"tune{ending}"
        path.write_bytes(read())
        try:
            content = parse(path)[1]
            off, off_twelfths = (moved(content, steps) for steps in GRIDS)
            return replace(_listed(on_grid(str(path), content, grid=grid)), moved=off, off_twelfths=off_twelfths)
        except UserError as error:
            raise ValueError(str(error).removeprefix(f"{path}: ")) from error  # the name is the temporary file's


def _listed(score: Score) -> Tune:
    """The notes of piano rolls."""
    found = [(t, pitch, start, stop) for t in range(len(score.tracks)) for start, stop, pitch in notes(score, t)]
    return Tune(score.tracks, note_table(found), score.steps, score.metre, score.key, score.tempo, grid=score.grid)
