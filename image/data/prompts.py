"""From descriptions to what networks read, and what a user's own words are worth to a trained one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from common.data.captions import tidy
from common.data.pieces import Pieces, padded
from common.errors import UserError
from image.data.loading import Captions

NAMES = 4  # descriptions of a picture that are learned from, at most
SHOWN = 40  # characters of a description that an error repeats


@dataclass(frozen=True)
class PromptTokenizer:
    """How descriptions are taken to pieces; it travels in a weights folder.

    Attributes:
        pieces: the vocabulary.
        longest: pieces of a description at most, its end included.
        words: all that were learned from.
    """

    pieces: Pieces
    longest: int
    words: frozenset[str]

    @classmethod
    def learn(cls, captions: Captions, size: int, longest: int) -> Self:
        """A vocabulary of up to `size` pieces."""
        return cls(Pieces.learn([text for texts in captions.texts for text in texts], size), longest, _words(captions))

    def knowing(self, captions: Captions) -> Self:
        """The same vocabulary, which also knows the words of more descriptions."""
        return replace(self, words=self.words | _words(captions))

    @classmethod
    def load(cls, folder: Path, config: Mapping[str, Any]) -> Self:
        """That of a weights folder, whose config.json is `config`.

        Raises:
            UserError: the vocabulary is missing or damaged.
            KeyError: the config tells of none.
        """
        return cls(Pieces.load(folder), config["network"]["longest"], frozenset(config["words"].split()))

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """Tidy descriptions, ended, cut with the end and padded to the longest of them, int64 (N, L)."""
        return padded([row[: self.longest - 1] for row in self.pieces.encode_all(texts)])

    def all_tokens(self, captions: Captions) -> Tensor:
        """Pieces of up to `NAMES` descriptions of each, int64 (N, NAMES, longest); of fewer, some are repeated."""
        chosen = [texts[:NAMES] for texts in captions.texts]
        found = self.tokens([texts[number % len(texts)] for texts in chosen for number in range(NAMES)])
        return rearrange(F.pad(found, (0, self.longest - found.shape[1])), "(n names) l -> n names l", names=NAMES)

    def unknown(self, texts: Iterable[str]) -> list[str]:
        """The words of tidy descriptions that were not learned from, in order, each once."""
        return list(dict.fromkeys(word for text in texts for word in text.split() if word not in self.words))

    def prompt(self, text: str) -> str:
        """A user's description, tidied, if a network can make something of it.

        Raises:
            UserError: it is empty, too long, or has words of characters that were never learned.
        """
        try:
            found = self._spelt(tidy(text))
            row = self.pieces.encode(found)
        except UnicodeEncodeError as error:
            raise UserError("--text is no text (half a character); write it anew") from error
        short = found if len(found) <= SHOWN else f"{found[:SHOWN]}..."
        if not found:
            raise UserError('--text is empty; describe a picture, such as "red heart"')
        if len(row) >= self.longest:
            most = self.longest - 1
            raise UserError(f"--text {short!r} has {len(row):,} pieces of words; {most} are the most, so shorten it")
        if strange := [word for word in self.unknown([found]) if self._is_strange(word)]:
            raise UserError(f"--text {short!r}: the characters of {strange[0]!r} were never learned; use English words")
        return found

    def _spelt(self, text: str) -> str:
        """A tidy description without the commas and colons around its words that were never learned."""
        words = (word if word in self.words else word.strip(',:;!?"') for word in text.split())
        return " ".join(word for word in words if word)

    def _is_strange(self, word: str) -> bool:
        """Whether a word has a character that the vocabulary can only spell in bytes."""
        return any(self.pieces.processor.is_byte(piece) for piece in self.pieces.encode(word))


def _words(captions: Captions) -> frozenset[str]:
    return frozenset(word for texts in captions.texts for text in texts for word in text.split())
