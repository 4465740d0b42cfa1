"""From metre and rhyme to the pieces that may follow: what `text.verse` says of words, for a vocabulary."""

import re
from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from common.data.pieces import END, SPACE
from text.data.tokenizer import Tokenizer
from text.decoding import LineForm
from text.verse import METRES, VOWELS, MetreName, fits, last_word, partner, rhyme_parts, rhymes, scans, stresses
from text.words import plain_words

MARKS = (".", ",", ";", ":", "!", "?")  # that may stand at the end of a line
LETTERS = "aio"  # that are words
QUOTE = '"'  # which lines that are written one by one would open and not close
FEW = 8  # words of the vocabulary, with which one must rhyme to end a line that another is to rhyme with


class Verse:
    """How lines of a metre and a scheme of rhymes are written in a vocabulary.

    Args:
        rhyme: a letter a line, equal where lines rhyme; "" if none do.
    """

    def __init__(self, tokenizer: Tokenizer, metre: MetreName, rhyme: str) -> None:
        self.tokenizer, self.metres, self.rhyme = tokenizer, METRES[metre], rhyme
        self.flags = f"--metre {metre}", f"--rhyme {rhyme}"

    def line(
        self, texts: Sequence[Sequence[str]], number: int, device: torch.device
    ) -> tuple[LineForm, Callable[[int, str], int]]:
        """The form of the lines of a number, after the lines so far (N), and how many wishes one of a row misses."""
        metre = self.metres[number % len(self.metres)]
        wanted = [self._rhyming_with(lines, number) for lines in texts]
        ends = [[last_word(line) for line in lines] for lines in texts]
        closing = torch.stack([self._closing(word, before, number) for word, before in zip(wanted, ends, strict=True)])
        said = (self.syllables, self.silent, self.marks, self.goes_on, self._fits(metre), closing)
        form = LineForm(*(table.to(device) for table in said))

        def judge(row: int, line: str) -> int:
            word = wanted[row]
            return (not scans(line, metre)) + (word is not None and not rhymes(word, last_word(line)))

        return form, judge

    def missed(self, lines: Sequence[str]) -> list[str]:
        """The wishes that a text misses, as the command line spells them."""
        metre, rhyme = self.flags
        bad = [not scans(line, self.metres[number % len(self.metres)]) for number, line in enumerate(lines)]
        words = [(self._rhyming_with(lines, number), last_word(line)) for number, line in enumerate(lines)]
        unlike = [first is not None and not rhymes(first, second) for first, second in words]
        return [metre] * any(bad) + [rhyme] * any(unlike)

    @cached_property
    def syllables(self) -> Tensor:
        """Of each piece, int64 (V,): of whole words as they are said, else by spelling; 0 of marks and single bytes."""
        return torch.tensor([len(self.stress[piece]) for piece in range(len(self.tokenizer))])

    @cached_property
    def silent(self) -> Tensor:
        """Which pieces have no syllable and end no line, bool (V,)."""
        return (self.syllables == 0) & ~self._ends

    @cached_property
    def marks(self) -> Tensor:
        """Which pieces may stand at the end of a line, bool (V,)."""
        return torch.tensor([spelt in MARKS for spelt in self.tokenizer.spelt])

    @cached_property
    def goes_on(self) -> Tensor:
        """Which pieces begin with a letter, or an apostrophe and a letter, and no space, bool (V,)."""
        return torch.tensor([re.match(r"['’]?[^\W\d_]", spelt) is not None for spelt in self.tokenizer.spelt])

    @cached_property
    def stress(self) -> list[str]:
        """The stress of each piece (`text.verse.stresses`), in the pronunciation with the fewest syllables."""
        found = []
        for piece, word in enumerate(self.words):
            spelt = self.tokenizer.spelt[piece].strip(SPACE)
            known = min(stresses(word), key=len) if word else "?" * len(VOWELS.findall(spelt.lower()))
            found.append("" if self.tokenizer.processor.is_byte(piece) or spelt.startswith("<") else known)
        return found

    @cached_property
    def words(self) -> list[str]:
        """The word in small letters that each piece is; "" if it is none, or begins none."""
        return [
            spelt[1:].lower() if spelt[:1] == SPACE and plain_words(spelt[1:]) == [spelt[1:].lower()] else ""
            for spelt in self.tokenizer.spelt
        ]

    @cached_property
    def by_sound(self) -> dict[str, Tensor]:
        """Which pieces end in a sound (`text.verse.rhyme_parts`), bool (V,) each."""
        ids: dict[str, list[int]] = {}
        for piece, word in enumerate(self.words):
            for part in rhyme_parts(word) if word and self.stress[piece] else ():
                ids.setdefault(part, []).append(piece)
        found = {}
        for part, pieces in ids.items():
            found[part] = torch.zeros(len(self.tokenizer), dtype=torch.bool)
            found[part][pieces] = True
        return found

    def _rhyming_with(self, lines: Sequence[str], number: int) -> str | None:
        before = partner(self.rhyme, number) if self.rhyme else None
        return None if before is None else last_word(lines[before])

    def _closing(self, word: str | None, before: Sequence[str], number: int) -> Tensor:
        """Which pieces may end a line that rhymes with a word, or is to be rhymed with, or neither, bool (V,).

        Args:
            before: the words that end the lines so far; none ends a line again, and other letters sound otherwise.
        """
        everything = torch.ones(len(self.tokenizer), dtype=torch.bool)
        if word is None:
            is_free = self.rhyme.count(self.rhyme[number : number + 1] or "-") < 2
            new = self._often_rhymed & ~self._rhyming(before)
            return everything if is_free else new if new.any() else self._often_rhymed
        rhyming = self._rhyming([word]) & torch.tensor([own not in before for own in self.words])
        return rhyming if rhyming.any() else everything

    def _rhyming(self, words: Sequence[str]) -> Tensor:
        """The pieces that sound like the end of one of some words, these themselves among them, bool (V,)."""
        found = torch.zeros(len(self.tokenizer), dtype=torch.bool)
        for part in frozenset[str]().union(*map(rhyme_parts, words)):
            found |= self.by_sound.get(part, found)
        return found

    @cached_property
    def _often_rhymed(self) -> Tensor:
        often = [pieces for pieces in self.by_sound.values() if pieces.sum() >= FEW]
        return torch.stack(often).any(0) if often else torch.ones(len(self.tokenizer), dtype=torch.bool)

    @cached_property
    def _ends(self) -> Tensor:
        ends = torch.zeros(len(self.tokenizer), dtype=torch.bool)
        ends[[END, self.tokenizer.line_break]] = True
        return ends

    @cached_property
    def _fit(self) -> Tensor:
        """Which pieces may stand within a line: no quotation marks, and no words that are a letter or have no vowel."""
        pieces = zip(self.tokenizer.spelt, self.words, self.stress, strict=True)
        return ~self._ends & torch.tensor(
            [
                QUOTE not in spelt and (not word or (bool(stress) and (len(word) > 1 or word in LETTERS)))
                for spelt, word, stress in pieces
            ]
        )

    def _fits(self, metre: str) -> Tensor:
        """Which pieces may follow after 0 to P syllables of a metre of P places, bool (P + 1, V)."""
        table = []
        for place in range(len(metre) + 1):
            inside = [place + len(own) <= len(metre) and fits(own, place, metre) for own in self.stress]
            table.append(torch.tensor(inside) & self._fit if place < len(metre) else self._ends | self.marks)
        return torch.stack(table)
