"""What `image.evaluate` measures: samples against held-out pictures, each figure beside what real pictures give.

The real-against-real floor is N training pictures in the samples' place, against the same N held-out ones.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from common.cores.vae import Posterior, active_units, importance_bound, mutual_information
from common.data.arrays import Arrays
from common.evaluation.metrics import (
    class_histogram,
    diversity,
    entropy,
    frechet_distance,
    kernel_distance,
    label_accuracy,
    memorisation,
    nearest,
    nearest_class,
    neighbourhoods,
)
from common.evaluation.report import ClassCount, Metric
from common.progress import progress_bar
from image.config import Sampler
from image.data.loading import ImageData, at_a_time, in_parts, to_model
from image.judges.labels import Judge
from image.models import ImageModel

K = 5  # neighbours: of precision, recall, density and coverage, and of the vote on a label
VOTERS = 10_000  # training pictures that may vote
BOUNDED = 1_000  # pictures whose likelihood is bounded; the fewest that bear an estimate of mutual information
IWAE_SAMPLES = 16  # of the importance-weighted bound


class FeatureExtractor(Protocol):
    """Turns pictures into features; its name tells which network, and by a hash which weights."""

    @property
    def name(self) -> str: ...

    def features(self, images: Iterable[Tensor]) -> Tensor:
        """Batches of uint8 (n, C, H, W) -> (N, D) on the CPU."""
        ...


@dataclass(frozen=True)
class Material:
    """Samples and real pictures, uint8 (N, C, H, W), with their labels (N,) if any and their features (N, D)."""

    samples: Tensor
    wanted: Tensor | None  # labels asked for
    sample_features: Tensor
    held_out: Tensor
    held_out_labels: Tensor | None
    held_out_features: Tensor
    train_features: Tensor  # of all training pictures, (M, D)
    floor: Tensor  # N training pictures, by their row, (N,)

    def __len__(self) -> int:
        return len(self.samples)


def gather(
    model: ImageModel, data: ImageData, extractor: FeatureExtractor, n: int, seed: int, sampler: Sampler
) -> Material:
    """Draw samples and choose real pictures, `n` of each or as many as there are.

    A conditional model is asked for the held-out pictures' own labels or descriptions, so that both sides are alike.
    """
    n = min(n, len(data.test), len(data.train))
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(data.test), generator=generator)[:n]
    held_out = data.test.gather(rows)
    wanted = held_out["label"] if model.classes else None
    asked = wanted
    if model.tokenizer is not None and data.captions is not None:
        asked = model.tokenizer.tokens([data.captions[1].texts[row][0] for row in rows])
    samples = model.sample(n, asked, seed, sampler)
    return Material(
        samples,
        wanted,
        _features(extractor, samples, "samples"),
        held_out["image"],
        held_out.get("label"),
        _features(extractor, held_out["image"], "held-out pictures"),
        _features(extractor, data.train.tensors["image"], "training pictures"),
        torch.randperm(len(data.train), generator=generator)[:n],
    )


def _features(extractor: FeatureExtractor, images: Tensor, what: str) -> Tensor:
    return extractor.features(progress_bar(in_parts(images), f"features of {what}", leave=False, disable=None))


def quality(material: Material, extractor_name: str) -> list[Metric]:
    """Distances, neighbourhoods and diversity."""
    real, fake, n = material.held_out_features, material.sample_features, len(material)
    twin = material.train_features[material.floor]
    (kernel, error), (kernel_floor, floor_error) = kernel_distance(real, fake), kernel_distance(real, twin)
    found, floor = neighbourhoods(real, fake, K), neighbourhoods(real, twin, K)
    inception = extractor_name.startswith("inception")  # only its distances have the right to these names
    frechet_name, kernel_name = ("FID", "KID") if inception else (f"fd_{extractor_name}", f"kd_{extractor_name}")
    shares = [
        Metric(name, getattr(found, name), getattr(floor, name), "higher", n)
        for name in ("precision", "recall", "density", "coverage")
    ]
    return [
        Metric(frechet_name, frechet_distance(real, fake), frechet_distance(real, twin), "lower", n),
        Metric(kernel_name, kernel, kernel_floor, "lower", n, (error, floor_error)),
        *shares,
        Metric("diversity", diversity(fake), diversity(real), "as real", n),
    ]


def memory(material: Material) -> list[Metric]:
    """How much nearer the samples lie to their nearest training pictures than held-out pictures do."""
    found, n = (
        memorisation(material.train_features, material.held_out_features, material.sample_features),
        len(material),
    )
    return [
        Metric("distance to training, over held-out's", found.ratio, 1.0, "as real", n),
        Metric("nearer than nearest 1 % held-out", found.nearer_1, 0.01, "as real", n),
        Metric("nearer than nearest 5 % held-out", found.nearer_5, 0.05, "as real", n),
    ]


def closest_pairs(material: Material, count: int, among: int = 1_000) -> tuple[Tensor, Tensor]:
    """The samples that are nearest to a training picture: their rows and those training rows, each (count,)."""
    distances, indices = nearest(material.sample_features[:among], material.train_features)
    rows = distances.argsort()[:count]
    return rows, indices[rows]


def voting_judge(material: Material, labels: Tensor) -> Judge:
    """A vote of the nearest training pictures, where no classifier is at hand; `labels` are the training pictures'."""
    voters = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[:VOTERS]
    return lambda images, features: nearest_class(features, material.train_features[voters], labels[voters], K)


