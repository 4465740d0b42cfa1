"""From a network's logits to notes: what is chosen straight through, and what a given roll costs."""

from dataclasses import dataclass

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

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.splits = [_outputs(track.kind, config.pitches) for track in config.tracks]
        self.size = sum(map(sum, self.splits))
        kinds = [track.kind for track in config.tracks]
        self.drawn = [2 if kind == "mono" else sum(split) for kind, split in zip(kinds, self.splits, strict=True)]
        pitch = torch.arange(config.low, config.high + 1)
        reach = torch.stack([(pitch >= track.low) & (pitch <= track.high) for track in config.tracks])  # (T, P)
        tables = {"valid": valid_steps(config), "before": steps_before(config), "reach": reach}
        tables |= {"fold": F.one_hot(pitch % 12, 12).float()}
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

    def draw(self, outputs: Tensor, condition: MusicContext, temperature: float, noise: Tensor) -> Tensor:
        """Rolls, bool (K, N, 2, T, S, P), drawn K times from outputs (N, S, size): as `compose` reads them.

        Whether a note begins is drawn at a temperature of 1: it seldom does within a patch, and at a lower one next to
        never would.

        Args:
            temperature: at which pitches are drawn; 0 takes the likeliest.
            noise: of `noise`, for K * N rolls, those of the first draw first.
        """
        valid, before = self.valid[condition["metre"]], self.before[condition["metre"]]  # (N, S)
        parts = outputs.float().split([sum(split) for split in self.splits], 2)
        drawn = rearrange(noise, "(k n) steps size -> k n steps size", n=len(outputs)).split(self.drawn, 3)
        known, masks = condition["given"].bool(), condition["mask"].bool()
        rolls = known.new_zeros(len(drawn[0]), *known.shape)
        for index, (track, split) in enumerate(zip(self.config.tracks, self.splits, strict=True)):
            own = _Track(split, self.reach[index], valid, before, self.config.patch, temperature)
            write = own.write_line if track.kind == "mono" else own.write_notes
            write(rolls[:, :, :, index], parts[index], drawn[index], known[:, 0, index], masks[:, index])
        return rolls.logical_or_(known)

    def noise(self, count: int, generator: torch.Generator) -> Tensor:
        """What `count` rolls are drawn with, uniform in (0, 1], on the CPU: a generator means the same anywhere."""
        return 1 - torch.rand(count, self.config.steps, sum(self.drawn), generator=generator)

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


# ---- draws -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Track:
    """How the outputs of a track are read as notes that are drawn, without gradients.

    Attributes:
        split: how many outputs are of pitches, and of onsets.
        reach: the pitches that it has, bool (P,).
        valid, before: of each step, whether it is of a bar, and the one before it, (N, S).
    """

    split: list[int]
    reach: Tensor
    valid: Tensor
    before: Tensor
    patch: int
    temperature: float

    def write_line(self, rolls: Tensor, outputs: Tensor, noise: Tensor, known: Tensor, mask: Tensor) -> None:
        """Write one pitch or a rest at each step into empty rolls, bool (K, N, 2, S, P), but for what is given.

        Args:
            outputs: (N, S, P + 2).
            noise: (K, N, S, 2).
            known, mask: what is given, bool (N, S, P), and where, bool (N, S).
        """
        logits, begins = outputs.split(self.split, 2)
        logits = logits.masked_fill(~F.pad(self.reach, (1, 0), value=True), -torch.inf)
        note = _one_drawn(logits, self.temperature, noise[..., 0]) * self.valid  # (K, N, S), 0 a rest
        again = noise[..., 1] < begins[..., 0].sigmoid()
        note = _held_on(note, again, self.patch)
        place = known.byte().argmax(2, keepdim=True)
        stands = ((place + 1) * known.gather(2, place)).squeeze(2)
        earlier = torch.where(mask, stands, note).gather(2, self.before.expand_as(note))
        earlier[..., 0] = 0
        begins = again | (note != earlier)
        sounds = (note > 0) & ~mask  # a rest would be before the first pitch
        sounding, struck = rolls.unbind(2)
        sounding.scatter_(3, (note - 1).clamp(min=0)[..., None], sounds[..., None])
        struck.scatter_(3, (note - 1).clamp(min=0)[..., None], (sounds & begins)[..., None])

    def write_notes(self, rolls: Tensor, outputs: Tensor, noise: Tensor, known: Tensor, mask: Tensor) -> None:
        """Likewise any pitches at each step, for noise (K, N, S, size) and outputs (N, S, size)."""
        logits, *onsets = outputs.split(self.split, 2)
        chance, *others = noise.split(self.split, 3)
        scaled = logits / self.temperature if self.temperature else logits.sign() * torch.inf
        pitch = (chance < scaled.sigmoid()) & self.reach & self.valid[..., None]
        again = [share < own.sigmoid() for share, own in zip(others, onsets, strict=True)]
        if again:
            pitch = _held_on(pitch, again[0], self.patch)
        pitch, onset = pitch & ~mask[..., None], pitch
        if again:
            earlier = (pitch | known).gather(2, self.before[..., None].expand_as(pitch))
            earlier[:, :, 0] = False
            onset = again[0] | ~earlier
        rolls[:, :, 0], rolls[:, :, 1] = pitch, pitch & onset


def _one_drawn(logits: Tensor, temperature: float, noise: Tensor) -> Tensor:
    """One of the outcomes at each step, of logits (N, S, M): int64 (K, N, S), for noise (K, N, S) in (0, 1]."""
    if temperature == 0:
        return logits.argmax(2).expand(noise.shape)
    below = (logits / temperature).softmax(2).cumsum(2)
    # Of a share of the last sum, which may be a little less than 1; what has no chance adds nothing, and is not found.
    place = rearrange(noise, "k n steps -> n steps k").contiguous() * below[..., -1:]
    return rearrange(torch.searchsorted(below, place), "n steps k -> k n steps")


def _held_on(notes: Tensor, begins: Tensor, patch: int) -> Tensor:
    """As `_held`, for what is drawn: (K, N, S, ...), begins bool of that shape."""
    notes = notes.clone()
    for step in range(1, patch):
        own = notes[:, :, step::patch]
        notes[:, :, step::patch] = torch.where(begins[:, :, step::patch], own, notes[:, :, step - 1 :: patch])
    return notes
