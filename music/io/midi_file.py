"""What is in a MIDI file, in beats: its voices, and metres, keys and tempi wherever they stand.

Read by mido; what a file has of damage that does not touch its notes is left out and told.
"""

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mido import MidiFile
from mido.midifiles.meta import build_meta_message

from common.errors import UserError
from music.theory import Key

DRUM_CHANNEL = 9  # counted from 0
NOTHING = 0x7F  # the number of a meta event that means nothing outside of one program
LAST_META = 0x7E
Channel = tuple[int, bool]  # of a voice: which (0 where a track is one), and whether it is drums


@dataclass(frozen=True)
class Voice:
    """Notes that one player plays.

    Attributes:
        notes: float (N, 3): first and last moment in quarter notes, and pitch.
        name: of its track.
        program: General MIDI program of its first note.
        is_drums: whether it stands on channel 10.
    """

    notes: np.ndarray
    name: str = ""
    program: int = 0
    is_drums: bool = False


@dataclass(frozen=True)
class MidiContent:
    """A MIDI file's voices with notes, and by time in quarter notes its metres ("3/4"), keys and tempi.

    Tempi are in quarter notes a minute; of several facts at one time the last one counts.
    """

    voices: list[Voice]
    metres: list[tuple[float, str]]
    keys: list[tuple[float, Key]]
    tempi: list[tuple[float, float]]


class Played(NamedTuple):
    """A note as its track has it: times in ticks, and the numbers of the events that begin and end it."""

    channel: int
    start: int
    stop: int
    pitch: int
    program: int
    velocity: int
    events: tuple[int, ...]


class Part(NamedTuple):
    """The notes of a voice by time, and the number of the track that they are in."""

    track: int
    is_drums: bool
    notes: list[Played]


def open_midi(path: Path, say: Callable[[str], None]) -> MidiFile:
    """A Standard MIDI File as mido has it, of which `content_of` and `parts` say what is in it.

    A track is a voice, whatever programs, banks and channels it changes, but for drums in it. In a file of type 0, and
    in one whose only track plays on several channels at once, a channel is a voice. A note that nothing ends lasts
    until its track ends. Events and chunks that are not as the standard has them, and that hold no notes, are left out.

    Args:
        path: of the file.
        say: is told in a few words what was left out.

    Raises:
        UserError: time is counted in frames.
        Others, of which `music.io.midi` has the list: it is no MIDI, or its notes are damaged.
    """
    file = _open(path.read_bytes(), say)
    if file.ticks_per_beat < 0:
        raise UserError(f"{path}: counts time in SMPTE frames; export it in beats (ticks a quarter note)")
    return file


def content_of(file: MidiFile) -> MidiContent:
    """What is in a file that is open."""
    facts = [(tick / file.ticks_per_beat, event) for track in file.tracks for tick, event in _timed(track)]
    return MidiContent(
        _voices(file),
        _stated(facts, "time_signature", lambda event: f"{event.numerator}/{event.denominator}"),
        _stated(facts, "key_signature", lambda event: _key(event.key)),
        _stated(facts, "set_tempo", lambda event: 6e7 / max(event.tempo, 1)),
    )


# --- What is damaged --------------------------------------------------------------------------------------------------


def _open(content: bytes, say: Callable[[str], None]) -> MidiFile:
    """A file as mido has it; where mido refuses it, once more without what it may refuse."""
    try:
        return _decoded(content)
    except Exception as error:  # mido raises whatever its decoders meet
        cleaned, removed = _cleaned(content)
        if not removed:
            raise
        file = _decoded(cleaned)
        say(f"ignored {removed} of its chunks and events, which are not as the standard has them ({error})")
        return file


def _decoded(content: bytes) -> MidiFile:
    try:
        return MidiFile(file=io.BytesIO(content), charset="utf-8")
    except UnicodeDecodeError:  # names of tracks in the older encoding, in which every byte means something
        return MidiFile(file=io.BytesIO(content), charset="latin1")


