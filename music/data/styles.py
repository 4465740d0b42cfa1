"""Many styles at once, for one to four voices, from the collections in music21's wheel."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from music.data.corpus import chorales, corpus, dances
from music.data.notation import Values, abc, transcribe, tunes_in_abc
from music.data.tunes import Item, Music, Tune, monophonic, plain
from music.score import TrackSpec
from music.theory import MIDDLE_C

VOICES = 4
RARE = 0.02  # share of the tunes below which a metre is left out: 9/8, which would widen all bars by a half
MOST = 200  # tunes of a style, evenly from its collections; more would only be cut at fewer bars
# Metres in which old notation and slow movements are written, in the values that all else has here.
VALUES: Values = {
    "4/2": ("4/4", Fraction(1, 2)),
    "3/2": ("3/4", Fraction(1, 2)),
    "6/4": ("6/8", Fraction(1, 2)),
    "3/8": ("3/4", Fraction(2)),
}
TUNE_BOOKS = {  # styles of one voice, and the files of ABC that hold them
    "chinese": "essenFolksong/han*.abc",  # of the Han, by region
    "german": "essenFolksong/erk*.abc",  # Erk and Böhme's Liederhort
    "old german": "essenFolksong/altdeu*.abc",  # of the 15th to 17th centuries
    "german ballad": "essenFolksong/ballad*.abc",
    "german nursery": "essenFolksong/kinder*.abc",
    "lorraine": "essenFolksong/lot.abc",
    "luxembourg": "essenFolksong/lux.abc",
    "irish": "essenFolksong/irl.abc",
    "northumbrian": "miscFolk/northumbrian*.abc",
    "scottish": "airdsAirs/*.abc",
}
QUARTETS = ("haydn", "mozart", "beethoven")
DANCES = ("reel", "jig", "hornpipe", "strathspey")  # and not the slip jig, which is in 9/8
SOURCE = (
    "Masses by Palestrina, Italian music of the trecento, Bach's chorales, quartets by Haydn, Mozart and Beethoven, "
    "folk songs of the Essen collection, Ryan's, O'Neill's and Aird's dances and airs, and Northumbrian Minstrelsy, "
    "all in the public domain, from the corpus of music21, of which some is for non-commercial use alone"
)


def styles() -> Music:
    """Up to `MOST` tunes of each style, each for four voices, of which the last may be silent throughout."""
    items = [
        *(item for item in _scores("palestrina", "palestrina/*.krn", _mass) if _is_for_few(item)),
        *_scores("trecento", "trecento/*.*ml", _without_part),
        *(replace(item, style="chorale") for item in chorales().items),
        *chain.from_iterable(_scores("quartet", f"{composer}/*/movement?.mxl", _opus) for composer in QUARTETS),
        *(item for item in dances().items if item.style in DANCES),
        *(item for style, files in TUNE_BOOKS.items() for item in _songs(style, files)),
    ]
    by_style = groupby(sorted(items, key=lambda item: item.style), key=lambda item: item.style)
    chosen = [item for _, own in by_style for item in evenly(list(own), MOST)]
    voiced = [replace(item, parse=partial(in_voices, item.parse)) for item in chosen]
    return Music(voiced, SOURCE, is_balanced=True, rare=RARE)


def evenly(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of a list, from its beginning to its end."""
    count = min(most, len(items))
    return [items[number * len(items) // count] for number in range(count)]


def in_voices(read: Callable[[int], Tune], grid: int) -> Tune:
    """A tune as `VOICES` voices of one note at a time, its own first, in their order, and the others silent.

    Of what begins together in a voice, such as a double stop, the highest note stays.

    Raises:
        ValueError: it has more voices.
        Others of `music.data.tunes.UNREADABLE` and music21's exceptions: as `read` does.
    """
    tune = read(grid)
    if len(tune.tracks) > VOICES:
        raise ValueError(f"has {len(tune.tracks)} voices; {VOICES} are the most")
    tracks = tuple(TrackSpec(f"voice {number + 1}", "mono", MIDDLE_C, MIDDLE_C) for number in range(VOICES))
    return replace(tune, tracks=tracks, notes=monophonic(tune.notes))


# --- One voice --------------------------------------------------------------------------------------------------------


def _songs(style: str, files: str) -> Iterator[Item]:
    """The songs of some books in ABC."""
    for path in sorted(corpus().glob(files)):
        for text, item in tunes_in_abc(path.stem, path.read_bytes()):
            yield replace(item, style=style, parse=partial(_song, text))


def _song(text: str, grid: int) -> Tune:
    tune = abc(text, grid, VALUES)
    if len(tune.tracks) > 1:
        raise ValueError(f"has {len(tune.tracks)} voices, where a song has one")
    return tune


# --- Several voices ---------------------------------------------------------------------------------------------------


def _scores(style: str, files: str, work: Callable[[Path], str]) -> Iterator[Item]:
    """The files of a collection; what is of one work has one title, and so stays on one side of the split."""
    for path in sorted(corpus().glob(files)):
        name = path.relative_to(corpus()).with_suffix("").as_posix()
        yield Item(name, plain(f"{style} {work(path)}"), partial(_score, path), style)


def _mass(path: Path) -> str:
    stated = re.search(r"(?m)^!!!OPR:(.*)$", path.read_text("latin-1"))
    return stated[1] if stated else path.stem


def _is_for_few(item: Item) -> bool:
    """Whether a mass in Humdrum has no more than `VOICES` columns."""
    header = re.search(r"(?m)^\*\*kern.*$", (corpus() / f"{item.name}.krn").read_text("latin-1"))
    return header is not None and header[0].count("**kern") <= VOICES


def _without_part(path: Path) -> str:
    """The name of a piece, without the letter of its part: "03a-Di_Novo" and "03b-Di_Novo" are one work."""
    return re.sub(r"(?<=\d)[a-z](?=\W)", "", path.stem)


def _opus(path: Path) -> str:
    """Composer and opus: a movement's folder."""
    return " ".join(path.parent.relative_to(corpus()).parts)


def _score(path: Path, grid: int) -> Tune:
    """The longest stretch of a score in which its metre stays."""
    from music21 import converter

    score: Any = converter.parse(path, forceSource=True, storePickle=False)
    score.toSoundingPitch(inPlace=True)
    parts = list(score.parts)
    if not 2 <= len(parts) <= VOICES:
        raise ValueError(f"has {len(parts)} parts, where 2 to {VOICES} are read")
    if any("PartStaff" in part.classes for part in parts):
        raise ValueError("is for a keyboard")
    return transcribe(_steady(parts), grid, VALUES)


def _steady(parts: Sequence[Any]) -> list[Any]:
    """Parts cut to the longest stretch of bars in one metre, none of which is longer than it: music21's.

    Raises:
        ValueError: the parts have different numbers of bars.
    """
    measures = [list(part.getElementsByClass("Measure")) for part in parts]
    if len({len(of_part) for of_part in measures}) > 1:
        raise ValueError("its parts have different numbers of bars")
    columns = list(zip(*measures, strict=True))
    lengths = [max(measure.highestTime for measure in column) for column in columns]
    first, stop = longest_stretch([column[0].timeSignature for column in columns], lengths)
    signature: Any = None
    for column in columns[: first + 1]:
        signature = column[0].timeSignature or signature
    for measure in columns[first] if first < stop else ():
        measure.timeSignature = signature
    return [part.measures(first, stop, indicesNotNumbers=True) for part in parts]


def longest_stretch(signatures: Sequence[Any], lengths: Sequence[float]) -> tuple[int, int]:
    """The first bar, from 0, and the one after the last, of the longest stretch in one metre, with no bar too long.

    Args:
        signatures: music21's, of the bars in which one stands; else None.
        lengths: of the bars, in quarter notes.
    """
    stretches, first, metre, bar = [], 0, "", float("inf")
    for number, (signature, length) in enumerate(zip(signatures, lengths, strict=True)):
        if signature is not None and signature.ratioString != metre:
            stretches.append((first, number))
            first, metre, bar = number, signature.ratioString, signature.barDuration.quarterLength
        if length > bar:
            stretches.append((first, number))
            first = number + 1
    return max([*stretches, (first, len(lengths))], key=lambda stretch: stretch[1] - stretch[0])
