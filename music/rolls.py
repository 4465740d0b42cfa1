"""Piano rolls as networks take them: their shape, what of them is given, and how a network's outputs are read.

A roll is float (N, 2, T, S, P): what sounds and where notes begin, of T tracks, at S = bars * bar_steps steps, at P
pitches. Bars shorter than `bar_steps` are filled up with silence at their end, so every bar begins at a multiple of it.
A condition is a dict of tensors (see `music.networks.MusicCondition`), with the given part of the roll, "given", and
the mask (N, T, S) of what is given, "mask".
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from einops import rearrange, repeat
from torch import Tensor

from common.cores.game import Batch
from common.randomness import Draw
from music.score import TrackSpec
from music.theory import GRID, bar_of

COMPOSE, HARMONISE, INFILL = 0.25, 0.5, 0.65  # below these: nothing is given, voices, bars; above: bars of voices
MusicContext = dict[str, Tensor]


@dataclass(frozen=True)
class MusicSpec:
    """What a network must know of its music.

    Attributes:
        tracks: the voices or instruments, in the order of the rolls, with the pitches that occur.
        low, high: lowest and highest MIDI pitch of all tracks, both included.
        bars: whole bars a window.
        bar_steps: steps of the longest bar among the metres, rounded up to half notes, which networks can halve.
            Shorter bars end in silence, so that bar b of a window always begins at step b * bar_steps.
        metres: those that occur, by index.
        styles: their names, by label; () when the music is unlabelled.
        grid: steps a quarter note.
    """

    tracks: tuple[TrackSpec, ...]
    low: int
    high: int
    bars: int
    bar_steps: int
    metres: tuple[str, ...]
    styles: tuple[str, ...]
    grid: int = field(default=GRID, kw_only=True)  # of networks that were trained before there was another

    @property
    def patch(self) -> int:
        """How many steps networks take as one: an eighth."""
        return self.grid // 2

    @property
    def steps(self) -> int:
        """How many steps a window has."""
        return self.bars * self.bar_steps

    @property
    def pitches(self) -> int:
        """How many pitches the rolls have."""
        return self.high - self.low + 1


@dataclass(frozen=True)
class NetworkConfig(MusicSpec):
    """Everything that generator and critic are built from; it travels in a weights folder.

    Attributes:
        width: channels.
        latent: length of the latent vector of the piece.
        bar_latent: and of each bar.
    """

    width: int
    latent: int
    bar_latent: int

    @property
    def latents(self) -> int:
        """Length of all latent vectors together."""
        return self.latent + self.bars * self.bar_latent

    def as_json(self) -> dict[str, Any]:
        """The settings as plain values, for config.json."""
        return asdict(self)


# ---- what is given ---------------------------------------------------------------------------------------------------


def valid_steps(config: MusicSpec) -> Tensor:
    """Which steps belong to a bar, and which only fill it up: bool (metres, S)."""
    inside = torch.arange(config.steps) % config.bar_steps
    return torch.stack([inside < bar_of(metre, config.grid) for metre in config.metres])


def steps_before(config: NetworkConfig) -> Tensor:
    """The step that sounds before each step, over the filling of a short bar: int64 (metres, S); of the first, 0."""
    step = torch.arange(config.steps)
    rows = []
    for metre in config.metres:
        gap = torch.where(step % config.bar_steps == 0, config.bar_steps - bar_of(metre, config.grid), 0)
        rows.append((step - 1 - gap).clamp(min=0))
    return torch.stack(rows)


def read_condition(config: NetworkConfig, dropout: float) -> Any:
    """A function (batch, draw) -> condition that hides styles, and draws at random what is given."""

    def read(batch: Batch, draw: Draw) -> MusicContext:
        condition = known(config, batch)
        if config.styles:
            condition["style"] = condition["style"].masked_fill(draw.uniform() < dropout, len(config.styles))
        mask = random_mask(config, draw)
        return condition | {"mask": mask, "given": given(rolls(batch), mask)}

    return read


def known(config: NetworkConfig, batch: Batch) -> MusicContext:
    """What is known of windows as loaded beside their notes."""
    condition = {name: batch[name] for name in ("mode", "metre", "first", "last")}
    return condition | {"style": batch["label"]} if config.styles else condition


def empty_condition(config: NetworkConfig, batch: Batch) -> MusicContext:
    """The conditions of windows as loaded, with nothing of them given."""
    n, *shape = batch["pitch"].shape  # T, S, P
    return known(config, batch) | {"mask": torch.zeros(n, *shape[:2]), "given": torch.zeros(n, 2, *shape)}


def random_mask(config: NetworkConfig, draw: Draw) -> Tensor:
    """What is given, float (N, T, S), for one job a row: compose (nothing), harmonise (voices), infill (bars), rewrite.

    At least one voice, or bar, is always left to be written; which are given is otherwise a coin's toss for each. To
    rewrite is to be given any share of the bars of single voices.
    """
    tracks, bars = len(config.tracks), config.bars
    job = rearrange(draw.uniform(), "n -> n 1 1")
    voices = repeat(_some(draw, tracks), "n tracks -> n tracks bars", bars=bars)
    whole = repeat(_some(draw, bars), "n bars -> n tracks bars", tracks=tracks)
    single = rearrange(_some(draw, tracks * bars, draw.uniform(1)), "n (tracks bars) -> n tracks bars", bars=bars)
    harmonise = job < HARMONISE if tracks > 1 else torch.zeros_like(job, dtype=torch.bool)
    chosen = torch.where(harmonise, voices, torch.where(job < INFILL, whole, single))
    mask = torch.where(job < COMPOSE, False, chosen).float()
    return repeat(mask, "n tracks bars -> n tracks (bars steps)", steps=config.bar_steps)


def given(roll: Tensor, mask: Tensor) -> Tensor:
    """The given part of a roll (N, 2, T, S, P), of any type, by a mask (N, T, S) of zeros and ones."""
    place = mask[:, None, :, :, None]
    return roll & place.bool() if roll.dtype == torch.bool else roll * place


def rolls(batch: Batch) -> Tensor:
    """A batch as loaded -> rolls, float (N, 2, T, S, P) of zeros and ones."""
    return torch.stack([batch["pitch"], batch["onset"]], 1).float()


def _some(draw: Draw, count: int, share: float | Tensor = 0.5) -> Tensor:
    """Toss a coin for each of `count` things, bool (N, count), heads with probability `share`, but never all heads."""
    tosses = draw.uniform(count)
    return (tosses < share) & (tosses != tosses.max(1, keepdim=True).values)
