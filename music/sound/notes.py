"""What a user calls pitches and instruments; nothing here imports numpy."""

import re
from collections.abc import Sequence
from difflib import get_close_matches

from common.errors import UserError
from music.theory import PITCHES, name_of

LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11, 12), "minor": (0, 2, 3, 5, 7, 8, 10, 12), "chromatic": tuple(range(13))}
OCTAVE, LOWEST_OCTAVE = 12, -1  # of MIDI's numbers, whose C4 is 60
Mixture = dict[int, float]  # shares of classes by number, which sum to 1


def parse_pitch(text: str) -> int:
    """Read a pitch such as A3, C#4, Bb2 or, by MIDI number, 57.

    Raises:
        UserError: it is none.
    """
    found = re.fullmatch(r"([A-Ga-g])([#b♯♭]?)(-?\d)", text.strip())
    if found is not None:
        shift = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}[found[2]]
        number = LETTERS[found[1].upper()] + shift + OCTAVE * (int(found[3]) - LOWEST_OCTAVE)
    else:
        number = int(text) if re.fullmatch(r"\d{1,3}", text.strip(), re.ASCII) else -1
    if not 0 <= number < PITCHES:
        raise UserError(f"--pitch {text} is no pitch; write for example A3, C#4 or Bb2, or a MIDI number, 0 to 127")
    return number


def parse_mixture(text: str, classes: Sequence[str], flag: str = "instrument") -> Mixture:
    """Read an instrument, such as "cello", or several with their shares: "0.5 flute + 0.5 cello".

    Shares are of their sum; where none is written it is 1.

    Args:
        classes: that are known.
        flag: as messages repeat it.

    Raises:
        UserError: one is not known, or its share is no number above 0.
    """
    mixture: Mixture = {}
    text = text.strip()
    for term in text.split("+"):
        found = re.fullmatch(r"(?:(\d+\.?\d*|\.\d+)\s+)?(\S.*)", term.strip(), re.ASCII)
        name = found[2].lower() if found else ""
        lowered = [known.lower() for known in classes]
        if name not in lowered:
            raise UserError(f"--{flag} {text}: {name or 'nothing'} is unknown; {_known(name, classes)}")
        share = float(found[1]) if found and found[1] else 1.0
        mixture[lowered.index(name)] = mixture.get(lowered.index(name), 0.0) + share
    total = sum(mixture.values())
    if not total > 0:
        raise UserError(f"--{flag} {text}: shares must sum to more than 0")
    return {label: share / total for label, share in mixture.items()}


def _known(name: str, classes: Sequence[str]) -> str:
    """What instruments there are, and which of them may be meant."""
    if not classes:
        return "these weights know one kind of sound"
    near = get_close_matches(name, classes, 1)
    return (f"did you mean {near[0]}? There are " if near else "there are ") + ", ".join(classes)


def parse_band(text: str, classes: Sequence[str]) -> list[Mixture]:
    """Read who plays each voice: instruments or mixtures of them, separated by commas.

    Raises:
        UserError: one is not known.
    """
    return [parse_mixture(part, classes, "band") for part in text.split(",")]


def require_in_range(
    pitches: Sequence[int], mixtures: Sequence[Mixture], ranges: Sequence[Sequence[int]], classes: Sequence[str]
) -> None:
    """Raise a UserError if a pitch is lower or higher than all of the instruments can be played."""
    labels = sorted({label for mixture in mixtures for label in mixture})
    low, high = min(ranges[label][0] for label in labels), max(ranges[label][1] for label in labels)
    for pitch in pitches:
        if not low <= pitch <= high:
            named = " and ".join(classes[label] for label in labels)
            raise UserError(f"--pitch {name_of(pitch)} is out of range; {named}: {name_of(low)} to {name_of(high)}")
