"""Keys and metres: the little theory of music that command lines need, too; nothing here imports numpy.

A step is a sixteenth note.
"""

from dataclasses import dataclass
from typing import Literal

from common.errors import UserError

STEPS_PER_QUARTER = 4
TWELFTHS = 12  # steps a quarter of a finer grid, which would hold sixteenths and triplets; it is only reported on
METRES = {"2/4": 8, "3/4": 12, "4/4": 16, "2/2": 16, "6/8": 12, "9/8": 18, "12/8": 24}  # steps a bar
BEATS = {"2/2": 8, "6/8": 6, "9/8": 6, "12/8": 6}  # steps a beat where a beat is not a quarter note
PITCHES = 128  # of MIDI
MIDDLE_C = 60
PITCH_CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")

Mode = Literal["major", "minor"]
MODES: tuple[Mode, ...] = ("major", "minor")  # by number


@dataclass(frozen=True)
class Key:
    """A tonic (pitch class, C is 0) and a mode."""

    tonic: int = 0
    mode: Mode = "major"

    def __str__(self) -> str:
        return f"{PITCH_CLASSES[self.tonic]} {self.mode}"


def name_of(pitch: int) -> str:
    """What a MIDI pitch is called: 57 -> A3."""
    return f"{PITCH_CLASSES[pitch % 12]}{pitch // 12 - 1}"


def nearest_interval(semitones: int) -> int:
    """The interval to the same pitch class that is nearest: -6 to +5 semitones."""
    return (semitones + 6) % 12 - 6


def sharps(key: Key) -> int:
    """Sharps (or, below 0, flats) of a key's signature: of the two that there may be the fewer, of F sharp's 6."""
    fifths = (7 * key.tonic - (3 if key.mode == "minor" else 0)) % 12
    return fifths if fifths <= 6 else fifths - 12


def fifths_of(pitch: int, key: Key) -> int:
    """Where the usual spelling of a pitch in a key stands on the line of fifths, on which C is 0 and G is 1.

    Twelve fifths are in use: from the minor third above a major tonic to the raised fifth degree, and the same of its
    relative minor, which so has its leading note.
    """
    lowest = sharps(key) - 3
    return lowest + (7 * pitch - lowest) % 12


def name_of_fifth(fifth: int) -> str:
    """The name of a place on the line of fifths: F, C#, B- for B flat (as music21 writes it)."""
    accidentals, letter = divmod(fifth + 1, 7)
    return f"{'FCGDAEB'[letter]}{'#' * accidentals}{'-' * -accidentals}"


def parse_key(text: str) -> Key:
    """Read a key such as "D minor", "Bb" or "f# minor"; the mode is major where none is named.

    Raises:
        UserError: there is no such key.
    """
    words = text.strip().replace("♯", "#").replace("♭", "b").split()
    letters = "C D EF G A B"
    name, mode = (words[0] if words else ""), (words[1].lower() if len(words) == 2 else "major")
    letter, accidental = name[:1].upper(), name[1:]
    if len(words) > 2 or not letter.isalpha() or letter not in letters or accidental not in ("", "#", "b"):
        raise UserError(f"--key {text!r} is no key; write for example C, 'D minor' or 'Bb major'")
    if mode not in ("major", "minor"):
        raise UserError(f"--key {text!r}: the mode is major or minor, not {mode!r}")
    return Key(
        (letters.index(letter) + {"": 0, "#": 1, "b": -1}[accidental]) % 12, "minor" if mode == "minor" else "major"
    )
