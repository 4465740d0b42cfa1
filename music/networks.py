"""Generator and critic of music: convolutions over time on piano rolls, in which some voices or bars may be given.

A roll is float (N, 2, T, S, P): what sounds and where notes begin, of T tracks, at S = bars * bar_steps steps, at P
pitches. Bars shorter than `bar_steps` are filled up with silence at their end, so every bar begins at a multiple of it.
A condition is a dict of tensors (see `MusicCondition`), with the given part of the roll and the mask of what is given.
"""

from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.cgan import ProjectionHead
from common.game import Batch, Draw
from common.networks import FeatureModulation, MinibatchDeviation
from music.score import TrackSpec
from music.theory import METRES

PATCH = 2  # steps that the networks take as one: an eighth
HALVINGS = 2  # of the patches, down to the narrow end; so `bar_steps` is a multiple of 8
COMPOSE, HARMONISE, INFILL = 0.25, 0.5, 0.65  # below these: nothing is given, voices, bars; above: bars of voices
Condition = dict[str, Tensor]


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that generator and critic are built from; it travels in a weights folder."""

    tracks: tuple[TrackSpec, ...]
    low: int  # lowest and highest pitch of the rolls, both included
    high: int
    bars: int
    bar_steps: int  # steps of the longest bar, a multiple of 8
    metres: tuple[str, ...]
    styles: tuple[str, ...]  # () if there are none
    width: int  # channels
    latent: int  # length of the latent vector of the piece
    bar_latent: int  # and of each bar

    @property
    def pitches(self) -> int:
        """Rows of a roll."""
        return self.high - self.low + 1

    @property
    def steps(self) -> int:
        """Steps of a roll."""
        return self.bars * self.bar_steps

    @property
    def latents(self) -> int:
        """Length of all latent vectors together."""
        return self.latent + self.bars * self.bar_latent

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "NetworkConfig":
        """Undo `as_json`.

        Raises:
            KeyError, TypeError: values are missing or unknown.
        """
        tracks = tuple(TrackSpec(**track) for track in values["tracks"])
        return cls(**values | {"tracks": tracks, "metres": tuple(values["metres"]), "styles": tuple(values["styles"])})


# ---- conditions ------------------------------------------------------------------------------------------------------


def valid_steps(config: NetworkConfig) -> Tensor:
    """Which steps belong to a bar, and which only fill it up: bool (metres, S)."""
    inside = torch.arange(config.steps) % config.bar_steps
    return torch.stack([inside < METRES[metre] for metre in config.metres])


def steps_before(config: NetworkConfig) -> Tensor:
    """The step that sounds before each step, over the filling of a short bar: int64 (metres, S); of the first, 0."""
    step = torch.arange(config.steps)
    rows = []
    for metre in config.metres:
        gap = torch.where(step % config.bar_steps == 0, config.bar_steps - METRES[metre], 0)
        rows.append((step - 1 - gap).clamp(min=0))
    return torch.stack(rows)


def read_condition(config: NetworkConfig, dropout: float) -> Any:
    """A function (batch, draw) -> condition that hides styles, and draws at random what is given."""

    def read(batch: Batch, draw: Draw) -> Condition:
        condition = {name: batch[name] for name in ("mode", "metre", "first", "last")}
        if config.styles:
            condition["style"] = batch["label"].masked_fill(draw.uniform() < dropout, len(config.styles))
        mask = random_mask(config, draw)
        return condition | {"mask": mask, "given": given(rolls(batch), mask)}

    return read


def random_mask(config: NetworkConfig, draw: Draw) -> Tensor:
    """What is given, float (N, T, S), for one job a row: compose (nothing), harmonise (voices), infill (bars), rewrite.

    At least one voice, or bar, is always left to be written; which are given is otherwise a coin's toss for each. To
    rewrite is to be given any share of the bars of single voices.
    """
    tracks, bars = len(config.tracks), config.bars
    job = draw.uniform().view(-1, 1, 1)
    voices = _some(draw, tracks).unsqueeze(2).expand(-1, -1, bars)
    whole = _some(draw, bars).unsqueeze(1).expand(-1, tracks, -1)
    single = _some(draw, tracks * bars, draw.uniform(1)).view(-1, tracks, bars)
    harmonise = job < HARMONISE if tracks > 1 else torch.zeros_like(job, dtype=torch.bool)
    chosen = torch.where(harmonise, voices, torch.where(job < INFILL, whole, single))
    return torch.where(job < COMPOSE, False, chosen).float().repeat_interleave(config.bar_steps, 2)


def given(roll: Tensor, mask: Tensor) -> Tensor:
    """The given part of a roll (N, 2, T, S, P) by a mask (N, T, S)."""
    return roll * mask[:, None, :, :, None]


def rolls(batch: Batch) -> Tensor:
    """A batch as loaded -> rolls, float (N, 2, T, S, P) of zeros and ones."""
    return torch.stack([batch["pitch"], batch["onset"]], 1).float()


def _some(draw: Draw, count: int, share: float | Tensor = 0.5) -> Tensor:
    """Toss a coin for each of `count` things, bool (N, count), heads with probability `share`, but never all heads."""
    tosses = draw.uniform(count)
    return (tosses < share) & (tosses != tosses.max(1, keepdim=True).values)


class MusicCondition(nn.Module):
    """Embeds mode, metre, style and the place in the piece.

    Of a condition it reads "mode", "metre", "first" and "last" (begins, ends the piece), int64 (N,), and with styles
    "style", where the index `len(styles)` means "any".
    """

    def __init__(self, config: NetworkConfig, width: int):
        super().__init__()
        sizes = {"mode": 2, "metre": len(config.metres), "first": 2, "last": 2}
        if config.styles:
            sizes["style"] = len(config.styles) + 1
        self.tables = nn.ModuleDict({name: nn.Embedding(size, width) for name, size in sizes.items()})

    def forward(self, condition: Condition) -> Tensor:
        """Embeddings, (N, width)."""
        return torch.stack([table(condition[name]) for name, table in self.tables.items()]).sum(0)


# ---- blocks ----------------------------------------------------------------------------------------------------------


class TimeBlock(nn.Module):
    """x + f(x), f two convolutions over time and zero at the start, modulated by a style vector if it has one."""

    def __init__(self, channels: int, style: int = 0, kernel: int = 5):
        super().__init__()
        self.first = nn.Conv1d(channels, channels, kernel, padding=kernel // 2)
        self.second = nn.Conv1d(channels, channels, kernel, padding=kernel // 2)
        self.modulation = FeatureModulation(style, channels) if style else None
        nn.init.kaiming_normal_(self.first.weight, a=0.2)
        for parameter in (self.first.bias, self.second.weight, self.second.bias):
            assert parameter is not None
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, style: Tensor | None = None) -> Tensor:
        """x (N, C, S), style (N, style) -> (N, C, S)."""
        h = self.first(F.leaky_relu(x, 0.2))
        if self.modulation is not None and style is not None:
            h = self.modulation(h.unsqueeze(3), style).squeeze(3)
        return x + self.second(F.leaky_relu(h, 0.2))


class RollFeatures(nn.Module):
    """What a network sees of each patch of a roll, mixed to C channels, with a learned mark for the place in the bar.

    Beside pitches and onsets it sees the pitch classes of each track and, for each pair of pitched tracks, the interval
    classes between them as a patch begins: parallel fifths are then two equal intervals in a row, and no longer a
    matter of counting.
    """

    fold: Tensor
    intervals: Tensor

    def __init__(self, config: NetworkConfig, channels: int):
        super().__init__()
        tracks = range(len(config.tracks))
        pitched = [track for track in tracks if config.tracks[track].kind != "drums"]
        self.pairs = list(combinations(pitched, 2))
        pitch_class = torch.arange(config.low, config.high + 1) % 12
        self.register_buffer("fold", F.one_hot(pitch_class, 12).float(), persistent=False)  # (P, 12)
        upper, lower = torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij")
        interval = ((upper - lower) % 12).flatten()
        self.register_buffer("intervals", F.one_hot(interval, 12).float(), persistent=False)  # (144, 12)
        seen = len(config.tracks) * (2 * config.pitches + 12 + 1)
        self.mix = nn.Conv1d(seen, channels, PATCH, stride=PATCH)
        self.mix_intervals = nn.Conv1d(12 * len(self.pairs), channels, 1, bias=False) if self.pairs else None
        self.place = nn.Parameter(torch.zeros(channels, config.bar_steps // PATCH))
        self.bars = config.bars

    def forward(self, roll: Tensor, mask: Tensor) -> Tensor:
        """Rolls (N, 2, T, S, P) and masks (N, T, S) -> (N, C, S / PATCH)."""
        n, steps = roll.shape[0], roll.shape[3]
        chroma = (roll[:, 0] @ self.fold).clamp(max=1)  # (N, T, S, 12)
        notes = roll.permute(0, 1, 2, 4, 3).reshape(n, -1, steps)
        seen = torch.cat([notes, chroma.transpose(2, 3).reshape(n, -1, steps), mask], 1)
        x = self.mix(seen) + self.place.repeat(1, self.bars)
        if self.mix_intervals is not None:
            upper, lower = (chroma[:, list(side), ::PATCH] for side in zip(*self.pairs, strict=True))
            both = (upper.unsqueeze(4) * lower.unsqueeze(3)).flatten(3)  # (N, pairs, S / PATCH, 144)
            intervals = (both @ self.intervals).transpose(2, 3).flatten(1, 2)  # (N, pairs * 12, S / PATCH)
            x = x + self.mix_intervals(intervals)
        return x


# ---- the networks ----------------------------------------------------------------------------------------------------


class Composer(nn.Module):
    """The generator: latents and a condition to a roll in which what is given stands unchanged.

    A U-Net reads the given part; its narrow end joins the latents of the bars, and a style vector, made of the shared
    latent and the condition, modulates every block on the way back. Notes are chosen straight through: the roll is
    exactly of zeros and ones, and gradients pass as if it were the probabilities (Bengio et al. 2013).
    """

    valid: Tensor
    before: Tensor
    reach: Tensor

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        width, style = config.width, 2 * config.latent
        self.condition = MusicCondition(config, config.latent)
        self.style = nn.Sequential(
            nn.Linear(2 * config.latent, style), nn.LeakyReLU(0.2), nn.Linear(style, style), nn.LeakyReLU(0.2)
        )
        self.features = RollFeatures(config, width)
        self.down = nn.ModuleList(TimeBlock(width) for _ in range(HALVINGS + 1))
        narrow = config.bar_steps // PATCH >> HALVINGS
        self.start = nn.Linear(style + config.bar_latent, width * narrow)
        self.middle = nn.ModuleList(TimeBlock(width, style) for _ in range(2))
        self.up = nn.ModuleList(TimeBlock(width, style) for _ in range(HALVINGS + 1))
        self.splits = [_outputs(track.kind, config.pitches) for track in config.tracks]
        self.narrow = nn.Conv1d(width, width // 2, 1)  # the last block works at single steps, so with fewer channels
        self.fine = TimeBlock(width // 2, style)
        self.last = nn.Conv1d(width // 2, sum(map(sum, self.splits)), 1)
        self.register_buffer("valid", valid_steps(config), persistent=False)
        self.register_buffer("before", steps_before(config), persistent=False)
        pitch = torch.arange(config.low, config.high + 1)
        reach = torch.stack([(pitch >= track.low) & (pitch <= track.high) for track in config.tracks])
        self.register_buffer("reach", reach, persistent=False)  # (T, P)

    def forward(self, z: Tensor, condition: Condition) -> Tensor:
        """z (N, latents) and condition -> rolls (N, 2, T, S, P)."""
        return self._compose(self._outputs(z, condition), condition)

    def surprise(self, z: Tensor, condition: Condition, roll: Tensor) -> Tensor:
        """Negative log-likelihood, nats a step, of `roll` (N, 2, T, S, P) where something is to be written; a scalar.

        The mean over rows, so that slices of a batch average to the whole. A row of which nothing is given counts as
        0: the network is free in what it composes.
        """
        valid, before = self.valid[condition["metre"]], self.before[condition["metre"]]  # (N, S)
        parts = self._outputs(z, condition).float().split([sum(split) for split in self.splits], 2)
        nats = []
        for track, split, part, own in zip(self.config.tracks, self.splits, parts, roll.unbind(2), strict=True):
            pitch, onset = own.unbind(1)  # (N, S, P)
            notes, begins = part.split(split, 2) if len(split) == 2 else (part, None)
            nats.append(_note_nats(track.kind, notes, pitch))
            if begins is not None:
                nats[-1] = nats[-1] + _onset_nats(begins, pitch, onset, before)
        counted = (1 - condition["mask"]) * condition["mask"].amax((1, 2), keepdim=True) * valid.unsqueeze(1)
        return ((torch.stack(nats, 1) * counted).sum((1, 2)) / counted.sum((1, 2)).clamp(min=1)).mean()

    def _outputs(self, z: Tensor, condition: Condition) -> Tensor:
        """What is to be read as notes and onsets, (N, S, all splits)."""
        config = self.config
        shared, bars = z.split([config.latent, config.bars * config.bar_latent], 1)
        style = self.style(torch.cat([shared, self.condition(condition)], 1))
        x = self.features(condition["given"], condition["mask"])
        skips = []
        for level, block in enumerate(self.down):
            x = block(F.avg_pool1d(x, 2) if level else x)
            skips.append(x)
        bar = torch.cat([bars.view(len(z), config.bars, -1), style.unsqueeze(1).expand(-1, config.bars, -1)], 2)
        start = self.start(bar).view(len(z), config.bars, config.width, -1).transpose(1, 2).flatten(2)  # (N, C, S / 8)
        x = skips.pop() + start
        for block in self.middle:
            x = block(x, style)
        for level, block in enumerate(self.up):
            x = block(F.interpolate(x, scale_factor=2.0) + skips.pop() if level else x, style)
        x = self.fine(self.narrow(x).repeat_interleave(PATCH, 2), style)  # both steps of a patch start alike: held
        return self.last(F.leaky_relu(x, 0.2)).transpose(1, 2)

    def _compose(self, outputs: Tensor, condition: Condition) -> Tensor:
        """From outputs (N, S, all splits) to rolls with what is given put in."""
        valid, before = self.valid[condition["metre"]], self.before[condition["metre"]]  # (N, S)
        tracks = []
        parts = outputs.float().split([sum(split) for split in self.splits], 2)
        given, left = condition["given"].unbind(2), (1 - condition["mask"]).unsqueeze(3).unbind(1)
        for track, split, part, reach, known, free in zip(
            self.config.tracks, self.splits, parts, self.reach, given, left, strict=True
        ):
            notes, begins = part.split(split, 2) if len(split) == 2 else (part, None)
            pitch = (_one_of if track.kind == "mono" else _any_of)(notes, reach) * valid.unsqueeze(2)
            pitch = known[:, 0] + pitch * free  # so that onsets follow from what sounds before, given or written
            onset = pitch if begins is None else _onsets(pitch, begins, before)
            tracks.append(torch.stack([pitch, known[:, 1] + onset * free], 1))
        return torch.stack(tracks, 2)


def _outputs(kind: str, pitches: int) -> list[int]:
    """How many outputs a track has at a step: for its pitches (one more for a mono track's rest) and its onsets."""
    return {"mono": [pitches + 1, 1], "poly": [pitches, pitches], "drums": [pitches]}[kind]


def _note_nats(kind: str, logits: Tensor, pitch: Tensor) -> Tensor:
    """-log p of what sounds, (N, S), by logits (N, S, P + 1 of a mono track, else P) of pitches (N, S, P)."""
    if kind == "mono":
        target = torch.where(pitch.amax(2) > 0, pitch.argmax(2) + 1, 0)
        return F.cross_entropy(logits.transpose(1, 2), target, reduction="none")
    return F.binary_cross_entropy_with_logits(logits, pitch, reduction="none").sum(2)


def _onset_nats(begins: Tensor, pitch: Tensor, onset: Tensor, before: Tensor) -> Tensor:
    """-log p of being struck again or held, (N, S), where a pitch already sounded; arguments as of `_onsets`."""
    previous = pitch.gather(1, before.unsqueeze(2).expand_as(pitch))
    open_question = pitch * previous * (torch.arange(pitch.shape[1], device=pitch.device) > 0)[:, None]
    nats = F.binary_cross_entropy_with_logits(begins.expand_as(onset), onset, reduction="none")
    return (nats * open_question).sum(2)


def _one_of(logits: Tensor, reach: Tensor) -> Tensor:
    """One pitch or a rest at each step: logits (N, S, P + 1), the rest first -> (N, S, P), straight through."""
    allowed = F.pad(reach, (1, 0), value=True)
    soft = logits.masked_fill(~allowed, -torch.inf).softmax(2)
    hard = F.one_hot(soft.argmax(2), soft.shape[2]).to(soft.dtype)
    return (hard - soft.detach() + soft)[..., 1:]


def _any_of(logits: Tensor, reach: Tensor) -> Tensor:
    """Any number of pitches at each step: logits (N, S, P) -> (N, S, P), straight through."""
    soft = logits.sigmoid() * reach
    return (soft > 0.5).to(soft.dtype) - soft.detach() + soft


def _onsets(pitch: Tensor, begins: Tensor, before: Tensor) -> Tensor:
    """Where notes begin: where a pitch did not sound before, or where `begins` says that it is struck again.

    What sounds at the first step begins there, as in the windows that are learned from.

    Args:
        pitch: (N, S, P) of zeros and ones.
        begins: logits (N, S, 1 or P).
        before: the step before each, (N, S).
    """
    soft = begins.sigmoid()
    again = (soft > 0.5).to(soft.dtype) - soft.detach() + soft
    previous = pitch.gather(1, before.unsqueeze(2).expand_as(pitch))
    previous = torch.cat([torch.zeros_like(previous[:, :1]), previous[:, 1:]], 1)
    return pitch * (1 - previous * (1 - again))


class MusicCritic(nn.Module):
    """Judges a roll and what of it was given: time blocks, the minibatch deviation, and a projection head."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        width = config.width
        self.features = RollFeatures(config, width)
        self.blocks = nn.ModuleList(TimeBlock(width) for _ in range(HALVINGS + 2))
        self.deviation = MinibatchDeviation()
        narrow = config.steps // PATCH >> HALVINGS
        self.last = nn.Sequential(nn.Flatten(), nn.Linear((width + 1) * narrow, 2 * width), nn.LeakyReLU(0.2))
        self.head = ProjectionHead(2 * width, MusicCondition(config, 2 * width))

    def forward(self, roll: Tensor, condition: Condition) -> Tensor:
        """Rolls (N, 2, T, S, P) and condition -> logits (N,)."""
        x = self.features(roll, condition["mask"])
        for level, block in enumerate(self.blocks):
            x = block(F.avg_pool1d(x, 2) if 0 < level <= HALVINGS else x)
        x = self.deviation(F.leaky_relu(x, 0.2).unsqueeze(3))
        return self.head(self.last(x), condition)
