"""How varied a set of texts is, how much of it was copied, and how it differs from real texts.

All of it sees a text as its `words`. Most figures depend on how many texts there are and how long they are, so compare
them at one number, and beside their floor: the same of real texts in the samples' place. A function returns NaN where
its docstring says that the figure is undefined.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

import numpy as np

from common.errors import UserError
from text.words import words

EPSILON = 0.1  # n-grams that BLEU takes as shared of an order where none is
CELLS = 2**24  # similarities held at once: 64 MiB in float32
FEATURES = 100_000  # the most frequent n-grams of words, and as many of characters, by which a style is judged

Ngram = tuple[str, ...]


def _ngrams(tokens: Sequence[str], n: int) -> Iterator[Ngram]:
    """Every n words in a row, those of two lines too; none if there are fewer."""
    return zip(*(tokens[start:] for start in range(n)), strict=False)


def _terms(text: str) -> list[str]:
    """The words of a text and its pairs of neighbouring words, with a space between."""
    tokens = words(text)
    return [*tokens, *map(" ".join, _ngrams(tokens, 2))]


# --- Variety ----------------------------------------------------------------------------------------------------------


def distinct(texts: Iterable[str], n: int) -> float:
    """Distinct-n: the share of different n-grams among all n-grams of a set of texts, above 0 to 1 (Li et al. 2016).

    Li et al. divide by the number of words instead, so that short texts cannot reach 1. It falls as texts are added.
    NaN if no text has n words.
    """
    grams = [gram for text in texts for gram in _ngrams(words(text), n)]
    return len(set(grams)) / len(grams) if grams else math.nan


def self_bleu(texts: Sequence[str], n: int = 4, most: int = 512, seed: int = 0) -> float:
    """Self-BLEU: the mean BLEU-n of every text against all others as its references, 0 to 1 (Zhu et al. 2018).

    Higher is less varied. BLEU (Papineni et al. 2002) of a sentence is the geometric mean of the precisions of orders 1
    to n, clipped by the largest count in any one reference, times the brevity penalty by the length that is closest (of
    two, the shorter). Where no n-gram of an order is shared, EPSILON of one is taken as shared (method 1 of Chen &
    Cherry 2014); where no word is, BLEU is 0. A text of fewer than n words is judged by the orders which it has.

    Texts without words are left out. As BLEU rises with the number of references, compare it at one number of texts
    only. NaN for fewer than two texts.

    Args:
        n: the longest n-grams that count.
        most: of more texts than these, so many are drawn.
        seed: of that draw.
    """
    tokenised = [tokens for text in texts if (tokens := words(text))]
    if len(tokenised) > most:
        tokenised = [tokenised[i] for i in np.random.default_rng(seed).choice(len(tokenised), most, replace=False)]
    if len(tokenised) < 2:
        return math.nan
    counts = [Counter(gram for order in range(1, n + 1) for gram in _ngrams(tokens, order)) for tokens in tokenised]
    peaks = _peaks(counts)
    lengths = Counter(map(len, tokenised))
    scores = []
    for index, (tokens, grams) in enumerate(zip(tokenised, counts, strict=True)):
        matches = [0] * n
        for gram, count in grams.items():
            largest, holder, second = peaks[gram]
            matches[len(gram) - 1] += min(count, second if holder == index else largest)
        scores.append(_bleu(matches, len(tokens), _closest(len(tokens), lengths)))
    return math.fsum(scores) / len(scores)


def _peaks(counts: Sequence[Counter[Ngram]]) -> dict[Ngram, tuple[int, int, int]]:
    """For every n-gram the largest count in a text, the text that has it, and the largest count in any other text."""
    peaks: dict[Ngram, tuple[int, int, int]] = {}
    for index, grams in enumerate(counts):
        for gram, count in grams.items():
            largest, holder, second = peaks.get(gram, (0, index, 0))
            if count > largest:
                peaks[gram] = count, index, largest
            elif count > second:
                peaks[gram] = largest, holder, count
    return peaks


def _closest(length: int, lengths: Counter[int]) -> int:
    """The length that is closest to that of one text among those of the others; `lengths` counts it, too."""
    others = (other for other, count in lengths.items() if other != length or count > 1)
    return min(others, key=lambda other: (abs(other - length), other))


def _bleu(matches: Sequence[int], length: int, reference: int) -> float:
    """BLEU of a text of `length` words from its clipped matches by order, against a reference of that length."""
    if not matches[0]:
        return 0.0
    logs = [math.log((count or EPSILON) / (length - order)) for order, count in enumerate(matches[:length])]
    return math.exp(min(0.0, 1 - reference / length) + math.fsum(logs) / len(logs))


# --- Memorisation -----------------------------------------------------------------------------------------------------


def copied_ngrams(texts: Iterable[str], training: Iterable[str], n: int = 8) -> float:
    """The share of the n-grams of `texts`, each as often as it occurs, that occur in some training text, 0 to 1.

    Phrases that everyone uses are no copies, so compare it with that of held-out texts. NaN if no text has n words.
    """
    wanted = Counter(gram for text in texts for gram in _ngrams(words(text), n))
    if not wanted:
        return math.nan
    sought, found = set(wanted), set[Ngram]()
    for text in training:
        found |= sought.intersection(_ngrams(words(text), n))
    return sum(wanted[gram] for gram in found) / wanted.total()


def fingerprint(text: str) -> int:
    """A number of 32 bits that texts of the same words share; others do by a chance of 1 in 4,294,967,296."""
    return int.from_bytes(
        hashlib.blake2b("\0".join(words(text)).encode("utf-8", "surrogatepass"), digest_size=4).digest()
    )


def verbatim(texts: Iterable[str], training: Iterable[str]) -> float:
    """The share of texts that are a whole training text, word for word, 0 to 1; NaN without a text."""
    wanted = Counter(tuple(words(text)) for text in texts)
    if not wanted:
        return math.nan
    found = wanted.keys() & {tokens for text in training if (tokens := tuple(words(text))) in wanted}
    return sum(wanted[tokens] for tokens in found) / wanted.total()


def nearest_text(texts: Sequence[str], training: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """How similar each text is to the most similar training text, float64 (N,), and that training text.

    The similarity is the cosine of the TF-IDF vectors of words and pairs of neighbouring words, 0 (no word in common)
    to 1 (up to the rounding of float32; all the same words and pairs), with the smoothed document frequencies of the
    training texts (scikit-learn's). What occurs in no training text counts as the rarest: left out, it would make new
    texts seem copies. Of training texts that are equally similar, the first one is taken.

    Raises:
        UserError: there is no training text.
    """
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer  # slow to import

    if not training:
        raise UserError("there is no training text to compare with")
    if not any(map(words, texts)):
        return np.zeros(len(texts)), [training[0]] * len(texts)
    counts = CountVectorizer(analyzer=_terms, dtype=np.float32).fit_transform(chain(texts, training))
    weights = TfidfTransformer().fit(counts[len(texts) :])
    queries, references = weights.transform(counts[: len(texts)]), weights.transform(counts[len(texts) :])
    used = np.unique(queries.indices)
    queries, references = queries[:, used], references[:, used]
    similarity, index = [], []
    rows = max(1, CELLS // len(training))
    for start in range(0, len(texts), rows):
        block = references @ queries[start : start + rows].T.toarray()  # (M, rows)
        similarity.append(block.max(axis=0))
        index.append(block.argmax(axis=0))
    return np.concatenate(similarity).clip(0, 1).astype(float), [training[i] for i in np.concatenate(index)]


# --- Against real texts -----------------------------------------------------------------------------------------------


def kept_words(texts: Sequence[str], made: Sequence[str], frequencies: Mapping[str, int], count: int) -> float:
    """The share of what texts say that is found in what was made of them, in [0, 1]; NaN without texts.

    Words count as much as they tell, by the logarithm of how rarely training texts have them (idf), so that "the"
    counts nearly nothing.

    Args:
        texts: N originals.
        made: N others, one of each.
        frequencies: how many training texts have each word.
        count: of training texts.
    """

    def weight(shared: set[str]) -> float:
        return sum(math.log((count + 1) / (frequencies.get(word, 0) + 1)) for word in shared)

    shares = [
        weight(own & set(words(other))) / total
        for text, other in zip(texts, made, strict=True)
        if (total := weight(own := set(words(text)))) > 0
    ]
    return math.fsum(shares) / len(shares) if shares else math.nan


def length_overlap(texts: Iterable[str], reference: Iterable[str]) -> float:
    """The area that the histograms of two sets' lengths in words share, 0 to 1 (equal); NaN if a set is empty.

    A bin is one length. So sets of the same source reach less than 1, the less the fewer and longer their texts are.
    """
    first, second = (Counter(len(words(text)) for text in side) for side in (texts, reference))
    if not first or not second:
        return math.nan
    return math.fsum(min(first[n] / first.total(), second[n] / second.total()) for n in first)


@dataclass(frozen=True)
class StyleJudge:
    """A classifier of style that is independent of any generator: logistic regression on n-grams.

    It sees the TF-IDF vectors, sublinear in the count, of words and pairs of words and of 2 to 4 characters in a row.
    """

    pipeline: Any  # scikit-learn's

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        labels: Sequence[int] | Sequence[str] | np.ndarray,
        most: int = 20_000,
        seed: int = 0,
    ) -> Self:
        """Learn from texts (N) and the style of each (N,).

        Every style has the same weight, whatever the number of its texts.

        Args:
            most: so many texts at most are drawn, the same share of them from every style.
            seed: of that draw.

        Raises:
            UserError: there are fewer than two styles.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer  # slow to import
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline, make_union

        targets = np.asarray(labels)
        if len(targets) != len(texts):
            raise ValueError(f"there are {len(texts):,} texts and {len(targets):,} labels")
        if len(np.unique(targets)) < 2:
            raise UserError("a judge of style needs texts of two styles or more")
        chosen = _balanced(targets, most, seed)
        pipeline = make_pipeline(
            make_union(
                TfidfVectorizer(analyzer=_terms, sublinear_tf=True, max_features=FEATURES, dtype=np.float32),
                TfidfVectorizer(
                    analyzer="char", ngram_range=(2, 4), sublinear_tf=True, max_features=FEATURES, dtype=np.float32
                ),
            ),
            LogisticRegression(C=10, class_weight="balanced", max_iter=200),
        )
        return cls(pipeline.fit([texts[i] for i in chosen], targets[chosen]))

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """The style of every text (N,), one of the labels that it learned from."""
        return self.pipeline.predict(texts) if len(texts) else self.pipeline.classes_[:0]


def _balanced(labels: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Indices, in order, of up to `most` samples: of every label an equal share, or all if there are fewer."""
    if len(labels) <= most:
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    styles = np.unique(labels)
    share = max(1, most // len(styles))
    return np.sort(np.concatenate([order[labels[order] == style][:share] for style in styles]))
