"""From a network's logits to notes: what is chosen straight through, and what a given roll costs."""

from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from music.rolls import MusicContext, NetworkConfig, steps_before, valid_steps

# ---- from outputs to rolls -------------------------------------------------------------------------------------------


class NoteReadout(nn.Module):
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
    begins: Tensor

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.splits = [_outputs(track.kind, config.pitches) for track in config.tracks]
        self.size = sum(map(sum, self.splits))
        pitch = torch.arange(config.low, config.high + 1)
        reach = torch.stack([(pitch >= track.low) & (pitch <= track.high) for track in config.tracks])  # (T, P)
        tables = {"valid": valid_steps(config), "before": steps_before(config), "reach": reach}
        tables |= {"fold": F.one_hot(pitch % 12, 12).float()}
        outputs = [
            (track.kind, part)
            for track, split in zip(config.tracks, self.splits, strict=True)
            for part, size in enumerate(split)
            for _ in range(size)
        ]
        tables["choice"] = torch.tensor([output == ("mono", 0) for output in outputs])  # of one pitch among all
        tables["begins"] = torch.tensor([part == 1 for _, part in outputs])
        for name, table in tables.items():
            self.register_buffer(name, table, persistent=False)

    def compose(self, outputs: Tensor, condition: MusicContext) -> Tensor:
        """Make rolls (N, 2, T, S, P) of outputs (N, S, size), with what is given put in."""
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
                pitch = _held(pitch, again, self.config.patch)
            pitch = known[:, 0] + pitch * free  # so that onsets follow from what sounds before, given or written
            onset = pitch if again is None else _onsets(pitch, again, before)
            tracks.append(torch.stack([pitch, known[:, 1] + onset * free], 1))
        return torch.stack(tracks, 2)

    def shaken(self, outputs: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
        """Outputs (N, S, size) with noise, so that what `compose` takes for the likeliest is a draw at a temperature.

        Gumbel's noise does it for a choice of one, logistic noise for a yes or no (Maddison et al. 2017). Noise is
        drawn on the CPU, so that a generator means the same on every device. Whether a note begins is drawn at a
        temperature of 1: it seldom does within a patch, and at a lower one next to never would.
        """
        first, second = self.noise(outputs.shape, generator).to(outputs.device)
        scale = torch.where(self.begins, 1.0, temperature)
        return outputs.float() + scale * torch.where(self.choice, first, first - second)

    def noise(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Two draws of Gumbel's noise for outputs of a shape (N, S, size): (2, N, S, size)."""
        return -torch.empty(2, *shape).exponential_(generator=generator).log()

    def biased(self, outputs: Tensor, bias: Tensor) -> Tensor:
        """Outputs (N, S, size) with a bias (N, T, S, P) added to the logits of pitches of all tracks but drums."""
        parts = []
        for track, split, wanted in zip(self.config.tracks, self.splits, bias.unbind(1), strict=True):
            own = wanted if track.kind != "drums" else torch.zeros_like(wanted)
            parts.append(F.pad(own, (split[0] - own.shape[2], sum(split[1:]))))  # a mono track's rest is the first
        return outputs.float() + torch.cat(parts, 2)

    def nats(self, outputs: Tensor, condition: MusicContext, roll: Tensor) -> Tensor:
        """Negative log-likelihood of rolls (N, 2, T, S, P) in nats, (N, T, S); 0 in the filling of short bars."""
        valid, before = self.valid[condition["metre"]], self.before[condition["metre"]]  # (N, S)
        parts = outputs.float().split([sum(split) for split in self.splits], 2)
        nats = []
        for track, split, part, own in zip(self.config.tracks, self.splits, parts, roll.unbind(2), strict=True):
            pitch, onset = own.unbind(1)  # (N, S, P)
            notes, begins = part.split(split, 2) if len(split) == 2 else (part, None)
            nats.append(_nats(track.kind, notes, begins, pitch, onset, before, self.config.patch))
        return torch.stack(nats, 1) * valid.unsqueeze(1)

    def parallels(self, roll: Tensor, condition: MusicContext) -> Tensor:
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


def _nats(
    kind: str, notes: Tensor, begins: Tensor | None, pitch: Tensor, onset: Tensor, before: Tensor, patch: int
) -> Tensor:
    """-log p of what a track plays, (N, S).

    Args:
        notes: logits (N, S, P + 1) of a mono track, else (N, S, P).
        begins: logits (N, S, 1 or P) of a note that begins, as `_held` and `_onsets` use them; of drums, None.
        pitch, onset: (N, S, P) of zeros and ones.
        before: the step before each, (N, S).
        patch: steps a patch.
    """
    if kind == "mono":
        target = torch.where(pitch.amax(2) > 0, pitch.argmax(2) + 1, 0)
        logits = rearrange(notes, "n steps pitches -> n pitches steps")
        note = F.cross_entropy(logits, target, reduction="none")[..., None]  # (N, S, 1)
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
    return torch.where(step % patch == 0, on_patch, begin + note * changed).sum(2)


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


def _held(pitch: Tensor, begins: Tensor, patch: int) -> Tensor:
    """Hold within a patch what sounds as it begins, unless something new begins.

    Left to choose at every step by itself, a network breaks up notes where two choices are about as good.

    Args:
        pitch: (N, S, P).
        begins: (N, S, 1 or P) of zeros and ones.
        patch: steps a patch.
    """
    first, *others = rearrange(pitch, "n (patches steps) pitches -> steps n patches pitches", steps=patch)
    _, *changes = rearrange(begins, "n (patches steps) pitches -> steps n patches pitches", steps=patch)
    steps = [first]
    for own, new in zip(others, changes, strict=True):
        steps.append(steps[-1] * (1 - new) + own * new)
    return rearrange(torch.stack(steps, 2), "n patches steps pitches -> n (patches steps) pitches")


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
