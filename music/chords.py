"""Chord symbols: read as lead sheets have them, found in what was written, and compared with what was asked for.

Nothing here imports torch.
"""

import re
from dataclasses import dataclass

import numpy as np

from common.errors import UserError
from music.score import Score
from music.theory import BEATS, METRES, PITCH_CLASSES, STEPS_PER_QUARTER, Key, fifths_of, name_of_fifth

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
FOUND = 7  # of them, that an analysis tells apart; the others are the same notes with another root, or rare
ALIASES = {"maj": "", "M": "", "min": "m", "mi": "m", "-": "m", "M7": "maj7", "Δ": "maj7", "Δ7": "maj7", "j7": "maj7"}
ALIASES |= {"min7": "m7", "mi7": "m7", "-7": "m7", "o": "dim", "°": "dim", "o7": "dim7", "°7": "dim7", "ø": "m7b5"}
ALIASES |= {"ø7": "m7b5", "+": "aug", "sus": "sus4", "7sus": "7sus4", "2": "sus2", "M9": "maj9", "min9": "m9"}
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "##": 2, "b": -1, "♭": -1, "bb": -2}
SYMBOL = re.compile(r"([A-G])(##?|bb?|♯|♭|)([^/]*)(?:/([A-G])(##?|bb?|♯|♭|))?")
LINE = 4  # bars on a line


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


# --- Asked for --------------------------------------------------------------------------------------------------------


def chords_by_beat(progression: Progression, metre: str, bars: int) -> list[list[Chord]]:
    """The chord asked for at each beat of each of some bars; a progression that is shorter begins again."""
    beats = METRES[metre] // BEATS.get(metre, STEPS_PER_QUARTER)
    rows = [progression[number % len(progression)] for number in range(bars)]
    return [[row[beat * len(row) // beats] for beat in range(beats)] for row in rows]


def agreement(score: Score, asked: list[list[Chord]]) -> np.ndarray:
    """Of each bar, how many of its beats agree with the chords asked for, and how many sound: int64 (bars, 2).

    A beat agrees if all that sounds at its beginning, drums aside, belongs to its chord. Silent beats are not counted.
    """
    beat, pitched = _beat(score), _pitched(score)
    counts = np.zeros((len(asked), 2), np.int64)
    for number, row in enumerate(asked):
        for place, chord in enumerate(row):
            step = number * score.bar + place * beat
            classes = set((np.flatnonzero(pitched[step]) % 12).tolist()) if step < score.steps else set()
            counts[number] += (bool(classes) and classes <= chord.classes, bool(classes))
    return counts


def misfit(score: Score, asked: list[list[Chord]]) -> np.ndarray:
    """Of each bar, the share of its sound that is foreign to the chords asked for, float (bars,); 0 where all fits.

    What sounds at the beginning of a beat counts as much as all the rest of it, and the lowest note as much again
    where the chord asks for another bass.
    """
    beat, pitched = _beat(score), _pitched(score)
    shares = np.zeros(len(asked))
    for number, row in enumerate(asked):
        foreign = total = 0.0
        for place, chord in enumerate(row):
            step = number * score.bar + place * beat
            weights = np.ones(beat)
            weights[0] = beat
            sounding = pitched[step : step + beat]
            amounts = (sounding * weights[: len(sounding), None]).sum(0)  # (128,)
            own = np.isin(np.arange(amounts.size) % 12, list(chord.classes))
            foreign, total = foreign + amounts[~own].sum(), total + amounts.sum()
            if len(sounding) and sounding[0].sum() > 1:
                wanted = chord.root if chord.bass is None else chord.bass
                foreign, total = foreign + beat * float(sounding[0].argmax() % 12 != wanted) / 2, total + beat / 2
        shares[number] = foreign / total if total else 0
    return shares


def _beat(score: Score) -> int:
    return BEATS.get(score.metre, STEPS_PER_QUARTER)


def _pitched(score: Score) -> np.ndarray:
    """What sounds in any track but drums, bool (steps, 128)."""
    return score.pitch[[track.kind != "drums" for track in score.tracks]].any(axis=0)


# --- Found ------------------------------------------------------------------------------------------------------------


def find_chords(score: Score) -> list[list[str]]:
    """The chord symbols of each bar, one for each half where a bar has halves and their chords differ.

    Of triads and seventh chords that is named whose notes sound longest, against the time of those that are not its
    own; the lowest note speaks for its root. N.C. is said where nothing sounds.
    """
    half, pitched = score.bar // 2, _pitched(score)
    length = score.bar if half % _beat(score) else half
    bars = []
    for start in range(0, score.steps, score.bar):
        found = [_likeliest(pitched[at : at + length], score.key) for at in range(start, start + score.bar, length)]
        bars.append(found[:1] if len(set(found)) == 1 else found)
    return bars


def _likeliest(sounding: np.ndarray, key: Key) -> str:
    if not sounding.any():
        return "N.C."
    pitches = np.nonzero(sounding)[1]
    lasting = np.bincount(pitches % 12, minlength=12).astype(float)
    lasting /= lasting.sum()
    filled = sounding[sounding.any(axis=1)]
    lowest = np.bincount(filled.argmax(axis=1) % 12, minlength=12) / len(filled)

    def fit(chord: Chord) -> float:
        own = list(chord.classes)
        missing = sum(lasting[one] < 0.02 for one in own)
        return float(2 * lasting[own].sum() + 0.3 * lowest[chord.root] - 0.25 * missing - 0.06 * len(own))

    chords = [Chord(root, quality) for quality in list(QUALITIES)[:FOUND] for root in range(12)]
    return max(chords, key=fit).symbol(key)


def chord_sheet(score: Score) -> str:
    """The chords of a piece as text, `LINE` bars a line: "| Dm | G7 | C Am | F |"."""
    bars = [" ".join(symbols) for symbols in find_chords(score)]
    lines = [bars[start : start + LINE] for start in range(0, len(bars), LINE)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
