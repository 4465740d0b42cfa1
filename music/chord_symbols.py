"""Chord symbols as lead sheets have them; nothing here imports numpy."""

import re
from dataclasses import dataclass

from common.errors import UserError
from music.theory import PITCH_CLASSES, Key, fifths_of, name_of_fifth

QUALITIES: dict[str, tuple[int, ...]] = {  # semitones above the root, by how we write them; the likelier first
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11),
    "dim": (0, 3, 6),
    "m7b5": (0, 3, 6, 10),
    "sus4": (0, 5, 7),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "dim7": (0, 3, 6, 9),
    "aug": (0, 4, 8),
    "sus2": (0, 2, 7),
    "5": (0, 7),
    "7sus4": (0, 5, 7, 10),
    "add9": (0, 2, 4, 7),
    "9": (0, 2, 4, 7, 10),
    "m9": (0, 2, 3, 7, 10),
    "maj9": (0, 2, 4, 7, 11),
    "mmaj7": (0, 3, 7, 11),
}
ALIASES = {"maj": "", "M": "", "min": "m", "mi": "m", "-": "m", "M7": "maj7", "Δ": "maj7", "Δ7": "maj7", "j7": "maj7"}
ALIASES |= {"min7": "m7", "mi7": "m7", "-7": "m7", "o": "dim", "°": "dim", "o7": "dim7", "°7": "dim7", "ø": "m7b5"}
ALIASES |= {"ø7": "m7b5", "+": "aug", "sus": "sus4", "7sus": "7sus4", "2": "sus2", "M9": "maj9", "min9": "m9"}
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "##": 2, "b": -1, "♭": -1, "bb": -2}
SYMBOL = re.compile(r"([A-G])(##?|bb?|♯|♭|)([^/]*)(?:/([A-G])(##?|bb?|♯|♭|))?")


@dataclass(frozen=True)
class Chord:
    """A chord by its pitch classes, 0 to 11 from C.

    Attributes:
        root: pitch class.
        quality: a key of `QUALITIES`.
        bass: pitch class of the lowest note, the root by default.
    """

    root: int
    quality: str = ""
    bass: int | None = None

    @property
    def classes(self) -> frozenset[int]:
        """The pitch classes of its notes, with the bass."""
        own = {(self.root + interval) % 12 for interval in QUALITIES[self.quality]}
        return frozenset(own | ({self.bass} if self.bass is not None else set()))

    def moved(self, semitones: int) -> "Chord":
        """The chord transposed."""
        bass = None if self.bass is None else (self.bass + semitones) % 12
        return Chord((self.root + semitones) % 12, self.quality, bass)

    def symbol(self, key: Key) -> str:
        """How a lead sheet in a key writes it."""
        bass = "" if self.bass in (None, self.root) else f"/{_class_name(self.bass or 0, key)}"
        return f"{_class_name(self.root, key)}{self.quality}{bass}"


Progression = tuple[tuple[Chord, ...], ...]  # bars, each with the chords that share it equally


def _class_name(pitch_class: int, key: Key) -> str:
    name = name_of_fifth(fifths_of(pitch_class, key)).replace("-", "b")
    return name if len(name) < 3 else PITCH_CLASSES[pitch_class]  # nobody writes chords on doubly raised notes


def parse_progression(text: str) -> Progression:
    """Read chord symbols such as "Dm | G7 | C Am | F": bars between lines, chords that share a bar between spaces.

    A bar of % repeats the one before.

    Raises:
        UserError: a symbol is none, or a bar is empty; the message says where.
    """
    bars: list[tuple[Chord, ...]] = []
    for number, bar in enumerate(re.split(r"\|+", text.strip().strip("|")), 1):
        words = bar.split()
        if not words:
            raise UserError(f"--chords bar {number} is empty; write a chord, or % for that of the bar before")
        if words == ["%"] and bars:
            bars.append(bars[-1])
        else:
            places = (f"bar {number}, chord {place}" for place in range(1, len(words) + 1))
            bars.append(tuple(_parse(word, place) for word, place in zip(words, places, strict=True)))
    return tuple(bars)


def moved(progression: Progression, semitones: int) -> Progression:
    """A progression transposed."""
    return tuple(tuple(chord.moved(semitones) for chord in row) for row in progression)


def _parse(word: str, place: str) -> Chord:
    match = SYMBOL.fullmatch(word)
    quality = ALIASES.get(match[3], match[3]) if match else "?"
    if match is None or quality not in QUALITIES:
        known = "C, F#m, Bb7, Dm7b5, Gsus4 or C/E"
        raise UserError(f"--chords {place}: {word!r} is no chord symbol that is known here; write such as {known}")
    bass = _pitch_class(match[4], match[5]) if match[4] else None
    return Chord(_pitch_class(match[1], match[2]), quality, bass)


def _pitch_class(letter: str, accidental: str) -> int:
    return (LETTERS[letter] + ACCIDENTALS[accidental]) % 12
