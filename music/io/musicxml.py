"""A piece as notation: parts, bars, note values, ties, clefs and spelling, by music21, and MusicXML files of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import UserError
from common.files import replacing
from music.score import Score, TrackSpec, notes
from music.theory import GRID, MIDDLE_C, Key, beat_of, fifths_of, name_of_fifth, sharps

VALUES = (24, 16, 12, 8, 6, 4, 3, 2, 1)  # sixteenths that one note, dotted at most once, can last
TRIPLETS = (8, 4, 2, 1)  # steps of 12 a quarter that one note of a triplet can last: a quarter, an eighth, ...
NARROW = 24  # semitones: chords of a wider track are set on two staves
# Where drums stand on a staff, and with which heads: the commonest usage (Weinberg 1998), by General MIDI's numbers.
DRUMS = {35: "F4", 36: "F4", 37: "C5", 38: "C5", 39: "C5", 40: "C5", 41: "A4", 43: "A4", 45: "D5", 47: "D5", 48: "E5"}
DRUMS |= {42: "G5", 44: "D4", 46: "G5", 49: "A5", 50: "E5", 51: "F5", 52: "A5", 53: "F5", 55: "A5", 57: "A5", 59: "F5"}


def save_musicxml(score: Score, path: str | Path, programs: Sequence[int] | None = None) -> None:
    """Write a piece as MusicXML, whole or not at all; its title is the file's name.

    Args:
        score: a piece with at least one note.
        path: ends in .musicxml.
        programs: General MIDI programs, one a track, instead of the tracks' own.

    Raises:
        UserError: the piece has no notes, or the file cannot be written.
    """
    content = to_musicxml(score, Path(path).stem, programs)
    with replacing(path) as temporary:
        temporary.write_text(content, encoding="utf-8")


def to_musicxml(score: Score, title: str = "", programs: Sequence[int] | None = None) -> str:
    """A piece as the text of a MusicXML file.

    Raises:
        UserError: the piece has no notes.
    """
    from music21.musicxml.m21ToXml import GeneralObjectExporter

    exported: bytes = GeneralObjectExporter(to_notation(score, title, programs)).parse()
    return exported.decode("utf-8")


def to_notation(score: Score, title: str = "", programs: Sequence[int] | None = None) -> Any:
    """A piece as a music21 `Score`.

    Every bar is full but for a pickup (`pickup_steps`). Notes are cut at bar
    lines and, so that beats can be seen, within bars, and tied. Chords of wide tracks stand on two staves. Pitches are
    spelled as the key has them.

    Args:
        score: a piece with at least one note.
        title: stands above it.
        programs: General MIDI programs, one a track, instead of the tracks' own; of no meaning for drums.

    Raises:
        UserError: the piece has no notes.
    """
    from music21 import layout, metadata, stream

    if not score.onset.any():
        raise UserError("the piece has no notes, so there is nothing to write down")
    programs = [track.program for track in score.tracks] if programs is None else programs
    whole = stream.Score()
    whole.metadata = metadata.Metadata(movementName=title or "Piece", composer="Quartet")
    for index, program in enumerate(programs):
        staves = [_part(score, staff, program) for staff in _staves(score, index)]
        for part in staves:
            whole.insert(0, part)
        if len(staves) > 1:
            whole.insert(0, layout.StaffGroup(staves, name=_name(score, index), symbol="brace"))
    _mark_tempo(whole.parts[0], score)
    return whole


# --- Parts ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Staff:
    """The notes that stand on one staff, int64 (N, 3) as `music.score.notes` has them."""

    track: TrackSpec
    id: str
    name: str
    notes: np.ndarray
    shared: bool = False  # with another staff of the same track
    is_upper: bool = False  # of the two


def _name(score: Score, index: int) -> str:
    return score.tracks[index].name or f"Track {index + 1}"


def _staves(score: Score, index: int) -> list[_Staff]:
    track, own = score.tracks[index], notes(score, index)
    if track.kind == "drums":
        own = _hits(own, score)
    which = f"P{index + 1}", _name(score, index)
    if track.kind != "poly" or not len(own) or np.ptp(own[:, 2]) <= NARROW:
        return [_Staff(track, *which, own)]
    upper = own[:, 2] >= MIDDLE_C
    return [_Staff(track, *which, own[upper], True, True), _Staff(track, *which, own[~upper], True)]


def _hits(own: np.ndarray, score: Score) -> np.ndarray:
    """Hits of drums, which have no length, as notes of a sixteenth, or of a triplet where the beat has some.

    None lasts into the next one.
    """
    long, starts, sixteenth = own.copy(), np.unique(own[:, 0]), score.grid // 4
    for start, following in pairwise([*starts.tolist(), score.steps]):
        beat = starts[starts // score.grid == start // score.grid]
        values = TRIPLETS[1:] if (beat % sixteenth).any() else (sixteenth,)
        value = next(value for value in values if start % value == 0)
        long[own[:, 0] == start, 1] = min(start + value, following)
    return long


def _part(score: Score, staff: _Staff, program: int) -> Any:
    from music21 import instrument, stream

    part = stream.PartStaff() if staff.shared else stream.Part()
    part.partName, drums = staff.name, staff.track.kind == "drums"
    player = instrument.UnpitchedPercussion() if drums else instrument.Instrument(staff.name)
    player.partName, player.midiProgram = staff.name, None if drums else program
    player.partId, player.instrumentId = staff.id, f"I{staff.id}"  # music21's own are random
    part.insert(0, player)
    for measure in _measures(score, staff):
        part.append(measure)
    measures: Any = part.getElementsByClass("Measure")
    measures.first().insert(0, _clef(staff, part))
    measures.last().rightBarline = "final"
    part.makeBeams(inPlace=True)
    return part


def _clef(staff: _Staff, part: Any) -> Any:
    from music21 import clef

    if staff.track.kind == "drums":
        return clef.PercussionClef()
    if staff.shared:
        return clef.TrebleClef() if staff.is_upper else clef.BassClef()
    return clef.bestClef(part, recurse=True, allowTreble8vb=True)


def _measures(score: Score, staff: _Staff) -> Iterator[Any]:
    from music21 import meter, stream

    pickup = pickup_steps(score)
    sounding = _segments(staff.notes, score.steps)
    triplets = triplet_spans([segment.start for segment in sounding], score)
    for number, start in enumerate(range(0, score.steps, score.bar)):
        begin, end = (score.bar - pickup, score.bar) if pickup and not start else (start, start + score.bar)
        measure = stream.Measure(number=number + (not pickup))
        if not start:
            measure.insert(0, meter.TimeSignature(score.metre))
            measure.insert(0, _key_signature(score.key))
        if begin > start:
            measure.paddingLeft = (begin - start) / score.grid
            measure.showNumber = stream.enums.ShowNumber.NEVER  # which makes it MusicXML's implicit
        for written in _bar(score, staff, sounding, triplets, begin, end):
            measure.append(written)
        yield measure


def pickup_steps(score: Score) -> int:
    """Steps of the pickup that a piece begins with.

    Where none is stated, it is what sounds in a first bar of which half or more is silent, from a beat on.
    """
    if score.pickup:
        return score.pickup
    first = int(score.onset.any(axis=(0, 2)).argmax()) // score.beat * score.beat
    return score.bar - first if score.bar <= 2 * first < 2 * score.bar else 0


def _mark_tempo(part: Any, score: Score) -> None:
    from music21 import duration, tempo

    beat = score.beat / score.grid  # quarters
    mark = tempo.MetronomeMark(number=round(score.tempo / beat), referent=duration.Duration(beat))
    part.getElementsByClass("Measure").first().insert(0, mark)


# --- Bars -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Segment:
    """Steps during which the same pitches sound: which, and which of them go on before and behind it."""

    start: int
    stop: int
    pitches: tuple[int, ...]
    begun: frozenset[int]
    lasting: frozenset[int]


def _segments(played: np.ndarray, steps: int) -> list[_Segment]:
    """The piece from step 0 on, cut wherever a note begins or ends."""
    edges = sorted({0, steps, *played[:, 0].tolist(), *played[:, 1].tolist()})
    found = []
    for start, stop in pairwise(edges):
        over = played[(played[:, 0] < stop) & (played[:, 1] > start)]
        begun, lasting = over[over[:, 0] < start, 2], over[over[:, 1] > stop, 2]
        pitches = tuple(sorted(set(over[:, 2].tolist())))
        found.append(_Segment(start, stop, pitches, frozenset(begun.tolist()), frozenset(lasting.tolist())))
    return found


def triplet_spans(edges: Sequence[int], score: Score) -> list[tuple[int, int]]:
    """Quarter notes, or eighths, in which something begins or ends between sixteenths: first step, and that behind it.

    Args:
        edges: the steps at which something begins or ends.
    """
    quarter, eighth, sixteenth = score.grid, score.grid // 2, score.grid // 4
    compound, spans = score.metre.endswith("/8"), set()
    inside: dict[int, set[int]] = {}
    for edge in edges:
        inside.setdefault(edge // quarter * quarter, set()).add(edge % quarter)
    for start, places in inside.items():
        if all(place % sixteenth == 0 for place in places):
            continue
        if compound or eighth in places:  # halves that may differ
            halves = {start + place // eighth * eighth for place in places if place % sixteenth}
            spans |= {(half, half + eighth) for half in halves}
        else:
            spans.add((start, start + quarter))
    return sorted(spans)


def _bar(
    score: Score,
    staff: _Staff,
    segments: Sequence[_Segment],
    triplets: Sequence[tuple[int, int]],
    begin: int,
    end: int,
) -> Iterator[Any]:
    """The notes, chords and rests from step `begin` to `end`, which are in one bar."""
    for segment in segments:
        start, stop = max(segment.start, begin), min(segment.stop, end)
        if start >= stop:
            continue
        if not segment.pitches and (start, stop) == (begin, end):
            yield _rest(score, stop - start, whole_bar=True)
            continue
        for at, value in _values(start, stop, triplets, score, rest=not segment.pitches):
            is_rest = not segment.pitches or (staff.track.kind == "drums" and at > segment.start)
            written = _rest(score, value) if is_rest else _written(score, staff, segment, at, at + value)
            if written.duration.tuplets:  # else music21 joins tied ones, even where one is struck again
                written.duration.expressionIsInferred = False
            yield written


def _values(
    start: int, stop: int, triplets: Sequence[tuple[int, int]], score: Score, rest: bool
) -> Iterator[tuple[int, int]]:
    """Cut a note or rest within a bar into values, as `note_values` does, and where triplets begin and end."""
    sixteenth, bar_line = score.grid // 4, start - start % score.bar
    inside = [span for span in triplets if span[0] < stop and span[1] > start]
    edges = sorted({start, stop, *(edge for span in inside for edge in span if start < edge < stop)})
    for begin, end in pairwise(edges):
        if any(first <= begin < last for first, last in inside):
            yield from _triplet_values(begin, end, score.grid)
        else:
            place, length = (begin - bar_line) // sixteenth, (end - begin) // sixteenth
            for at, value in note_values(place, length, score.metre, rest):
                yield bar_line + at * sixteenth, value * sixteenth


def _triplet_values(start: int, stop: int, grid: int) -> Iterator[tuple[int, int]]:
    """Cut what lies in a triplet into values, none of which is dotted or off the beat of its own length."""
    while start < stop:
        value = next(
            value for value in TRIPLETS if value <= stop - start and start % grid % min(value, TRIPLETS[1]) == 0
        )
        yield start, value
        start += value


def note_values(start: int, length: int, metre: str, rest: bool = False) -> list[tuple[int, int]]:
    """Cut a note or rest within a bar into values that one sign can show and that leave its beats visible.

    Args:
        start: sixteenths from the bar's beginning.
        length: sixteenths, within the bar.
        metre: one of `METRES`.
        rest: a rest is cut at more places: it never crosses a beat but from a beat on.

    Returns:
        Where each value begins, in sixteenths from the bar's beginning, and how many it lasts.
    """
    found, at, stop = [], start, start + length
    while at < stop:
        value = next(value for value in VALUES if value <= stop - at and _shows(at, value, stop - at, metre, rest))
        found.append((at, value))
        at += value
    return found


def _shows(at: int, value: int, left: int, metre: str, rest: bool) -> bool:
    """Whether a value may stand at a sixteenth of the bar, `left` sixteenths before its note ends."""
    quarter = GRID  # sixteenths
    beat = beat_of(metre, quarter) if metre != "2/2" else quarter
    inside = at % beat
    if inside + value <= beat:
        return beat == quarter or not inside % 2 or value <= 2
    if not inside:
        return value % beat == 0 if beat != quarter else not (rest and value == 6)
    return not rest and beat == quarter and inside == 2 and value == left == 4  # a syncopation


def _rest(score: Score, steps: int, whole_bar: bool = False) -> Any:
    from music21 import note

    rest = note.Rest(quarterLength=Fraction(steps, score.grid))
    rest.fullMeasure = whole_bar or "auto"
    return rest


def _written(score: Score, staff: _Staff, segment: _Segment, start: int, stop: int) -> Any:
    """One note or chord, tied to what is before and behind it where its pitches sound on."""
    from music21 import chord, note, percussion

    length = Fraction(stop - start, score.grid)
    if staff.track.kind == "drums":
        hits = [note.Unpitched(DRUMS.get(pitch, "C5")) for pitch in segment.pitches]
        written: Any = hits[0] if len(hits) == 1 else percussion.PercussionChord(hits)
        written.quarterLength = length
        return written
    members = [note.Note(spelled(pitch, score.key)) for pitch in segment.pitches]
    for member, pitch in zip(members, segment.pitches, strict=True):
        member.tie = _tie(
            start > segment.start or pitch in segment.begun, stop < segment.stop or pitch in segment.lasting
        )
    written = members[0] if len(members) == 1 else chord.Chord(members)
    written.quarterLength = length
    return written


def _tie(goes_on: bool, lasts: bool) -> Any:
    from music21 import tie

    kinds = {(False, True): "start", (True, True): "continue", (True, False): "stop"}
    return tie.Tie(kinds[goes_on, lasts]) if goes_on or lasts else None


# --- Spelling ---------------------------------------------------------------------------------------------------------


def _key_signature(key: Key) -> Any:
    from music21.key import KeySignature

    return KeySignature(sharps(key)).asKey(key.mode)


def spelled(pitch: int, key: Key) -> str:
    """A MIDI pitch by name, in music21's writing (B-4 for B flat), as it is usually spelled in a key."""
    fifth = fifths_of(pitch, key)
    octave = (pitch - (fifth + 1) // 7) // 12 - 1  # of the letter, without its accidentals
    return f"{name_of_fifth(fifth)}{octave}"
