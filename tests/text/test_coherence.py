"""The judge of coherence takes real neighbours for what they are, and shuffled ones mostly not."""

import random
from itertools import pairwise

import numpy as np
import pytest

from common.errors import UserError
from text.coherence import NextSentenceJudge, Pair, followings, passages_of, shuffled

TOPICS = [["cow", "milk", "farm", "grass"], ["ship", "sail", "sea", "port"], ["code", "bug", "byte", "loop"]]


def pairs(count: int, seed: int) -> list[Pair]:
    """Neighbours share a topic."""
    draw = random.Random(seed)

    def sentence(topic: list[str]) -> str:
        return f"The {draw.choice(topic)} and the {draw.choice(topic)} of {draw.choice('abcdefgh')}."

    topics = [draw.choice(TOPICS) for _ in range(count)]
    return [(sentence(topic), sentence(topic)) for topic in topics]


def test_it_accepts_what_follows_more_often_than_what_does_not() -> None:
    judge, held_out = NextSentenceJudge.fit(pairs(400, 0)), pairs(200, 1)
    assert judge.accepts(held_out).mean() > 0.9
    assert judge.accepts(shuffled(held_out)).mean() < 0.5  # a third of them share a topic by chance
    assert judge.accepts([]).shape == (0,)
    assert judge.accepts([("Unheard.", "Words!")]).shape == (1,)


def test_few_pairs_are_refused() -> None:
    with pytest.raises(UserError, match="2 pairs of sentences to learn from; at least 200"):
        NextSentenceJudge.fit(pairs(2, 0))


def test_shuffling_leaves_no_pair_together() -> None:
    own = [(str(number), str(number)) for number in range(50)]
    mixed = shuffled(own)
    assert [first for first, _ in mixed] == [first for first, _ in own]
    assert sorted(second for _, second in mixed) == sorted(second for _, second in own)
    assert all(first != second for first, second in mixed)
    assert not np.array_equal(mixed, shuffled(own, seed=1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One is here. Two (a) is. Three", ["One is here.", "Two (a) is.", "Three"]),
        ("One is\nTwo is", ["One is", "Two is"]),
        ("A. B. Miller is here", ["A. B. Miller is here"]),
        ("a\nb\n\nc\nd", ["a\nb", "c\nd"]),
    ],
)
def test_a_text_has_stanzas_or_sentences(text: str, expected: list[str]) -> None:
    assert passages_of(text) == expected
    assert followings([text]) == list(pairwise(expected))
