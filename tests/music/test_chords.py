"""Chord symbols are read, found in what was written, and compared with what sounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_pieces import chord, piece

from common.errors import UserError
from music.chord_symbols import QUALITIES, Chord, parse_progression
from music.chords import agreement, chord_sheet, chords_by_beat, key_of, misfit
from music.theory import Key


@pytest.mark.parametrize(
    ("symbol", "classes"),
    [
        ("C", {0, 4, 7}),
        ("F#m", {6, 9, 1}),
        ("Bb7", {10, 2, 5, 8}),
        ("Ebmaj7", {3, 7, 10, 2}),
        ("D-7", {2, 5, 9, 0}),
        ("Bø", {11, 2, 5, 9}),
        ("G+", {7, 11, 3}),
        ("Asus4", {9, 2, 4}),
        ("C/E", {0, 4, 7}),
        ("C/D", {0, 2, 4, 7}),
        ("A♭dim7", {8, 11, 2, 5}),
    ],
)
def test_symbols_are_pitch_classes(symbol: str, classes: set[int]) -> None:
    assert parse_progression(symbol)[0][0].classes == classes


def test_bars_and_repeats() -> None:
    progression = parse_progression("| Dm | G7 | C Am | % |")
    assert [[one.symbol(Key()) for one in bar] for bar in progression] == [["Dm"], ["G7"], ["C", "Am"], ["C", "Am"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Dm | Hm", r"--chords bar 2, chord 1: 'Hm' is no chord symbol"),
        ("Dm G7 Cfoo", r"--chords bar 1, chord 3: 'Cfoo'"),
        ("C | | F", r"--chords bar 2 is empty|--chords bar 3"),
        ("", "--chords bar 1 is empty"),
        ("% | C", "--chords bar 1, chord 1: '%'"),
    ],
)
def test_a_wrong_symbol_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_progression(text)


@given(st.integers(0, 11), st.sampled_from(list(QUALITIES)), st.integers(0, 11), st.integers(-6, 5))
def test_symbols_are_read_as_they_are_written(root: int, quality: str, tonic: int, semitones: int) -> None:
    one = Chord(root, quality)
    assert parse_progression(one.symbol(Key(tonic)))[0][0] == one
    assert one.moved(semitones).classes == {(own + semitones) % 12 for own in one.classes}


def test_agreement_counts_the_beats_that_sound() -> None:
    score = piece(chord(60, 64, 67, stop=8) + chord(62, 65, start=8, stop=12), kinds=["poly"])
    asked = chords_by_beat(parse_progression("C"), "4/4", 1)
    assert agreement(score, asked).tolist() == [[2, 3]]  # the third beat is foreign, and the fourth silent
    assert 0 < misfit(score, asked)[0] < 1
    assert misfit(piece(chord(60, 64, 67, stop=16), kinds=["poly"]), asked)[0] == 0


def test_chords_share_a_bar_and_begin_again() -> None:
    rows = chords_by_beat(parse_progression("C Am | F"), "4/4", 3)
    assert [[one.symbol(Key()) for one in row] for row in rows] == [
        ["C", "C", "Am", "Am"],
        ["F"] * 4,
        ["C", "C", "Am", "Am"],
    ]
    assert len(chords_by_beat(parse_progression("C"), "6/8", 1)[0]) == 2


def test_the_chords_of_a_piece_are_found() -> None:
    notes = (
        chord(48, 64, 67, stop=8) + chord(45, 64, 69, 72, start=8, stop=16) + chord(43, 59, 62, 65, start=16, stop=32)
    )
    score = piece(notes, kinds=["poly"], steps=48)
    assert chord_sheet(score) == "| C Am | G7 | N.C. |\n"
    flat = piece([(pitch - 2, start, stop) for pitch, start, stop in notes], kinds=["poly"], steps=32, key=Key(10))
    assert chord_sheet(flat) == "| Bb Gm | F7 |\n"
    waltz = piece(chord(50, 65, 69, stop=12), kinds=["poly"], steps=12, metre="3/4")
    assert chord_sheet(waltz) == "| Dm |\n"
    assert np.array(parse_progression(chord_sheet(flat))[0]).shape == (2,)


@pytest.mark.parametrize(
    ("text", "key"),
    [("C | F | G7 | C", Key(0)), ("Am | Dm | E7 | Am", Key(9, "minor")), ("Eb | Ab | Bb7 | Eb", Key(3))],
)
def test_a_progression_has_a_key(text: str, key: Key) -> None:
    assert key_of(parse_progression(text)) == key
