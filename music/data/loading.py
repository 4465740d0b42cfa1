"""Music of any origin as windows of whole bars on one grid, in C, and split into what is trained on and held out."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from einops import rearrange

from common.config import require
from common.data.arrays import Arrays, allocate, cached, count_reasons, families, split
from common.data.folders import short_name
from common.errors import UserError
from common.processes import tell
from music.data import parsing
from music.data.parsing import ParsedMusic, ParsedTune, of_grid, parsed_music
from music.data.sources import find
from music.data.tunes import Tune
from music.rolls import MusicSpec
from music.score import TrackSpec
from music.theory import GRID, METRES, MODES, PITCHES, Key, bar_of, beat_of, nearest_interval

FORMAT = 5  # of what is cached; raise it when the same files would become different windows
HELD_OUT = 0.1  # share of the tunes
MAX_HOP = 64  # bars
MAX_WINDOWS = 30_000  # to train on; longer music is cut at every second, third, ... bar only
MOVED = 0.01  # share of the notes that a grid of sixteenths moves; of more it is said
MANY_MOVED = 0.1  # of more the finer grid is advised, if it is much better
FEW = 30  # tunes of a style; of fewer it is said
CONTOUR = 12  # intervals, for telling variants of one tune


@dataclass(frozen=True)
class TuneFacts:
    """What is known of a tune that is used.

    Attributes:
        name: as messages call it.
        style: "" where unlabelled.
        metre, key, tempo: as stated or estimated, before the tonic moved to C; "" where no key is known.
        bars, notes: how many.
        voices: how many tracks have notes.
        moved: how many of the notes were written between two sixteenths.
        off_twelfths: how many of them are between two steps of 12 a quarter note, too.
        kin: one number for all variants of a tune.
        is_held_out: in which part it is.
    """

    name: str
    style: str
    metre: str
    key: str
    tempo: float
    bars: int
    notes: int
    voices: int
    moved: int
    off_twelfths: int
    kin: int
    is_held_out: bool


@dataclass(frozen=True)
class MusicData:
    """Windows of whole bars in two parts.

    Each part has "pitch" and "onset", uint8 0 or 1 (N, tracks, bars * bar_steps, high - low + 1), as in `Score` (what
    sounds when a window begins has its onset there), and int64 (N,): "metre" (index into the metres), "mode" (0 major,
    1 minor), "tune" (which of the part's tunes), "first" and "last" (1 if the window begins or ends its tune) and, if
    labelled, "label".

    Attributes:
        name: short, fit for a file name.
        spec: what all windows have in common.
        train: what models learn from.
        test: held out; no model ever trains on it. Variants of one tune are in one part.
        tunes: all that are used.
        skipped: the tunes and files that are left out, and why.
        source: one line on origin and licence, for the cards of models.
        tempo: of the training tunes, the median in quarter notes a minute.
    """

    name: str
    spec: MusicSpec
    train: Arrays
    test: Arrays
    tunes: tuple[TuneFacts, ...]
    skipped: dict[str, str]
    source: str
    tempo: float

    @property
    def held_out(self) -> int:
        """How many tunes are."""
        return sum(tune.is_held_out for tune in self.tunes)


def load_music(data: str, bars: int = 4, grid: int = GRID) -> MusicData:
    """Load a built-in collection, POP909, or the MIDI, MusicXML and ABC files of a folder or .zip file.

    In a folder or .zip, files lie directly inside (unlabelled) or in at least two sub-folders, one a style. All tunes
    have as many tracks, with drums in the same place, as most of them; the others, and what cannot be read, are skipped
    and listed. Tonics move to C by the nearest transposition (-6 to +5 semitones). A tenth of the tunes is held out, by
    title and melody. The first call parses everything into a cache (`common.data.arrays.cached`); later ones open it.
    What styles lack is said on standard error.

    Args:
        data: one of `music.config.DATA_SETS`, or a path.
        bars: whole bars a window, 1 to 64. Tunes that are shorter are skipped.
        grid: steps a quarter note, of GRIDS.

    Raises:
        UserError: unusable `bars`, no such data, no usable tune, or an unwritable cache.
    """
    require(1 <= bars <= 64, "bars", f"must be 1 to 64, not {bars}")
    key, music = find(data)
    arrays, facts = cached(
        f"music {FORMAT} {parsing.FORMAT} {key} {bars}{of_grid(grid)}",
        lambda folder: _build(folder, data, parsed_music(data, key, music, grid), bars),
    )
    train, test = (
        Arrays({name.removeprefix(side): array for name, array in arrays.items() if name.startswith(side)})
        for side in ("train.", "test.")
    )
    spec = MusicSpec(
        tracks=tuple(TrackSpec(**track) for track in facts["tracks"]),
        styles=tuple(facts["styles"]),
        metres=tuple(facts["metres"]),
        **{name: facts[name] for name in ("bars", "bar_steps", "low", "high")},
        grid=grid,
    )
    said = {name: facts[name] for name in ("skipped", "source", "tempo")}
    tunes = tuple(TuneFacts(**tune) for tune in facts["tunes"])
    for line in (*fit(tunes, grid), *lacking(tunes)):
        tell(f"--data {data}: {line}")
    return MusicData(short_name(data), spec, train, test, tunes, **said)


def _off_grids(tunes: Sequence[TuneFacts]) -> tuple[int, int, int]:
    """How many notes there are, and how many a grid of sixteenths, and one of 12 steps a quarter, would move."""
    return (
        sum(tune.notes for tune in tunes),
        sum(tune.moved for tune in tunes),
        sum(tune.off_twelfths for tune in tunes),
    )


def fit(tunes: Sequence[TuneFacts], grid: int) -> Iterator[str]:
    """How many notes the grid moves, and the other one would, where these are worth a line."""
    notes, moved, finer = _off_grids(tunes)
    if grid != GRID:
        told = f"the grid of {grid} steps a quarter moves {finer / notes:.1%} of the notes"
        yield f"{told}; one of sixteenths, which has a third of the steps, would move {moved / notes:.1%}"
    elif moved > MOVED * notes:
        told = f"the grid of sixteenths moves {moved / notes:.1%} of the notes; one of 12 steps a quarter"
        yield f"{told}, which holds triplets (music.train --grid 12), would move {finer / notes:.1%}"


def suited(tunes: Sequence[TuneFacts]) -> Literal[4, 12]:
    """The grid that suits tunes: the finer one if sixteenths move many notes, and it moves less than half of them."""
    notes, moved, finer = _off_grids(tunes)
    return 12 if moved > MANY_MOVED * notes and finer < moved / 2 else 4


def lacking(tunes: Sequence[TuneFacts]) -> Iterator[str]:
    """What a collection has too little of, a line a reason."""
    styles, train = Counter(tune.style for tune in tunes), Counter(t.style for t in tunes if not t.is_held_out)
    known = sorted(style for style in styles if style)
    if few := [f"{style} {styles[style]}" for style in known if styles[style] < FEW]:
        yield f"few tunes have the styles {', '.join(few)}; {FEW} or more of each are better"
    if unheard := [style for style in known if styles[style] == train[style]]:
        yield f"no tune is held out of {', '.join(unheard)}: how well it is learned cannot be measured"
    if unlearned := [style for style in known if not train[style]]:
        yield f"no tune is left to train on of {', '.join(unlearned)}"


@dataclass(frozen=True)
class _Entry:
    """A tune in C, and what it was."""

    origin: ParsedTune
    tune: Tune


def _build(folder: Path, data: str, music: ParsedMusic, bars: int) -> dict[str, Any]:
    """Write train.pitch.npy and so on into `folder`, and return what `load_music` must know of them."""
    skipped = dict(music.skipped)
    entries = list(_usable(music, bars, skipped))
    if not entries:
        raise UserError(f"--data {data}: none can be used of its {count_reasons(skipped, 'tunes')}")
    variants = _variants(entries)
    test: np.ndarray = split(variants, HELD_OUT)
    if not test.any():
        raise UserError(f"--data {data}: needs two different tunes or more, as some are held out")
    spec = _spec(entries, bars)
    cuts = _cuts(spec, entries, test, music.is_balanced)
    for side, is_side in (("train", ~test), ("test", test)):
        if not _write(folder, side, spec, [entries[row] for row in np.flatnonzero(is_side)], cuts):
            raise UserError(
                f"--data {data}: no {bars} bars of the {side} tunes have notes in all tracks; try other --bars"
            )
    return {
        **{name: getattr(spec, name) for name in ("styles", "metres", "bars", "bar_steps", "low", "high")},
        "tracks": [vars(track) for track in spec.tracks],
        "tempo": float(np.median([entry.tune.tempo for entry, held in zip(entries, test, strict=True) if not held])),
        "tunes": [asdict(facts) for facts in _facts(entries, variants, test)],
        "skipped": skipped,
        "source": music.source,
    }


def _facts(entries: Sequence[_Entry], variants: Sequence[str], test: np.ndarray) -> Iterator[TuneFacts]:
    kin = {name: number for number, name in enumerate(dict.fromkeys(variants))}
    for entry, variant, held in zip(entries, variants, test.tolist(), strict=True):
        origin, tune = entry.origin, entry.tune
        names = origin.name, origin.style, tune.metre, str(origin.tune.key or "")
        counts = len(tune.notes), len(np.unique(tune.notes[:, 0])), tune.moved, tune.off_twelfths
        yield TuneFacts(*names, tune.tempo, tune.bars, *counts, kin[variant], held)


# --- Which tunes ------------------------------------------------------------------------------------------------------


def _usable(music: ParsedMusic, bars: int, skipped: dict[str, str]) -> Iterator[_Entry]:
    """The tunes of the commonest layout, in C; adds the others to `skipped`."""
    tunes, fewest = music.tunes, music.rare * len(music.tunes)
    metres = Counter(origin.tune.metre for origin in tunes)
    layouts = Counter(_layout(origin.tune) for origin in tunes if metres[origin.tune.metre] >= fewest)
    usual = max(layouts, key=lambda layout: (layouts[layout], layout)) if layouts else ()
    for origin in tunes:
        tune = origin.tune
        if metres[tune.metre] < fewest:
            skipped[origin.name] = f"its metre, {tune.metre}, is rare here"
        elif _layout(tune) != usual:
            skipped[origin.name] = f"has {_words(_layout(tune))}, where most have {_words(usual)}"
        elif tune.bars < bars:
            skipped[origin.name] = f"lasts {tune.bars} bars, less than a window of {bars}"
        else:
            moved = in_c(tune)
            if moved.notes[:, 1].min() < 0 or moved.notes[:, 1].max() >= PITCHES:
                skipped[origin.name] = "leaves MIDI's 128 pitches when moved to C"
            else:
                yield _Entry(origin, moved)


def _layout(tune: Tune) -> tuple[bool, ...]:
    """For each track, whether it is drums."""
    return tuple(track.kind == "drums" for track in tune.tracks)


def _words(layout: tuple[bool, ...]) -> str:
    drums = f" (drums: {', '.join(str(n + 1) for n, drum in enumerate(layout) if drum)})" if any(layout) else ""
    return f"{len(layout)} track{'s' * (len(layout) != 1)}{drums}"


def in_c(tune: Tune) -> Tune:
    """Move the tonic to C by -6 to +5 semitones; drums stay. The mode is kept."""
    key = tune.key or Key()
    melodic = np.array([track.kind != "drums" for track in tune.tracks])
    notes = tune.notes.copy()
    notes[melodic[notes[:, 0]], 1] += nearest_interval(-key.tonic)
    return replace(tune, notes=notes, key=Key(0, key.mode))


def _variants(entries: Sequence[_Entry]) -> list[str]:
    """One key for all tunes that share a title, an opening or an ending, or that a chain of these connects."""
    keys = [entry.origin.title for entry in entries]
    for contours in zip(*(contour(entry.tune) for entry in entries), strict=True):
        keys = families(keys, [shape or f"tune {row}" for row, shape in enumerate(contours)])
    return keys


def contour(tune: Tune) -> tuple[str, str]:
    """How the melody begins and ends: the same for transpositions, other metres and other notes between the beats.

    The melody is the highest note of the first track that is not drums. Of what it has on the beats, the first
    (and last) `CONTOUR` intervals that are not unisons; "" if there are fewer.
    """
    beat = beat_of(tune.metre if tune.metre.endswith("/8") else "4/4", tune.grid)  # of 2/2 quarter notes, too
    drums = [track.kind == "drums" for track in tune.tracks]
    own = tune.notes[tune.notes[:, 0] == (drums.index(False) if False in drums else 0)]
    highest = np.full(tune.steps, -1)
    for pitch, start, stop in own[:, 1:]:
        highest[start:stop] = np.maximum(highest[start:stop], pitch)
    on_beats = highest[::beat]
    intervals = np.diff(on_beats[on_beats >= 0])
    moves = intervals[intervals != 0].tolist()
    if len(moves) < CONTOUR:
        return "", ""
    return f"begins {moves[:CONTOUR]}", f"ends {moves[-CONTOUR:]}"


# --- Windows ----------------------------------------------------------------------------------------------------------


def _spec(entries: Sequence[_Entry], bars: int) -> MusicSpec:
    metres = tuple(metre for metre in METRES if any(entry.tune.metre == metre for entry in entries))
    styles = tuple(sorted({entry.origin.style for entry in entries} - {""}))
    notes = np.concatenate([entry.tune.notes for entry in entries])
    tracks = tuple(
        _track(entries, index, notes[notes[:, 0] == index, 1]) for index in range(len(entries[0].tune.tracks))
    )
    low, high = int(notes[:, 1].min()), int(notes[:, 1].max())
    grid = entries[0].tune.grid
    longest = max(bar_of(metre, grid) for metre in metres)
    return MusicSpec(tracks, low, high, bars, longest + -longest % (2 * grid), metres, styles, grid=grid)


def _track(entries: Sequence[_Entry], index: int, pitches: np.ndarray) -> TrackSpec:
    """Name and program of the first tune; poly if it is so in any."""
    specs = [entry.tune.tracks[index] for entry in entries]
    kind = "poly" if any(spec.kind == "poly" for spec in specs) else specs[0].kind
    low, high = (int(pitches.min()), int(pitches.max())) if len(pitches) else (specs[0].low, specs[0].high)
    return replace(specs[0], kind=kind, low=low, high=high)


@dataclass(frozen=True)
class _Cut:
    """How tunes are cut into windows.

    Attributes:
        hop: bars from the beginning of one window to that of the next.
        usual: the tracks, bool (T,), that must sound in a window.
    """

    hop: int
    usual: np.ndarray


def _cuts(spec: MusicSpec, entries: Sequence[_Entry], test: np.ndarray, is_balanced: bool) -> dict[str, _Cut]:
    """How the tunes of each style are cut: each has its share of `MAX_WINDOWS` if they are balanced, else all alike."""
    styles = {entry.origin.style for entry in entries}
    groups = [{style} for style in styles] if is_balanced else [styles]
    cuts: dict[str, _Cut] = {}
    for group in groups:
        rows = [row for row, entry in enumerate(entries) if entry.origin.style in group]
        train = [entries[row] for row in rows if not test[row]]
        hops = (hop for hop in range(1, MAX_HOP) if _count(train, spec.bars, hop) <= MAX_WINDOWS // len(groups))
        hop = next(hops, MAX_HOP)  # of very many tunes even two windows each are more
        cuts |= dict.fromkeys(group, _Cut(hop, _usually_sounding(spec, [entries[row] for row in rows])))
    return cuts


def _starts(tune: Tune, bars: int, hop: int) -> list[int]:
    """The first bars of a tune's windows; the last window ends the tune."""
    last = tune.bars - bars
    return sorted({*range(0, last, hop), last})


def _count(entries: Sequence[_Entry], bars: int, hop: int) -> int:
    return sum(len(_starts(entry.tune, bars, hop)) for entry in entries)


def _usually_sounding(spec: MusicSpec, entries: Sequence[_Entry]) -> np.ndarray:
    """The mono tracks that play in more than half of all windows: bool (tracks,)."""
    sounding = np.concatenate(
        [_sounding(entry.tune, _starts(entry.tune, spec.bars, 1), spec.bars) for entry in entries]
    )
    return (sounding.mean(axis=0) > 0.5) & np.array([track.kind == "mono" for track in spec.tracks])


def _sounding(tune: Tune, starts: Sequence[int], bars: int) -> np.ndarray:
    """Whether a track has any note in the windows that begin at bars `starts`: bool (windows, tracks)."""
    begin = np.array(starts)[:, None] * tune.bar  # (windows, 1)
    end = begin + bars * tune.bar
    own = [tune.notes[tune.notes[:, 0] == track] for track in range(len(tune.tracks))]
    return np.stack([((notes[:, 2] < end) & (notes[:, 3] > begin)).any(axis=1) for notes in own], axis=1)


def _write(folder: Path, side: str, spec: MusicSpec, entries: Sequence[_Entry], cuts: Mapping[str, _Cut]) -> int:
    """Write one part's arrays, and return how many windows it has."""
    kept: list[list[int]] = []
    for entry in entries:
        cut = cuts[entry.origin.style]
        starts = _starts(entry.tune, spec.bars, cut.hop)
        sounding = _sounding(entry.tune, starts, spec.bars)
        fit = sounding.any(axis=1) & sounding[:, cut.usual].all(axis=1)
        kept.append([starts[row] for row in np.flatnonzero(fit)])
    count = sum(map(len, kept))
    if not count:
        return 0
    shape = (count, len(spec.tracks), spec.steps, spec.pitches)
    rolls = {name: allocate(folder / f"{side}.{name}.npy", shape, np.uint8) for name in ("pitch", "onset")}
    rows: list[dict[str, int]] = []
    for index, (entry, starts) in enumerate(zip(entries, kept, strict=True)):
        place = slice(len(rows), len(rows) + len(starts))
        rolls["pitch"][place], rolls["onset"][place] = windows(entry.tune, spec, starts)
        rows += [_labels(entry, index, start, spec) for start in starts]
    for name in rows[0]:
        allocate(folder / f"{side}.{name}.npy", (count,), np.int64)[:] = [row[name] for row in rows]
    return count


def _labels(entry: _Entry, index: int, start: int, spec: MusicSpec) -> dict[str, int]:
    tune, style = entry.tune, entry.origin.style
    return {
        "metre": spec.metres.index(tune.metre),
        "mode": MODES.index(tune.key.mode if tune.key else "major"),
        "tune": index,
        "first": int(start == 0),
        "last": int(start + spec.bars == tune.bars),
        **({"label": spec.styles.index(style)} if style else {}),
    }


def windows(tune: Tune, spec: MusicSpec, starts: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Cut out the windows that begin at bars `starts`: pitch and onset, bool (windows, tracks, steps, pitches)."""
    score, bar = tune.score(), tune.bar
    bars = np.array(starts, int)[:, None] + np.arange(spec.bars)  # of every window

    def cut(roll: np.ndarray) -> np.ndarray:
        roll = roll[:, :, spec.low : spec.high + 1]
        roll = np.pad(roll, ((0, 0), (0, -tune.steps % bar), (0, 0)))
        roll = rearrange(roll, "tracks (bars steps) pitches -> tracks bars steps pitches", steps=bar)
        roll = np.pad(roll, ((0, 0), (0, 0), (0, spec.bar_steps - bar), (0, 0)))
        return rearrange(roll[:, bars], "tracks n bars steps pitches -> n tracks (bars steps) pitches")

    pitch, onset = cut(score.pitch), cut(score.onset)
    onset[:, :, 0] = pitch[:, :, 0]  # what is held from before begins here
    return pitch, onset
