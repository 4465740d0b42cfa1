"""The trigram model against probabilities worked out by hand, and against what every distribution must be."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text.language_model import DISCOUNT, TrigramModel, vocabulary

texts_of_letters = st.lists(st.text("abcd ", max_size=10).map(" ".join), max_size=8)


def test_vocabulary_counts_over_all_texts():
    texts = ["A b, c", "b a'b", "\na", "b , d\nd"]
    assert vocabulary(iter(texts)) == {"a", "b", ",", "d"}
    assert vocabulary(texts, least=3) == {"b"}
    assert vocabulary(texts, least=1) == {"a", "b", "c", "d", ",", "a'b", "\n"}
    assert vocabulary([]) == vocabulary([""]) == frozenset()


# The corpus "a b", "b a b", "b", with ^ for the beginning, $ for the end and ? for the unknown word. Its trigrams are
# ^^a, ^ab, ab$ (twice), ^^b (twice), ^ba, bab and ^b$: five occur once and two twice, so D = 5 / (5 + 4). Of the
# bigrams ab comes after ^ and b, b$ after ^ and a, ba after ^: D = 1 / (1 + 4). Of the words a comes after ^ and b, b
# after ^ and a, $ after b: D = 1 / (1 + 4).
CORPUS = ["a b", "b a b", "b"]
D3, D2, D1 = 5 / 9, 1 / 5, 1 / 5
# Words: five bigram types in all, three words, an even share of 1/4.
WORD = {"a": (2 - D1 + D1 * 3 / 4) / 5, "b": (2 - D1 + D1 * 3 / 4) / 5, None: (1 - D1 + D1 * 3 / 4) / 5}
WORD["?"] = D1 * 3 / 4 / 5
# After b: three trigram types, two bigrams.
AFTER_B = {
    "a": (1 - D2 + D2 * 2 * WORD["a"]) / 3,
    "b": D2 * 2 * WORD["b"] / 3,
    None: (2 - D2 + D2 * 2 * WORD[None]) / 3,
    "?": D2 * 2 * WORD["?"] / 3,
}


@pytest.fixture(scope="module")
def model() -> TrigramModel:
    return TrigramModel.fit(CORPUS, frozenset("ab"))


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        # Two trigrams, seen twice and once; a beginning falls back to words at once.
        ("", {"a": (1 - D3 + D3 * 2 * WORD["a"]) / 3, "b": (2 - D3 + D3 * 2 * WORD["b"]) / 3}),
        ("b", {word: ((word in ("a", None)) * (1 - D3) + D3 * 2 * AFTER_B[word]) / 2 for word in AFTER_B}),
        ("a b", {word: ((word is None) * (2 - D3) + D3 * AFTER_B[word]) / 2 for word in AFTER_B}),
        ("b a b", {word: ((word is None) * (2 - D3) + D3 * AFTER_B[word]) / 2 for word in AFTER_B}),
        ("b b", AFTER_B),  # never seen
        ("a a b b", AFTER_B),
        ("new b", AFTER_B),
        ("b new", WORD),
        ("new", WORD),
    ],
)
def test_probabilities_by_hand(model, before, expected):
    for word, probability in expected.items():
        assert model.probability(word, before.split()) == pytest.approx(probability)


def test_the_probabilities_by_hand_are_distributions():
    for distribution in (WORD, AFTER_B):
        assert sum(distribution.values()) == pytest.approx(1)
    assert pytest.approx((0.39, 0.19, 0.03)) == (WORD["a"], WORD[None], WORD["?"])


def test_log_probability_and_perplexity_by_hand(model):
    first = (2 - D3 + D3 * 2 * WORD["b"]) / 3
    last = (1 - D3 + D3 * 2 * AFTER_B[None]) / 2
    assert model.log_probability("B") == (pytest.approx(math.log(first * last)), 2)
    empty = D3 * 2 * WORD[None] / 3
    assert model.log_probability("") == (pytest.approx(math.log(empty)), 1)
    assert model.perplexity(iter(["b", ""])) == pytest.approx((first * last * empty) ** (-1 / 3))
    assert math.isnan(model.perplexity([]))


def test_all_unknown_words_are_one(model):
    assert model.log_probability("x y b") == model.log_probability("z z b")
    assert TrigramModel.fit(["x b", "y b"], frozenset("b")).probability("z") > 0.3


def test_a_model_without_texts_knows_only_the_vocabulary():
    model = TrigramModel.fit([], frozenset("abc"))
    assert model.perplexity(["a b", "", "x"]) == pytest.approx(5)
    assert TrigramModel.fit([], frozenset()).probability(None) == 1 / 2


def test_a_discount_that_cannot_be_estimated_leaves_room_for_other_texts():
    # Every trigram occurs three times, every bigram and word after one other, so that these give away all they have.
    model = TrigramModel.fit(["a"] * 3, frozenset("ab"))
    assert [order.discount for order in model.orders] == [1, 1, DISCOUNT]
    assert model.probability("a") == pytest.approx((3 - DISCOUNT + DISCOUNT / 4) / 3)
    assert model.probability("b") == pytest.approx(DISCOUNT / 4 / 3)


@settings(deadline=None)
@given(texts_of_letters, st.frozensets(st.sampled_from("abcde")), st.lists(st.sampled_from("abcdef"), max_size=4))
def test_probabilities_sum_to_one_after_anything(texts, known, before):
    model = TrigramModel.fit(texts, known)
    likely = [model.probability(word, before) for word in (*known, None, "unknown")]
    assert min(likely) > 0
    assert math.fsum(likely) == pytest.approx(1)


@settings(deadline=None)
@given(texts_of_letters, st.randoms())
def test_the_order_of_texts_is_of_no_account(texts, random):
    shuffled = random.sample(texts, len(texts))
    first, second = (TrigramModel.fit(some, frozenset("abc")) for some in (texts, shuffled))
    assert first.perplexity(["a b c d", "c"]) == pytest.approx(second.perplexity(["a b c d", "c"]))


def test_reverse_perplexity_sees_lost_variety_and_forward_perplexity_faults():
    nouns, verbs, places = ["cat", "dog", "bird", "fox"], ["sat", "lay", "slept"], ["mat", "roof", "lawn"]
    texts = [f"the {noun} {verb} on the {place}" for noun in nouns for verb in verbs for place in places]
    real, held_out, known = texts[::2], texts[1::2], vocabulary(texts)
    model = TrigramModel.fit(real, known)
    jumbled = [" ".join(reversed(text.split())) for text in held_out]
    assert model.perplexity(held_out) < model.perplexity(jumbled)
    collapsed = TrigramModel.fit([real[0]] * len(real), known)
    assert model.perplexity(held_out) < collapsed.perplexity(held_out)
    assert collapsed.perplexity([real[0]]) < model.perplexity([real[0]])