def count_classes(material: Material, judge: Judge, names: tuple[str, ...]) -> tuple[list[Metric], list[ClassCount]]:
    """Which classes the samples are of, beside the held-out pictures; the latter must be labelled."""
    assert material.held_out_labels is not None
    real, wanted = material.held_out_labels, material.wanted
    got, real_got = (
        judge(material.samples, material.sample_features),
        judge(material.held_out, material.held_out_features),
    )
    figures, n = [], len(material)
    if wanted is not None:
        figures.append(
            Metric("label accuracy", label_accuracy(got, wanted), label_accuracy(real_got, real), "higher", n)
        )
    histograms = [class_histogram(labels, len(names) + 1) for labels in (got, real_got)]
    figures.append(Metric("class entropy, nats", entropy(histograms[0]), entropy(histograms[1]), "as real", n))
    right = None if wanted is None else got[got == wanted]
    columns = [_counts(labels, len(names)) for labels in (wanted, got, right, real, real_got)]
    return figures, [ClassCount(name, *counts) for name, *counts in zip(names, *columns, strict=True)]


def _counts(labels: Tensor | None, classes: int) -> list[Any]:
    """How many labels there are of each class; None for each if there are none at all."""
    return [None] * classes if labels is None else class_histogram(labels, classes + 1)[:classes].tolist()


# --- likelihood


@dataclass(frozen=True)
class Bounds:
    """What a VAE says of some pictures."""

    n: int
    elbo: float  # negative, in bits per dimension
    iwae: float  # negative, in bits per dimension
    active: int
    information: float | None  # nats; None for too few pictures


@torch.inference_mode()
def bounds(model: ImageModel, arrays: Arrays, seed: int) -> Bounds:
    """Bound the likelihood of up to 1,000 pictures, and look at their posteriors.

    Raises:
        UserError: the model is no VAE.
    """
    vae, device = model.vae, model.device
    generator = torch.Generator(device).manual_seed(seed)
    posteriors, latents, elbos, iwaes, dimensions = [], [], [], [], 1
    for x, labels in _batches(model, arrays, seed):
        posterior = vae.encode(x, labels)
        z = posterior.sample(torch.randn(posterior.mean.shape, generator=generator, device=device))
        elbos.append(vae.nll(x, z, labels) + posterior.kl().sum(1))
        iwaes.append(-importance_bound(vae, x, labels, IWAE_SAMPLES, generator))
        posteriors.append(posterior)
        latents.append(z)
        dimensions = x[0].numel()
    elbo, iwae = (vae.likelihood.bits_per_dimension(torch.cat(nats).mean(), dimensions) for nats in (elbos, iwaes))
    whole = Posterior(torch.cat([p.mean for p in posteriors]), torch.cat([p.log_variance for p in posteriors]))
    n = len(whole.mean)
    information = mutual_information(whole, torch.cat(latents)) if n >= BOUNDED else None
    return Bounds(n, elbo.item(), iwae.item(), active_units(whole.mean), information)


def likelihood(held_out: Bounds, training: Bounds, latent: int) -> list[Metric]:
    """The lines of a table with one column for held-out and one for training pictures."""
    first, second, n = held_out, training, held_out.n
    return [
        Metric("-ELBO, bits/dim", first.elbo, second.elbo, "lower", n),
        Metric(f"-IWAE bound (K={IWAE_SAMPLES}), bits/dim", first.iwae, second.iwae, "lower", n),
        Metric(f"active units of {latent}", first.active, second.active, "higher", n),
        Metric(
            f"mutual information, nats (<= {math.log(BOUNDED):.2f})",
            first.information,
            second.information,
            "higher",
            n,
        ),
    ]


def _batches(model: ImageModel, arrays: Arrays, seed: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Pictures in [-1, 1] on the model's device, with their labels if it takes any."""
    order = torch.randperm(len(arrays), generator=torch.Generator().manual_seed(seed))[:BOUNDED]
    parts = order.split(at_a_time(*model.config.shape))
    for rows in progress_bar(parts, "likelihood", leave=False, disable=None):
        batch = arrays.gather(rows)
        yield to_model(batch["image"]).to(model.device), batch["label"].to(model.device) if model.classes else None
