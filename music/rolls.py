"""Piano rolls as networks take them: their shape, what of them is given, and how a network's outputs are read.

A roll is float (N, 2, T, S, P): what sounds and where notes begin, of T tracks, at S = bars * bar_steps steps, at P
pitches. Bars shorter than `bar_steps` are filled up with silence at their end, so every bar begins at a multiple of it.
A condition is a dict of tensors (see `music.networks.MusicCondition`), with the given part of the roll, "given", and
the mask (N, T, S) of what is given, "mask".
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.game import Batch
from common.randomness import Draw
from music.score import TrackSpec
from music.theory import METRES

PATCH = 2  # steps that the networks take as one: an eighth
COMPOSE, HARMONISE, INFILL = 0.25, 0.5, 0.65  # below these: nothing is given, voices, bars; above: bars of voices
Condition = dict[str, Tensor]


@dataclass(frozen=True)
class MusicSpec:
    """What a network must know of its music.

    Attributes:
        tracks: the voices or instruments, in the order of the rolls, with the pitches that occur.
        low, high: lowest and highest MIDI pitch of all tracks, both included.
        bars: whole bars a window.
        bar_steps: steps of the longest bar among the metres, rounded up to a multiple of 8, which networks can halve.
            Shorter bars end in silence, so that bar b of a window always begins at step b * bar_steps.
        metres: those that occur, by index.
        styles: their names, by label; () when the music is unlabelled.
    """

    tracks: tuple[TrackSpec, ...]
    low: int
    high: int
    bars: int
    bar_steps: int
    metres: tuple[str, ...]
    styles: tuple[str, ...]

    @property
    def steps(self) -> int:
        """Steps a window."""
        return self.bars * self.bar_steps

    @property
    def pitches(self) -> int:
        """Height of the rolls."""
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


# ---- what is given ---------------------------------------------------------------------------------------------------


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
        condition = known(config, batch)
        if config.styles:
            condition["style"] = condition["style"].masked_fill(draw.uniform() < dropout, len(config.styles))
        mask = random_mask(config, draw)
        return condition | {"mask": mask, "given": given(rolls(batch), mask)}

    return read


def known(config: NetworkConfig, batch: Batch) -> Condition:
    """What is known of windows as loaded beside their notes."""
    condition = {name: batch[name] for name in ("mode", "metre", "first", "last")}
    return condition | {"style": batch["label"]} if config.styles else condition


def empty_condition(config: NetworkConfig, batch: Batch) -> Condition:
    """The conditions of windows as loaded, with nothing of them given."""
    n, *shape = batch["pitch"].shape  # T, S, P
    return known(config, batch) | {"mask": torch.zeros(n, *shape[:2]), "given": torch.zeros(n, 2, *shape)}


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


# ---- from outputs to rolls -------------------------------------------------------------------------------------------


class Notation(nn.Module):
    """How a network's outputs (N, S, size) at every step are read as notes, and how likely they make given ones.

    Notes are chosen straight through: the roll is exactly of zeros and ones, and gradients pass as if it were the
    probabilities (Bengio et al. 2013).

    Attributes:
        size: outputs a step.
    """

    valid: Tensor
    before: Tensor
    reach: Tensor
    fold: Tensor
    choice: Tensor

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.splits = [_outputs(track.kind, config.pitches) for track in config.tracks]
        self.size = sum(map(sum, self.splits))
        pitch = torch.arange(config.low, config.high + 1)
        reach = torch.stack([(pitch >= track.low) & (pitch <= track.high) for track in config.tracks])  # (T, P)
        tables = {"valid": valid_steps(config), "before": steps_before(config), "reach": reach}
        tables |= {"fold": F.one_hot(pitch % 12, 12).float(), "choice": self._choice()}
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)

    def compose(self, outputs: Tensor, condition: Condition) -> Tensor:
        """From outputs (N, S, size) to rolls (N, 2, T, S, P), with what is given put in."""
        valid, before = self.valid[condition["metre"]], self.before[condition["metre"]]  # (N, S)
        tracks = []
        parts = outputs.float().split([sum(split) for split in self.splits], 2)
        given, left = condition["given"].unbind(2), (1 - condition["mask"]).unsqueeze(3).unbind(1)
        for track, split, part, reach, known, free in zip(
            self.config.tracks, self.splits, parts, self.reach, given, left, strict=True
        ):
            notes, begins = part.split(split, 2) if len(split) == 2 else (part, None)
            pitch, again = (_one_of if track.kind == "mono" else _any_of)(notes, reach) * valid.unsqueeze(2), None
            if begins is not None:
                soft = begins.sigmoid()
                again = (soft > 0.5).to(soft.dtype) - soft.detach() + soft
                pitch = _held(pitch, again)
            pitch = known[:, 0] + pitch * free  # so that onsets follow from what sounds before, given or written
            onset = pitch if again is None else _onsets(pitch, again, before)
            tracks.append(torch.stack([pitch, known[:, 1] + onset * free], 1))
        return torch.stack(tracks, 2)

    def shaken(self, outputs: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
        """Outputs (N, S, size) with noise, so that what `compose` takes for the likeliest is a draw at a temperature.

        Gumbel's noise does it for a choice of one, logistic noise for a yes or no (Maddison et al. 2017). Noise is
        drawn on the CPU, so that a generator means the same on every device.
        """
        noise = -torch.empty(2, *outputs.shape).exponential_(generator=generator).log()
        first, second = noise.to(outputs.device)
        return outputs.float() + temperature * torch.where(self.choice, first, first - second)

    def _choice(self) -> Tensor:
        """Which outputs are those of a choice of one: the pitches of mono tracks, bool (size,)."""
        kinds = [track.kind == "mono" for track in self.config.tracks]
        parts = [
            torch.full((size,), mono and part == 0)
            for mono, split in zip(kinds, self.splits, strict=True)
            for part, size in enumerate(split)
        ]
        return torch.cat(parts)

    def nats(self, outputs: Tensor, condition: Condition, roll: Tensor) -> Tensor:
        """Negative log-likelihood of rolls (N, 2, T, S, P) in nats, (N, T, S); 0 in the filling of short bars."""
        valid, before = self.valid[condition["metre"]], self.before[condition["metre"]]  # (N, S)
        parts = outputs.float().split([sum(split) for split in self.splits], 2)
        nats = []
        for track, split, part, own in zip(self.config.tracks, self.splits, parts, roll.unbind(2), strict=True):
            pitch, onset = own.unbind(1)  # (N, S, P)
            notes, begins = part.split(split, 2) if len(split) == 2 else (part, None)
            nats.append(_nats(track.kind, notes, begins, pitch, onset, before))
        return torch.stack(nats, 1) * valid.unsqueeze(1)

    def parallels(self, roll: Tensor, condition: Condition) -> Tensor:
        """Parallel fifths, octaves and unisons a bar between mono tracks of rolls (N, 2, T, S, P): (N,).

        As `music.metrics.parallels`, but it can be descended, takes tracks to be in order from the highest to the
        lowest, and also counts the step from one perfect interval to its like by contrary motion.
        """
        mono = [index for index, track in enumerate(self.config.tracks) if track.kind == "mono"]
        upper, lower = torch.triu_indices(len(mono), len(mono), 1).unbind()
        pitch = roll[:, 0, mono]  # (N, M, S, P)
        before = self.before[condition["metre"]][:, None, :, None]
        moved = 1 - (pitch * pitch.gather(2, before.expand_as(pitch))).sum(3)  # (N, M, S)
        chroma = pitch @ self.fold  # (N, M, S, 12)
        count = roll.new_zeros(len(roll))
        for semitones in (0, 7):
            perfect = (chroma[:, upper] * chroma[:, lower].roll(semitones, 3)).sum(3)  # (N, pairs, S)
            again = perfect * perfect.gather(2, before[..., 0].expand_as(perfect))
            count = count + (again * moved[:, upper] * moved[:, lower]).sum((1, 2))
        return count / self.config.bars


def _outputs(kind: str, pitches: int) -> list[int]:
    """How many outputs a track has at a step: for its pitches (one more for a mono track's rest) and its onsets."""
    return {"mono": [pitches + 1, 1], "poly": [pitches, pitches], "drums": [pitches]}[kind]


def _nats(kind: str, notes: Tensor, begins: Tensor | None, pitch: Tensor, onset: Tensor, before: Tensor) -> Tensor:
    """-log p of what a track plays, (N, S).

    Args:
        notes: logits (N, S, P + 1) of a mono track, else (N, S, P).
        begins: logits (N, S, 1 or P) of a note that begins, as `_held` and `_onsets` use them; of drums, None.
        pitch, onset: (N, S, P) of zeros and ones.
        before: the step before each, (N, S).
    """
    if kind == "mono":
        target = torch.where(pitch.amax(2) > 0, pitch.argmax(2) + 1, 0)
        note = F.cross_entropy(notes.transpose(1, 2), target, reduction="none").unsqueeze(2)  # (N, S, 1)
    else:
        note = F.binary_cross_entropy_with_logits(notes, pitch, reduction="none")
    if begins is None:
        return note.sum(2)
    previous = pitch.gather(1, before.unsqueeze(2).expand_as(pitch))
    changed, held = torch.maximum(onset, (pitch - previous).abs()), pitch * previous
    if kind == "mono":
        changed, held = changed.amax(2, keepdim=True), held.amax(2, keepdim=True)
    begin = F.binary_cross_entropy_with_logits(begins, changed, reduction="none")
    step = torch.arange(pitch.shape[1], device=pitch.device).view(-1, 1)
    on_patch = note + begin * held * (step > 0)  # a new pitch begins by itself
    return torch.where(step % PATCH == 0, on_patch, begin + note * changed).sum(2)


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


def _held(pitch: Tensor, begins: Tensor) -> Tensor:
    """Hold within a patch what sounds as it begins, unless something new begins.

    Left to choose at every step by itself, a network breaks up notes where two choices are about as good.

    Args:
        pitch: (N, S, P).
        begins: (N, S, 1 or P) of zeros and ones.
    """
    first, *others = pitch.unflatten(1, (-1, PATCH)).unbind(2)
    _, *changes = begins.unflatten(1, (-1, PATCH)).unbind(2)
    steps = [first]
    for own, new in zip(others, changes, strict=True):
        steps.append(steps[-1] * (1 - new) + own * new)
    return torch.stack(steps, 2).flatten(1, 2)


def _onsets(pitch: Tensor, begins: Tensor, before: Tensor) -> Tensor:
    """Where notes begin: where a pitch did not sound before, or where `begins` says that it is struck again.

    What sounds at the first step begins there, as in the windows that are learned from.

    Args:
        pitch: (N, S, P) of zeros and ones.
        begins: likewise, (N, S, 1 or P).
        before: the step before each, (N, S).
    """
    previous = pitch.gather(1, before.unsqueeze(2).expand_as(pitch))
    previous = torch.cat([torch.zeros_like(previous[:, :1]), previous[:, 1:]], 1)
    return pitch * (1 - previous * (1 - begins))
