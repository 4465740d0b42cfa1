"""What `music.sound.evaluate` measures: made sounds against held-out ones, each figure beside what real sounds give.

The real-against-real floor is N training sounds in the made ones' place, against the same N held-out ones.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from common.evaluation.metrics import (
    diversity,
    frechet_distance,
    label_accuracy,
    memorisation,
    nearest,
    neighbourhoods,
)
from common.evaluation.report import ClassCount, Metric
from music.sound.config import RATE
from music.sound.data.loading import SoundData
from music.sound.judge import CHUNK, Judge
from music.sound.models import SoundModel
from music.sound.pitch import in_tune
from music.sound.spectrograms import to_float

K = 5  # neighbours
PAIRS, SHARES = 100, (0.0, 0.25, 0.5, 0.75, 1.0)  # of instruments, and of the second of two in a mixture
LOUD = 85  # velocity of mixtures
STEP_MS = 4  # milliseconds of a window of an envelope
STEP = RATE * STEP_MS // 1000
ENOUGH = 6 * K  # held-out sounds below which made ones are held against training sounds


@dataclass(frozen=True)
class Material:
    """Made and real sounds, float (N, samples), and features (N, D).

    Attributes:
        made, real: of the same notes, the real ones held out.
        notes: "pitch" and "velocity" and, of classes, "label" of both, (N,) each.
        made_features, real_features: theirs.
        train_features: of all training sounds, (M, D).
        floor: N training sounds by their row, (N,).
    """

    made: Tensor
    real: Tensor
    notes: dict[str, Tensor]
    made_features: Tensor
    real_features: Tensor
    train_features: Tensor
    floor: Tensor

    def __len__(self) -> int:
        return len(self.made)


def gather(model: SoundModel, data: SoundData, judge: Judge, n: int, seed: int) -> Material:
    """Choose held-out sounds, `n` or as many as there are, and make as many of the same notes."""
    generator = torch.Generator().manual_seed(seed)
    n = min(n, len(data.test), len(data.train))
    notes = data.test.gather(torch.randperm(len(data.test), generator=generator)[:n])
    real = to_float(notes.pop("wave"))
    made = model.sample(notes, seed)
    return Material(
        made,
        real,
        notes,
        judge.features(made.split(CHUNK)),
        judge.features(real.split(CHUNK)),
        judge.features(data.train.tensors["wave"].split(CHUNK)),
        torch.randperm(len(data.train), generator=generator)[:n],
    )


def quality(material: Material) -> list[Metric]:
    """Distance, neighbourhoods and diversity."""
    real, made, n = material.real_features, material.made_features, len(material)
    twin = material.train_features[material.floor]
    found, floor = neighbourhoods(real, made, K), neighbourhoods(real, twin, K)
    shares = [
        Metric(name, getattr(found, name), getattr(floor, name), "higher", n)
        for name in ("precision", "recall", "density", "coverage")
    ]
    distance = Metric("Fréchet distance", frechet_distance(real, made), frechet_distance(real, twin), "lower", n)
    return [distance, *shares, Metric("diversity", diversity(made), diversity(real), "as real", n)]


def memory(material: Material) -> list[Metric]:
    """How much nearer made sounds lie to their nearest training sounds than held-out ones do."""
    found = memorisation(material.train_features, material.real_features, material.made_features)
    n = len(material)
    return [
        Metric("distance to training, over held-out's", found.ratio, 1.0, "as real", n),
        Metric("nearer than nearest 5 % held-out", found.nearer_5, 0.05, "as real", n),
    ]


def closest(material: Material, count: int) -> tuple[Tensor, Tensor]:
    """The made sounds that are nearest to a training sound: their rows and those training rows, each (count,)."""
    distances, indices = nearest(material.made_features, material.train_features)
    rows = distances.argsort()[:count]
    return rows, indices[rows]


def tuning(material: Material) -> list[Metric]:
    """Pitches by an estimator that is right as often as the second column says."""
    pitch, n = material.notes["pitch"], len(material)
    shares = [in_tune(sounds, pitch).float().mean().item() for sounds in (material.made, material.real)]
    return [Metric("pitch within 50 cents", shares[0], shares[1], "higher", n)]


def timing(material: Material) -> list[Metric]:
    """How fast sounds begin and die away, as medians, and how often made ones do as the real ones of the same notes."""
    made, real, n = envelope(material.made), envelope(material.real), len(material)
    figures = []
    for name, times in (("attack", attack), ("decay", decay)):
        ours, theirs = times(made), times(real)
        figures.append(Metric(f"{name}, ms", ours.median().item(), theirs.median().item(), "as real", n))
        alike = ((ours / theirs).log2().abs() <= 1).float().mean().item()
        figures.append(Metric(f"{name} within a factor of two of the note's", alike, 1.0, "higher", n))
    return figures


def envelope(sounds: Tensor) -> Tensor:
    """The root mean square of sounds (N, samples) in windows of `STEP_MS`, as a share of the largest, (N, windows)."""
    levels = sounds.unfold(1, STEP, STEP).square().mean(2).sqrt()
    return levels / levels.amax(1, keepdim=True).clamp(min=1e-9)


def attack(levels: Tensor) -> Tensor:
    """Milliseconds of envelopes (N, windows) from a tenth of the largest to nine tenths of it, at least one window."""
    low, high = ((levels >= share).float().argmax(1) for share in (0.1, 0.9))
    return STEP_MS * (high - low).clamp(min=1)


def decay(levels: Tensor) -> Tensor:
    """Milliseconds from nine tenths of the largest to the last window within 20 dB of it, at least one window."""
    last = levels.shape[1] - 1 - (levels >= 0.1).flip(1).float().argmax(1)
    return STEP_MS * (last - (levels >= 0.9).float().argmax(1)).clamp(min=1)


def instruments(material: Material, data: SoundData, judge: Judge) -> tuple[list[Metric], list[ClassCount]]:
    """Which classes and families the made sounds are of, beside the held-out ones."""
    wanted, n = material.notes["label"], len(material)
    got, real = (
        judge.labels(features, data, material.train_features)
        for features in (material.made_features, material.real_features)
    )
    figures = [Metric("instrument", label_accuracy(got, wanted), label_accuracy(real, wanted), "higher", n)]
    if data.families:
        number = {name: index for index, name in enumerate(dict.fromkeys(data.families))}
        family = torch.tensor([number[name] for name in data.families])
        shares = [label_accuracy(family[labels], family[wanted]) for labels in (got, real)]
        figures.append(Metric("family", shares[0], shares[1], "higher", n))
    counts = [
        ClassCount(name, asked, _count(got == label), _count((got == label) & is_it), asked, _count(real == label))
        for label, name in enumerate(data.classes)
        for is_it in [wanted == label]
        for asked in [_count(is_it)]
    ]
    return figures, counts


def mixtures(model: SoundModel, judge: Judge, seed: int) -> list[Metric]:
    """How sure the judge is of the first and of the second of two instruments, of mixtures from one to the other.

    Each of `PAIRS` notes has one latent and a pitch that both instruments play; [] if no two share one.
    """
    generator = torch.Generator().manual_seed(seed)
    ranges = torch.tensor(model.ranges)
    first, second = torch.randint(len(ranges), (2, 20 * PAIRS), generator=generator)
    low, high = torch.maximum(ranges[first, 0], ranges[second, 0]), torch.minimum(ranges[first, 1], ranges[second, 1])
    rows = ((first != second) & (low <= high)).nonzero()[:PAIRS, 0]
    if not len(rows):
        return []
    first, second, pitch = first[rows], second[rows], (low + high)[rows] // 2
    z, velocity = model.latents(len(rows), seed), torch.full_like(pitch, LOUD)
    ends = [F.one_hot(label, len(ranges) + 1).float() for label in (first, second)]
    figures = []
    for share in SHARES:
        sounds = model.sounds(z, (ends[0].lerp(ends[1], share), pitch, velocity))
        sure = judge.probabilities(judge.features(sounds.split(CHUNK)))
        of_first, of_second = (sure.gather(1, label[:, None]).mean().item() for label in (first, second))
        figures.append(Metric(f"certainty at {share:.0%} of the second", of_first, of_second, "as real", len(rows)))
    return figures


def _count(flags: Tensor) -> int:
    return int(flags.sum())
