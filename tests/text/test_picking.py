"""Candidates that can no longer win leave early, and nobody else does."""

import math

import pytest
import torch
from torch import Tensor

from common.data.pieces import END, PAD
from text.picking import UNLIKELY, Race, Rank, second_look, waves


def race(count: int, rank: Rank = (0,)) -> Race:
    """One in which each piece is as broken as it is unlikely, and a text is spelt by the numbers of its pieces."""
    return Race(count, torch.zeros(10), lambda pieces: " ".join(map(str, pieces)), lambda row, text: rank)


def run(race: Race, texts: list[int], nats: Tensor) -> list[list[int]]:
    """Let candidates in whose pieces have these nats (N, K), NaN after their end; which go on after each piece."""
    race.start(torch.tensor(texts))
    written, going, left = torch.full(nats.shape, 5), torch.arange(len(texts)), []
    for place in range(nats.shape[1]):
        is_last = nats[going, place + 1 :].isnan().all(1)
        written[going, place] = torch.where(is_last, END, 5)
        race.hear(going, written[going, place], nats[going, place])
        race.finish(going[is_last], written)
        going = going[~is_last]
        going = going[race.can_win(going)]
        left.append(going.tolist())
    return left


NATS = torch.tensor([[1, 2, 3, 1, math.nan, math.nan], [9, 9, 9, 0, 0, 0], [0, 2, 3, 1, 0, 0], [9, 9, 9, 9, 9, 9]])


def test_who_is_more_broken_than_a_faultless_text_leaves() -> None:
    first = race(2)
    assert run(first, [0, 0, 0, 1], NATS) == [[0, 1, 2, 3]] * 3 + [[2, 3], [2, 3], []]
    assert [[one.broken for one in some] for some in first.finalists] == [[2], [9]]
    assert first.finalists[0][0].text == "5 5 5"  # the first of two that are as broken


def test_nobody_leaves_while_all_have_faults() -> None:
    assert run(race(2, (0, 1)), [0, 0, 0, 1], NATS)[-2] == [1, 2, 3]


def test_faults_count_before_how_broken_a_text_is() -> None:
    ranks = {"5 5 5": (1, 0), "5 5 5 5 5": (0, 2)}
    picky = Race(2, torch.zeros(10), lambda pieces: " ".join(map(str, pieces)), lambda row, text: ranks[text])
    run(picky, [0, 0, 0, 1], NATS)
    assert [(one.text, one.broken) for one in picky.finalists[0]] == [("5 5 5 5 5", 2)]


def test_as_many_finalists_as_are_sought_and_none_twice() -> None:
    nats = torch.tensor(
        [[1, 2, 3, math.nan, math.nan], [1, 2, 3, 1, math.nan], [0, 2, 3, math.nan, math.nan], [9.0] * 5]
    )
    several = Race(1, torch.zeros(10), lambda pieces: " ".join(map(str, pieces)), lambda row, text: (0,), 2)
    assert run(several, [0, 0, 0, 0], nats)[2:4] == [[1, 3], []]  # the last leaves once there are two different ones
    assert [one.text for one in several.finalists[0]] == ["5 5", "5 5 5"]
    assert several.finalists[0][1].pieces == (5, 5, 5)


def test_a_second_look_by_hand() -> None:
    pieces = torch.tensor([[5, 6, 7, END], [5, END, PAD, PAD]])
    nats = torch.tensor([[1.0, 4.0, 6.0, 2.0], [3.0, 1.0, 0.0, 0.0]])
    log_frequencies = torch.zeros(10)
    log_frequencies[7] = -5  # a rare piece is no fault
    worst = torch.tensor([(1 + 4 + 2) / 3, (3 + 1) / 2])
    torch.testing.assert_close(second_look(nats, pieces, log_frequencies), worst + UNLIKELY * torch.tensor([13.0, 4.0]))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 64])
def test_waves_are_all_candidates_in_turn(count: int) -> None:
    assert [number for wave in waves(count) for number in wave] == list(range(count))
    assert [len(wave) for wave in waves(64)] == [4, 12, 48]
