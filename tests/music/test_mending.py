"""Faults between voices, and what is left of them once they are mended."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from music.config import GenerateConfig
from music.data.loading import MusicData
from music.evaluation import choose
from music.faults import SILENT, crossings, dissonances, moves, parallel_moves, voices_of
from music.generation import make_piece
from music.mending import mended, notes_by_bar
from music.metrics import measure
from music.models import MusicModel, load_music_model
from music.rolls import MusicContext
from music.score import TrackSpec

TYPICAL = {"notes_per_bar": 4.0, "parallels": 0.0, "voice_crossing": 0.0, "chord_on_beat": 1.0}


@pytest.fixture(scope="module")
def strict(model: MusicModel) -> MusicModel:
    """To which every parallel, crossing and dissonance is a fault."""
    return replace(model, typical=TYPICAL)


@pytest.fixture(scope="module")
def condition(model: MusicModel, data: MusicData) -> MusicContext:
    return choose(model.config, data.test, 8, 0).condition


@pytest.fixture(scope="module")
def rolls(model: MusicModel, condition: MusicContext) -> Tensor:
    return model.write(condition, 0, temperature=1.0, rounds=2)


def weight(model: MusicModel, rolls: Tensor, condition: MusicContext) -> float:
    """How much the faults weigh, of pieces of two bars that three voices sing."""
    found = measure(model.scores(rolls, condition))
    return found["parallels"] + found["voice_crossing"] + 1 - found["chord_on_beat"]


# ---- what is a fault -------------------------------------------------------------------------------------------------


def test_parallels_are_fifths_and_octaves_that_both_voices_move_to() -> None:
    fifths, contrary, repeated, rest = (
        np.array(lines)
        for lines in ([[67, 69], [60, 62]], [[67, 57], [60, 62]], [[67, 67], [60, 60]], [[67, SILENT], [60, 62]])
    )
    assert parallel_moves(fifths).tolist() == [[False, True]]
    assert not any(parallel_moves(lines).any() for lines in (contrary, repeated, rest))
    assert parallel_moves(np.stack([fifths, contrary])).sum((1, 2)).tolist() == [1, 0]


def test_voices_on_one_pitch_do_not_cross_nor_do_those_that_rest() -> None:
    crossed, sounding = crossings(np.array([[60, 60, SILENT], [60, 62, 64]]))
    assert crossed.tolist() == [[False, True, False]] and sounding.tolist() == [[True, True, False]]


def test_a_beat_of_three_notes_that_are_no_chord_is_dissonant() -> None:
    counts = np.zeros((8, 12))
    counts[0, [0, 4, 7]] = counts[1, [0, 1, 2]] = counts[4, [0, 1, 2]] = 1  # the second is on no beat
    faulty, full = dissonances(counts, 4)
    assert np.flatnonzero(full).tolist() == [0, 4] and np.flatnonzero(faulty).tolist() == [4]


def test_a_move_is_a_leap_a_step_or_a_repetition_and_none_after_a_rest() -> None:
    onset = np.zeros((1, 6, 128), bool)
    onset[0, [0, 1, 2, 3, 5], 60] = True  # at the fifth step a rest
    leaping, repeated, going = moves(np.array([[60, 62, 65, 65, SILENT, 60]]), onset)
    assert [np.flatnonzero(own[0]).tolist() for own in (leaping, repeated, going)] == [[2], [3], [1, 2, 3]]


def test_voices_go_from_the_highest_to_the_lowest_and_chords_are_none() -> None:
    tracks = TrackSpec("bass", "mono", 30, 50), TrackSpec("piano", "poly", 40, 90), TrackSpec("tune", "mono", 60, 80)
    assert voices_of(tracks) == [2, 0]


# ---- mending ---------------------------------------------------------------------------------------------------------


def test_mending_lessens_faults_and_a_seed_is_a_piece(
    strict: MusicModel, rolls: Tensor, condition: MusicContext
) -> None:
    first, again, other = (mended(strict, rolls, condition, 16, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert weight(strict, first, condition) < weight(strict, rolls, condition)
    assert torch.equal(mended(strict, rolls, condition, 0), rolls)


def test_what_is_given_stays(strict: MusicModel, rolls: Tensor, condition: MusicContext) -> None:
    mask = torch.zeros_like(condition["mask"])
    mask[:, 0] = mask[:, 1, :5] = 1
    some = condition | {"mask": mask, "given": rolls * mask[:, None, :, :, None]}
    found = mended(strict, rolls, some, 16)
    kept = mask[:, None, :, :, None].bool()
    assert torch.equal(found & kept, rolls & kept) and not torch.equal(found, rolls)


def test_what_is_no_rarer_in_real_music_is_no_fault(model: MusicModel, rolls: Tensor, condition: MusicContext) -> None:
    lenient = TYPICAL | {"parallels": 99.0, "voice_crossing": 1.0, "chord_on_beat": 0.0, "leaps": 1.0, "repeats": 1.0}
    of_one_style = lenient | {"leaps": 0.0, "repeats": 0.0}  # and the model has two
    for typical in (lenient, of_one_style, {"notes_per_bar": 4.0}, None):
        assert torch.equal(mended(replace(model, typical=typical), rolls, condition), rolls)


def test_notes_are_counted_by_bar_and_short_ones_too() -> None:
    rolls = np.zeros((1, 2, 1, 8, 3), bool)  # two bars of four steps
    rolls[0, 0, 0, [0, 1, 2, 3, 4, 7], 1] = True  # what sounds
    rolls[0, 1, 0, [0, 1, 3, 7], 1] = True  # what begins: of one step, of two, over the bar line, and at the end
    assert notes_by_bar(rolls, 2, 4).tolist() == [[[3, 1]], [[1, 1]]]
    finer = rolls.repeat(3, 3)  # a sixteenth is three steps of 12 a quarter
    finer[:, 1, :, 1::3] = finer[:, 1, :, 2::3] = False
    assert notes_by_bar(finer, 2, 12).tolist() == [[[3, 1]], [[1, 1]]]


def test_mended_pieces_have_about_as_many_notes_as_were_drawn() -> None:
    for name in ("chorales", "pop"):
        model = load_music_model(name)
        condition = model.condition(16, "4/4", "major")
        rolls = model.write(condition, 3)
        found = mended(model, rolls, condition)
        assert not torch.equal(found, rolls)
        before, after = (notes_by_bar(own.numpy(), model.config.bars, 4).sum((1, 2)).tolist() for own in (rolls, found))
        assert after[0] == pytest.approx(before[0], rel=0.05) and after[1] >= 0.9 * before[1] - 2
        agreed = [measure(model.scores(own, condition))["chord_on_beat"] for own in (rolls, found)]
        assert agreed[1] >= agreed[0]


def test_a_single_voice_has_no_faults() -> None:
    dances = load_music_model("dances")
    condition = dances.condition(2, "6/8", "major")
    rolls = dances.write(condition, rounds=1)
    assert torch.equal(mended(dances, rolls, condition), rolls)


def test_chorales_are_written_almost_without_parallels() -> None:
    chorales = load_music_model("chorales")
    condition = chorales.condition(16, "4/4", "major")
    rolls = chorales.write(condition, 3)
    before, after = (measure(chorales.scores(own, condition)) for own in (rolls, mended(chorales, rolls, condition)))
    assert after["parallels"] < 0.2 * before["parallels"] and after["chord_on_beat"] >= before["chord_on_beat"]
    assert after["leaps"] < before["leaps"] and after["voice_crossing"] <= 0.02


def test_a_piece_is_mended_unless_it_is_written_without_rounds_or_to_chords() -> None:
    chorales = load_music_model("chorales")
    unmended = replace(chorales, typical={"notes_per_bar": (chorales.typical or {})["notes_per_bar"]})
    for asked, same in (({"rounds": 0}, True), ({}, False), ({"chords": "C | F", "candidates": 2}, True)):
        config = GenerateConfig(**{"bars": 4, "candidates": 1, **asked})  # type: ignore[arg-type]
        pieces = [make_piece(own, config) for own in (chorales, unmended)]
        assert bool((pieces[0].pitch == pieces[1].pitch).all()) == same
