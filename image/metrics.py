"""What `image.evaluate` measures: samples against held-out pictures, each figure beside what real pictures give.

The real-against-real floor is N training pictures in the samples' place, against the same N held-out ones.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any

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
    standard_errors,
)
from common.evaluation.report import ClassCount, Metric
from common.processes import gathered, turns
from common.progress import progress_bar
from image.config import Sampler
from image.data.loading import ImageData, at_a_time, in_parts, to_model
from image.judges.features import FeatureExtractor
from image.judges.labels import Judge
from image.models import ImageModel

K = 5  # neighbours: of precision, recall, density and coverage, and of the vote on a label
ENOUGH = 100  # held-out pictures below which samples are held against training pictures
FEW = 1_000  # samples below which a Fréchet distance says little by itself
VOTERS = 10_000  # training pictures that may vote
BOUNDED = 1_000  # pictures whose likelihood is bounded; the fewest that bear an estimate of mutual information
IWAE_SAMPLES = 16  # of the importance-weighted bound


@dataclass(frozen=True)
class Material:
    """Samples and real pictures, uint8 (N, C, H, W), with their labels (N,) if any and their features (N, D)."""

    samples: Tensor
    wanted: Tensor | None  # labels asked for
    sample_features: Tensor
    real: Tensor  # held out or, where too few are, training pictures
    real_labels: Tensor | None
    real_features: Tensor
    unseen_features: Tensor  # of held-out pictures, (U, D)
    train_features: Tensor  # of all training pictures, (M, D)
    floor: Tensor  # N training pictures that are not among the real ones, by their row, (N,)
    seen: bool = False  # whether the real ones are training pictures

    def __len__(self) -> int:
        return len(self.samples)


def gather(
    model: ImageModel,
    data: ImageData,
    extractor: FeatureExtractor,
    n: int,
    seed: int,
    sampler: Sampler,
    truncation: float = 1.0,
) -> Material:
    """Draw samples and choose real pictures, `n` of each or as many as there are.

    Real pictures are held-out ones or, where fewer than `ENOUGH` are held out, one half of the training pictures, which
    the other half is the floor of. A conditional model is asked for their own labels or descriptions, so that both
    sides are alike.
    """
    seen = len(data.test) < ENOUGH
    side = data.train if seen else data.test
    n = min(n, len(side), len(data.train) // 2 if seen else len(data.train))
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(side), generator=generator)
    real = side.gather(order[:n])
    wanted = real["label"] if model.classes else None
    asked = wanted
    if model.tokenizer is not None and data.captions is not None:
        texts = data.captions[0 if seen else 1].texts
        asked = model.tokenizer.tokens([texts[row][0] for row in order[:n]])
    samples = model.decode(truncation * model.latents(n, seed, sampler), asked)
    real_features = features_of(extractor, real["image"], "real pictures")
    return Material(
        samples,
        wanted,
        features_of(extractor, samples, "samples"),
        real["image"],
        real.get("label"),
        real_features,
        features_of(extractor, data.test.tensors["image"], "held-out pictures") if seen else real_features,
        features_of(extractor, data.train.tensors["image"], "training pictures"),
        order[n : 2 * n] if seen else torch.randperm(len(data.train), generator=generator)[:n],
        seen,
    )


def features_of(extractor: FeatureExtractor, images: Tensor, what: str) -> Tensor:
    """Features (N, D) of images, uint8 (N, C, H, W), that a progress bar calls `what`; all processes share in them."""
    parts = progress_bar(in_parts(images, turns()), f"features of {what}", leave=False, disable=None)
    return torch.cat(gathered([extractor.features([part]) for part in parts]))


def quality(material: Material, extractor_name: str) -> list[Metric]:
    """Distances, neighbourhoods and diversity; with their standard errors below `FEW` samples."""
    real, fake, n = material.real_features, material.sample_features, len(material)
    twin = material.train_features[material.floor]
    (kernel, error), (kernel_floor, floor_error) = kernel_distance(real, fake), kernel_distance(real, twin)
    found, floor = neighbourhoods(real, fake, K), neighbourhoods(real, twin, K)
    inception = extractor_name.startswith("inception")  # only its distances have the right to these names
    frechet_name, kernel_name = ("FID", "KID") if inception else (f"fd_{extractor_name}", f"kd_{extractor_name}")
    names = ("precision", "recall", "density", "coverage")
    errors = _errors(real, fake, twin) if 4 * K <= n < FEW else [None] * 5
    shares = [
        Metric(name, getattr(found, name), getattr(floor, name), "higher", n, pair)
        for name, pair in zip(names, errors[1:], strict=True)
    ]
    return [
        Metric(frechet_name, frechet_distance(real, fake), frechet_distance(real, twin), "lower", n, errors[0]),
        Metric(kernel_name, kernel, kernel_floor, "lower", n, (error, floor_error)),
        *shares,
        Metric("diversity", diversity(fake), diversity(real), "as real", n),
    ]


def _errors(real: Tensor, fake: Tensor, twin: Tensor) -> Sequence[tuple[float, float]]:
    """Standard errors of the Fréchet distance and the four shares, of samples and of real pictures in their place."""

    def figures(first: Tensor, second: Tensor) -> tuple[float, ...]:
        return frechet_distance(first, second), *astuple(neighbourhoods(first, second, K))

    return list(zip(*(standard_errors(figures, real, other) for other in (fake, twin)), strict=True))


def memory(material: Material) -> list[Metric]:
    """How much nearer the samples lie to their nearest training pictures than held-out pictures do."""
    found, n = (
        memorisation(material.train_features, material.unseen_features, material.sample_features),
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


def voters(material: Material, training: int) -> Tensor:
    """Rows of up to `VOTERS` of so many training pictures, none of them among those judged, (V,)."""
    everyone = torch.randperm(training, generator=torch.Generator().manual_seed(0))
    return (material.floor if material.seen else everyone)[:VOTERS]


def voting_judge(images: Tensor, labels: Tensor, extractor: FeatureExtractor) -> Judge:
    """A vote of the nearest of labelled pictures, where no classifier is at hand.

    Args:
        images: of the voters, uint8 (V, C, H, W).
        labels: theirs, (V,).
        extractor: best one that learned to tell classes apart.
    """
    known = extractor.features(in_parts(images))
    return lambda judged, features: nearest_class(extractor.features(in_parts(judged)), known, labels, K)


def count_classes(material: Material, judge: Judge, names: tuple[str, ...]) -> tuple[list[Metric], list[ClassCount]]:
    """Which classes the samples are of, beside the real pictures; the latter must be labelled."""
    assert material.real_labels is not None
    real, wanted = material.real_labels, material.wanted
    got, real_got = (
        judge(material.samples, material.sample_features),
        judge(material.real, material.real_features),
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
