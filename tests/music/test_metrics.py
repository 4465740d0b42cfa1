"""The musical metrics against values worked out by hand on tiny scores, and against what must not change them."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_pieces import chord, line, piece, scores

from music.metrics import (
    METRICS,
    chord_on_beat,
    empty_bars,
    groove_consistency,
    histograms,
    in_scale,
    measure,
    notes_of_tracks,
    notes_per_bar,
    parallels,
    polyphony,
    polyphony_rate,
    qualified_notes,
    quality,
    self_similarity,
    tonal_distance,
    used_pitch_classes,
    voice_crossing,
)
from music.score import Score, TrackSpec
from music.theory import Key

C_MINOR = Key(0, "minor")


# Scale


def test_in_scale_is_a_share_of_time():
    assert in_scale(piece([(60, 0, 12), (61, 12, 16)])) == 12 / 16  # C, then C sharp
    assert in_scale(piece([(60, 0, 12)], [(61, 0, 12)])) == 1 / 2  # two tracks count apart


def test_in_scale_of_minor_is_all_three_minor_scales():
    # C D Eb F G Ab A Bb B are in it, and C sharp, E and F sharp are not.
    chromatic = line(*range(60, 72), steps=1)
    assert in_scale(piece(chromatic, key=C_MINOR)) == 9 / 12
    assert in_scale(piece(chromatic)) == 7 / 12


def test_in_scale_counts_from_the_tonic():
    sharps = line(66, 73, 61)  # F sharp, C sharp, C sharp
    assert in_scale(piece(sharps, key=Key(2))) == 1  # D major
    assert in_scale(piece(sharps)) == 0


# Chords


@pytest.mark.parametrize(
    ("pitches", "expected"),
    [
        ((60, 64, 67), 1),  # C major
        ((57, 60, 64), 1),  # A minor
        ((59, 62, 65), 1),  # B diminished
        ((60, 64, 68), 1),  # augmented
        ((55, 59, 62, 65), 1),  # dominant seventh
        ((60, 64, 67, 71), 1),  # major seventh
        ((62, 65, 69, 72), 1),  # minor seventh
        ((59, 62, 65, 69), 1),  # half-diminished seventh
        ((59, 62, 65, 68), 1),  # diminished seventh
        ((48, 55, 60), 1),  # an empty fifth is part of a triad
        ((64, 65, 71), 0),  # E F B
        ((60, 62, 64), 0),  # C D E
        ((60, 67, 65, 72), 0),  # fourth and fifth
        ((60, 64, 67, 69, 71), 0),  # five classes are more than a seventh chord
        ((48, 60, 72), 0),  # one pitch class is no chord
    ],
)
def test_chords(pitches, expected):
    assert chord_on_beat(piece(chord(*pitches), kinds=["poly"], steps=4)) == expected


def test_a_beat_of_fewer_than_three_notes_does_not_count():
    two, three = chord(60, 61), chord(60, 64, 67, start=4, stop=8)
    assert chord_on_beat(piece(two + three, kinds=["poly"], steps=8)) == 1
    assert math.isnan(chord_on_beat(piece(two, kinds=["poly"], steps=4)))


def test_two_voices_on_one_pitch_are_two_notes():
    assert chord_on_beat(piece(line(60), line(60), line(64))) == 1


def test_only_the_beat_counts_and_held_notes_count_with_it():
    upper = [(67, 0, 6), (68, 6, 8)]  # a wrong note between the beats, and held over the second beat a right one
    score = piece(upper, [(64, 0, 8)], [(60, 0, 8)], steps=8)
    assert chord_on_beat(score) == 1


@pytest.mark.parametrize(("metre", "beat"), [("4/4", 4), ("3/4", 4), ("2/4", 4), ("2/2", 8), ("6/8", 6), ("12/8", 6)])
def test_what_a_beat_is(metre, beat):
    clash = [(note, step, step + 1) for step in range(24) for note in (60, 61, 62)]
    good = [(note, step, step + 1) for step in range(0, 24, beat) for note in (60, 64, 67)]
    others = [note for note in clash if note[1] % beat]
    assert chord_on_beat(piece(good + others, kinds=["poly"], steps=24, metre=metre)) == 1
    assert chord_on_beat(piece(clash, kinds=["poly"], steps=24, metre=metre)) == 0


# Voices


def test_voice_crossing_is_a_share_of_steps_and_pairs():
    upper, middle, lower = [(60, 0, 8)], [(62, 0, 4), (60, 4, 8)], [(50, 0, 16)]
    # Pairs that sound: upper and middle in 8 steps, middle and lower in 8; they cross in 4; one pitch is no crossing.
    assert voice_crossing(piece(upper, middle, lower)) == 4 / 16


def test_voices_are_ordered_by_their_ranges_and_not_by_the_tracks():
    score = piece([(72, 0, 4)], [(48, 0, 4)], steps=4)
    bass, treble = TrackSpec("bass", "mono", 36, 60), TrackSpec("treble", "mono", 60, 84)
    assert voice_crossing(replace(score, tracks=(treble, bass))) == 0
    assert voice_crossing(replace(score, tracks=(bass, treble))) == 1


def test_voices_that_never_sound_together_have_no_crossing():
    assert math.isnan(voice_crossing(piece([(60, 0, 4)], [(62, 4, 8)])))
    assert math.isnan(voice_crossing(piece([(60, 0, 4)])))
    assert math.isnan(voice_crossing(piece([(60, 0, 4)], [(62, 0, 4)], kinds=["poly", "mono"])))


@pytest.mark.parametrize(
    ("upper", "lower", "expected"),
    [
        ((67, 69), (60, 62), 1),  # parallel fifths
        ((79, 81), (60, 62), 1),  # twelfths
        ((72, 74), (60, 62), 1),  # octaves
        ((60, 62), (60, 62), 1),  # unisons
        ((67, 81), (60, 62), 1),  # from a fifth to a twelfth, both up
        ((67, 69, 71), (60, 62, 64), 2),
        ((67, 67), (60, 60), 0),  # repeated notes do not move
        ((67, 69), (60, 50), 0),  # contrary motion from a fifth to a nineteenth
        ((67, 72), (60, 60), 0),  # only one moves
        ((65, 67), (60, 62), 0),  # fourths are not perfect here
        ((60, 62), (65, 67), 0),  # nor are crossed fourths, whose signed distance is 7 modulo 12
        ((60, 62), (67, 69), 1),  # crossed fifths are
        ((66, 68), (60, 62), 0),  # diminished fifths
        ((64, 69), (60, 62), 0),  # a hidden fifth, reached from a third
        ((67, 74), (60, 62), 0),  # from a fifth to an octave
        ((67, None, 69), (60, None, 62), 0),  # across a rest
    ],
)
def test_parallels(upper, lower, expected):
    assert parallels(piece(line(*upper), line(*lower))) == expected


def test_parallels_are_of_any_two_voices_and_by_the_bar():
    outer, held = line(67, 69, 67, 69), [(64, 0, 32)]
    score = piece(outer, held, line(60, 62, 60, 62), steps=32)
    assert parallels(score) == 3 / 2
    assert parallels(replace(score, tracks=(*score.tracks[:2], TrackSpec("piano", "poly", 0, 125)))) == 0
    assert math.isnan(parallels(piece(outer)))


def naive_parallels(voices: list[list[int | None]]) -> int:
    """The definition word by word."""
    count = 0
    for i in range(len(voices)):
        for j in range(i):
            for (a, b), (c, d) in pairwise(zip(voices[i], voices[j], strict=True)):
                if a is None or b is None or c is None or d is None:
                    continue
                same_way = (c - a) * (d - b) > 0
                count += same_way and abs(a - b) % 12 == abs(c - d) % 12 and abs(a - b) % 12 in (0, 7)
    return count


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.sampled_from([None, 48, 50, 55, 57, 60, 62, 67]), min_size=8, max_size=8), min_size=2))
def test_parallels_agree_with_the_definition(voices):
    assert parallels(piece(*(line(*voice, steps=2) for voice in voices))) == naive_parallels(voices)


# Notes, bars and rhythm


def test_notes_per_bar():
    score = piece(
        line(60, 60, 62, 64), [(48, 0, 32)], [(36, 0, 1), (42, 0, 1)], kinds=["mono", "mono", "drums"], steps=32
    )
    assert notes_of_tracks(score).tolist() == [2, 0.5, 1]
    assert notes_per_bar(score) == pytest.approx(3.5 / 3)


def test_empty_bars_are_a_share_of_bars_and_tracks():
    # Of 2 x 3 bars, the first track sounds in two (one note is held over the bar line), the drums in one.
    score = piece([(60, 12, 20)], [(36, 40, 41)], kinds=["mono", "drums"], steps=48)
    assert empty_bars(score) == 3 / 6
    assert empty_bars(piece([], steps=48)) == 1
    assert empty_bars(piece([(60, 0, 24)], steps=24)) == 0  # the second bar is short


def test_used_pitch_classes_are_classes_and_not_neighbours():
    octaves = chord(48, 60, 72, 84, 67)
    assert used_pitch_classes(piece(octaves, kinds=["poly"])) == 2  # C and G
    assert used_pitch_classes(piece(line(*range(60, 72), steps=1), [], steps=32)) == 12  # empty bars left out
    assert used_pitch_classes(piece(line(60, 62, 64), line(48))) == (3 + 1) / 2


def test_qualified_notes_are_eighths_and_longer():
    assert qualified_notes(piece([(60, 0, 1), (62, 1, 3), (60, 3, 16)])) == 2 / 3
    assert qualified_notes(piece([(60, 0, 1), (60, 1, 2), (60, 2, 4)])) == 1 / 3  # a repeated note begins anew
    assert qualified_notes(piece([(60, 0, 4)], [(36, 0, 1)], kinds=["mono", "drums"])) == 1


def test_polyphony_is_a_mean_over_the_steps_that_sound():
    score = piece(chord(60, 64, 67), [(48, 0, 8)], [(36, 12, 13)], kinds=["poly", "mono", "drums"])
    assert polyphony(score) == (4 * 4 + 4 * 1) / 8
    assert polyphony_rate(score) == 4 / 16


def test_groove_consistency_counts_positions_that_differ():
    # Onsets of the bars at 0, 4; at 0, 8 (by another track); at none: 2 and then 2 of 16 positions differ.
    score = piece([(60, 0, 4), (62, 4, 8), (60, 16, 20)], [(36, 24, 25)], kinds=["mono", "drums"], steps=48)
    assert groove_consistency(score) == 1 - (2 + 2) / 32
    assert math.isnan(groove_consistency(piece(line(60))))


def test_self_similarity_is_the_mean_cosine_over_pairs_of_bars():
    first = [(60, 0, 4), (62, 4, 8), (64, 8, 12), (65, 12, 16)]
    same = [(pitch, start + 16, start + 18) for pitch, start, _ in first]  # onsets only
    one = [(60, 32, 48)]
    # Pairs: 4 shared of 4 and 4; 1 shared of 4 and 1, twice.
    assert self_similarity(piece(first + same + one, steps=64)) == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert self_similarity(piece([(60, 0, 4)], [(60, 16, 20)], steps=32)) == 0  # not the same track
    assert math.isnan(self_similarity(piece(first, steps=32)))


# Tonal distance


def centroid(*classes: int) -> np.ndarray:
    points = [
        [
            radius * wave(step * math.pi * pitch_class)
            for step, radius in ((7 / 6, 1), (3 / 2, 1), (2 / 3, 0.5))
            for wave in (math.sin, math.cos)
        ]
        for pitch_class in classes
    ]
    return np.mean(points, axis=0)


def test_tonal_distance_by_hand():
    # A fifth is 30 degrees of the circle of fifths, 270 of that of minor thirds, 120 of that of major thirds.
    fifth = math.sqrt((2 - math.sqrt(3)) + 2 + 0.25 * 3)
    assert tonal_distance(piece(line(67), line(60))) == pytest.approx(fifth)
    assert tonal_distance(piece(line(72), line(60))) == pytest.approx(0)
    tritone = math.sqrt(4 + 4 + 0)
    assert tonal_distance(piece(line(67, 66, None), line(60, 60, 60))) == pytest.approx((fifth + tritone) / 2)


def test_tonal_distance_weighs_by_time_and_is_a_mean_over_pairs():
    score = piece([(64, 0, 3), (67, 3, 4)], line(60), line(69), steps=4)
    upper, middle, lower = 0.75 * centroid(4) + 0.25 * centroid(7), centroid(0), centroid(9)
    pairs = [upper - middle, upper - lower, middle - lower]
    assert tonal_distance(score) == pytest.approx(np.mean([np.linalg.norm(pair) for pair in pairs]))
    assert math.isnan(tonal_distance(piece(line(60))))


# All metrics


@pytest.mark.parametrize("name", METRICS)
def test_a_silent_piece_and_one_without_steps_break_nothing(name):
    silent = METRICS[name](piece([], [], steps=32))
    assert math.isnan(silent) or silent in (0, 1)
    assert math.isnan(METRICS[name](piece([], [], steps=0)))


def transposed(score: Score, by: int) -> Score:
    drums = np.array([track.kind == "drums" for track in score.tracks])[:, None, None]
    pitch, onset = (np.where(drums, roll, np.roll(roll, by, axis=2)) for roll in (score.pitch, score.onset))
    return replace(score, pitch=pitch, onset=onset, key=Key((score.key.tonic + by) % 12, score.key.mode))


@settings(max_examples=30, deadline=None)
@given(scores(), st.integers(-30, 40))
def test_nothing_changes_when_piece_and_key_are_transposed_together(score, by):
    for metric in METRICS.values():
        assert metric(transposed(score, by)) == pytest.approx(metric(score), nan_ok=True)
    before, after = histograms(score), histograms(transposed(score, by))
    for name in before.keys() - {"pitch"}:
        assert after[name].tolist() == before[name].tolist()
    assert after["pitch"].tolist() == np.roll(before["pitch"], by).tolist()


@settings(max_examples=30, deadline=None)
@given(scores(), st.integers(0, 127))
def test_the_pitch_of_drums_is_of_no_account(score, pitch):
    moved = replace(score, pitch=score.pitch.copy(), onset=score.onset.copy())
    for roll in (moved.pitch, moved.onset):
        hits = roll[-1].any(axis=1)
        roll[-1] = False
        roll[-1, hits, pitch] = True
    assert measure([moved]) == pytest.approx(measure([score]), nan_ok=True)


def test_measure_leaves_undefined_values_out():
    one, two, silent = piece(line(60, 62)), piece(line(61, 61, 61, 60)), piece([])
    figures = measure([one, two, silent])
    assert figures["in_scale"] == (1 + 1 / 4) / 2
    assert figures["notes_per_bar"] == figures["notes_per_bar track 0"] == 2
    assert math.isnan(figures["voice_crossing"])
    assert set(figures) == {*METRICS, "notes_per_bar track 0"}


def test_quality_adds_up_the_faults():
    typical = {"notes_per_bar": 2.0}
    good = piece(line(72, 71), line(67, 65), line(64, 62), line(48, 55))
    assert quality(good, typical) == 0
    # Parallel octaves, 1; no note out of scale; both beats chords; half as many notes again, 1/2.
    assert quality(piece(line(72, 74, 74), line(60, 62, 62)), typical) == pytest.approx(1 + 0.5)
    assert quality(piece(line(61, 62)), typical) == pytest.approx(4 / 2)
    assert quality(piece(line(60, 62), line(64, 65)), typical) == pytest.approx(2)
    assert quality(piece(chord(60, 61, 62), kinds=["poly"]), {"notes_per_bar": 3.0}) == pytest.approx(4 / 3 + 2)
    assert quality(piece([]), typical) == math.inf


# Histograms


def test_histograms_by_hand():
    melody = [(62, 0, 4), (66, 6, 7), (62, 16, 32), (100, 33, 34)]
    figures = histograms(piece(melody, [(36, 0, 1), (42, 8, 9)], kinds=["mono", "drums"], steps=48, key=Key(2)))
    assert figures["pitch_class"].nonzero()[0].tolist() == [0, 2, 4]  # D, E, F sharp, counted from D
    assert figures["pitch_class"][[0, 2, 4]].tolist() == [2, 1, 1]
    assert figures["pitch"][[62, 66, 100]].tolist() == [2, 1, 1] and figures["pitch"].sum() == 4
    assert figures["interval"][[24 + 4, 24 - 4, 48]].tolist() == [1, 1, 1]  # the leap of 38 counts as 24
    assert figures["duration"][[0, 3, 15]].tolist() == [2, 1, 1]
    assert figures["position"][[0, 1, 6, 8]].tolist() == [3, 1, 1, 1] and figures["position"].sum() == 6
    assert figures["bar_notes"][:3].tolist() == [2, 2, 2] and figures["bar_notes"].sum() == 6
    assert [len(figure) for figure in figures.values()] == [12, 128, 49, 32, 24, 33]


def test_the_interval_of_a_poly_track_is_that_of_its_top_line():
    # The 60 begins below a held 67 and is no note of the line.
    notes = [(67, 0, 8), (48, 0, 4), (60, 4, 8), (69, 8, 12), (65, 8, 12)]
    interval = histograms(piece(notes, kinds=["poly"]))["interval"]
    assert interval[24 + 2] == 1 and interval.sum() == 1


def test_long_notes_and_full_bars_count_in_the_last_bin():
    figures = histograms(piece([(60, 0, 40)], [(p, 0, 1) for p in range(50)], kinds=["mono", "poly"], steps=48))
    assert figures["duration"][31] == 1
    assert figures["bar_notes"][32] == 1
