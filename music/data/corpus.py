"""The collections in music21's wheel: Bach's chorales, and dances."""

import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

from common.data.folders import File
from music.data.notation import abc, abc_field, musicxml_stream, transcribe, tunes_in_abc
from music.data.tunes import MAX_BYTES, Item, Music, Tune, monophonic, plain

VOICES = ("Soprano", "Alto", "Tenor", "Bass")
CHURCH_ORGAN, FIDDLE = 19, 40  # General MIDI programs, from 0
SIXTEENTHS = {"2/4": ("2/2", Fraction(2))}  # how a tune in 2/4 is written whose L: is a sixteenth
DANCES = {  # what R: lines say, without case and spaces, and what it is counted as; all else is left out
    "reel": "reel",
    "jig": "jig",
    "doublejig": "jig",
    "singlejig": "jig",
    "slipjig": "slip jig",
    "hornpipe": "hornpipe",
    "clog": "hornpipe",  # a hornpipe in dotted rhythm
    "strathspey": "strathspey",
    "highlandfling": "strathspey",  # the other dance in 4/4 with the Scotch snap
    "fling": "strathspey",
}
# O'Neill ordered his book by dance: the first number of each section, for tunes without an R: line.
ONEILL_SECTIONS = ((1, ""), (701, "jig"), (1116, "slipjig"), (1176, "reel"), (1556, "hornpipe"), (1781, ""))


def corpus() -> Path:
    """The folder of the collections in music21's wheel."""
    import music21

    return Path(music21.__file__).parent / "corpus"


def chorales() -> Music:
    """Bach's four-part chorales; instruments beside the voices are left out."""
    from music21.corpus.chorales import ChoraleListRKBWV

    titles = {bwv: entry["title"] for bwv, entry in ChoraleListRKBWV().byBWV.items()}
    paths = sorted((corpus() / "bach").glob("bwv*.mxl"))
    items = [Item(path.stem, plain(titles.get(path.stem[3:], path.stem)), partial(_chorale, path)) for path in paths]
    return Music(items, "Four-part chorales by J. S. Bach (public domain), from the corpus of music21")


def _chorale(path: Path, grid: int) -> Tune:
    parts = {
        part.partName.split()[0]: part
        for part in musicxml_stream(partial(File(path).read, MAX_BYTES), path.suffix).parts
    }
    if not all(voice in parts for voice in VOICES):
        raise ValueError(f"its parts are not four voices but {', '.join(parts)}")
    return _mono(transcribe([parts[voice] for voice in VOICES], grid), CHURCH_ORGAN, VOICES)


def _mono(tune: Tune, program: int, names: Sequence[str]) -> Tune:
    tracks = (replace(t, name=name, kind="mono", program=program) for t, name in zip(tune.tracks, names, strict=True))
    return replace(tune, tracks=tuple(tracks), notes=monophonic(tune.notes))


def dances() -> Music:
    """The dance tunes of Ryan's Mammoth Collection and O'Neill's Music of Ireland."""
    items, skipped = [], {}
    for path in sorted([*(corpus() / "ryansMammoth").glob("*.abc"), *(corpus() / "oneills1850").glob("*.abc")]):
        for text, item in tunes_in_abc(path.stem, path.read_bytes()):
            rhythm = "".join(abc_field(text, "R").casefold().split()) or _section(path)
            if rhythm in DANCES:
                items.append(replace(item, parse=partial(_dance, text), style=DANCES[rhythm]))
            else:
                skipped[item.name] = f"not a dance of which there are thirty ({rhythm or 'none named'})"
    source = (
        "Ryan's Mammoth Collection (1883) and O'Neill's Music of Ireland (1903), both in the public domain, in the "
        "transcriptions by R. Davies, J. Chambers and others in the corpus of music21"
    )
    return Music(items, source, skipped)


def _section(path: Path) -> str:
    number = re.match(r"\d+(?=-)", path.stem) if path.parent.name == "oneills1850" else None
    return [rhythm for first, rhythm in ONEILL_SECTIONS if number and first <= int(number[0])][-1] if number else ""


def _dance(text: str, grid: int) -> Tune:
    """A dance tune; Ryan's 2/4 in sixteenths is what O'Neill writes as 2/2 in eighths, and becomes that."""
    return _mono(abc(text, grid, SIXTEENTHS if abc_field(text, "L") == "1/16" else {}), FIDDLE, ["Fiddle"])