def _cleaned(content: bytes) -> tuple[bytes, int]:
    """A file without chunks of other kinds and with bad meta events made void, and how many those were."""
    chunks = list(_chunks(content))
    tracks = [chunk for chunk in chunks if chunk.startswith(b"MTrk")]
    removed = len(chunks) - len(tracks) - 1
    header = bytearray(content[:14])
    header[10:12] = len(tracks).to_bytes(2, "big")
    kept = bytearray(b"".join([bytes(header), *tracks]))
    for event in re.finditer(rb"\xff([\x00-\x7e])([\x00-\x7f])", kept):
        kind, data = event[1][0], kept[event.end() : event.end() + event[2][0]]
        try:
            build_meta_message(kind, data, 0)
        except Exception:  # whatever the decoder of this kind meets
            kept[event.start() + 1] = NOTHING
            removed += 1
    return bytes(kept), removed


def _chunks(content: bytes) -> Iterator[bytes]:
    """The chunks of a file, the last one possibly cut off."""
    at = 0
    while at < len(content):
        stop = at + 8 + int.from_bytes(content[at + 4 : at + 8], "big")
        yield content[at:stop]
        at = stop


# --- Voices -----------------------------------------------------------------------------------------------------------


def _timed(track: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """The events of a track with their times in ticks."""
    tick = 0
    for event in track:
        tick += event.time
        yield tick, event


def _stated(
    facts: Sequence[tuple[float, Any]], kind: str, read: Callable[[Any], Any | None]
) -> list[tuple[float, Any]]:
    """What the events of a kind say, by time; of those at one time the last."""
    said = sorted(((time, read(event)) for time, event in facts if event.type == kind), key=lambda fact: fact[0])
    return [list(group)[-1] for _, group in groupby(said, key=lambda fact: fact[0])]


def _key(name: str) -> Key:
    """A key as mido writes it: C, F#m, Bbm."""
    tonic = "C D EF G A B".index(name[0]) + name.count("#") - name.count("b")
    return Key(tonic % 12, "minor" if name.endswith("m") else "major")


def _voices(file: MidiFile) -> list[Voice]:
    return [voice_of(file, part) for part in parts(file)]


def voice_of(file: MidiFile, part: Part) -> Voice:
    """A part in quarter notes."""
    ticks = file.ticks_per_beat
    times = np.array([(note.start, note.stop, note.pitch) for note in part.notes], float) / (ticks, ticks, 1)
    program = 0 if part.is_drums else min(part.notes, key=lambda note: note.start).program
    return Voice(times, file.tracks[part.track].name, program, part.is_drums)


def parts(file: MidiFile) -> list[Part]:
    """The voices with notes, in the order of `MidiContent.voices`."""
    played = [_played(track) for track in file.tracks]
    sounding = [notes for notes in played if notes]
    by_channel = file.type == 0 or (len(sounding) == 1 and _at_once(sounding[0]))
    found = []
    for track, notes in enumerate(played):
        owners = [_owner(note.channel, by_channel) for note in notes]
        for owner in sorted(set(owners), key=lambda owner: (owner[1], owner[0])):
            own = [note for note, its in zip(notes, owners, strict=True) if its == owner]
            found.append(Part(track, owner[1], own))
    return found


def _owner(channel: int, by_channel: bool) -> Channel:
    return channel if by_channel else 0, channel == DRUM_CHANNEL


def _at_once(notes: Sequence[Played]) -> bool:
    """Whether notes of different channels sound together."""
    ordered = sorted(notes, key=lambda note: note.start)
    return any(before.channel != after.channel and after.start < before.stop for before, after in pairwise(ordered))


def _played(track: Sequence[Any]) -> list[Played]:
    """The notes of a track.

    A note ends all of its pitch that began earlier on its channel; what begins at the very tick goes on.
    """
    notes, programs = [], Counter[int]()
    begun: dict[tuple[int, int], list[Played]] = {}  # by channel and pitch, as if they ended where they begin
    tick = 0
    for number, (tick, event) in enumerate(_timed(track)):
        if event.type == "program_change":
            programs[event.channel] = event.program
        elif event.type == "note_on" and event.velocity:
            note = Played(event.channel, tick, tick, event.note, programs[event.channel], event.velocity, (number,))
            begun.setdefault((event.channel, event.note), []).append(note)
        elif event.type in ("note_on", "note_off"):
            key = (event.channel, event.note)
            ended = [note for note in begun.get(key, []) if note.start < tick]
            notes += [note._replace(stop=tick, events=(*note.events, number)) for note in ended]
            begun[key] = [note for note in begun.get(key, []) if note.start == tick and ended]
    for left in begun.values():
        notes += [note._replace(stop=tick) for note in left if note.start < tick]
    return sorted(notes, key=lambda note: note.start)
