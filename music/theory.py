"""Keys, metres and grids: the little theory of music that command lines need, too; nothing here imports numpy."""

from dataclasses import dataclass
from typing import Final, Literal

from common.errors import UserError

GRID: Final = 4  # steps a quarter note where nothing else is said
GRIDS = {GRID: "sixteenths", 12: "twelfths of a quarter note"}  # what a step is; the finer holds triplets, too
METRES = ("2/4", "3/4", "4/4", "2/2", "6/8", "9/8", "12/8")
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


def bar_of(metre: str, grid: int) -> int:
    """Steps a bar, on a grid of so many steps a quarter note."""
    count, unit = map(int, metre.split("/"))
    return 4 * grid * count // unit


def beat_of(metre: str, grid: int) -> int:
    """Steps a beat: a quarter note in x/4, a half note in 2/2, a dotted quarter note in x/8."""
    return {"2": 2 * grid, "4": grid, "8": 3 * grid // 2}[metre.split("/")[1]]


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
