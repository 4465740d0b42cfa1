"""Pieces become notation that an independent reader reads back note for note, in full bars."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from music.io.musicxml import note_values, pickup_steps, save_musicxml, spelled, to_musicxml
from music.score import Score, TrackSpec, notes
from music.theory import METRES, Key, bar_of

Placed = tuple[int, int, int]  # first step, step after the last, pitch


def score_of(*tracks: tuple[str, list[Placed]], steps: int = 32, **facts: Any) -> Score:
    """A piece from the kinds of its tracks and their notes."""
    pitch, onset = np.zeros((2, len(tracks), steps, 128), bool)
    for track, (kind, placed) in enumerate(tracks):
        for start, stop, note in sorted(placed):
            pitch[track, start:] &= kind != "mono"
            onset[track, start:] &= kind != "mono"
            pitch[track, start:stop, note] = onset[track, start, note] = True
    specs = tuple(TrackSpec(f"{kind} {i}", kind, 0, 127, 40 + i) for i, (kind, _) in enumerate(tracks))  # type: ignore[arg-type]
    return Score(specs, pitch, onset, **facts)


def read(text: str) -> Any:
    from music21 import converter

    return converter.parse(text, format="musicxml")


def sounding(part: Any, offset: float = 0) -> list[Placed]:
    """Notes of a part or staff as a reader plays them, with those that are tied as one."""
    found: list[list[int]] = []
    for written in part.flatten().notes:
        start = round(4 * (written.offset + offset))
        for note in written.notes if written.isChord else [written]:
            stop = start + round(4 * written.quarterLength)
            before = [own for own in found if own[2] == note.pitch.midi and own[1] == start]
            if note.tie is not None and note.tie.type in ("stop", "continue"):
                before[0][1] = stop
            else:
                found.append([start, stop, note.pitch.midi])
    return sorted((start, stop, pitch) for start, stop, pitch in found)


def assert_full(whole: Any, metre: str) -> None:
    """Every bar holds as much as its metre asks for, but for a pickup."""
    for part in whole.parts:
        for measure in part.getElementsByClass("Measure"):
            missing = bar_of(metre, 4) / 4 - measure.paddingLeft
            assert sum(written.quarterLength for written in measure.notesAndRests) == pytest.approx(missing)


@st.composite
def scores(draw: st.DrawFn) -> Score:
    metre = draw(st.sampled_from(list(METRES)))
    steps = 3 * bar_of(metre, 4)
    kinds = draw(st.lists(st.sampled_from(["mono", "poly"]), min_size=1, max_size=3))
    note = st.tuples(st.integers(0, steps - 1), st.integers(1, 20), st.sampled_from([30, 59, 60, 61, 72, 90]))
    placed = [[(s, min(s + long, steps), p) for s, long, p in draw(st.lists(note, max_size=9))] for _ in kinds]
    placed[0].append((0, 1, 60))
    key = Key(draw(st.integers(0, 11)), draw(st.sampled_from(["major", "minor"])))
    tempo = float(draw(st.integers(20, 50))) * 6
    return score_of(*zip(kinds, placed, strict=True), steps=steps, metre=metre, key=key, tempo=tempo)


@settings(max_examples=40, deadline=None)
@given(score=scores())
def test_a_piece_is_read_back_as_it_was(score: Score) -> None:
    whole = read(to_musicxml(score, "A piece"))
    assert_full(whole, score.metre)
    parts = list(whole.parts)
    for index, track in enumerate(score.tracks):
        of_track = [part for part in parts if part.partName == track.name or str(track.name) in str(part.id)]
        played = sorted(note for part in of_track for note in sounding(part))
        assert played == sorted(map(tuple, notes(score, index).tolist()))
    first = parts[0].flatten()
    signature = first.getElementsByClass("KeySignature").first()
    assert signature.asKey(score.key.mode).tonic.pitchClass == score.key.tonic
    assert first.getElementsByClass("TimeSignature").first().ratioString == score.metre
    assert first.getElementsByClass("MetronomeMark").first().getQuarterBPM() == pytest.approx(score.tempo, rel=0.03)


def test_parts_have_names_programs_clefs_and_beams() -> None:
    high = [(2 * n, 2 * n + 2, 72 + n % 3) for n in range(16)]
    low = [(0, 32, 40)]
    wide = [(0, 8, 36), (0, 8, 84)]
    score = score_of(("mono", high), ("mono", low), ("poly", wide))
    text = to_musicxml(score, programs=[1, 2, 3])
    assert text == to_musicxml(score, programs=[1, 2, 3])
    whole = read(text)
    assert [int(number) for number in re.findall("<midi-program>(.*?)<", text)][:3] == [2, 3, 4]  # counted from 1
    names = [part.partName for part in whole.parts]
    assert names[:2] == ["mono 0", "mono 1"] and len(names) == 4  # the last on two staves
    clefs = [part.flatten().getElementsByClass("Clef").first().sign for part in whole.parts]
    assert clefs == ["G", "F", "G", "F"]
    eighths = list(whole.parts[0].flatten().notes)
    assert all(note.beams.beamsList for note in eighths)


def test_a_silent_beginning_of_half_a_bar_makes_a_pickup() -> None:
    score = score_of(("mono", [(12, 16, 60), (16, 32, 65)]), ("mono", [(16, 32, 48)]))
    assert pickup_steps(score) == 4
    whole = read(to_musicxml(score))
    first = whole.parts[0].getElementsByClass("Measure").first()
    assert (first.number, [n.quarterLength for n in first.notesAndRests]) == (0, [1])
    assert sounding(whole.parts[0]) == [(0, 4, 60), (4, 20, 65)]
    assert pickup_steps(score_of(("mono", [(4, 8, 60)]))) == 0


def test_drums_stand_on_a_staff_without_pitches() -> None:
    score = score_of(("drums", [(0, 1, 36), (0, 1, 42), (4, 5, 38)]), steps=16)
    whole = read(to_musicxml(score))
    assert whole.parts[0].flatten().getElementsByClass("Clef").first().sign == "percussion"
    assert [round(4 * hit.offset) for hit in whole.parts[0].flatten().notes] == [0, 4]


def test_the_title_is_the_file_s_name(tmp_path: Path) -> None:
    save_musicxml(score_of(("mono", [(0, 4, 60)])), tmp_path / "Evening song.musicxml")
    assert read((tmp_path / "Evening song.musicxml").read_text()).metadata.bestTitle == "Evening song"
    with pytest.raises(UserError, match="no notes"):
        to_musicxml(score_of(("mono", [])))


@pytest.mark.parametrize(
    ("start", "length", "metre", "values"),
    [
        (0, 16, "4/4", [16]),
        (0, 5, "4/4", [4, 1]),
        (2, 4, "4/4", [4]),  # a syncopation
        (2, 6, "4/4", [2, 4]),
        (3, 3, "4/4", [1, 2]),
        (0, 12, "6/8", [12]),
        (4, 4, "6/8", [2, 2]),
        (0, 18, "9/8", [12, 6]),
    ],
)
def test_values_leave_beats_visible(start: int, length: int, metre: str, values: list[int]) -> None:
    assert [value for _, value in note_values(start, length, metre)] == values


@given(st.sampled_from(list(METRES)), st.booleans(), st.data())
def test_values_fill_what_they_are_cut_from(metre: str, rest: bool, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, bar_of(metre, 4) - 1))
    length = data.draw(st.integers(1, bar_of(metre, 4) - start))
    values = note_values(start, length, metre, rest)
    assert sum(value for _, value in values) == length
    assert [at for at, _ in values] == [start + sum(v for _, v in values[:n]) for n in range(len(values))]


@pytest.mark.parametrize(
    ("key", "names"),
    [
        (Key(0), "C4 C#4 D4 E-4 E4 F4 F#4 G4 G#4 A4 B-4 B4"),
        (Key(9, "minor"), "C4 C#4 D4 E-4 E4 F4 F#4 G4 G#4 A4 B-4 B4"),
        (Key(5), "C4 C#4 D4 E-4 E4 F4 F#4 G4 A-4 A4 B-4 B4"),
        (Key(6), "B#3 C#4 C##4 D#4 E4 E#4 F#4 F##4 G#4 A4 A#4 B4"),
        (Key(1), "C4 D-4 D4 E-4 F-4 F4 G-4 G4 A-4 A4 B-4 C-5"),
    ],
)
def test_pitches_are_spelled_as_the_key_has_them(key: Key, names: str) -> None:
    assert [spelled(60 + n, key) for n in range(12)] == names.split()
