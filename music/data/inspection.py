"""What there is in a collection of music, in numbers, in words and as piano rolls."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from PIL import Image

from common.data.arrays import count_reasons
from common.data.order import epoch_order
from music.data.loading import MusicData, TuneFacts
from music.io.piano_roll import roll_sheet
from music.models import to_scores
from music.rolls import rolls
from music.score import TrackSpec
from music.theory import name_of

NAMED = 8  # of many things in a line; data.json names all
SHOWN = 12  # windows on a sheet


def describe(data: MusicData) -> list[tuple[str, str]]:
    """Lines on all that was found, each under its heading."""
    tunes = data.tunes
    lengths, tempi = [tune.bars for tune in tunes], [round(tune.tempo) for tune in tunes]
    return [
        ("tunes", f"{len(tunes) - data.held_out:,} to train on, {data.held_out:,} held out"),
        ("windows", f"{len(data.train):,} of {data.spec.bars} bars to train on, {len(data.test):,} held out"),
        ("variants", _variants(tunes)),
        ("tracks", "; ".join(_track(track, number) for number, track in enumerate(data.spec.tracks, 1)) + "; all in C"),
        ("styles", _counts([tune.style for tune in tunes if tune.style]) or "none; sub-folders would be styles"),
        ("metres", _counts([tune.metre for tune in tunes])),
        ("keys", _counts([tune.key or "none" for tune in tunes])),
        ("tempi", f"{_spread(tempi)} quarter notes a minute"),
        ("lengths", f"{_spread(lengths)} bars, with {_spread([round(t.notes / t.bars) for t in tunes])} notes in each"),
        ("skipped", f"{count_reasons(data.skipped, 'tunes')}; data.json names all" if data.skipped else "nothing"),
    ]


def table(data: MusicData) -> str:
    """A line for each style, or for all tunes where there are none: what there is of it, and how well the grid fits."""
    rows: list[tuple[str, ...]] = [
        ("style", "tunes", "held out", "bars", "notes", "moved", "by 12", "voices", "metres")
    ]
    for style in data.spec.styles or ("",):
        own = [tune for tune in data.tunes if tune.style == style]
        held, bars, notes, *moved = (
            sum(getattr(tune, name) for tune in own)
            for name in ("is_held_out", "bars", "notes", "moved", "off_twelfths")
        )
        counts = [f"{count:,}" for count in (len(own), held, bars, notes)]
        voices = _spread([tune.voices for tune in own]).split(" (")[0]
        metres = _counts([tune.metre for tune in own])
        rows.append((style or "all", *counts, *(f"{count / notes:.1%}" for count in moved), voices, metres))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.append("moved: notes written between two sixteenths, such as triplets, which begin at one now")
    lines.append("by 12: those that a grid of 12 steps a quarter, with triplets (music.train --grid 12), would move")
    return "\n".join(lines)


def as_json(data: MusicData) -> dict[str, Any]:
    """The same with all names, for programs."""
    return {
        "data": data.name,
        "source": data.source,
        "training_windows": len(data.train),
        "held_out_windows": len(data.test),
        "tracks": [asdict(track) for track in data.spec.tracks],
        "tunes": [asdict(tune) for tune in data.tunes],
        "skipped": data.skipped,
    }


def sheet(data: MusicData) -> Image.Image:
    """Windows to train on as piano rolls, drawn by lot, each with its style; none that is held out."""
    batch = data.train.gather(epoch_order(len(data.train), 0, 0)[:SHOWN])
    scores = to_scores(data.spec, rolls(batch), batch["metre"], batch["mode"])
    styles = [data.spec.styles[label] for label in batch["label"]] if data.spec.styles else [""] * len(scores)
    return roll_sheet(list(zip(styles, scores, strict=True)))


def _variants(tunes: Sequence[TuneFacts]) -> str:
    of_each = Counter(tune.kin for tune in tunes)
    alike = [count for count in of_each.values() if count > 1]
    told = f"{sum(alike):,} tunes are variants of {len(alike):,}: of one title, opening or ending, and so on one side"
    return told if alike else "none"


def _track(track: TrackSpec, number: int) -> str:
    named = track.name or f"track {number}"
    if track.kind == "drums":
        return f"{named} (drums)"
    voices = "one note at a time" if track.kind == "mono" else "chords too"
    return f"{named} ({voices}, {name_of(track.low)} to {name_of(track.high)})"


def _counts(words: Sequence[str]) -> str:
    """Each word and how often it comes, the commonest first."""
    counts = Counter(words).most_common()
    more = f" and {len(counts) - NAMED:,} more" if len(counts) > NAMED else ""
    return ", ".join(f"{word} {count:,}" for word, count in counts[:NAMED]) + more


def _spread(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,} (median {median(values):g})"
