"""From strings to pieces and back: a sentencepiece vocabulary that takes every string (Kudo & Richardson 2018)."""

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
import sentencepiece
import torch
from torch import Tensor

from common.errors import UserError

FILE = "vocabulary.model"  # in a weights folder
PAD, UNKNOWN, END = 0, 1, 2  # END ends a text, UNKNOWN stands in for words that are dropped in training
MIN_PIECES = 512  # pieces, of which 256 are bytes
# sentencepiece writes a space as U+2581 and reads it back as one; so that this character and the one that hides it
# come back, too, both are spelt with a private one.
SPACE = "▁"
HIDDEN = {"\ue000": "\ue000a", SPACE: "\ue000b"}


class Pieces:
    """A unigram vocabulary (Kudo 2018) with byte fallback, a piece for the line break and for symbols of one's own.

    Every string without lone surrogates comes back as it was: nothing is normalised. A text is read with a space in
    front of each line, so that a word is the same piece wherever it stands.

    Args:
        proto: the content of a sentencepiece model file.

    Raises:
        UserError: it is none of ours.
    """

    def __init__(self, proto: bytes) -> None:
        try:
            self.processor = sentencepiece.SentencePieceProcessor(model_proto=proto)
        except RuntimeError as error:
            raise UserError(f"{FILE} is damaged ({error}); restore or retrain the weights") from error
        special = self.processor.pad_id(), self.processor.unk_id(), self.processor.eos_id()
        if not proto or special != (PAD, UNKNOWN, END):
            raise UserError(f"{FILE} is empty or of another program; restore or retrain the weights")
        self.proto = proto

    @classmethod
    def learn(cls, texts: Iterable[str], size: int, symbols: Sequence[str] = ()) -> Self:
        """Learn a vocabulary of up to `size` pieces; fewer where the texts do not have so many.

        Args:
            texts: what is to be written in it.
            size: at least `MIN_PIECES`, and so many that `room` leaves some.
            symbols: what is to be a piece as it is.
        """
        model, spaced = io.BytesIO(), _without_rare([_spaced(text) for text in texts], room(size, len(symbols)))
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(spaced),
            model_writer=model,
            model_type="unigram",
            vocab_size=size,
            hard_vocab_limit=False,
            byte_fallback=True,
            character_coverage=0.9995,
            required_chars=SPACE,  # which in bytes would not come back as a space
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=False,
            user_defined_symbols=["\n", *symbols],
            pad_id=PAD,
            unk_id=UNKNOWN,
            eos_id=END,
            bos_id=-1,
            num_threads=1,  # with more, rounding and so the pieces would differ from run to run
            max_sentence_length=1 << 20,  # bytes; it would leave longer texts out
            minloglevel=2,
        )
        return cls(model.getvalue())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the vocabulary of a weights folder.

        Raises:
            UserError: it is missing or damaged.
        """
        try:
            return cls((folder / FILE).read_bytes())
        except OSError as error:
            raise UserError(
                f"{folder / FILE} cannot be read ({error.strerror}); restore or retrain the weights"
            ) from error

    @property
    def files(self) -> dict[str, bytes]:
        """What is to lie in a weights folder, by name."""
        return {FILE: self.proto}

    def __len__(self) -> int:
        return self.processor.get_piece_size()

    @cached_property
    def continuing(self) -> Tensor:
        """Which pieces make the word before them longer, bool (len(self),): those that begin with a letter or digit."""
        ids = range(len(self))
        return torch.tensor([self.processor.id_to_piece(i)[:1].isalnum() or self.processor.is_byte(i) for i in ids])

    def encode(self, text: str) -> list[int]:
        """The pieces of a text, without `END`.

        Raises:
            UnicodeEncodeError: lone surrogates, which are no text.
        """
        text.encode()
        return self.processor.encode(_spaced(text))

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """What `encode` makes of each text, faster than one by one."""
        return self.processor.encode([_spaced(text) for text in texts])

    def decode(self, pieces: Iterable[int]) -> str:
        """The text of pieces, up to the first `END`; bytes that are no UTF-8 become U+FFFD."""
        kept: list[int] = []
        for piece in pieces:
            if piece == END:
                break
            if piece != PAD:
                kept.append(int(piece))
        text = self.processor.decode(kept)
        for character, spelt in reversed(HIDDEN.items()):
            text = text.replace(spelt, character)
        return text.removeprefix(" ").replace("\n ", "\n")

    @property
    def line_break(self) -> int:
        """The piece of a line break."""
        return self.processor.piece_to_id("\n")


def room(size: int, symbols: int) -> int:
    """How many pieces there are for single characters in a vocabulary of `size` with so many symbols."""
    return (size - 256 - 4 - symbols) // 2


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """Pieces of several texts, each ended by `END` and padded to the longest, int64 (N, L)."""
    tokens = np.full((len(rows), max(map(len, rows), default=0) + 1), PAD)
    for number, row in enumerate(rows):
        tokens[number, : len(row) + 1] = [*row, END]
    return torch.from_numpy(tokens)


def _without_rare(texts: list[str], room: int) -> list[str]:
    """Texts with line breaks, which no piece crosses, for all but the `room` commonest characters: those get pieces."""
    counts = Counter(chain.from_iterable(texts))
    if len(counts) <= room:
        return texts
    rare = str.maketrans(dict.fromkeys(counts.keys() - dict(counts.most_common(room)).keys(), "\n"))
    return [text.translate(rare) for text in texts]


def _spaced(text: str) -> str:
    for character, spelt in HIDDEN.items():
        text = text.replace(character, spelt)
    return " " + text.replace("\n", "\n ")
