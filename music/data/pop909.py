"""POP909 (Wang et al. 2020): 909 pop songs as melody, bridge and piano, with their beats and keys."""

import io
import re
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from common.data.folders import File
from common.errors import UserError
from music.data.tunes import MAX_BYTES, Item, Music, Reader, Tune, monophonic, note_table
from music.io.midi import off_grid
from music.score import Kind, TrackSpec
from music.theory import GRIDS, Key, parse_key

FLUTE, STRINGS, PIANO = 73, 48, 0  # General MIDI programs, from 0
TRACKS: list[tuple[str, Kind, int]] = [("melody", "mono", FLUTE), ("bridge", "poly", STRINGS), ("piano", "poly", PIANO)]
Song = dict[str, Reader]  # the files of a song: "mid", "beat_midi" and "key_audio"


def find_in_tar(data: str, path: Path) -> Music:
    """POP909 as it is published, read once from front to end, as a packed .tar allows no other order.

    Raises:
        UserError: the file is damaged, or not POP909; the message names it as --data gives it, `data`.
    """
    songs: dict[str, Song] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.size <= MAX_BYTES else None
                if file is not None:
                    _add_to_song(songs, PurePosixPath(member.name), partial(bytes, file.read()))
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise UserError(f"--data {data}: damaged .tar file ({error})") from error
    return _music(data, songs)


def find_in_folder(data: str, path: Path, names: Iterable[str]) -> Music:
    """POP909 unpacked, or packed anew as a .zip.

    Args:
        data: the path as --data gives it, for the error.
        path: of the folder or .zip.
        names: of all files inside, from `path` on.

    Raises:
        UserError: it is not POP909.
    """
    songs: dict[str, Song] = {}
    for name in sorted(names):
        file = File(path / name) if path.is_dir() else File(path, name)
        _add_to_song(songs, PurePosixPath(name), partial(file.read, MAX_BYTES))
    return _music(data, songs)


def _add_to_song(songs: dict[str, Song], name: PurePosixPath, read: Reader) -> None:
    """Keep a file if it lies in its song's own folder, not among the other versions of the song."""
    part = "mid" if name.name == f"{name.parent.name}.mid" else name.stem
    if part in ("mid", "beat_midi", "key_audio"):
        songs.setdefault(name.parent.name, {})[part] = read


def _music(data: str, songs: dict[str, Song]) -> Music:
    """The songs, by their numbers, of which nothing is missing."""
    whole = {number: song for number, song in sorted(songs.items()) if len(song) == 3}
    if not whole:
        raise UserError(f"--data {data}: not POP909, as no folder has NNN.mid, beat_midi.txt and key_audio.txt")
    items = [Item(number, number, partial(_song, song)) for number, song in whole.items()]
    return Music(items, "POP909 (Wang et al. 2020), MIT licence")


def _song(song: Song, grid: int) -> Tune:
    """The longest stretch of a song in which every bar has as many beats, put on the grid by its own beats."""
    from pretty_midi import PrettyMIDI

    table = np.loadtxt(io.BytesIO(song["beat_midi"]()), ndmin=2)
    first, last, metre = _regular_beats(table)
    beats = np.concatenate([2 * table[:1, 0] - table[1:2, 0], table[:, 0]])  # one before, for notes a hair too early
    midi = PrettyMIDI(io.BytesIO(song["mid"]()))
    instruments = {instrument.name.strip().lower(): instrument for instrument in midi.instruments}
    steps = (last - first) * grid
    notes, begins = [], []
    for track, (name, _, _) in enumerate(TRACKS):
        for note in instruments[name].notes:
            at = np.interp((note.start, note.end), beats, np.arange(len(beats)) - 1 - first)
            start, stop = np.floor(at * grid + 0.5).astype(int).tolist()
            if 0 <= start < steps:
                notes.append((track, note.pitch, start, min(max(stop, start + 1), steps)))
                begins.append(at[0])
    pitches = [[note[1] for note in notes if note[0] == track] or [60] for track in range(3)]
    tracks = tuple(
        TrackSpec(name, kind, min(own), max(own), program)
        for (name, kind, program), own in zip(TRACKS, pitches, strict=True)
    )
    listed = note_table(notes)
    melody = listed[:, 0] == 0
    listed = np.concatenate([monophonic(listed[melody]), _without_overlap(listed[~melody])])
    moved, off_twelfths = (int(off_grid(np.array(begins), steps).sum()) for steps in GRIDS)
    tempo = 60 * (last - first) / float(table[last, 0] - table[first, 0])
    key = _key(song["key_audio"]().decode())
    return Tune(tracks, listed, steps, metre, key, tempo, moved, off_twelfths, grid=grid)


def _regular_beats(table: np.ndarray) -> tuple[int, int, str]:
    """The longest stretch of regular bars: the row of its first beat, that of the beat after it, and the metre.

    Columns of `table`: a beat's time; whether it is the first of 2 or 3 beats; whether it begins a bar of 4 or 6.
    """
    halves, bars = (np.flatnonzero(column) for column in table[:, 1:].T)
    in_threes = (np.diff(halves) == 3).sum() > (np.diff(halves) == 2).sum()
    downbeats, size = (halves, 3) if in_threes else (bars, 4)
    edges = np.flatnonzero(np.concatenate([[True], np.diff(downbeats) != size, [True]]))  # around regular stretches
    longest = int(np.diff(edges).argmax())
    first, last = downbeats[edges[longest]], downbeats[edges[longest + 1] - 1]
    if first == last:
        raise ValueError("no bar of it is regular")
    return int(first), int(last), f"{size}/4"


def _without_overlap(notes: np.ndarray) -> np.ndarray:
    """Notes of one track and pitch, each cut off where the next begins, one a step."""
    notes = notes[np.lexsort((-notes[:, 3], notes[:, 2], notes[:, 1], notes[:, 0]))]
    notes = notes[np.unique(notes[:, :3], axis=0, return_index=True)[1]]  # by track, pitch and start
    same = (notes[:-1, :2] == notes[1:, :2]).all(axis=1)
    notes[:-1, 3] = np.where(same, np.minimum(notes[:-1, 3], notes[1:, 2]), notes[:-1, 3])
    return notes


def _key(text: str) -> Key | None:
    """The key that lasts longest, of lines such as "2.67 191.98 Gb:maj"."""
    lasting: dict[tuple[str, str], float] = defaultdict(float)
    for start, stop, key in re.findall(r"(?m)^(\S+)\s+(\S+)\s+(\S+)", text):
        tonic, _, mode = key.partition(":")
        lasting[tonic, mode] += float(stop) - float(start)
    if not lasting:
        return None
    tonic, mode = max(lasting, key=lasting.__getitem__)
    return parse_key(f"{tonic} {'minor' if mode == 'min' else 'major'}")
