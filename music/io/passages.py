"""A passage of a MIDI file in other notes: all that is not of it stays to the tick."""

from collections.abc import Iterator, Sequence

import numpy as np
from mido import Message, MidiFile, MidiTrack

from music.io.midi import quantise
from music.io.midi_file import Part, Played, parts, voice_of


def standing(file: MidiFile, voice: int, first: int, stop: int, grid: int) -> tuple[np.ndarray, np.ndarray]:
    """The notes of a voice on the grid, int64 (N, 3), and which of them are not of a passage, bool (N,).

    Of a passage are those that begin and end in it, on the grid; what holds over one of its ends stands.

    Args:
        voice: its number among `music.io.midi_file.parts`.
        first, stop: the passage's first step, and the step after its last.
        grid: steps a quarter note.
    """
    placed = quantise(voice_of(file, parts(file)[voice]), grid)
    return placed, (placed[:, 0] < first) | (placed[:, 1] > stop)


def replace_passage(file: MidiFile, voice: int, first: int, stop: int, written: np.ndarray, grid: int) -> None:
    """Change the notes of a voice in a passage of an open file.

    A new note has the channel and velocity of the voice's nearest one, and makes room for one of its pitch that stands.

    Args:
        voice, first, stop, grid: as of `standing`.
        written: int64 (M, 3), the notes of the passage: first step, step after the last, pitch.
    """
    part = parts(file)[voice]
    stands = standing(file, voice, first, stop, grid)[1].tolist()
    kept = [note for note, stays in zip(part.notes, stands, strict=True) if stays]
    gone = {number for note in part.notes for number in note.events} - {n for note in kept for n in note.events}
    track = file.tracks[part.track]
    times = np.cumsum([event.time for event in track]).tolist()
    events = [
        (tick, 1, event) for number, (tick, event) in enumerate(zip(times, track, strict=True)) if number not in gone
    ]
    ticks = written * np.array([file.ticks_per_beat, file.ticks_per_beat, grid]) // grid
    events += _events(part, kept, ticks)
    file.tracks[part.track] = MidiTrack(_spaced(sorted(events, key=lambda event: event[:2])))


def _events(part: Part, kept: Sequence[Played], written: np.ndarray) -> Iterator[tuple[int, int, Message]]:
    """Times in ticks, places among what is at one time, and messages of notes: begin, end and pitch, int64 (M, 3)."""
    for start, stop, pitch in written.tolist():
        for other in kept:
            if other.pitch == pitch and other.start < stop and other.stop > start:
                start, stop = (other.stop, stop) if other.start <= start else (start, other.start)
        if start < stop:
            near = min(part.notes, key=lambda note: abs(note.start - start))
            yield start, 2, Message("note_on", channel=near.channel, note=pitch, velocity=near.velocity)
            yield stop, 0, Message("note_off", channel=near.channel, note=pitch)


def _spaced(events: Sequence[tuple[int, int, Message]]) -> Iterator[Message]:
    """Messages with the time since the one before."""
    before = 0
    for tick, _, event in events:
        yield event.copy(time=tick - before)
        before = tick
