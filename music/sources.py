"""Where music comes from: the collections in music21's wheel, POP909, and folders or .zip files of one's own."""

import io
import re
import struct
import tarfile
import tempfile
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from common.errors import UserError
from common.folders import File, content_key, find_files, short_name, sub_folders
from music.score import Score, TrackSpec, notes
from music.theory import METRES, PITCHES, STEPS_PER_QUARTER, Key, parse_key

MIDI, XML, ABC = {".mid", ".midi"}, {".xml", ".mxl", ".musicxml"}, {".abc"}
MAX_STEPS = 20_000  # of one tune: more than two hours of 4/4 at 40 quarters a minute
MAX_NOTES = 200_000
MAX_BYTES = 64 << 20  # of one file, unpacked; MusicXML takes some 400 bytes a note
MAX_ABC = 10_000  # characters of one tune: printed ones have 1,300 at most, and music21 takes the square of the bars
MAX_OFF_GRID = 0.25  # share of notes that may begin between two steps, and are moved to the nearest
# What music21, zipfile and pretty_midi raise on broken, odd or hostile files, beside music21's own exceptions: it
# meets what it did not foresee with whatever Python raises there (SyntaxError is also ElementTree's ParseError).
_PYTHON = (OSError, EOFError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError, RuntimeError)
UNREADABLE = (*_PYTHON, AssertionError, SyntaxError, struct.error, zlib.error, zipfile.BadZipFile)
Reader = Callable[[], bytes]  # of a file's content; other processes can call it too


