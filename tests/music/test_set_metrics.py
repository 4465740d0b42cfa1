"""Comparisons of sets of pieces against values worked out by hand, and copies that must be found."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_pieces import line, piece, scores

from common.errors import UserError
from music import set_metrics
from music.score import Score
from music.set_metrics import compare, distance_overlap, kl_divergence, nearest_window, overlap_area

counts = st.lists(st.integers(0, 50), min_size=6, max_size=6).filter(any).map(np.array)


@given(counts, counts)
def test_overlap_area_is_a_symmetric_share(first, second):
    overlap = overlap_area(first, second)
    assert 0 <= overlap <= 1 + 1e-12
    assert overlap == pytest.approx(overlap_area(second, first))
    assert overlap_area(first, 3 * first) == pytest.approx(1)


def test_overlap_area_by_hand():
    assert overlap_area(np.array([1, 1, 0]), np.array([0, 2, 6])) == 0.25
    assert overlap_area(np.array([1, 0]), np.array([0, 1])) == 0
    assert math.isnan(overlap_area(np.zeros(2), np.array([0, 1])))


@given(counts, counts)
def test_kl_divergence_is_positive_and_bounded(first, second):
    assert -1e-12 <= kl_divergence(first, second) <= math.log(6 / set_metrics.SMOOTHING)
    assert kl_divergence(first, 2 * first) == pytest.approx(0)


def test_kl_divergence_by_hand():
    expected = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert kl_divergence(np.array([5, 5]), np.array([1, 3])) == pytest.approx(expected, abs=1e-3)
    high, low = 1 - set_metrics.SMOOTHING / 2, set_metrics.SMOOTHING / 2
    assert kl_divergence(np.array([9, 0]), np.array([0, 9])) == pytest.approx((high - low) * math.log(high / low))
    assert math.isnan(kl_divergence(np.array([1, 2]), np.zeros(2)))


def test_compare_tells_equal_sets_from_different_ones():
    rng = np.random.default_rng(0)

    def melodies(low: int) -> list[Score]:
        return [piece(line(*(int(p) for p in rng.integers(low, low + 12, 8)), steps=2)) for _ in range(40)]

    real, same, higher = melodies(60), melodies(60), melodies(66)
    alike, unlike = compare(same, real), compare(higher, real)
    assert alike["pitch_overlap"] > 0.8 and unlike["pitch_overlap"] < 0.6
    assert alike["pitch_kl"] < 0.1 and unlike["pitch_kl"] > 1
    assert alike["pitch_distance_overlap"] > 0.8 > unlike["pitch_distance_overlap"]
    assert len(alike) == 3 * 6
    assert alike["bar_notes_overlap"] == 1 and math.isnan(alike["bar_notes_distance_overlap"])  # all have eight notes


def test_distance_overlap_of_equal_collapsed_and_distant_sets():
    rng = np.random.default_rng(1)
    real, same = rng.normal(size=(300, 3)), rng.normal(size=(300, 3))
    assert distance_overlap(same, real) > 0.9
    assert distance_overlap(real + 20, real) < 0.01
    assert distance_overlap(np.zeros((300, 3)) + 3, real) < 0.5
    assert math.isnan(distance_overlap(same, real[:2]))
    assert math.isnan(distance_overlap(np.zeros((5, 3)), np.zeros((5, 3))))


# Memorisation


def test_nearest_window_counts_the_cells_that_differ():
    training = [piece(line(60, 62, 64, 65)), piece(line(60, 62, 64, 67))]
    same_sound = piece([(60, 0, 4), (62, 4, 8), (64, 8, 12), (65, 12, 14), (65, 14, 16)])  # one onset more
    distance, index = nearest_window([training[1], same_sound, piece(line(60, 62))], training)
    assert distance.tolist() == [0, 1 / 16, 8 / 16]
    assert index.tolist() == [1, 0, 0]


def test_nearest_window_finds_a_passage_at_a_bar_line_even_below_held_notes():
    whole = piece(line(60, 62, 64, 65, 67, 69, 71, 72), [(48, 0, 32)], steps=32)
    passage = piece(line(67, 69, 71, 72), [(48, 0, 16)])
    beat_off = piece(line(62, 64, 65, 67), [(48, 0, 16)])
    distance, _ = nearest_window([passage, beat_off], [piece([], [], steps=8), whole])
    assert distance[0] == 0
    assert distance[1] == 16 / 32


def test_nearest_window_sees_chords_drums_and_every_pitch():
    for pitch in range(128):
        for kind in ("mono", "poly", "drums"):
            sounding, silent = piece([(pitch, 0, 1)], kinds=[kind]), piece([], kinds=[kind])
            assert nearest_window([sounding], [silent])[0].tolist() == [1 / 16]


@settings(max_examples=20, deadline=None)
@given(st.lists(scores(), min_size=1, max_size=4), st.lists(scores(), min_size=1, max_size=4))
def test_nearest_window_agrees_with_all_cells(samples, references):
    def distance(first: Score, second: Score) -> float:
        differs = (first.pitch != second.pitch) | (first.onset != second.onset)
        return float(differs.any(axis=2).mean())

    expected = [min(distance(sample, reference) for reference in references) for sample in samples]
    assert nearest_window(samples, references)[0].tolist() == pytest.approx(expected)


def test_nearest_window_is_the_same_in_blocks(monkeypatch):
    pieces = [piece(line(*range(low, low + 4))) for low in range(50, 57)]
    expected = nearest_window(pieces, pieces[2:4])
    monkeypatch.setattr(set_metrics, "BLOCK", 3)
    for found, wanted in zip(nearest_window(pieces, pieces[2:4]), expected, strict=True):
        assert found.tolist() == wanted.tolist()


def test_nearest_window_refuses_what_it_cannot_compare():
    with pytest.raises(UserError, match="no piece of the data lasts 32 steps"):
        nearest_window([piece([], steps=32)], [piece([], steps=16)])
    with pytest.raises(ValueError, match="different lengths"):
        nearest_window([piece([], steps=32), piece([], steps=16)], [piece([], steps=32)])
    with pytest.raises(ValueError, match="columns"):
        nearest_window([piece([])], [piece([], [])])
