"""The vocabulary of texts in styles: pieces (`common.data.pieces`), and one more for every style."""

from collections.abc import Collection, Iterable
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from common.data.pieces import SPACE, Pieces, room
from common.errors import UserError
from text.words import first_letter, stem

COMMON = -2.8  # log p of what sentencepiece gives none: of line breaks and ends, one in 16 pieces or so


class Tokenizer(Pieces):
    """Pieces with one that stands for each style."""

    @classmethod
    def train(cls, texts: Iterable[str], styles: int, size: int) -> Self:
        """Learn a vocabulary of up to `size` pieces; fewer where the texts do not have so many.

        Args:
            texts: what is to be written in it.
            styles: how many pieces for styles it has.
            size: at least `common.data.pieces.MIN_PIECES`.

        Raises:
            UserError: so many styles leave no room for anything else.
        """
        if room(size, styles) < 1:
            raise UserError(f"--vocabulary {size} has no room for {styles:,} styles; choose a larger one")
        return cls.learn(texts, size, [style_piece(style) for style in range(styles)])

    @cached_property
    def log_frequencies(self) -> Tensor:
        """How likely each piece is wherever it stands, log p, (len(self),)."""
        scores = torch.tensor([self.processor.get_score(piece) for piece in range(len(self))])
        return torch.where(scores < 0, scores, COMMON)

    @cached_property
    def first_letters(self) -> list[str]:
        """With which letter (`text.words.first_letter`) each piece begins a word; "" if it begins none."""
        return [first_letter(piece[1:2]) if piece[:1] == SPACE else "" for piece in self.spelt]

    @cached_property
    def capital(self) -> Tensor:
        """Which pieces begin a word with a capital letter, bool (len(self),)."""
        return torch.tensor([piece[:1] == SPACE and piece[1:2].isupper() for piece in self.spelt])

    def forms(self, words: Collection[str]) -> Tensor:
        """Which pieces are a whole form of one of these words, bool (len(self),)."""
        stems = set(map(stem, words))
        return torch.tensor([piece[:1] == SPACE and stem(piece[1:]) in stems for piece in self.spelt])

    @cached_property
    def spelt(self) -> list[str]:
        """How each piece is spelt, a space as `SPACE`."""
        return [self.processor.id_to_piece(piece) for piece in range(len(self))]

    def style(self, number: int) -> int:
        """The piece that stands for a style, which begins every text of it."""
        return self.processor.piece_to_id(style_piece(number))


def style_piece(number: int) -> str:
    """How the piece of a style is spelt; names of styles may hold what pieces may not."""
    return f"<style{number}>"
