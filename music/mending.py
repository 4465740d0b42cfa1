"""Faults against rules of counterpoint, mended: what is faulty is drawn anew until it is less so.

Block Gibbs sampling (as Coconet's; Huang et al. 2017) of faulty places: a bar of a voice that takes part in a fault
is written anew by the network, given all else, and stands if the bar's faults weigh no more than before. What counts is
told by the music that was trained on: of what a piece has no more than that, nothing is a fault.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange, reduce, repeat
from torch import Tensor

from common.randomness import mix
from music.faults import crossings, dissonances, moves, parallel_moves, top_line, voices_of
from music.models import ROUNDS, MusicModel, struck
from music.rolls import MusicContext, MusicSpec, given, valid_steps
from music.theory import beat_of

# How much each voice counts that takes part in a fault at a step, by the metric that counts it.
WEIGHTS = {"parallels": 0.5, "voice_crossing": 0.05, "dissonance": 0.125, "leaps": 0.1, "repeats": 0.1}
MENDS = 2 * ROUNDS  # rounds of mending
TEMPERATURE = 0.5  # at which bars are drawn anew


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
    rolls, generator = rolls.clone(), torch.Generator().manual_seed(mix(seed, 2))
    for number, metre in enumerate(model.config.metres):
        rows = torch.nonzero(condition["metre"].cpu() == number)[:, 0]
        if len(rows):
            own = {name: tensor[rows] for name, tensor in condition.items()}
            drawn = notes_by_bar(rolls[rows], model.config.bars, model.config.grid).sum(2)
            mender = _Mender(model, typical, metre, own, drawn, generator)
            for turn in range(rounds):
                rolls[rows] = mender.mend(rolls[rows], turn % 2)
    return rolls


def notes_by_bar(rolls: Tensor, bars: int, grid: int) -> Tensor:
    """How many notes, and notes of a sixteenth or less, begin in each bar of rolls, bool (N, 2, T, S, P): (2, N, B)."""
    pitch, onset = rolls.unbind(1)
    held, lasting = pitch & ~onset, torch.ones_like(onset)
    for later in range(1, grid // 4 + 1):  # steps, of which a sixteenth has so many
        lasting[:, :, :-later] &= held[:, :, later:]
        lasting[:, :, -later:] = False
    counted = torch.stack([onset, onset & ~lasting]).float()
    return reduce(counted, "kinds n tracks (bars steps) pitches -> kinds n bars", "sum", bars=bars)


@dataclass(frozen=True)
class _Mender:
    """What it takes to mend pieces that are all of one metre."""

    model: MusicModel
    typical: dict[str, float]
    metre: str
    condition: MusicContext
    drawn: Tensor  # how many notes, and short ones, each piece had at first, (2, N)
    generator: torch.Generator

    def mend(self, rolls: Tensor, odd: int) -> Tensor:
        """Draw one faulty voice anew in each even, or odd, bar that has one: those do not depend on each other."""
        found, broken = self._faults(rolls)
        cells = self._chosen(self._by_bar(found, broken), odd)
        rows = torch.nonzero(cells.flatten(1).any(1))[:, 0]
        if not len(rows):
            return rolls
        condition = {name: own[rows] for name, own in self.condition.items()}
        anew = self._rewritten(rolls[rows], cells[rows], condition)
        after, breaks = self._faults(anew)
        either = broken[:, rows] | breaks  # so that no rule comes to be broken unnoticed
        worse = self._by_bar(after, either).sum(1) > self._by_bar(found[:, rows], either).sum(1)  # (N, B)
        stays = worse | self._astray(rolls[rows], anew, rows)
        stays = stays.repeat_interleave(self.model.config.bar_steps, 1)[:, None, None, :, None]
        merged = rolls.clone()
        merged[rows] = torch.where(stays, rolls[rows], anew)
        return struck(self.model.config, merged, self.condition)

    def _astray(self, before: Tensor, after: Tensor, rows: Tensor) -> Tensor:
        """Which bars of some pieces would take them away from as many notes, or short ones, as were drawn: (N, B)."""
        config, drawn = self.model.config, self.drawn[:, rows]
        had, has = (notes_by_bar(rolls, config.bars, config.grid) for rolls in (before, after))
        surplus = torch.where(had.sum(2) > drawn, 1, -1)
        return ((has - had) * surplus[:, :, None] > 0).any(0)

    def _chosen(self, faults: Tensor, odd: int) -> Tensor:
        """One voice of each even or odd bar, of those that are faulty and not given: bool (N, T, B)."""
        bars = self.model.config.bars
        free = reduce(1 - self.condition["mask"].cpu(), "n tracks (bars steps) -> n tracks bars", "max", bars=bars)
        faulty = (faults * free > 0) & (torch.arange(bars) % 2 == odd)
        chances = torch.rand(faulty.shape, generator=self.generator) * faulty
        return faulty & (chances == chances.amax(1, keepdim=True))

    def _rewritten(self, rolls: Tensor, cells: Tensor, condition: MusicContext) -> Tensor:
        """Rolls with bars of voices, bool (N, T, B), drawn anew, but for what is given."""
        config = self.model.config
        kept = repeat(~cells, "n tracks bars -> n tracks (bars steps)", steps=config.bar_steps)
        mask = torch.maximum(condition["mask"].cpu(), kept.float())
        z = torch.randn(len(rolls), config.latents, generator=self.generator)
        some = condition | {"mask": mask, "given": given(rolls.float(), mask)}
        return struck(config, self.model.compose(z, some, TEMPERATURE, self.generator), condition)

    def _by_bar(self, found: Tensor, counted: Tensor) -> Tensor:
        """The faults of each bar, with those as the next one begins, by the rules that count: float (N, T, B)."""
        total = (found * counted[:, :, None, None]).sum(0)
        bars = rearrange(total, "n tracks (bars steps) -> n tracks bars steps", bars=self.model.config.bars)
        into = torch.cat([bars[:, :, 1:, 0], torch.zeros_like(bars[:, :, :1, 0])], 2)
        return bars.sum(3) + into

    def _faults(self, rolls: Tensor) -> tuple[Tensor, Tensor]:
        """How faulty each voice is at each step by each rule, float (K, N, T, S), and which rules count (K, N)."""
        config = self.model.config
        valid = valid_steps(config)[config.metres.index(self.metre)]
        pitch, onset = rolls[:, :, :, valid].numpy().swapaxes(0, 1)  # (N, T, S, P)
        rules = _rules(config, pitch, onset, beat_of(self.metre, config.grid))
        found = [WEIGHTS[name] * np.einsum("nxs,xt->nts", rule.faulty, rule.tracks) for name, rule in rules.items()]
        counted = [rule.rate > _limit(self.typical, name) for name, rule in rules.items()]
        return torch.from_numpy(np.stack(found)).float(), torch.from_numpy(np.stack(counted))


class _Rule(NamedTuple):
    """Where a rule is broken, bool (N, X, S), how often (N,), and which tracks take part in it, (X, T)."""

    faulty: np.ndarray
    rate: np.ndarray
    tracks: np.ndarray


def _rules(config: MusicSpec, pitch: np.ndarray, onset: np.ndarray, beat: int) -> dict[str, _Rule]:
    """Each rule for what sounds and begins, bool (N, T, S, P), of bars without filling; its rate is the metric's."""
    order = voices_of(config.tracks)
    voices = top_line(pitch[:, order])
    single, pitched = np.eye(len(config.tracks))[order], [track.kind != "drums" for track in config.tracks]
    first, second = np.triu_indices(len(order), k=1)
    parallel = parallel_moves(voices)
    crossed, both = crossings(voices)
    classes = np.eye(12)[np.arange(config.low, config.high + 1) % 12]  # (P, 12)
    dissonant, full = dissonances(pitch[:, pitched].sum(1) @ classes, beat)
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
