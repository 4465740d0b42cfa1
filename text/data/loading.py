"""Texts as pieces, in batches of like length, split into what is trained on and what is held out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from common.config import NEWEST, Order
from common.data.arrays import Arrays, families, split
from common.data.order import batch_indices
from common.data.pieces import PAD, padded
from common.errors import UserError
from common.randomness import mix
from text.data.sources import Corpus, Entry, named, read_corpus
from text.data.tokenizer import Tokenizer

MIN_TEXTS = 50  # texts of which something can be learned, and something held out
GROUP = 32  # batches whose texts are sorted by length together
TEST_SHARE, VALIDATION_SHARE = 0.06, 0.03
HELD_OUT = 20  # texts of each of the two, about, where these shares are fewer


class Sequences(Arrays):
    """Texts as {"tokens": int16 (N, L), "label": int64 (N,)}, whose batches are of like length and cut to the longest.

    Attributes:
        lengths: of each text with its `END`, int64 (N,), on the CPU.
    """

    def __init__(self, tokens: Tensor, labels: Tensor) -> None:
        super().__init__({"tokens": tokens.short(), "label": labels})
        self.lengths = (tokens != PAD).sum(1)

    def gather(self, indices: Tensor) -> dict[str, Tensor]:
        """Rows, as `Arrays.gather`; the tokens int64 and no wider than the longest of them."""
        batch = super().gather(indices)
        return batch | {"tokens": batch["tokens"][:, : int(self.lengths[indices].max())].long()}

    def indices(self, seed: int, step: int, batch: int, order: Order = NEWEST) -> Tensor:
        """The rows of a step as `batch_indices` has them, but `GROUP` batches are sorted by length, in random order."""
        group, place = divmod(step, GROUP)
        rows = batch_indices(len(self), seed, group, GROUP * batch, order)
        rows = rearrange(rows[self.lengths[rows].argsort(stable=True)], "(batches n) -> batches n", n=batch)
        return rows[torch.randperm(GROUP, generator=torch.Generator().manual_seed(mix(seed, group, GROUP)))[place]]


@dataclass(frozen=True)
class TextData:
    """Texts in three parts; no text, nor one that differs in case, marks and brackets alone, is in two of them.

    Attributes:
        name: short, fit for a file name.
        styles: their names, by label; () if there are none.
        train: what models learn from.
        validation: what tells a run which of its weights are best.
        test: held out; nothing is ever chosen by it.
        tokenizer: what the pieces mean.
        skipped: what could not be used, and why.
        source: one line on origin and licence.
    """

    name: str
    styles: tuple[str, ...]
    train: Sequences
    validation: Sequences
    test: Sequences
    tokenizer: Tokenizer
    skipped: dict[str, str]
    source: str

    def texts(self, part: Sequences, rows: Tensor | None = None) -> list[str]:
        """The texts of some rows of a part, or of all, as strings."""
        tokens = part.tensors["tokens"] if rows is None else part.tensors["tokens"][rows]
        return [self.tokenizer.decode(row) for row in tokens.tolist()]


def load_texts(data: str, vocabulary: int, longest: int, tokenizer: Tokenizer | None = None) -> TextData:
    """Read texts, learn their vocabulary unless one is given, and split them.

    A text that is there twice counts once. About 6 % are held out and 3 % for validation, or 20 texts, by source where
    it is known, unless there are too few.

    Args:
        data: as `text.data.sources.read_corpus` takes it.
        vocabulary: pieces at most.
        longest: pieces of a text at most, its end included; longer ones are left out.

    Raises:
        UserError: the data cannot be read, or is too little.
    """
    corpus = read_corpus(data)
    entries = _unrepeated(corpus)
    _require_enough(data, len(entries), corpus)
    styles = tuple(sorted({entry.style for entry in entries} - {""}))
    parts = parts_of(entries)
    if tokenizer is None:
        trained_on = [entry.text for entry, part in zip(entries, parts, strict=True) if part == 0]
        tokenizer = Tokenizer.train(trained_on, max(len(styles), 1), vocabulary)
    rows = tokenizer.encode_all([entry.text for entry in entries])
    fitting = [number for number, row in enumerate(rows) if len(row) < longest]
    corpus.skipped |= {
        named(entries[number].text, number): f"of more than {longest} pieces"
        for number in sorted(set(range(len(rows))) - set(fitting))
    }
    _require_enough(data, len(fitting), corpus)
    label = {style: number for number, style in enumerate(styles)}

    def part(which: int) -> Sequences:
        chosen = [number for number in fitting if parts[number] == which]
        labels = torch.tensor([label.get(entries[number].style, 0) for number in chosen])
        return Sequences(padded([rows[number] for number in chosen]), labels)

    train, validation, test = map(part, range(3))
    if min(len(train), len(validation), len(test)) < 2:
        raise UserError(f"--data {data}: too few texts differ to train on some and hold out others; add more")
    return TextData(corpus.name, styles, train, validation, test, tokenizer, corpus.skipped, corpus.source)


def likeness(text: str) -> str:
    """A key that texts share which differ in case, marks, numbers and what is in brackets alone."""
    return re.sub(r"(\([^)]*\)|[\W\d_])+", " ", text.lower()).strip() or text


def _unrepeated(corpus: Corpus) -> list[Entry]:
    seen: dict[tuple[str, str], Entry] = {}
    for number, entry in enumerate(corpus.entries):
        if (entry.text, entry.style) in seen:
            corpus.skipped[named(entry.text, number)] = "repeated"
        seen.setdefault((entry.text, entry.style), entry)
    return list(seen.values())


def _require_enough(data: str, count: int, corpus: Corpus) -> None:
    if count < MIN_TEXTS:
        left_out = f" ({len(corpus.skipped):,} left out)" if corpus.skipped else ""
        raise UserError(f"--data {data}: {count} texts that can be used{left_out}; at least {MIN_TEXTS} are needed")


def parts_of(entries: Sequence[Entry]) -> list[int]:
    """0 for training, 1 for validation and 2 for the test, of each text."""
    alike = [likeness(entry.text) for entry in entries]
    parts = _held_out(families([entry.source or text for entry, text in zip(entries, alike, strict=True)], alike))
    return parts if len(set(parts)) == 3 else _held_out(alike)


def _held_out(keys: Sequence[str]) -> list[int]:
    least = min(HELD_OUT / len(keys), 0.2)
    parts = np.where(split(keys, max(TEST_SHARE, least)), 2, 0)
    (rest,) = np.nonzero(parts == 0)  # split on their own, so that neither side of them is empty
    parts[rest[split([keys[number] for number in rest.tolist()], max(VALIDATION_SHARE, least), seed=1)]] = 1
    return parts.tolist()
