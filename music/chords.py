"""Chords found in what was written, and compared with what was asked for."""

import numpy as np

from music.chord_symbols import QUALITIES, Chord, Progression, parse_progression
from music.config import Ending
from music.io.midi import estimate_key
from music.score import Score
from music.theory import GRID, PITCHES, Key, Mode, bar_of, beat_of

FOUND = 7  # qualities, of the first, that an analysis tells apart; the others are rare, or the same notes otherwise
LINE = 4  # bars on a line


# --- Asked for --------------------------------------------------------------------------------------------------------


def chords_by_beat(progression: Progression, metre: str, bars: int) -> list[list[Chord]]:
    """The chord asked for at each beat of each of some bars; a progression that is shorter begins again."""
    beats = beats_of(metre)
    rows = [progression[number % len(progression)] for number in range(bars)]
    return [[row[beat * len(row) // beats] for beat in range(beats)] for row in rows]


def beats_of(metre: str) -> int:
    """Beats a bar."""
    return bar_of(metre, GRID) // beat_of(metre, GRID)  # on any grid


def last_chord(ending: Ending, mode: Mode) -> Chord:
    """The chord on which a piece in C ends: its tonic's, or the dominant's major one."""
    return Chord(7) if ending == "open" else Chord(0, "m" if mode == "minor" else "")


def ends_so(score: Score, ending: Ending) -> bool:
    """Whether what sounds last, drums aside, is of the chord of an ending, and its lowest note that chord's root.

    A major chord may end a piece in minor. Of a single voice an open ending may have any note of the chord.
    """
    pitched = _pitched(score)
    if not pitched.any():
        return False
    last = (np.flatnonzero(pitched[np.flatnonzero(pitched.any(axis=1))[-1]]) - score.key.tonic) % 12
    chord = last_chord(ending, score.key.mode)
    classes = chord.classes | ({4} if ending == "tonic" else set())
    is_root = last[0] == chord.root or (ending == "open" and len(score.tracks) == 1)
    return bool(is_root) and set(last.tolist()) <= classes


def key_of(progression: Progression) -> Key:
    """The key that the notes of a progression fit."""
    pitch = np.zeros((1, len(progression), PITCHES), bool)
    for number, row in enumerate(progression):
        for chord in row:
            pitch[0, number, [60 + own for own in chord.classes]] = True
    return estimate_key(pitch)


def agreement(score: Score, asked: list[list[Chord]]) -> np.ndarray:
    """Of each bar, how many of its beats agree with the chords asked for, and how many sound: int64 (bars, 2).

    A beat agrees if all that sounds at its beginning, drums aside, belongs to its chord. Silent beats are not counted.
    """
    beat, pitched = score.beat, _pitched(score)
    counts = np.zeros((len(asked), 2), np.int64)
    for number, row in enumerate(asked):
        for place, chord in enumerate(row):
            step = number * score.bar + place * beat
            classes = set((np.flatnonzero(pitched[step]) % 12).tolist()) if step < score.steps else set()
            counts[number] += (bool(classes) and classes <= chord.classes, bool(classes))
    return counts


def chord_agreement(score: Score, chords: str) -> tuple[int, int]:
    """How many beats of a piece agree with --chords, and how many sound."""
    bars, pickup = -(-score.steps // score.bar), min(score.pickup, 1)
    asked = chords_by_beat(parse_progression(chords), score.metre, bars - pickup)
    agree, sounding = agreement(score, [[]] * pickup + asked).sum(axis=0).tolist()
    return agree, sounding


def misfit(score: Score, asked: list[list[Chord]]) -> np.ndarray:
    """Of each bar, the share of its sound that is foreign to the chords asked for, float (bars,); 0 where all fits.

    What sounds at the beginning of a beat counts as much as all the rest of it, and the lowest note as much again
    where the chord asks for another bass.
    """
    beat, pitched = score.beat, _pitched(score)
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


def _pitched(score: Score) -> np.ndarray:
    """What sounds in any track but drums, bool (steps, 128)."""
    sounding: np.ndarray = np.any(score.pitch[[track.kind != "drums" for track in score.tracks]], axis=0)
    return sounding


# --- Found ------------------------------------------------------------------------------------------------------------


def find_chords(score: Score) -> list[list[str]]:
    """The chord symbols of each bar, one for each half where a bar has halves and their chords differ.

    Of triads and seventh chords that is named whose notes sound longest, against the time of those that are not its
    own; the lowest note speaks for its root. N.C. is said where nothing sounds.
    """
    half, pitched = score.bar // 2, _pitched(score)
    length = score.bar if half % score.beat else half
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
