"""What is wished of a text: words that occur or do not, its first letter, how many words; nothing imports torch."""

import re
from dataclasses import dataclass

from common.errors import UserError
from text.words import first_letter, plain_words, stem


@dataclass(frozen=True)
class Wishes:
    """What is wished of a text, or of a line.

    Attributes:
        must: words that occur, in any form.
        avoid: words that do not, in any form.
        starts_with: its first letter; "" for any.
        words: how many words it has, at least and at most; None for any number.
    """

    must: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    starts_with: str = ""
    words: tuple[int, int] | None = None

    def __bool__(self) -> bool:
        return self != NO_WISHES

    def missed(self, text: str) -> list[str]:
        """The wishes that a text does not meet, as the command line spells them."""
        found = plain_words(text)
        stems = set(map(stem, found))
        missed = [f"--must {word}" for word in self.must if stem(word) not in stems]
        missed += [f"--avoid {word}" for word in self.avoid if stem(word) in stems]
        if self.starts_with and first_letter(text) != first_letter(self.starts_with):
            missed.append(f"--starts-with {self.starts_with}")
        if self.words and not self.words[0] <= len(found) <= self.words[1]:
            missed.append(f"--words {self.words[0]}-{self.words[1]}")
        return missed


NO_WISHES = Wishes()


def word_range(given: str) -> tuple[int, int]:
    """How many words at least and at most "7" or "5-9" asks for.

    Raises:
        UserError: it is neither, or asks for none.
    """
    match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", given, re.ASCII)
    least, most = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= least <= most:
        raise UserError(f"--words {given}: must be a number of words, or the least and the most such as 5-9")
    return least, most


def check_wishes(wishes: Wishes, prompt: str = "") -> None:
    """Refuse wishes that no text can meet.

    Args:
        prompt: how the text begins.

    Raises:
        UserError: a wish is none, contradicts another or the prompt, or cannot be met.
    """
    for flag, words in (("must", wishes.must), ("avoid", wishes.avoid)):
        for word in words:
            if len(plain_words(word)) != 1 or len(word.split()) != 1:
                raise UserError(f"--{flag} {word!r}: not a word; name words one by one, such as moon harbour")
    letter = wishes.starts_with
    if letter and (len(letter) != 1 or not letter.isalpha()):
        raise UserError(f"--starts-with {letter}: must be a letter")
    if letter and prompt and first_letter(prompt) != first_letter(letter):
        raise UserError(f"--starts-with {letter} contradicts --prompt {prompt}; leave one of them out")
    told = tuple(plain_words(prompt))
    refused = set(map(stem, wishes.avoid))
    for flag, words in (("must", wishes.must), ("prompt", told)):
        for word in words:
            if stem(word) in refused:
                raise UserError(f"--{flag} and --avoid both name a form of {word}; leave one of them out")
    needed = len(told) or len(set(map(stem, wishes.must)))
    if wishes.words and needed > wishes.words[1]:
        flag = "prompt" if told else "must"
        raise UserError(f"--words {wishes.words[1]} at most leave no room for the {needed} of --{flag}; allow more")
