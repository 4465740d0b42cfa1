"""A small language model of our own, to say how likely texts are: trigrams of words with Kneser-Ney smoothing.

Forward perplexity is that of generated texts under a model of real ones: how plausible are they? Reverse perplexity is
that of held-out texts under a model of generated ones, which also rises if these lack variety (Zhao et al. 2018, ARAE;
Cífka et al. 2018). Fit both with one vocabulary, and the models of the reverse one from equally many texts; then a
model of as many real texts gives the floor.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from text.metrics import words

UNKNOWN, END, BEGIN = 0, 1, 2  # the words of the vocabulary are numbered from 3
DISCOUNT = 0.75  # where no n-gram occurs once, from which the discount could be estimated

Ngram = tuple[int, ...]


def vocabulary(texts: Iterable[str], least: int = 2) -> frozenset[str]:
    """The words (`text.metrics.words`) that occur `least` times or more in all texts together."""
    counts = Counter(word for text in texts for word in words(text))
    return frozenset(word for word, count in counts.items() if count >= least)


@dataclass(frozen=True, repr=False)  # its tables are endless
class Order:
    """The n-grams of one length, with what their discounted share needs.

    Attributes:
        counts: how often an n-gram was seen, 1 or more; below trigrams, after how many different words.
        totals: the sum of the counts of the n-grams that begin with this context (n - 1 words).
        types: the number of these n-grams.
        discount: what is taken off every count, above 0 to 1.
    """

    counts: Mapping[Ngram, int]
    totals: Mapping[Ngram, int]
    types: Mapping[Ngram, int]
    discount: float

    @classmethod
    def of(cls, counts: Mapping[Ngram, int]) -> Self:
        totals: defaultdict[Ngram, int] = defaultdict(int)
        types: defaultdict[Ngram, int] = defaultdict(int)
        for gram, count in counts.items():
            context = gram[:-1]
            totals[context] += count
            types[context] += 1
        of_counts = Counter(counts.values())
        once, twice = of_counts[1], of_counts[2]
        return cls(counts, dict(totals), dict(types), once / (once + 2 * twice) if once else DISCOUNT)

    def probability(self, gram: Ngram, lower: float) -> float:
        """The probability of an n-gram's last word after the others, where `lower` is that after one word fewer."""
        context = gram[:-1]
        total = self.totals.get(context)
        if total is None:
            return lower
        kept = max(self.counts.get(gram, 0) - self.discount, 0.0)
        return (kept + self.discount * self.types[context] * lower) / total


@dataclass(frozen=True, repr=False)  # its tables are endless
class TrigramModel:
    """Interpolated Kneser-Ney trigrams (Kneser & Ney 1995, as in Chen & Goodman 1999), one discount an order.

    The probability of a word after two others is

        (max(c - D, 0) + D * types * lower) / total

    with c the count of the trigram, `total` and `types` the sum and the number of the trigrams that begin like it, and
    `lower` the same of the bigram, then of the word, then an even share of the vocabulary. Below trigrams, c counts
    after how many different words a bigram or word was seen. A context that was never seen leaves it to `lower`. Each
    discount is D = n1 / (n1 + 2 n2), with n1 and n2 the numbers of n-grams whose c is 1 and 2.

    A text begins with two begin symbols, which are never predicted, and ends with the end symbol, which is. Nothing
    precedes a begin symbol, so that bigrams that begin with one have no c, and a first word falls back to words. A word
    outside the vocabulary is the unknown word, predicted as one word of its own: texts full of unknown words may seem
    likely.
    """

    numbers: Mapping[str, int]  # of the words of the vocabulary
    orders: tuple[Order, Order, Order]  # words, bigrams, trigrams

    @classmethod
    def fit(cls, texts: Iterable[str], vocabulary: frozenset[str]) -> Self:
        """Count the n-grams of texts; without any text, every word is as likely as the other.

        Args:
            vocabulary: the words that are told apart. Only models of one vocabulary are comparable.
        """
        numbers = {word: number for number, word in enumerate(sorted(vocabulary), start=BEGIN + 1)}
        trigrams: Counter[Ngram] = Counter()
        for text in texts:
            tokens = [BEGIN, BEGIN, *(numbers.get(word, UNKNOWN) for word in words(text)), END]
            trigrams.update(zip(tokens, tokens[1:], tokens[2:], strict=False))
        pairs: Counter[Ngram] = Counter(gram[1:] for gram in trigrams)
        singles: Counter[Ngram] = Counter(gram[1:] for gram in pairs)
        bigrams = {gram: count for gram, count in pairs.items() if gram[0] != BEGIN}
        return cls(numbers, (Order.of(singles), Order.of(bigrams), Order.of(trigrams)))

    def probability(self, word: str | None, before: Sequence[str] = ()) -> float:
        """The probability of a word, or with None of the end, in a text that so far has the words `before`."""
        first, second = [BEGIN, BEGIN, *map(self._number, before)][-2:]
        return self._probability((first, second, END if word is None else self._number(word)))

    def log_probability(self, text: str) -> tuple[float, int]:
        """The logarithm of a text's probability in nats, and of how many symbols: its words and the end."""
        tokens = [BEGIN, BEGIN, *map(self._number, words(text)), END]
        grams = zip(tokens, tokens[1:], tokens[2:], strict=False)
        return math.fsum(math.log(self._probability(gram)) for gram in grams), len(tokens) - 2

    def perplexity(self, texts: Iterable[str]) -> float:
        """exp of the mean negative log probability a symbol, ends included, 1 or more; NaN without a text."""
        scores = [self.log_probability(text) for text in texts]
        if not scores:
            return math.nan
        return math.exp(-math.fsum(total for total, _ in scores) / sum(count for _, count in scores))

    def _number(self, word: str) -> int:
        return self.numbers.get(word, UNKNOWN)

    def _probability(self, trigram: Ngram) -> float:
        likely = 1 / (len(self.numbers) + 2)  # the unknown word and the end
        for order, gram in zip(self.orders, (trigram[2:], trigram[1:], trigram), strict=True):
            likely = order.probability(gram, likely)
        return likely
