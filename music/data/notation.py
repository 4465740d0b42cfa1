"""Notation, MusicXML and ABC, onto a grid by way of music21."""

import io
import re
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

from music.data.tunes import MAX_BYTES, Item, Reader, Tune, check_size, note_table, plain
from music.score import TrackSpec
from music.theory import GRID, GRIDS, METRES, Key, bar_of

MAX_ABC = 10_000  # characters of one tune: printed ones have 1,300 at most
MAX_ABC_WORK = 1_000_000  # characters times bars, for which music21 takes some ten seconds
MAX_ABC_BAR = 128  # units of the note length
ABC_NOTE = re.compile(r"[A-Ga-gxyzXZ][,']*(\d*)")
MAX_OFF_GRID = 0.25  # share of notes that may begin between two steps, and are moved to the nearest
Values = Mapping[str, tuple[str, Fraction]]  # metres to write in other note values: as which, and times which length


# --- MusicXML and ABC -------------------------------------------------------------------------------------------------


def musicxml(read: Reader, ending: str, grid: int = GRID) -> Tune:
    """All parts of a MusicXML file, as they sound; `musicxml_stream` and `transcribe` say what is refused."""
    return transcribe(list(musicxml_stream(read, ending).toSoundingPitch(inPlace=False).parts), grid)


def musicxml_stream(read: Reader, ending: str) -> Any:
    """A MusicXML file as music21 has it.

    Args:
        read: returns the file's content.
        ending: .xml or .musicxml, or .mxl for a packed file.

    Raises:
        ValueError: it is too large, or has a metre that would take all memory.
        Others of `music.data.tunes.UNREADABLE` and music21's exceptions: it is damaged.
    """
    from music21 import converter

    content = unpacked = read()
    if ending == ".mxl":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_BYTES:
                raise ValueError(f"has more than {MAX_BYTES >> 20} MiB unpacked")
            unpacked = b"".join(archive.read(name) for name in archive.namelist())
    check_size(unpacked.count(b"<note"), 0)
    if re.search(rb"<beats>\s*\d{4,}", unpacked):  # music21 makes an object for every beat of a bar
        raise ValueError("has a metre of more than 999 beats")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"tune{ending}"
        path.write_bytes(content)
        return converter.parse(path, format="musicxml", forceSource=True, storePickle=False)


