"""Faults against rules of counterpoint, mended: what is faulty is drawn anew until it is less so.

Block Gibbs sampling (as Coconet's; Huang et al. 2017) of faulty places: a bar of a voice that takes part in a fault
is drawn anew a few times by the network, given all else, and the best stands if the bar's faults weigh no more than
before. What counts is told by the music that was trained on: of what a piece has no more than that, nothing is a fault.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange, reduce, repeat
from torch import Tensor

from common.randomness import mix
from music.faults import crossings, dissonances, moves, parallel_moves, top_line, voices_of
from music.models import ROUNDS, MusicModel, rows_of, struck
from music.rolls import MusicContext, MusicSpec, given
from music.theory import bar_of, beat_of

# How much each voice counts that takes part in a fault at a step, by the metric that counts it.
WEIGHTS = {"parallels": 0.5, "voice_crossing": 0.05, "dissonance": 0.125, "leaps": 0.1, "repeats": 0.1}
MENDS = 2 * ROUNDS  # rounds of mending
DRAWS = 4  # in each, of what the network says once: to ask it takes far longer than to draw
TEMPERATURE = 0.8  # at which bars are drawn anew


def mended(model: MusicModel, rolls: Tensor, condition: MusicContext, rounds: int = MENDS, seed: int = 0) -> Tensor:
    """Rolls, bool (N, 2, T, S, P), with fewer faults between their voices; what the condition gives stays.

    Those of a model of one track, drums aside, stay as they are, as do all where it is not known what is typical. Leaps
    and repeated notes count with a single style alone: a jig has more than what is typical of many styles together.

    Args:
        rounds: how often every other bar is looked at.
        seed: means the same on every device.
    """
    if model.typical is None or sum(track.kind != "drums" for track in model.config.tracks) < 2:
        return rolls
    styled = ("leaps", "repeats") if model.config.styles else ()
    typical = {name: value for name, value in model.typical.items() if name not in styled}

    def some_mended(rows: slice) -> Tensor:
        return _mended(model, typical, rolls[rows], rows_of(condition, rows), rounds, mix(seed, 2 + rows.start))

    return model.in_parts(len(rolls), some_mended)


def _mended(
    model: MusicModel, typical: dict[str, float], rolls: Tensor, condition: MusicContext, rounds: int, seed: int
) -> Tensor:
    rolls, generator = rolls.clone(), torch.Generator().manual_seed(seed)
    condition = {name: own for name, own in condition.items() if name != "given"}  # as the rolls have it
    for number, metre in enumerate(model.config.metres):
        rows = torch.nonzero(condition["metre"].cpu() == number)[:, 0]
        if len(rows):
            mender = _Mender(model, typical, metre, rows_of(condition, rows), generator)
            rolls[rows] = mender.mended(rolls[rows], rounds)
    return rolls


def notes_by_bar(rolls: np.ndarray, bars: int, grid: int) -> np.ndarray:
    """How many notes, and notes of a sixteenth or less, begin in each bar of rolls, bool (N, 2, T, S, P): (2, N, B)."""
    pitch, onset = rolls.swapaxes(0, 1)
    held, short = pitch & ~onset, grid // 4  # steps of a sixteenth
    longer = np.zeros_like(onset)
    longer[:, :, :-short] = held[:, :, short:]
    for later in range(1, short):
        longer[:, :, :-later] &= held[:, :, later:]
    counted = rearrange(
        np.stack([onset, onset & ~longer]),
        "kinds n tracks (bars steps) pitches -> kinds n tracks bars (steps pitches)",
        bars=bars,
    )
    return counted.view(np.uint8).sum(4, dtype=np.int32).sum(2)


class _Faults(NamedTuple):
    """How much what is faulty weighs by each rule in each voice and bar, (K, N, T, B), and which rules count, (K, N).

    A bar also has the faults with which the next one begins.
    """

    weights: np.ndarray
    broken: np.ndarray

    def of(self, rows: np.ndarray) -> "_Faults":
        """Those of some pieces."""
        return _Faults(self.weights[:, rows], self.broken[:, rows])


@dataclass(frozen=True)
class _Mender:
    """What it takes to mend pieces that are all of one metre."""

    model: MusicModel
    typical: dict[str, float]
    metre: str
    condition: MusicContext
    generator: torch.Generator

    def mended(self, rolls: Tensor, rounds: int) -> Tensor:
        """Draw one faulty voice anew in every other bar that has one, in turn: those do not depend on each other."""
        drawn, faults = self._notes(rolls).sum(2), self._faults(rolls)
        for turn in range(rounds):
            cells = self._chosen(faults, turn % 2)
            rows = np.flatnonzero(cells.any((1, 2)))
            if len(rows):
                before, condition = rolls[rows], rows_of(self.condition, rows)
                anew = self._rewritten(before, cells[rows], condition)
                better = self._better(before, anew, faults.of(rows), drawn[:, rows])
                rolls[rows] = struck(self.model.config, _put_in(before, anew, better), condition)
                for old, new in zip(faults, self._faults(rolls[rows]), strict=True):
                    old[:, rows] = new
        return rolls

    def _chosen(self, faults: _Faults, odd: int) -> np.ndarray:
        """One voice of each even or odd bar, the likelier the faultier, but none that is given: bool (N, T, B)."""
        bars = self.model.config.bars
        free = reduce(1 - self.condition["mask"].cpu(), "n tracks (bars steps) -> n tracks bars", "max", bars=bars)
        weights = (faults.weights * faults.broken[:, :, None, None]).sum(0) * free.numpy()
        faulty = (weights > 0) & (np.arange(bars) % 2 == odd)
        waits = torch.empty(faulty.shape, dtype=torch.float64).exponential_(generator=self.generator).numpy()
        waits = np.divide(waits, weights, out=np.full_like(waits, np.inf), where=faulty)  # the heavier, the shorter
        return faulty & (waits == waits.min(1, keepdims=True))

    def _rewritten(self, rolls: Tensor, cells: np.ndarray, condition: MusicContext) -> Tensor:
        """Rolls with bars of voices, bool (N, T, B), drawn anew, but for what is given: bool (D, N, 2, T, S, P)."""
        config = self.model.config
        written = repeat(torch.from_numpy(cells), "n tracks bars -> n tracks (bars steps)", steps=config.bar_steps)
        mask = torch.maximum(condition["mask"].cpu(), (~written).float())
        z = torch.randn(len(rolls), config.latents, generator=self.generator)
        some = condition | {"mask": mask, "given": given(rolls, mask)}
        return self.model.draw(z, some, TEMPERATURE, self.generator, DRAWS)

    def _better(self, before: Tensor, anew: Tensor, faults: _Faults, drawn: np.ndarray) -> np.ndarray:
        """Which of the draws is best for each bar and no worse than what stands: bool (D, N, B), of one at most.

        None is that would take a piece away from as many notes, or short ones, as were `drawn` (2, N) at first.
        """
        draws, n = anew.shape[:2]
        after = self._faults(anew.flatten(0, 1))
        broken = faults.broken[:, None] | after.broken.reshape(-1, draws, n)  # so that none is broken unnoticed
        weights = rearrange(after.weights, "k (d n) tracks bars -> k d n tracks bars", d=draws).sum(3)
        worse = ((weights - faults.weights.sum(2)[:, None]) * broken[..., None]).sum(0)  # (D, N, B)
        had, has = self._notes(before), self._notes(anew.flatten(0, 1))
        more = rearrange(has, "kinds (d n) bars -> kinds d n bars", d=draws) - had[:, None]
        surplus = np.where(had.sum(2) > drawn, 1, -1)[:, None, :, None]
        worse[(more * surplus > 0).any(0)] = np.inf
        return (np.arange(draws)[:, None, None] == worse.argmin(0)) & (worse <= 0)

    def _notes(self, rolls: Tensor) -> np.ndarray:
        return notes_by_bar(rolls.numpy(), self.model.config.bars, self.model.config.grid)

    def _faults(self, rolls: Tensor) -> _Faults:
        """The faults of rolls, bool (N, 2, T, S, P)."""
        config, bar = self.model.config, bar_of(self.metre, self.model.config.grid)
        bars = rearrange(rolls.numpy(), "n two tracks (bars steps) p -> two n tracks bars steps p", bars=config.bars)
        pitch, onset = rearrange(bars[..., :bar, :], "two n tracks bars steps p -> two n tracks (bars steps) p")
        rules = _rules(config, pitch, onset, beat_of(self.metre, config.grid))
        weights = [WEIGHTS[name] * rule.by_bar(bar) for name, rule in rules.items()]
        broken = [rule.rate > _limit(self.typical, name) for name, rule in rules.items()]
        return _Faults(np.stack(weights), np.stack(broken))


def _put_in(before: Tensor, anew: Tensor, better: np.ndarray) -> Tensor:
    """Rolls (N, 2, T, S, P) with the bars of those (D, N, 2, T, S, P) that are better, bool (D, N, B)."""
    rolls, bars = before.clone(), better.shape[2]
    draw, row, bar = map(torch.from_numpy, np.nonzero(better))
    placed = rearrange(rolls, "n two tracks (bars steps) p -> n bars two tracks steps p", bars=bars)  # a view
    placed[row, bar] = rearrange(anew, "d n two tracks (bars steps) p -> d n bars two tracks steps p", bars=bars)[
        draw, row, bar
    ]
    return rolls


class _Rule(NamedTuple):
    """Where a rule is broken, bool (N, X, S), how often (N,), and which tracks take part in it, (X, T)."""

    faulty: np.ndarray
    rate: np.ndarray
    tracks: np.ndarray

    def by_bar(self, bar: int) -> np.ndarray:
        """How often each track takes part in a fault of each bar of so many steps, or as the next begins: (N, T, B)."""
        steps = rearrange(self.faulty, "n x (bars steps) -> n x bars steps", steps=bar)
        count = steps.sum(3, dtype=np.float32)
        count[:, :, :-1] += steps[:, :, 1:, 0]
        return self.tracks.T.astype(np.float32) @ count


def _rules(config: MusicSpec, pitch: np.ndarray, onset: np.ndarray, beat: int) -> dict[str, _Rule]:
    """Each rule for what sounds and begins, bool (N, T, S, P), of bars without filling; its rate is the metric's."""
    order = voices_of(config.tracks)
    voices = top_line(pitch[:, order])
    single, pitched = np.eye(len(config.tracks))[order], [track.kind != "drums" for track in config.tracks]
    first, second = np.triu_indices(len(order), k=1)
    parallel = parallel_moves(voices)
    crossed, both = crossings(voices)
    classes = np.eye(12, dtype=np.float32)[np.arange(config.low, config.high + 1) % 12]  # (P, 12)
    counts = pitch[:, pitched].view(np.uint8).sum(1, dtype=np.uint8).astype(np.float32) @ classes
    dissonant, full = dissonances(counts, beat)
    leaping, repeating, going = moves(voices, onset[:, order])
    return {
        "parallels": _Rule(parallel, parallel.sum((1, 2)) / config.bars, single[first] + single[second]),
        "voice_crossing": _Rule(crossed, _rate(crossed, both), single[:-1] + single[1:]),
        "dissonance": _Rule(dissonant[:, None], _rate(dissonant, full), np.array([pitched], float)),
        "leaps": _Rule(leaping, _rate(leaping, going), single),
        "repeats": _Rule(repeating, _rate(repeating, going), single),
    }


def _rate(faulty: np.ndarray, possible: np.ndarray) -> np.ndarray:
    """The share of places that are faulty in each piece, (N,)."""
    count, most = (own.reshape(len(own), -1).sum(1) for own in (faulty, possible))
    return count / np.maximum(most, 1)


def _limit(typical: dict[str, float], rule: str) -> float:
    """The rate beyond which a rule counts as broken; where it is not known, none is."""
    if rule == "dissonance":
        return 1 - typical.get("chord_on_beat", -np.inf)
    return typical.get(rule, np.inf)
