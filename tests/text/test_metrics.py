"""The metrics of texts against values worked out by hand, and against slow versions of their definitions."""

import math
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from text import metrics
from text.metrics import (
    StyleJudge,
    copied_ngrams,
    distinct,
    kept_words,
    length_overlap,
    nearest_text,
    self_bleu,
    verbatim,
    words,
)

texts_of_letters = st.lists(st.text("abc ", max_size=12).map(" ".join), max_size=6)

# Words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat's 3 hats, they're RED!", ["the", "cat's", "3", "hats", ",", "they're", "red", "!"]),
        ("don’t", ["don't"]),
        ("'tis the dogs' 3.5", ["'", "tis", "the", "dogs", "'", "3", ".", "5"]),
        ("well-known_x", ["well", "-", "known", "_", "x"]),
        ("\n one\r\ntwo\n\nthree \n", ["one", "\n", "two", "\n", "\n", "three"]),
        ("ÉTÉ E\u0301te\u0301 naïve", ["été", "été", "naïve"]),
        ("Привет, мир", ["привет", ",", "мир"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("日本語。", ["日本語", "。"]),
        ("I ❤\ufe0f U…", ["i", "❤\ufe0f", "u", "…"]),
        ("\ud800x", ["\ud800", "x"]),
        ("", []),
        (" \t\n", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


@given(st.text())
def test_words_keep_all_but_space_and_stay_what_they_are(text):
    found = words(text)
    assert all(word == "\n" or not any(char.isspace() for char in word) for word in found)
    kept = unicodedata.normalize("NFC", text.lower().replace("’", "'"))
    assert "".join("".join(found).split()) == "".join(kept.split())
    assert words(" ".join(found)) == found


# Variety


def test_distinct_by_hand():
    texts = ["a b a b", "a b", "c"]
    assert distinct(texts, 1) == 3 / 7
    assert distinct(texts, 2) == 2 / 4  # a b, b a, a b; a b
    assert distinct(texts, 4) == 1
    assert distinct(["The cat.", "the CAT ."], 2) == 2 / 4


@pytest.mark.parametrize("texts", [[], [""], ["a", "b"]])
def test_distinct_is_undefined_without_an_ngram(texts):
    assert math.isnan(distinct(texts, 2))


def test_self_bleu_by_hand():
    texts = ["the the the cat", "the cat sat on", "the the dog"]
    # Of the first, "the" three times counts as twice, as in the third, and "the the" twice as once: 3/4 and 2/3. Of
    # the second 2/4 and 1/3; of the third 2/3 and 1/2, with a penalty as both others have four words.
    scores = [math.sqrt(3 / 4 * 2 / 3), math.sqrt(2 / 4 * 1 / 3), math.exp(1 - 4 / 3) * math.sqrt(2 / 3 * 1 / 2)]
    assert self_bleu(texts, n=2) == pytest.approx(sum(scores) / 3)
    # No three words in a row are shared, so that a tenth of 2, 2 and 1 is taken to be.
    smoothed = [score ** (2 / 3) * (0.1 / count) ** (1 / 3) for score, count in zip(scores[:2], (2, 2), strict=True)]
    smoothed.append(math.exp(-1 / 3) * (2 / 3 * 1 / 2 * 0.1) ** (1 / 3))
    assert self_bleu(texts, n=3) == pytest.approx(sum(smoothed) / 3)


def test_self_bleu_of_equal_and_of_different_texts():
    assert self_bleu(["One, two, three, four."] * 3) == pytest.approx(1)
    assert self_bleu(["a b", "A b"]) == pytest.approx(1)  # of orders one and two only
    assert self_bleu(["a b c d", "e f g h", "i j k l"]) == 0


def test_the_shorter_of_two_closest_lengths_is_the_references():
    # The others of "a b c d" have three and five words, so it is not penalised; those of "a b c" four and five.
    assert self_bleu(["a b c d", "a b c", "a b c d e"], n=1) == pytest.approx((1 + math.exp(1 - 4 / 3) + 4 / 5) / 3)


@pytest.mark.parametrize("texts", [[], ["a b"], ["a b", "", "\n"]])
def test_self_bleu_is_undefined_for_fewer_than_two_texts(texts):
    assert math.isnan(self_bleu(texts))


def naive_self_bleu(texts: list[str], n: int) -> float:
    """From the definition, one pair after the other."""
    tokenised = [text.split() for text in texts if text.split()]
    scores = []
    for index, tokens in enumerate(tokenised):
        others = tokenised[:index] + tokenised[index + 1 :]
        logs = []
        for order in range(1, min(n, len(tokens)) + 1):
            mine, *theirs = [
                Counter(tuple(some[i : i + order]) for i in range(len(some) - order + 1)) for some in [tokens, *others]
            ]
            shared = sum(min(count, max(other[gram] for other in theirs)) for gram, count in mine.items())
            logs.append(math.log((shared or (0.1 if order > 1 else 1e-300)) / mine.total()))
        gaps = [(abs(len(other) - len(tokens)), len(other)) for other in others]
        scores.append(math.exp(sum(logs) / len(logs) + min(0, 1 - min(gaps)[1] / len(tokens))))
        if not set(tokens) & {word for other in others for word in other}:
            scores[-1] = 0
    return sum(scores) / len(scores) if len(scores) > 1 else math.nan


@settings(deadline=None)
@given(texts_of_letters.filter(lambda texts: sum(map(bool, map(str.split, texts))) > 1), st.integers(1, 4))
def test_self_bleu_agrees_with_the_definition(texts, n):
    assert self_bleu(texts, n) == pytest.approx(naive_self_bleu(texts, n))


def test_self_bleu_of_a_draw_depends_on_its_seed_only():
    texts = [f"a {i} b {i % 7} c {i % 3}" for i in range(40)]
    drawn = self_bleu(texts, most=10, seed=1)
    assert drawn == self_bleu(texts, most=10, seed=1) != self_bleu(texts, most=10, seed=2)
    assert self_bleu(texts, most=40, seed=1) == self_bleu(texts, most=50, seed=2)


# Memorisation


def test_copied_ngrams_by_hand():
    training = ["a b c d", "x a b"]
    # a b c, b c d, c d e; a b c; x a b, a b y: of six, four are there and "a b c" counts twice.
    assert copied_ngrams(["A b c d e", "a b c", "x a b y", "a b"], iter(training), n=3) == 4 / 6
    assert copied_ngrams(["d x a"], training, n=3) == 0  # not from one text into the next
    assert copied_ngrams(["a\nb"], ["a b"], n=2) == 0
    assert copied_ngrams(["a b"], [], n=2) == 0


@pytest.mark.parametrize("texts", [[], [""], ["a b c"]])
def test_copied_ngrams_are_undefined_for_short_texts(texts):
    assert math.isnan(copied_ngrams(texts, ["a b c"], n=4))


@given(texts_of_letters, texts_of_letters, st.integers(1, 4))
def test_copied_ngrams_agree_with_the_definition(texts, training, n):
    def ngrams(sources: list[str]) -> list[str]:
        return [" ".join(source.split()[i : i + n]) for source in sources for i in range(len(source.split()) - n + 1)]

    found = [gram in set(ngrams(training)) for gram in ngrams(texts)]
    expected = sum(found) / len(found) if found else math.nan
    assert copied_ngrams(texts, training, n) == pytest.approx(expected, nan_ok=True)


def test_verbatim_compares_whole_texts_by_words():
    assert verbatim(["A b.", "a  B .", "a b", "a b. c"], iter(["a b.", "c"])) == 2 / 4
    assert verbatim([""], ["a"]) == 0
    assert verbatim(["", "a"], ["\n"]) == 1 / 2
    assert verbatim(["a"], []) == 0
    assert math.isnan(verbatim([], ["a"]))


def test_nearest_text_by_hand():
    training = ["a b", "a c"]
    similarity, found = nearest_text(["A c", "c a", "a d", "e"], training)
    # Document frequencies of 2, 1 and 0 in 2 weigh ln(3 / 3) + 1, ln(3 / 2) + 1 and ln(3 / 1) + 1.
    all_, one, none = 1, math.log(3 / 2) + 1, math.log(3) + 1
    norm = math.sqrt(all_**2 + 2 * one**2)  # of a, c and "a c"
    swapped = (all_**2 + one**2) / (norm * math.sqrt(all_**2 + one**2 + none**2))  # "c a" is new
    new = all_**2 / (norm * math.sqrt(all_**2 + 2 * none**2))
    assert similarity.tolist() == pytest.approx([1, swapped, new, 0])
    assert found == ["a c", "a c", "a b", "a b"]
    assert similarity.dtype == np.float64


def test_nearest_text_takes_words_without_letters_and_texts_without_words():
    similarity, found = nearest_text(["", "!", "x"], ["", "! ?", "x"])
    assert similarity[[0, 2]].tolist() == pytest.approx([0, 1]) and 0 < similarity[1] < 1
    assert found == ["", "! ?", "x"]
    similarity, found = nearest_text(["", "\n"], ["a", "b"])
    assert similarity.tolist() == [0, 0] and found == ["a", "a"]
    assert nearest_text(["a"], [""])[0].tolist() == [0]


def test_nearest_text_without_texts():
    similarity, found = nearest_text([], ["a"])
    assert similarity.shape == (0,) and found == []
    with pytest.raises(UserError, match="no training text"):
        nearest_text(["a"], [])


def test_nearest_text_is_the_same_in_blocks(monkeypatch):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcdefgh"), 5)) for _ in range(30)]
    expected, found = nearest_text(texts[:11], texts[8:])
    assert (expected >= 0).all() and (expected <= 1).all() and expected[8:].tolist() == pytest.approx([1, 1, 1])
    monkeypatch.setattr(metrics, "CELLS", 50)
    again, found_again = nearest_text(texts[:11], texts[8:])
    assert again.tolist() == pytest.approx(expected.tolist()) and found_again == found


# Against real texts


def test_length_overlap_by_hand():
    assert length_overlap(["a", "a b", "a b", "a b c"], ["x y", "z"]) == 1 / 4 + 1 / 2
    assert length_overlap(["a", "b"], ["c"]) == 1
    assert length_overlap(["a", ""], [""]) == 1 / 2
    assert length_overlap(["a"], ["a b"]) == 0
    assert math.isnan(length_overlap([], ["a"])) and math.isnan(length_overlap(["a"], []))


SHOUTS = ["stop it now!", "come here now!", "no, no, no!", "go away!", "run!"]
QUESTIONS = ["what is it?", "where are you?", "who is there?", "is it far?", "why?"]


@pytest.mark.parametrize("names", [("shout", "question"), (0, 1)])
def test_style_judge_tells_styles_apart(names):
    judge = StyleJudge.fit(SHOUTS + QUESTIONS, [names[0]] * 5 + [names[1]] * 5)
    found = judge.predict(["hush now!", "what are they?", ""])
    assert found[:2].tolist() == list(names) and found[2] in names
    assert judge.predict([]).shape == (0,)


def test_style_judge_gives_a_rare_style_its_weight():
    judge = StyleJudge.fit(SHOUTS * 200 + QUESTIONS, ["shout"] * 1000 + ["question"] * 5, most=100)
    assert judge.predict(["who are you?", "come now!"]).tolist() == ["question", "shout"]


def test_a_draw_holds_an_equal_share_of_every_style():
    labels = np.array([0] * 90 + [1] * 30 + [2] * 3)
    chosen = metrics._balanced(labels, 30, seed=0)
    assert np.bincount(labels[chosen]).tolist() == [10, 10, 3]
    assert chosen.tolist() == metrics._balanced(labels, 30, seed=0).tolist()
    assert metrics._balanced(labels, 123, seed=0).tolist() == list(range(123))


def test_style_judge_refuses_what_it_cannot_learn_from():
    with pytest.raises(UserError, match="two styles"):
        StyleJudge.fit(SHOUTS, ["shout"] * 5)
    with pytest.raises(UserError, match="two styles"):
        StyleJudge.fit([], [])
    with pytest.raises(ValueError, match="5 texts and 4 labels"):
        StyleJudge.fit(SHOUTS, ["shout"] * 4)


# --- what comes back


def test_kept_words_by_hand() -> None:
    frequencies = {"the": 7, "moon": 1, "sea": 3}  # of 7 texts: weights log 8 / 8 = 0, log 8 / 2 and log 8 / 4
    moon, sea = math.log(4), math.log(2)
    assert kept_words(["the moon"], ["the sea"], frequencies, 7) == 0
    assert kept_words(["The moon"], ["a moon by the sea"], frequencies, 7) == 1
    assert kept_words(["moon sea"], ["the sea"], frequencies, 7) == pytest.approx(sea / (moon + sea))
    assert kept_words(["moon", "the moon sea"], ["moon", "the sea"], frequencies, 7) == pytest.approx(
        (1 + sea / (moon + sea)) / 2
    )
    assert kept_words(["an unseen"], ["an unseen"], frequencies, 7) == 1
    assert math.isnan(kept_words([], [], frequencies, 7)) and math.isnan(kept_words(["the"], ["the"], frequencies, 7))
