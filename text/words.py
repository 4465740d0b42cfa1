"""What a word is, its stem and its first letter, and which texts are alike; nothing here imports torch."""

import re
import unicodedata
from functools import cache

import snowballstemmer

# Marks (accents, vowel signs, variation selectors) and joiners go with the character before them.
_MARKS = "".join(chr(code) for code in range(0x300, 0x1F000) if unicodedata.category(chr(code))[0] == "M")
_MARKS += "\u200c\u200d"
_WORD = re.compile(rf"[^\W_]+(?:(?:[{_MARKS}]|'(?=[^\W_]))[^\W_]*)*|\n|(?:[^\w\s]|_)[{_MARKS}]*")


def words(text: str) -> list[str]:
    """The words of a text in lower case, its punctuation marks one by one, and "\\n" for every line break inside it.

    A word is a run of letters and digits of any script; an apostrophe between two of them belongs to it, a typographic
    one as "'". So a run of a script without spaces is one word. Composed and decomposed accents are the same (NFC);
    other space, and line breaks at the ends, do not count.
    """
    return _WORD.findall(unicodedata.normalize("NFC", text.strip().lower().replace("’", "'")))


def plain_words(text: str) -> list[str]:
    """The `words` of a text without marks and line breaks."""
    return [word for word in words(text) if word[0].isalnum()]


@cache
def stem(word: str) -> str:
    """What the regular forms of an English word share, by Snowball (Porter 2001): "harbour" of "Harbours"."""
    return snowballstemmer.stemmer("english").stemWord(word.lower().replace("’", "'"))


def first_letter(text: str) -> str:
    """The first letter of a text as a capital without accents; "" if it has none."""
    letter = next((character for character in text if character.isalpha()), "")
    return unicodedata.normalize("NFD", letter)[:1].upper()


def likeness(text: str) -> str:
    """A key that texts share which differ in case, marks, numbers and what is in brackets alone."""
    return re.sub(r"(\([^)]*\)|[\W\d_])+", " ", text.lower()).strip() or text