def tunes_in_abc(name: str, content: bytes) -> list[tuple[str, Item]]:
    """The tunes of an ABC file, each of which begins with an X: line, behind their texts.

    Raises:
        ValueError: there is none.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # what collections from before 2000 are written in
    tunes = re.split(r"(?m)^(?=X:)", text.replace("\r\n", "\n").replace("\r", "\n"))[1:]
    if not tunes:
        raise ValueError("has no X: line, with which a tune in ABC begins")
    titles = [abc_field(tune, "T") for tune in tunes]
    names = [f"{name} X:{abc_field(tune, 'X')}" for tune in tunes] if len(tunes) > 1 else [name]
    return [
        (tune, Item(f"{called} {title}".strip(), plain(title or called), partial(abc, tune)))
        for called, title, tune in zip(names, titles, tunes, strict=True)
    ]


def abc_field(tune: str, letter: str) -> str:
    """The first value of a header field of a tune in ABC, or ""."""
    match = re.search(rf"(?m)^{letter}:(.*)$", tune)
    return match[1].split("%")[0].strip() if match else ""


def abc(text: str, grid: int = GRID, values: Values = MappingProxyType({})) -> Tune:
    """A tune in ABC; see `transcribe` for the rest.

    Raises:
        ValueError: it is too long, has a number that would take all memory, or changes its metre.
        Others of `music.data.tunes.UNREADABLE` and music21's exceptions: it is no ABC.
    """
    from music21 import converter

    _refuse_giants_in_abc(text)
    # music21 heeds no key or length inside of a line.
    own_lines = re.sub(r"\[([KL]):([^]\n]*)\]", r"\n\1:\2\n", text)
    own_lines = re.sub(r"\((?!\d)|\)", "", own_lines)  # slurs, which change no note; many open ones take it minutes
    score: Any = converter.parse(own_lines, format="abc", forceSource=True)
    parts = list(score.parts)
    stated = {metre.strip() for line in re.findall(r"(?m)^M:([^%\n]*)|\[M:([^]]*)\]", text) for metre in line if metre}
    if len(stated) > 1:
        raise ValueError(f"its metre changes ({', '.join(sorted(stated))})")
    for part in parts:  # to short bars music21 gives a metre that nobody wrote
        later = list(part.recurse().getElementsByClass("TimeSignature"))[1:]
        part.remove(later, recurse=True)
    return transcribe(parts, grid, values)


def _refuse_giants_in_abc(text: str) -> None:
    """ValueError where a length or metre would take all memory, or a bar all time.

    Of each beat of a bar music21 makes objects, it gives bars without a metre one, in the square of their length, and
    for each bar looks through the whole tune.
    """
    if len(text) > MAX_ABC:
        raise ValueError(f"has {len(text)} characters; {MAX_ABC} are the most")
    music = re.sub(r'%.*|"[^"\n]*"|(?m:^[A-JN-Za-z+]:.*)', "", text)  # without comments, words and fields but K: L: M:
    if giant := re.search(r"\d{4,}", music):
        raise ValueError(f"has a length or metre with the number {giant[0][:12]}")
    bars = [bar for bar in music.split("|") if bar.strip(":[]\n ")]
    if len(bars) * len(text) > MAX_ABC_WORK:
        raise ValueError(f"has {len(bars)} bars and {len(text)} characters; cut it, as so many take minutes")
    lengths = (sum(int(length or 1) for length in ABC_NOTE.findall(bar)) for bar in music.split("|"))
    if (longest := max(lengths)) > MAX_ABC_BAR:
        raise ValueError(f"has a bar of {longest} units; {MAX_ABC_BAR} are the most, so write bar lines")


# --- The grid ---------------------------------------------------------------------------------------------------------


def transcribe(parts: list[Any], grid: int = GRID, values: Values = MappingProxyType({})) -> Tune:
    """Put the parts of a music21 score on a grid.

    Repeats are not played, and of first and second endings only the last is. Grace notes and chord symbols are left
    out. Notes between two steps (triplets, on one of sixteenths) move to the nearest; those that then have no length
    are dropped.

    Args:
        parts: music21's `Part`s, one a track.
        grid: steps a quarter note, of GRIDS.
        values: metres that are written in other note values, such as 4/2 as 4/4 in lengths half as long.

    Raises:
        ValueError: there is no metre, it changes or is unknown, bars do not fit it, or too many notes are off the grid.
    """
    if not parts:
        raise ValueError("has no parts")
    measures = [list(part.getElementsByClass("Measure")) for part in parts]
    if len({len(of_part) for of_part in measures}) > 1:
        raise ValueError("its parts have different numbers of bars")
    metre, times = _metre(measures, values)
    scale, bar, sixteenth = grid * times, bar_of(metre, grid), grid // 4
    early = _early_endings(parts[0])
    columns = [column for column in zip(*measures, strict=True) if column[0].id not in early]
    starts = bar_starts(
        [round(max(measure.highestTime for measure in column) * scale) for column in columns],
        [_opens(before[0], column[0]) for before, column in pairwise(columns)],
        bar,
    )
    check_size(0, starts[-1] / grid)
    tracks, notes, moved = [], [], dict.fromkeys(GRIDS, 0)
    for track, part in enumerate(parts):
        sounds = [
            note
            for column, start in zip(columns, starts, strict=False)
            for note in _sounds(column[track], start, scale)
        ]
        check_size(len(sounds), 0)
        for steps in GRIDS:
            moved[steps] += sum((sound.start * steps / grid).denominator != 1 for sound in sounds)
        notes += [(track, pitch, start, stop) for pitch, start, stop in _tied(sounds)]
        tracks.append(_track(part, track, [note[1:] for note in notes if note[0] == track]))
    if moved[grid] > MAX_OFF_GRID * len(notes):
        raise ValueError(f"{moved[grid]} of its {len(notes)} notes lie between two steps of the grid")
    facts = metre, _stated_key(parts[0]), _tempo(parts[0]), moved[4], moved[12]
    pickup = -(starts[0] // sixteenth * sixteenth) % bar
    return Tune(tuple(tracks), note_table(notes), starts[-1], *facts, pickup, grid)


def _metre(measures: list[list[Any]], values: Values) -> tuple[str, Fraction]:
    """The metre that the grid has, and how many times as long notes last there as they are written."""
    found = [m.timeSignature.ratioString for of_part in measures for m in of_part if m.timeSignature]
    metres = list(dict.fromkeys(found))
    if not metres:
        raise ValueError("has no bars with a metre")
    if len(metres) > 1:
        raise ValueError(f"its metre changes ({', '.join(metres)})")
    if metres[0] not in {*METRES, *values}:
        raise ValueError(f"its metre is {metres[0]}, not one of {', '.join(METRES)}")
    return values.get(metres[0], (metres[0], Fraction(1)))


def _early_endings(part: Any) -> set[Any]:
    """The ids of the bars of all endings that a later one follows."""
    brackets = sorted(part.recurse().getElementsByClass("RepeatBracket"), key=lambda b: b.getFirst().offset)
    return {
        measure.id
        for bracket, after in pairwise(brackets)
        if _adjacent(bracket, after)
        for measure in bracket.getSpannedElements()
    }


def _adjacent(bracket: Any, after: Any) -> bool:
    """Whether the second of two endings follows the first at once, so that they are endings of one strain."""
    last, first = bracket.getLast(), after.getFirst()
    return first.offset <= last.offset + last.highestTime and bracket.number != after.number


def _opens(before: Any, measure: Any) -> bool:
    """Whether a bar line that divides strains (double, final, repeat) stands before a bar."""
    lines = (before.rightBarline, measure.leftBarline)
    return any(line is not None and line.type in ("double", "final", "heavy-light", "heavy-heavy") for line in lines)


def bar_starts(lengths: Sequence[int], opens: Sequence[bool], bar: int) -> list[int]:
    """The steps where written bars begin on a grid of whole bars, with the end of the last as one more entry.

    Short bars are set so that bar lines stay on the grid: an upbeat at the end of a bar, what ends a strain at the
    start of one, and both in one bar where they fill it together.

    Args:
        lengths: of the written bars, in steps.
        opens: for each written bar but the first, whether it begins a strain.
        bar: steps a bar.

    Raises:
        ValueError: a written bar is longer than the metre has it.
    """
    starts, clock = [], 0
    for index, length in enumerate(lengths):
        if length > bar:
            raise ValueError(f"its written bar {index + 1} lasts {length} steps, where the metre has {bar}")
        room = -clock % bar
        if length > room > 0:  # the bar before stays short
            clock, room = clock + room, 0
        upbeat = index == 0 or room > 0 or (opens[index - 1] and length < bar)
        start = clock + (room or bar) - length if upbeat else clock
        starts.append(start)
        clock = start + length
    return [*starts, clock + -clock % bar]


@dataclass(frozen=True)
class _Sound:
    """A written note: steps as fractions, and whether it goes on from the one before."""

    pitch: int
    start: Fraction
    stop: Fraction
    continues: bool


def _sounds(measure: Any, start: int, scale: Fraction) -> list[_Sound]:
    found = []
    for written in measure.flatten().notes:
        if written.duration.isGrace or "Harmony" in written.classes:
            continue
        if "Unpitched" in written.classes or "PercussionChord" in written.classes:
            raise ValueError("has unpitched percussion, which is read from MIDI only")
        begin = start + Fraction(written.offset).limit_denominator(960) * scale
        end = begin + Fraction(written.duration.quarterLength).limit_denominator(960) * scale
        members = written.notes if written.isChord else [written]
        for note in members:
            tied = note.tie is not None and note.tie.type in ("stop", "continue")  # of a chord some may be struck again
            found.append(_Sound(note.pitch.midi, begin, end, tied))
    return found


def _tied(sounds: list[_Sound]) -> list[tuple[int, int, int]]:
    """Pitch, first step and the step after the last; tied notes are one, and notes without length are left out."""
    notes: list[tuple[int, int, int]] = []
    last: dict[int, int] = {}  # the latest note of each pitch
    for sound in sorted(sounds, key=lambda sound: sound.start):
        start, stop = _nearest(sound.start), _nearest(sound.stop)
        if stop <= start:
            continue
        index = last.get(sound.pitch)
        if sound.continues and index is not None and notes[index][2] == start:
            notes[index] = (sound.pitch, notes[index][1], stop)
        else:
            last[sound.pitch] = len(notes)
            notes.append((sound.pitch, start, stop))
    return notes


def _nearest(step: Fraction) -> int:
    return int(step + Fraction(1, 2))  # halves go up, where round() would go to the even step


def _track(part: Any, index: int, notes: list[tuple[int, int, int]]) -> TrackSpec:
    instrument = part.getInstrument(returnDefault=False)
    program = instrument.midiProgram if instrument is not None and instrument.midiProgram is not None else 0
    ordered = sorted(notes, key=lambda note: note[1])
    overlap = any(a[2] > b[1] for a, b in pairwise(ordered))
    pitches = [note[0] for note in notes] or [60]
    name = " ".join((part.partName or f"part {index + 1}").split())
    return TrackSpec(name, "poly" if overlap else "mono", min(pitches), max(pitches), program)


def _tempo(part: Any) -> float:
    marks = part.flatten().getElementsByClass("MetronomeMark")
    stated = [tempo for mark in marks if (tempo := mark.getQuarterBPM())]
    return float(stated[0]) if stated else 100.0


def _stated_key(part: Any) -> Key | None:
    """The first key whose mode is stated. The church modes count as major or minor by their third."""
    for key in part.flatten().getElementsByClass("Key"):
        major = key.mode in ("major", "ionian", "lydian", "mixolydian")
        return Key(key.tonic.pitchClass, "major" if major else "minor")
    return None
