"""Passages of any length from a network that writes a few bars: the best of several draws, window by window."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from common.randomness import mix
from music.chord_symbols import Chord, Progression
from music.chords import beats_of, chords_by_beat, ends_so, last_chord, misfit
from music.config import TEMPI, Ending
from music.mending import MENDS, mended
from music.metrics import notes_per_bar, quality
from music.models import ROUNDS, MusicModel, rows_of
from music.rolls import MusicContext
from music.score import Score, narrowed
from music.theory import Key, Mode, bar_of, beat_of


@dataclass(frozen=True)
class PieceSettings:
    """What all windows of a piece have in common."""

    model: MusicModel
    metre: str
    mode: Mode
    style: str
    temperature: float | None
    rounds: int
    candidates: int
    seed: int
    chords: Progression = ()  # asked for, of the piece in C
    ranges: tuple[tuple[int, int], ...] = ()  # lowest and highest pitch of each track, of the piece in C; (): any
    ending: Ending | None = None  # of the last bar that is written
    density: float | None = None  # notes a bar and voice that are asked for
    pickup: int = 0  # steps before the first bar line, with which the first bar of the grid ends

    @property
    def bar(self) -> int:
        """How many steps a bar has."""
        return bar_of(self.metre, self.model.config.grid)

    @property
    def beat(self) -> int:
        """How many steps a beat has."""
        return beat_of(self.metre, self.model.config.grid)

    @property
    def voices(self) -> int:
        """How many tracks are written, from the first on; what the style leaves silent counts as given."""
        return self.model.voices(self.style)


FOREIGN = 6.0  # how much a window all of whose sound is foreign to the chords asked for counts beside `quality`
NOT_SO = 2.0  # how much a window counts, beside `quality`, that does not end as was asked for
UNLIKE = 3.0  # how much a window counts, beside `quality`, that has twice the notes asked for, or none
NEVER = 1e9  # nats
SURE = 50.0  # nats; more would blur what the network says of octaves
ON_BEAT, PASSING = 6.0, 1.5  # nats by which pitches foreign to a chord asked for are less likely, and between beats


def write_section(settings: PieceSettings, bars: int, before: Tensor | None, given: Tensor | None = None) -> Tensor:
    """Write some bars, (2, T, bars, bar_steps, P). All notes at their beginning are struck: they can follow any.

    Args:
        before: what comes before, (2, T, bars before, bar_steps, P), if anything.
        given: what of the bars stands already, likewise of `bars` bars; only its first track counts.
    """
    config = settings.model.config
    window, tracks = config.bars, len(config.tracks)
    context = torch.zeros(2, tracks, 0, config.bar_steps, config.pitches, dtype=torch.bool)
    if before is not None:
        context = before[:, :, -(window // 2) :]
    lead, total = context.shape[2], max(context.shape[2] + bars, window)
    piece = torch.zeros(2, tracks, total, config.bar_steps, config.pitches, dtype=torch.bool)
    piece[:, :, :lead] = context
    known = torch.zeros(tracks, total, config.bar_steps, dtype=torch.bool)
    known[:, :lead] = True
    known[settings.voices :] = True
    if given is not None:
        piece[:, 0, lead : lead + bars] = given[:, 0]
        known[0] = True
    lead_in = 1 if settings.pickup and before is None else 0  # a bar that is silent before the pickup
    known[:, :lead_in, : settings.bar - settings.pickup] = True
    asked: list[list[Chord]] = []
    if settings.chords:
        asked = [[]] * lead_in + chords_by_beat(settings.chords, settings.metre, bars - lead_in)
    if settings.ending:
        asked = asked or [[]] * bars
        asked[-1] = [last_chord(settings.ending, settings.mode)] * beats_of(settings.metre)
    rows: list[list[Chord]] = [[]] * lead + asked + [[]] * (total - lead - len(asked))
    starts = sorted({*range(0, total - window, window - window // 2), total - window})
    if given is not None:
        settings = replace(settings, pickup=0)  # which may be of what is given alone
    for number, start in enumerate(starts):
        place = slice(start, start + window)
        first, last = before is None and start == 0, start == total - window
        seed = mix(settings.seed, number) % (1 << 31)
        own = settings if last else replace(settings, ending=None)
        piece[:, :, place] = _window(own, piece[:, :, place], known[:, place], first, last, seed, rows[place])
        known[:, place] = True
    written = piece[:, :, lead : lead + bars]
    written[1, :, 0, 0] = written[0, :, 0, 0]
    return written


def rewrite_section(settings: PieceSettings, piece: Tensor, known: Tensor, first: int, stop: int) -> Tensor:
    """Write bars `first` to `stop` - 1 of a piece (2, T, B, bar_steps, P) anew, in view of what is around them.

    Args:
        known: what stays of them, bool (T, B, bar_steps).
    """
    window, length, settings = settings.model.config.bars, piece.shape[2], replace(settings, pickup=0)
    total = max(length, window)
    piece, known = F.pad(piece, (0, 0, 0, 0, 0, total - length)), F.pad(known, (0, 0, 0, total - length))
    last = min(max(stop + 1 - window, 0), total - window)  # so that the last window sees where it leads to
    earlier = range(max(first - window // 2, 0), last, window // 2)
    for number, start in enumerate([*(start for start in earlier if start + window < stop), last]):
        place = slice(start, start + window)
        seed = mix(settings.seed, number) % (1 << 31)
        ends = start == 0, start + window >= length
        piece[:, :, place] = _window(settings, piece[:, :, place], known[:, place], *ends, seed, [])
        known[:, place] = True
    return piece[:, :, :length]


def _window(
    settings: PieceSettings, bars: Tensor, known: Tensor, first: bool, last: bool, seed: int, asked: list[list[Chord]]
) -> Tensor:
    """The best of the candidates for one window of bars (2, T, B, bar_steps, P); `known` (T, B, bar_steps) stay."""
    model = settings.model
    mask = rearrange(known, "tracks bars steps -> tracks (bars steps)")
    flat = rearrange(bars, "... bars steps pitches -> ... (bars steps) pitches").clone()
    flat[1, :, 0] = flat[0, :, 0]  # as in the windows that are learned from, which begin with an onset
    condition = model.condition(
        settings.candidates, settings.metre, settings.mode, settings.style, first, last, flat, mask
    )
    pickup = settings.pickup if first else 0
    if any(asked) or settings.ranges or pickup:
        bias = _chord_bias(settings, asked) + _range_bias(settings)[:, None] + _ending_bias(settings, asked)
        bias += _pickup_bias(settings, pickup)
        condition["bias"] = bias.expand(settings.candidates, -1, -1, -1)
    rolls = model.write(condition, seed, settings.temperature, settings.rounds)
    best = _best(settings, rolls, condition, asked)[None]
    rounds = 0 if settings.chords else settings.rounds * MENDS // ROUNDS  # which would lead away from those
    best = mended(model, best, rows_of(condition, slice(1)), rounds, seed)[0]
    return torch.where(known[..., None], bars, in_bars(model, best))


def _chord_bias(settings: PieceSettings, asked: list[list[Chord]]) -> Tensor:
    """What is added to the logits of pitches, so that few are foreign to the chords asked for, float (S, P)."""
    config, beat = settings.model.config, settings.beat
    classes = torch.arange(config.low, config.high + 1) % 12
    bias = torch.zeros(config.bars, config.bar_steps, config.pitches)
    for number, row in enumerate(asked):
        for place, chord in enumerate(row):
            foreign = ~torch.isin(classes, torch.tensor(sorted(chord.classes)))
            bias[number, place * beat : (place + 1) * beat, foreign] = -PASSING
            bias[number, place * beat, foreign] = -ON_BEAT
    return rearrange(bias, "bars steps pitches -> (bars steps) pitches")


def _range_bias(settings: PieceSettings) -> Tensor:
    """What keeps the pitches of tracks within the ranges asked for, float (T, P)."""
    config = settings.model.config
    pitch = torch.arange(config.low, config.high + 1)
    bias = torch.zeros(len(config.tracks), config.pitches)
    for own, (low, high) in zip(bias, settings.ranges, strict=False):
        own[(pitch < low) | (pitch > high)] = -NEVER
    return bias


def _ending_bias(settings: PieceSettings, asked: list[list[Chord]]) -> Tensor:
    """What keeps the last beat to its chord, and the lowest voice to its root, which sounds there, float (T, S, P).

    Of a single voice an open ending may have any note of the chord.
    """
    config, length, lowest = settings.model.config, settings.bar, settings.voices - 1
    bias = torch.zeros(len(config.tracks), config.bars, config.bar_steps, config.pitches)
    if settings.ending:
        chord, classes = last_chord(settings.ending, settings.mode), torch.arange(config.low, config.high + 1) % 12
        beat = slice(length - settings.beat, length)
        bias[:, _end(asked), beat, ~torch.isin(classes, torch.tensor(sorted(chord.classes)))] = -NEVER
        if config.tracks[lowest].kind == "mono" and (lowest > 0 or settings.ending == "tonic"):
            bias[lowest, _end(asked), beat] = torch.where(classes == chord.root, SURE, -NEVER)  # nor does it rest
    return rearrange(bias, "tracks bars steps pitches -> tracks (bars steps) pitches")


def _pickup_bias(settings: PieceSettings, pickup: int) -> Tensor:
    """What keeps mono tracks from resting as a pickup of so many steps begins, float (T, S, 1)."""
    config, begin = settings.model.config, settings.bar - pickup
    bias = torch.zeros(len(config.tracks), config.steps, 1)
    mono = [track.kind == "mono" for track in config.tracks]
    if pickup:
        bias[mono, begin // config.patch * config.patch : begin + 1] = SURE
    return bias


def _end(asked: list[list[Chord]]) -> int:
    """The last bar of which a chord is asked."""
    return max(number for number, row in enumerate(asked) if row)


def in_bars(model: MusicModel, roll: Tensor) -> Tensor:
    """Cut a roll into bars, (2, T, S, P) -> (2, T, bars, bar_steps, P)."""
    return rearrange(roll, "... (bars steps) pitches -> ... bars steps pitches", steps=model.config.bar_steps)


def _best(settings: PieceSettings, rolls: Tensor, condition: MusicContext, asked: list[list[Chord]]) -> Tensor:
    """The best of the candidates, (2, T, S, P), also by how little of it is foreign to the chords asked for."""
    model = settings.model
    typical, dense = model.typical_of(settings.style), settings.density
    if settings.candidates == 1 or (typical is None and not any(asked) and dense is None):
        return rolls[0]
    scores = [narrowed(score, settings.voices) for score in model.scores(rolls, condition)]
    typical = typical and typical | ({} if dense is None else {"notes_per_bar": dense})

    def faults(row: int) -> float:
        own = quality(scores[row], typical) if typical else 0.0
        if dense is not None:
            own += UNLIKE * abs(notes_per_bar(scores[row]) - dense) / dense
        if settings.ending:
            steps = (_end(asked) + 1) * scores[row].bar
            cut = replace(scores[row], pitch=scores[row].pitch[:, :steps], onset=scores[row].onset[:, :steps])
            own += NOT_SO * (not ends_so(cut, settings.ending))
        return own + FOREIGN * float(misfit(scores[row], asked).mean()) if any(asked) else own

    return rolls[min(range(len(scores)), key=faults)]


def to_piece(settings: PieceSettings, bars: Tensor) -> Score:
    """Bars (2, T, B, bar_steps, P) as one piece in C, without the tracks that the style leaves silent."""
    config = settings.model.config
    whole = bars[:, :, :, : settings.bar].numpy()
    rolls = rearrange(whole, "... bars steps pitches -> ... (bars steps) pitches")
    sounding = np.zeros((*rolls.shape[:3], 128), bool)
    sounding[..., config.low : config.high + 1] = rolls
    tempo = TEMPI.get(settings.style, settings.model.tempo)
    facts = settings.metre, Key(0, settings.mode), tempo, settings.pickup, config.grid
    return narrowed(Score(config.tracks, sounding[0], sounding[1], *facts), settings.voices)
