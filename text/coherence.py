"""Whether one sentence follows another, by a classifier of our own that is independent of any generator."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from common.errors import UserError
from text.words import plain_words, stem

TOPICS = 64  # dimensions of latent semantic analysis
FEWEST = 200  # pairs of which something can be learned
BREAK = re.compile(r"(?<=[a-z\d)][.!?])\s+(?=['\"“‘(]?[A-Z])|\n")

Pair = tuple[str, str]


def passages_of(text: str) -> list[str]:
    """The stanzas of a text, or where it has but one, its sentences and lines."""
    stanzas = text.split("\n\n")
    return stanzas if len(stanzas) > 1 else [part for part in BREAK.split(text) if part.strip()]


def followings(texts: Sequence[str]) -> list[Pair]:
    """Every two parts of a text that follow each other."""
    return [pair for parts in map(passages_of, texts) for pair in pairwise(parts)]


def shuffled(pairs: Sequence[Pair], seed: int = 0) -> list[Pair]:
    """Each first part with the second one of another pair."""
    order = np.random.default_rng(seed).permutation(len(pairs))
    other = dict(zip(order.tolist(), np.roll(order, 1).tolist(), strict=True))
    return [(first, pairs[other[number]][1]) for number, (first, _) in enumerate(pairs)]


@dataclass(frozen=True)
class NextSentenceJudge:
    """Tells pairs of parts that follow each other in a text from pairs of two texts: logistic regression.

    It sees how alike the two are, the cosines of their TF-IDF vectors of stems and of what latent semantic analysis
    (Deerwester et al. 1990) makes of these, and the products of the latter, dimension by dimension.
    """

    vectors: Any  # scikit-learn's
    topics: Any
    classifier: Any

    @classmethod
    def fit(cls, pairs: Sequence[Pair], seed: int = 0) -> Self:
        """Learn from pairs that follow each other, and as many shuffled ones.

        Raises:
            UserError: there are fewer than 200 pairs.
        """
        from sklearn.decomposition import TruncatedSVD  # slow to import
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if len(pairs) < FEWEST:
            raise UserError(f"{len(pairs):,} pairs of sentences to learn from; at least {FEWEST} are needed")
        vectors = TfidfVectorizer(analyzer=_stems, min_df=2, sublinear_tf=True, dtype=np.float32)
        counts = vectors.fit_transform([part for pair in pairs for part in pair])
        topics = TruncatedSVD(min(TOPICS, counts.shape[1] - 1), n_iter=2, random_state=seed).fit(counts)
        judge = cls(vectors, topics, make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)))
        both = [*pairs, *shuffled(pairs, seed)]
        judge.classifier.fit(judge._features(both), np.arange(len(both)) < len(pairs))
        return judge

    def accepts(self, pairs: Sequence[Pair]) -> np.ndarray:
        """Whether it takes each pair for one that follows in a text, bool (N,)."""
        return self.classifier.predict(self._features(pairs)) if pairs else np.zeros(0, dtype=bool)

    def _features(self, pairs: Sequence[Pair]) -> np.ndarray:
        first, second = (self.vectors.transform(side) for side in zip(*pairs, strict=True))
        likeness = np.asarray(first.multiply(second).sum(1))  # (N, 1), as rows are of length 1
        products = _of_length_one(self.topics.transform(first)) * _of_length_one(self.topics.transform(second))
        return np.hstack([likeness, products.sum(1, keepdims=True), products])


def _of_length_one(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def _stems(text: str) -> list[str]:
    return [stem(word) for word in plain_words(text)]