@dataclass(frozen=True)
class Tune:
    """A `Score` as a list of notes, which takes a hundredth of the space.

    Attributes:
        tracks, metre, tempo: as in `Score`.
        notes: int32 (N, 4): track, pitch, first step, and the step after the last; by track, then by time.
        steps: length.
        key: None as long as none is stated and none estimated.
    """

    tracks: tuple[TrackSpec, ...]
    notes: np.ndarray
    steps: int
    metre: str
    key: Key | None = None
    tempo: float = 100.0

    @property
    def bars(self) -> int:
        """Length in bars, the last one possibly short."""
        return -(-self.steps // METRES[self.metre])

    def score(self, style: str = "") -> Score:
        """As piano rolls."""
        pitch = np.zeros((len(self.tracks), self.steps, PITCHES), dtype=bool)
        onset = np.zeros_like(pitch)
        for track, height, start, stop in self.notes:
            pitch[track, start:stop, height] = True
            onset[track, start, height] = True
        return Score(self.tracks, pitch, onset, self.metre, self.key or Key(), self.tempo, style)


@dataclass(frozen=True)
class Item:
    """A tune that is yet to be parsed, here or in another process.

    Attributes:
        name: how to call it in a message.
        title: tunes of one title are variants of each other.
        parse: raises UserError or one of UNREADABLE.
        style: "" where unlabelled.
    """

    name: str
    title: str
    parse: Callable[[], Tune]
    style: str = ""


@dataclass(frozen=True)
class Music:
    """Tunes that are yet to be parsed.

    Attributes:
        items: the tunes.
        source: one line on origin and licence.
        skipped: files passed over already, and why.
    """

    items: Sequence[Item]
    source: str
    skipped: Mapping[str, str] = field(default_factory=dict)


def find(data: str) -> tuple[str, Callable[[], Music]]:
    """The part of the cache's key that stands for the content, and how to get at the content.

    Raises:
        UserError: there is no such data, or nothing in it is music by its ending.
    """
    if data in BUILT_IN:
        return f"{data} music21 {version('music21')}", BUILT_IN[data]
    path = Path(data).expanduser()
    if path.is_file() and tarfile.is_tarfile(path):
        return f"{zlib.crc32(path.read_bytes()):08x} pop909", lambda: _pop909(data, _songs_in_tar(data, path))
    files, skipped = find_files(data, MIDI | XML | ABC, "music", BUILT_IN)
    key = content_key(data, {name: file.fingerprint() for name, file in files.items()}, skipped)
    if any(PurePosixPath(name).name == "beat_midi.txt" for name in skipped):
        return f"{key} pop909", lambda: _pop909(data, _songs_in_folder(path))
    return key, lambda: _folder(data, files, skipped)


def parse(item: Item) -> Tune | str:
    """Parse a tune, or say in a few words why it cannot be used.

    Silent bars at both ends are left out. The key is the stated one unless the last bass note and an estimate from all
    notes agree on another tonic: Baroque and folk editions often state the signature's major or minor key for a mode.
    """
    from music21.exceptions21 import Music21Exception

    try:
        with warnings.catch_warnings(action="ignore"):  # music21's, on files that are odd but readable
            return _checked(item.parse())
    except (UserError, *UNREADABLE, Music21Exception) as error:
        return " ".join(str(error).split())[:200] or type(error).__name__


def _checked(tune: Tune) -> Tune:
    """See `parse`; ValueError for what no model could use."""
    if not len(tune.notes):
        raise ValueError("has no notes")
    bar = METRES[tune.metre]
    start = tune.notes[:, 2].min() // bar * bar
    steps = -(-tune.notes[:, 3].max() // bar) * bar - start
    _limit(len(tune.notes), steps)
    notes = tune.notes - np.array([0, 0, start, start], dtype=np.int32)
    return replace(tune, notes=notes, steps=int(steps), key=_settled_key(replace(tune, notes=notes, steps=int(steps))))


def _settled_key(tune: Tune) -> Key:
    """The stated key, or that which the last bass note and all notes together speak for."""
    from music.midi import estimate_key

    melodic = [track for track, spec in enumerate(tune.tracks) if spec.kind != "drums"]
    sounding = tune.notes[np.isin(tune.notes[:, 0], melodic)]
    if not len(sounding):
        return tune.key or Key()
    estimate = estimate_key(tune.score().pitch[melodic])
    last = sounding[sounding[:, 3] == sounding[:, 3].max(), 1].min()
    return estimate if tune.key is None or last % 12 == estimate.tonic != tune.key.tonic else tune.key


def _limit(notes: int, steps: float) -> None:
    if notes > MAX_NOTES:
        raise ValueError(f"has {notes} notes; {MAX_NOTES} are the most")
    if steps > MAX_STEPS:
        raise ValueError(f"lasts {int(steps)} sixteenths; {MAX_STEPS} are the most")


# --- Folders and .zip files -------------------------------------------------------------------------------------------


def _folder(data: str, files: dict[str, File], skipped: dict[str, str]) -> Music:
    source = f"{len(files)} files of music from {short_name(data)}; see there for the licence"
    items, skipped = [], dict(skipped)
    styles = sub_folders(data, list(files), "music") or [""] * len(files)
    for (name, file), style in zip(files.items(), styles, strict=True):
        ending, read = PurePosixPath(name).suffix.lower(), partial(file.read, MAX_BYTES)
        if ending not in ABC:
            reader = _midi if ending in MIDI else _musicxml
            items.append(Item(name, plain(PurePosixPath(name).stem), partial(reader, read, ending), style))
            continue
        try:
            items += [replace(item, style=style) for item in _tunes_in_abc(name, read())]
        except UNREADABLE as error:
            skipped[name] = str(error)
    return Music(items, source, skipped)


def plain(title: str) -> str:
    """A title without case, spaces, signs and articles, so that "The Boyne, A Reel" is "boynereel"."""
    words = re.findall(r"[^\W_]+", title.casefold().replace("'", "").replace("’", ""))
    return "".join(word for word in words if word not in ("the", "a", "an")) or title


# --- MIDI -------------------------------------------------------------------------------------------------------------


def _midi(read: Reader, ending: str) -> Tune:
    from music.midi import from_midi

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"tune{ending}"
        path.write_bytes(read())
        try:
            return _listed(from_midi(path))
        except UserError as error:
            raise ValueError(str(error).removeprefix(f"{path}: ")) from error  # the name is the temporary file's


def _listed(score: Score) -> Tune:
    """The notes of piano rolls."""
    found = [(t, pitch, start, stop) for t in range(len(score.tracks)) for start, stop, pitch in notes(score, t)]
    return Tune(score.tracks, _table(found), score.steps, score.metre, score.key, score.tempo)


def _table(notes: Iterable[tuple[int, int, int, int]]) -> np.ndarray:
    ordered = sorted(notes, key=lambda note: (note[0], note[2], note[1]))
    return np.array(ordered, dtype=np.int32).reshape(-1, 4)


# --- Notation: MusicXML and ABC by way of music21 ---------------------------------------------------------------------


def _musicxml(read: Reader, ending: str) -> Tune:
    return _transcribe(list(_musicxml_stream(read, ending).parts))


def _musicxml_stream(read: Reader, ending: str) -> Any:
    from music21 import converter

    content = unpacked = read()
    if ending == ".mxl":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_BYTES:
                raise ValueError(f"has more than {MAX_BYTES >> 20} MiB unpacked")
            unpacked = b"".join(archive.read(name) for name in archive.namelist())
    _limit(unpacked.count(b"<note"), 0)
    if re.search(rb"<beats>\s*\d{4,}", unpacked):  # music21 makes an object for every beat of a bar
        raise ValueError("has a metre of more than 999 beats")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"tune{ending}"
        path.write_bytes(content)
        return converter.parse(path, format="musicxml", forceSource=True, storePickle=False)


def _tunes_in_abc(name: str, content: bytes) -> list[Item]:
    """The tunes of an ABC file: each begins with an X: line."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # what collections from before 2000 are written in
    tunes = re.split(r"(?m)^(?=X:)", text.replace("\r\n", "\n").replace("\r", "\n"))[1:]
    if not tunes:
        raise ValueError("has no X: line, with which a tune in ABC begins")
    titles = [abc_field(tune, "T") for tune in tunes]
    names = [f"{name} X:{abc_field(tune, 'X')}" for tune in tunes] if len(tunes) > 1 else [name]
    return [
        Item(f"{called} {title}".strip(), plain(title or called), partial(_abc, tune))
        for called, title, tune in zip(names, titles, tunes, strict=True)
    ]


def abc_field(tune: str, letter: str) -> str:
    """The first value of a header field of a tune in ABC, or ""."""
    match = re.search(rf"(?m)^{letter}:(.*)$", tune)
    return match[1].split("%")[0].strip() if match else ""


def _abc(text: str, doubled: bool = False) -> Tune:
    from music21 import converter

    _refuse_giants_in_abc(text)
    score: Any = converter.parse(text, format="abc", forceSource=True)
    parts = list(score.parts)
    stated = {metre.strip() for line in re.findall(r"(?m)^M:([^%\n]*)|\[M:([^]]*)\]", text) for metre in line if metre}
    if len(stated) > 1:
        raise ValueError(f"its metre changes ({', '.join(sorted(stated))})")
    for part in parts:  # to short bars music21 gives a metre that nobody wrote
        later = list(part.recurse().getElementsByClass("TimeSignature"))[1:]
        part.remove(later, recurse=True)
    return _transcribe(parts, doubled)


def _refuse_giants_in_abc(text: str) -> None:
    """ValueError where a length or metre would take all memory, as music21 makes objects for every beat of a bar."""
    if len(text) > MAX_ABC:
        raise ValueError(f"has {len(text)} characters; {MAX_ABC} are the most")
    music = re.sub(r'%.*|"[^"\n]*"|(?m:^[A-JN-Za-z+]:.*)', "", text)  # without comments, words and fields but K: L: M:
    if giant := re.search(r"\d{4,}", music):
        raise ValueError(f"has a length or metre with the number {giant[0][:12]}")


def _transcribe(parts: list[Any], doubled: bool = False) -> Tune:
    """Put the parts of a music21 score on the grid.

    Repeats are not played, and of first and second endings only the last is. Grace notes and chord symbols are left
    out. Notes between two steps (triplets) move to the nearest; those that then have no length are dropped.

    Args:
        parts: music21's `Part`s, one a track.
        doubled: write 2/4 as 2/2, every length twice as long.

    Raises:
        ValueError: there is no metre, it changes or is unknown, bars do not fit it, or too many notes are off the grid.
    """
    if not parts:
        raise ValueError("has no parts")
    measures = [list(part.getElementsByClass("Measure")) for part in parts]
    if len({len(of_part) for of_part in measures}) > 1:
        raise ValueError("its parts have different numbers of bars")
    metre = _metre(measures)
    if doubled and metre == "2/4":
        metre = "2/2"
    else:
        doubled = False
    scale = STEPS_PER_QUARTER * (2 if doubled else 1)
    early = _early_endings(parts[0])
    columns = [column for column in zip(*measures, strict=True) if column[0].id not in early]
    starts = bar_starts(
        [round(max(measure.highestTime for measure in column) * scale) for column in columns],
        [_opens(before[0], column[0]) for before, column in pairwise(columns)],
        METRES[metre],
    )
    _limit(0, starts[-1])
    tracks, notes, moved = [], [], 0
    for track, part in enumerate(parts):
        sounds = [
            note
            for column, start in zip(columns, starts, strict=False)
            for note in _sounds(column[track], start, scale)
        ]
        _limit(len(sounds), 0)
        moved += sum(sound.start.denominator != 1 for sound in sounds)
        notes += [(track, pitch, start, stop) for pitch, start, stop in _tied(sounds)]
        tracks.append(_track(part, track, [note[1:] for note in notes if note[0] == track]))
    if moved > MAX_OFF_GRID * len(notes):
        raise ValueError(f"{moved} of its {len(notes)} notes lie between two steps of the grid")
    return Tune(tuple(tracks), _table(notes), starts[-1], metre, _stated_key(parts[0]), _tempo(parts[0]))


def _metre(measures: list[list[Any]]) -> str:
    found = [m.timeSignature.ratioString for of_part in measures for m in of_part if m.timeSignature]
    metres = list(dict.fromkeys(found))
    if not metres:
        raise ValueError("has no bars with a metre")
    if len(metres) > 1:
        raise ValueError(f"its metre changes ({', '.join(metres)})")
    if metres[0] not in METRES:
        raise ValueError(f"its metre is {metres[0]}, not one of {', '.join(METRES)}")
    return metres[0]


def _early_endings(part: Any) -> set[Any]:
    """The ids of the bars of all endings that a later one follows."""
    brackets = sorted(part.recurse().getElementsByClass("RepeatBracket"), key=lambda b: b.getFirst().offset)
    return {
        measure.id
        for bracket, after in pairwise(brackets)
        if _adjacent(bracket, after)
        for measure in bracket.getSpannedElements()
    }


def _adjacent(bracket: Any, after: Any) -> bool:
    """Whether the second of two endings follows the first at once, so that they are endings of one strain."""
    last, first = bracket.getLast(), after.getFirst()
    return first.offset <= last.offset + last.highestTime and bracket.number != after.number


def _opens(before: Any, measure: Any) -> bool:
    """Whether a bar line that divides strains (double, final, repeat) stands before a bar."""
    lines = (before.rightBarline, measure.leftBarline)
    return any(line is not None and line.type in ("double", "final", "heavy-light", "heavy-heavy") for line in lines)


def bar_starts(lengths: Sequence[int], opens: Sequence[bool], bar: int) -> list[int]:
    """Where written bars begin on a grid of whole bars, with the end of the last as one more entry.

    Short bars are set so that bar lines stay on the grid: an upbeat at the end of a bar, what ends a strain at the
    start of one, and both in one bar where they fill it together.

    Args:
        lengths: of the written bars, in steps.
        opens: for each written bar but the first, whether it begins a strain.
        bar: steps a bar.

    Raises:
        ValueError: a written bar is longer than the metre has it.
    """
    starts, clock = [], 0
    for index, length in enumerate(lengths):
        if length > bar:
            raise ValueError(f"its written bar {index + 1} lasts {length} steps, where the metre has {bar}")
        room = -clock % bar
        if length > room > 0:  # the bar before stays short
            clock, room = clock + room, 0
        upbeat = index == 0 or room > 0 or (opens[index - 1] and length < bar)
        start = clock + (room or bar) - length if upbeat else clock
        starts.append(start)
        clock = start + length
    return [*starts, clock + -clock % bar]


@dataclass(frozen=True)
class _Sound:
    """A written note: steps as fractions, and whether it goes on from the one before."""

    pitch: int
    start: Fraction
    stop: Fraction
    continues: bool


def _sounds(measure: Any, start: int, scale: int) -> list[_Sound]:
    found = []
    for written in measure.flatten().notes:
        if written.duration.isGrace or "Harmony" in written.classes:
            continue
        if "Unpitched" in written.classes or "PercussionChord" in written.classes:
            raise ValueError("has unpitched percussion, which is read from MIDI only")
        begin = start + Fraction(written.offset).limit_denominator(960) * scale
        end = begin + Fraction(written.duration.quarterLength).limit_denominator(960) * scale
        members = written.notes if written.isChord else [written]
        for note in members:
            tie = note.tie or written.tie
            found.append(_Sound(note.pitch.midi, begin, end, tie is not None and tie.type in ("stop", "continue")))
    return found


def _tied(sounds: list[_Sound]) -> list[tuple[int, int, int]]:
    """Pitch, first step and the step after the last; tied notes are one, and notes without length are left out."""
    notes: list[tuple[int, int, int]] = []
    last: dict[int, int] = {}  # the latest note of each pitch
    for sound in sorted(sounds, key=lambda sound: sound.start):
        start, stop = _nearest(sound.start), _nearest(sound.stop)
        if stop <= start:
            continue
        index = last.get(sound.pitch)
        if sound.continues and index is not None and notes[index][2] == start:
            notes[index] = (sound.pitch, notes[index][1], stop)
        else:
            last[sound.pitch] = len(notes)
            notes.append((sound.pitch, start, stop))
    return notes


def _nearest(step: Fraction) -> int:
    return int(step + Fraction(1, 2))  # halves go up, where round() would go to the even step


def _track(part: Any, index: int, notes: list[tuple[int, int, int]]) -> TrackSpec:
    instrument = part.getInstrument(returnDefault=False)
    program = instrument.midiProgram if instrument is not None and instrument.midiProgram is not None else 0
    ordered = sorted(notes, key=lambda note: note[1])
    overlap = any(a[2] > b[1] for a, b in pairwise(ordered))
    pitches = [note[0] for note in notes] or [60]
    name = " ".join((part.partName or f"part {index + 1}").split())
    return TrackSpec(name, "poly" if overlap else "mono", min(pitches), max(pitches), program)


def _tempo(part: Any) -> float:
    marks = part.flatten().getElementsByClass("MetronomeMark")
    stated = [tempo for mark in marks if (tempo := mark.getQuarterBPM())]
    return float(stated[0]) if stated else 100.0


def _stated_key(part: Any) -> Key | None:
    """The first key whose mode is stated. The church modes count as major or minor by their third."""
    for key in part.flatten().getElementsByClass("Key"):
        major = key.mode in ("major", "ionian", "lydian", "mixolydian")
        return Key(key.tonic.pitchClass, "major" if major else "minor")
    return None


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


# --- Built-in collections ---------------------------------------------------------------------------------------------

VOICES = ("Soprano", "Alto", "Tenor", "Bass")
CHURCH_ORGAN, FIDDLE, FLUTE, STRINGS, PIANO = 19, 40, 73, 48, 0  # General MIDI programs, from 0


def _corpus() -> Path:
    import music21

    return Path(music21.__file__).parent / "corpus"


def _chorales() -> Music:
    """Bach's four-part chorales; instruments beside the voices are left out."""
    from music21.corpus.chorales import ChoraleListRKBWV

    titles = {bwv: entry["title"] for bwv, entry in ChoraleListRKBWV().byBWV.items()}
    paths = sorted((_corpus() / "bach").glob("bwv*.mxl"))
    items = [Item(path.stem, plain(titles.get(path.stem[3:], path.stem)), partial(_chorale, path)) for path in paths]
    return Music(items, "Four-part chorales by J. S. Bach (public domain), from the corpus of music21")


def _chorale(path: Path) -> Tune:
    parts = {
        part.partName.split()[0]: part
        for part in _musicxml_stream(partial(File(path).read, MAX_BYTES), path.suffix).parts
    }
    if not all(voice in parts for voice in VOICES):
        raise ValueError(f"its parts are not four voices but {', '.join(parts)}")
    return _mono(_transcribe([parts[voice] for voice in VOICES]), CHURCH_ORGAN, VOICES)


def _mono(tune: Tune, program: int, names: Sequence[str]) -> Tune:
    tracks = (replace(t, name=name, kind="mono", program=program) for t, name in zip(tune.tracks, names, strict=True))
    return replace(tune, tracks=tuple(tracks), notes=monophonic(tune.notes))


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


def _dances() -> Music:
    """The dance tunes of Ryan's Mammoth Collection and O'Neill's Music of Ireland."""
    items, skipped = [], {}
    for path in sorted([*(_corpus() / "ryansMammoth").glob("*.abc"), *(_corpus() / "oneills1850").glob("*.abc")]):
        for item in _tunes_in_abc(path.stem, path.read_bytes()):
            text = item.parse.args[0]  # type: ignore[attr-defined]
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


def _dance(text: str) -> Tune:
    """A dance tune; Ryan's 2/4 in sixteenths is what O'Neill writes as 2/2 in eighths, and becomes that."""
    return _mono(_abc(text, doubled=abc_field(text, "L") == "1/16"), FIDDLE, ["Fiddle"])


POP909_TRACKS = (("melody", "mono", FLUTE), ("bridge", "poly", STRINGS), ("piano", "poly", PIANO))
Song = dict[str, Reader]  # the files of a song: "mid", "beat_midi" and "key_audio"


def _songs_in_tar(data: str, path: Path) -> dict[str, Song]:
    """POP909's songs by their number, read once from front to end, as a packed .tar allows no other order."""
    songs: dict[str, Song] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.size <= MAX_BYTES else None
                if file is not None:
                    _add_to_song(songs, PurePosixPath(member.name), partial(bytes, file.read()))
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise UserError(f"--data {data}: damaged .tar file ({error})") from error
    return songs


def _songs_in_folder(path: Path) -> dict[str, Song]:
    songs: dict[str, Song] = {}
    for file in sorted(path.rglob("*")):
        _add_to_song(songs, PurePosixPath(file.relative_to(path).as_posix()), partial(File(file).read, MAX_BYTES))
    return songs


def _add_to_song(songs: dict[str, Song], name: PurePosixPath, read: Reader) -> None:
    """Keep a file if it lies in its song's own folder, not among the other versions of the song."""
    part = "mid" if name.name == f"{name.parent.name}.mid" else name.stem
    if part in ("mid", "beat_midi", "key_audio"):
        songs.setdefault(name.parent.name, {})[part] = read


def _pop909(data: str, songs: dict[str, Song]) -> Music:
    whole = {number: song for number, song in sorted(songs.items()) if len(song) == 3}
    if not whole:
        raise UserError(f"--data {data}: not POP909, as no folder has NNN.mid, beat_midi.txt and key_audio.txt")
    items = [Item(number, number, partial(_pop_song, song)) for number, song in whole.items()]
    return Music(items, "POP909 (Wang et al. 2020), MIT licence")


def _pop_song(song: Song) -> Tune:
    """The longest stretch of a POP909 song in which every bar has as many beats, put on the grid by its own beats."""
    from pretty_midi import PrettyMIDI

    table = np.loadtxt(io.BytesIO(song["beat_midi"]()), ndmin=2)
    first, last, metre = _regular_beats(table)
    beats = np.concatenate([2 * table[:1, 0] - table[1:2, 0], table[:, 0]])  # one before, for notes a hair too early
    midi = PrettyMIDI(io.BytesIO(song["mid"]()))
    instruments = {instrument.name.strip().lower(): instrument for instrument in midi.instruments}
    steps = (last - first) * STEPS_PER_QUARTER
    notes = []
    for track, (name, _, _) in enumerate(POP909_TRACKS):
        for note in instruments[name].notes:
            at = np.interp((note.start, note.end), beats, np.arange(len(beats)) - 1 - first) * STEPS_PER_QUARTER
            start, stop = np.floor(at + 0.5).astype(int).tolist()
            if 0 <= start < steps:
                notes.append((track, note.pitch, start, min(max(stop, start + 1), steps)))
    pitches = [[note[1] for note in notes if note[0] == track] or [60] for track in range(3)]
    tracks = tuple(
        TrackSpec(name, kind, min(own), max(own), program)  # type: ignore[arg-type]
        for (name, kind, program), own in zip(POP909_TRACKS, pitches, strict=True)
    )
    listed = _table(notes)
    melody = listed[:, 0] == 0
    listed = np.concatenate([monophonic(listed[melody]), _without_overlap(listed[~melody])])
    tempo = 60 * (last - first) / float(table[last, 0] - table[first, 0])
    return Tune(tracks, listed, steps, metre, _pop_key(song["key_audio"]().decode()), tempo)


def _regular_beats(table: np.ndarray) -> tuple[int, int, str]:
    """The longest stretch of regular bars: the row of its first beat, that of the beat after it, and the metre.

    Columns of `table`: a beat's time; whether it is the first of 2 or 3 beats; whether it begins a bar of 4 or 6.
    """
    halves, bars = (np.flatnonzero(column) for column in table[:, 1:].T)
    in_threes = (np.diff(halves) == 3).sum() > (np.diff(halves) == 2).sum()
    downbeats, size = (halves, 3) if in_threes else (bars, 4)
    edges = np.flatnonzero(np.concatenate([[True], np.diff(downbeats) != size, [True]]))  # around regular stretches
    longest = int(np.diff(edges).argmax())
    first, last = downbeats[edges[longest]], downbeats[edges[longest + 1] - 1]
    if first == last:
        raise ValueError("no bar of it is regular")
    return int(first), int(last), f"{size}/4"


def _without_overlap(notes: np.ndarray) -> np.ndarray:
    """Notes of one track and pitch, each cut off where the next begins, one a step."""
    notes = notes[np.lexsort((-notes[:, 3], notes[:, 2], notes[:, 1], notes[:, 0]))]
    notes = notes[np.unique(notes[:, :3], axis=0, return_index=True)[1]]  # by track, pitch and start
    same = (notes[:-1, :2] == notes[1:, :2]).all(axis=1)
    notes[:-1, 3] = np.where(same, np.minimum(notes[:-1, 3], notes[1:, 2]), notes[:-1, 3])
    return notes


def _pop_key(text: str) -> Key | None:
    """The key that lasts longest, of lines such as "2.67 191.98 Gb:maj"."""
    lasting: Counter[tuple[str, str]] = Counter()
    for start, stop, key in re.findall(r"(?m)^(\S+)\s+(\S+)\s+(\S+)", text):
        tonic, _, mode = key.partition(":")
        lasting[tonic, mode] += float(stop) - float(start)  # type: ignore[assignment]
    if not lasting:
        return None
    (tonic, mode), _ = lasting.most_common(1)[0]
    return parse_key(f"{tonic} {'minor' if mode == 'min' else 'major'}")


BUILT_IN: dict[str, Callable[[], Music]] = {"chorales": _chorales, "dances": _dances}
