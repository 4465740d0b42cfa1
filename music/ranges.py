"""Ranges of pitches as musicians write them, of a piece or of its voices; nothing here imports numpy."""

import re
from collections.abc import Sequence

from common.errors import UserError
from music.chord_symbols import ACCIDENTALS, LETTERS

PITCH = r"([A-Ga-g])(##?|bb?|♯|♭|)(-?\d)"
RANGE = re.compile(rf"{PITCH}[-–]{PITCH}")
Ranges = dict[str, tuple[int, int]]  # lowest and highest MIDI pitch, both included, by voice; "" is all others


def parse_ranges(words: Sequence[str]) -> Ranges:
    """Read --range: "C3-A5" for a piece, "soprano C4-A5" for a voice, by name (without case) or number.

    Raises:
        UserError: a range is missing, or none.
    """
    ranges: Ranges = {}
    names: list[str] = []
    for word in " ".join(words).split():
        match = RANGE.fullmatch(word)
        if match is None:
            names.append(word)
            continue
        low, high = _pitch(*match.groups()[:3]), _pitch(*match.groups()[3:])
        if not 0 <= low <= high < 128:
            raise UserError(f"--range {word}: goes from a lower to a higher pitch of MIDI's 128, C-1 to G9")
        ranges[" ".join(names).casefold()] = low, high
        names = []
    if names:
        raise UserError(f"--range {' '.join(names)}: names no range behind it; write such as 'soprano C4-A5' or C3-A5")
    return ranges


def _pitch(letter: str, accidental: str, octave: str) -> int:
    """A MIDI pitch; C4 is 60."""
    return 12 * (int(octave) + 1) + LETTERS[letter.upper()] + ACCIDENTALS[accidental]
