"""Tunes as lists of notes, which every source of music is read into, and what is common to reading them."""

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from common.data import folders
from common.errors import UserError
from music.score import Score, TrackSpec
from music.theory import GRID, PITCHES, Key, bar_of

MAX_QUARTERS = 5_000  # of one tune: two hours at 40 quarter notes a minute
MAX_NOTES = 200_000
MAX_BYTES = 64 << 20  # of one file, unpacked; MusicXML takes some 400 bytes a note
# What music21, zipfile and pretty_midi raise on broken, odd or hostile files, beside music21's own exceptions: it
# meets what it did not foresee with whatever Python raises there (SyntaxError is also ElementTree's ParseError).
UNREADABLE = (*folders.UNREADABLE, LookupError, AttributeError, TypeError, ArithmeticError, AssertionError)
Reader = Callable[[], bytes]  # of a file's content; other processes can call it too


@dataclass(frozen=True)
class Tune:
    """A `Score` as a list of notes, which takes a hundredth of the space.

    Attributes:
        tracks, metre, tempo, pickup, grid: as in `Score`.
        notes: int32 (N, 4): track, pitch, first step, and the step after the last; by track, then by time.
        steps: length.
        key: None as long as none is stated and none estimated.
        moved: how many notes were written between two sixteenths, and begin at the nearest on a grid of those.
        off_twelfths: how many a grid of 12 steps a quarter note moves.
    """

    tracks: tuple[TrackSpec, ...]
    notes: np.ndarray
    steps: int
    metre: str
    key: Key | None = None
    tempo: float = 100.0
    moved: int = 0
    off_twelfths: int = 0
    pickup: int = 0
    grid: int = GRID

    @property
    def bar(self) -> int:
        """How many steps a bar has."""
        return bar_of(self.metre, self.grid)

    @property
    def bars(self) -> int:
        """Length in bars, the last one possibly short."""
        return -(-self.steps // self.bar)

    def score(self) -> Score:
        """The tune as piano rolls."""
        pitch = np.zeros((len(self.tracks), self.steps, PITCHES), dtype=bool)
        onset = np.zeros_like(pitch)
        for track, height, start, stop in self.notes:
            pitch[track, start:stop, height] = True
            onset[track, start, height] = True
        return Score(self.tracks, pitch, onset, self.metre, self.key or Key(), self.tempo, self.pickup, self.grid)


@dataclass(frozen=True)
class Item:
    """A tune that is yet to be parsed, here or in another process.

    Attributes:
        name: how to call it in a message.
        title: tunes of one title are variants of each other.
        parse: puts it on a grid of so many steps a quarter note; raises UserError or one of UNREADABLE.
        style: "" where unlabelled.
    """

    name: str
    title: str
    parse: Callable[[int], Tune]
    style: str = ""


@dataclass(frozen=True)
class Music:
    """Tunes that are yet to be parsed.

    Attributes:
        items: the tunes.
        source: one line on origin and licence.
        skipped: files passed over already, and why.
        is_balanced: whether no style is to have many more windows than another.
        rare: share of the tunes below which a metre is left out; one tune in 12/8 would widen the bars of all others.
    """

    items: Sequence[Item]
    source: str
    skipped: Mapping[str, str] = field(default_factory=dict)
    is_balanced: bool = False
    rare: float = 0.01


def parse(item: Item, grid: int = GRID) -> Tune | str:
    """Parse a tune onto a grid, or say in a few words why it cannot be used.

    Silent bars at both ends are left out. The key is the stated one unless the last bass note and an estimate from all
    notes agree on another tonic: Baroque and folk editions often state the signature's major or minor key for a mode.

    Raises:
        UserError: the disk was at fault (`common.data.folders.require_lasting`).
    """
    from music21.exceptions21 import Music21Exception

    try:
        with warnings.catch_warnings(action="ignore"):  # music21's, on files that are odd but readable
            return _checked(item.parse(grid))
    except (UserError, *UNREADABLE, Music21Exception) as error:
        folders.require_lasting(error, item.name)
        return " ".join(str(error).split())[:200] or type(error).__name__


def _checked(tune: Tune) -> Tune:
    """See `parse`; ValueError for what no model could use."""
    from music.io.midi import settled_key

    if not len(tune.notes):
        raise ValueError("has no notes")
    bar = tune.bar
    start = tune.notes[:, 2].min() // bar * bar
    steps = -(-tune.notes[:, 3].max() // bar) * bar - start
    check_size(len(tune.notes), steps / tune.grid)
    moved = replace(tune, notes=tune.notes - np.array([0, 0, start, start], dtype=np.int32), steps=int(steps))
    return replace(moved, key=settled_key(moved.score(), tune.key))


def check_size(notes: int, quarters: float) -> None:
    """Raise a ValueError if a tune has more than MAX_NOTES notes, or lasts longer than MAX_QUARTERS."""
    if notes > MAX_NOTES:
        raise ValueError(f"has {notes} notes; {MAX_NOTES} are the most")
    if quarters > MAX_QUARTERS:
        raise ValueError(f"lasts {int(quarters)} quarter notes; {MAX_QUARTERS} are the most")


def note_table(notes: Iterable[tuple[int, int, int, int]]) -> np.ndarray:
    """(track, pitch, first step, step after the last) of notes in any order, as `Tune` has them: int32 (N, 4)."""
    ordered = sorted(notes, key=lambda note: (note[0], note[2], note[1]))
    return np.array(ordered, dtype=np.int32).reshape(-1, 4)


def monophonic(notes: np.ndarray) -> np.ndarray:
    """One note at a time, (N, 4) to (M, 4): of notes that begin together the highest, cut off where the next begins."""
    kept = []
    for track in np.unique(notes[:, 0]):
        own = notes[notes[:, 0] == track]
        own = own[np.lexsort((-own[:, 1], own[:, 2]))]  # by start, the highest first
        own = own[np.unique(own[:, 2], return_index=True)[1]]
        own[:-1, 3] = np.minimum(own[:-1, 3], own[1:, 2])
        kept.append(own)
    return np.concatenate(kept) if kept else notes


def plain(title: str) -> str:
    """A title without case, spaces, signs and articles, so that "The Boyne, A Reel" is "boynereel"."""
    words = re.findall(r"[^\W_]+", title.casefold().replace("'", "").replace("’", ""))
    return "".join(word for word in words if word not in ("the", "a", "an")) or title
