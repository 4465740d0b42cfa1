"""Distances between sets of features, and what they say of quality, variety and memorisation.

Every function takes features (N, D) of any float type on any device and computes in float64 on the CPU, so the same
features give the same figure on every machine. What the features mean (pixels, a network's activations, statistics of a
piece) is the caller's business. Distances are Euclidean.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from common.errors import UserError

BLOCK = 2**23  # distances held at once: 64 MiB in float64
ROUNDING = 1e-12  # error of a squared distance, as a share of the largest squared norm


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Fréchet distance between the Gaussians fitted to two sets of features (Heusel et al. 2017).

    |m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2)), with the unbiased covariances. It is biased upwards at small N, by a
    factor of ten and more at a few hundred samples, so compare it at one N only, and beside its floor:
    `frechet_distance(*halves(real, size=N))`.

    Args:
        real, fake: features (N, D) and (M, D), at least two each.

    Raises:
        UserError: fewer than two samples, or features that are not finite.
    """
    real, fake = _pair(real, fake, least=2)
    gap = (real.mean(0) - fake.mean(0)).square().sum()
    first, second = _covariance(real), _covariance(fake)
    # C1 C2 has the eigenvalues of the symmetric C1^(1/2) C2 C1^(1/2), which rounding cannot make complex.
    root = _square_root(first)
    crossed = torch.linalg.eigvalsh(root @ second @ root).clamp(min=0).sqrt().sum()
    return max(0.0, float(gap + first.trace() + second.trace() - 2 * crossed))


def _covariance(points: Tensor) -> Tensor:
    """Unbiased covariance, (D, D)."""
    return torch.cov(points.T).reshape(points.shape[1], points.shape[1])  # torch makes one column's a scalar


def _square_root(matrix: Tensor) -> Tensor:
    """The square root of a symmetric positive semi-definite matrix, (D, D)."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def kernel_distance(
    real: Tensor, fake: Tensor, subsets: int = 100, size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Kernel distance: `squared_mmd` averaged over random subsets (Binkowski et al. 2018), and its standard error.

    It is unbiased at every N, so it may fall below zero for equal sources. The subsets overlap, and the customary
    deviation / sqrt(subsets) would claim too much; the error is the delete-d jackknife's (Shao & Wu 1989), plus what
    drawing only so many subsets adds.

    Args:
        real, fake: features (N, D) and (M, D), at least four each.
        subsets: how many subsets of each side are drawn, two or more.
        size: samples in a subset; at most half of the smaller side are taken.

    Raises:
        UserError: fewer than four samples, or features that are not finite.
    """
    real, fake = _pair(real, fake, least=4)
    available = min(len(real), len(fake))
    size = min(size, available // 2)
    generator = torch.Generator().manual_seed(seed)
    draws = ((_subset(real, size, generator), _subset(fake, size, generator)) for _ in range(subsets))
    values = torch.tensor([_squared_mmd(first, second) for first, second in draws], dtype=torch.float64)
    error = values.std() * (1 / subsets + size / (available - size)) ** 0.5
    return float(values.mean()), float(error)


def squared_mmd(real: Tensor, fake: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy under the kernel (x.y / D + 1)^3 (Gretton et al. 2012, lemma 6).

    Args:
        real, fake: features (N, D) and (M, D), at least two each; N x N kernel values are held at once.

    Raises:
        UserError: fewer than two samples, or features that are not finite.
    """
    return _squared_mmd(*_pair(real, fake, least=2))


def _squared_mmd(real: Tensor, fake: Tensor) -> float:
    return float(_mean_of_others(real) + _mean_of_others(fake) - 2 * _kernel(real, fake).mean())


def _mean_of_others(points: Tensor) -> Tensor:
    """Mean kernel value over pairs of different points."""
    values = _kernel(points, points)
    return (values.sum() - values.trace()) / (len(points) * (len(points) - 1))


def _kernel(first: Tensor, second: Tensor) -> Tensor:
    return (first / first.shape[1] @ second.T).add_(1).pow_(3)  # (N, M), in place because it is large


def _subset(points: Tensor, size: int, generator: torch.Generator) -> Tensor:
    return points[torch.randperm(len(points), generator=generator)[:size]]


def standard_errors(
    figures: Callable[[Tensor, Tensor], Sequence[float]], real: Tensor, fake: Tensor, subsets: int = 20, seed: int = 0
) -> list[float]:
    """How far other samples of the same sources would move figures of two sets: their standard errors.

    They are the delete-half jackknife's (Shao & Wu 1989): the deviation over random halves of both sets. A bootstrap
    would draw samples twice, and figures of neighbourhoods take a copy for a neighbour.

    Args:
        figures: of two sets of features (n, D) and (m, D).
        real, fake: features (N, D) and (M, D), four or more each.
        subsets: how many halves of each side are drawn, two or more.
    """
    generator = torch.Generator().manual_seed(seed)

    def half(points: Tensor) -> Tensor:
        return _subset(points, len(points) // 2, generator)

    values = torch.tensor([figures(half(real), half(fake)) for _ in range(subsets)], dtype=torch.float64)
    return values.std(0).tolist()


@dataclass(frozen=True)
class Neighbourhoods:
    """Four shares from k-nearest-neighbour balls; 1 is perfect, and real against real comes close to it."""

    precision: float  # fakes inside some real ball: are they plausible?
    recall: float  # reals inside some fake ball: could the model have made them?
    density: float  # real balls a fake lies in, over k: precision that outliers cannot inflate; may exceed 1
    coverage: float  # real balls that hold a fake: recall that outliers cannot inflate


def neighbourhoods(real: Tensor, fake: Tensor, k: int = 5) -> Neighbourhoods:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

    A point's ball is closed, and reaches to its k-th nearest other point of the same side. All four depend on N, M
    and k, so compare them at one setting only, and beside their floor: `neighbourhoods(*halves(real, size=N))`.

    Args:
        real, fake: features (N, D) and (M, D), more than k each.

    Raises:
        UserError: too few samples for this k, or features that are not finite.
    """
    real, fake = _pair(real, fake, least=k + 1)
    real, fake = _centred(real, fake)
    slack = ROUNDING * torch.cat([real, fake]).square().sum(1).max()  # so that rounding pushes no copy out of a ball
    real_radii, fake_radii = _squared_radii(real, k) + slack, _squared_radii(fake, k) + slack
    held = torch.zeros(len(fake))  # how many real balls hold this fake, (M,)
    covered, recalled = [], []
    for rows, squares in _squared_distances(real, fake):  # (n, M)
        inside = squares <= real_radii[rows, None]
        held += inside.sum(0)
        covered.append(inside.any(1))
        recalled.append((squares <= fake_radii).any(1))
    return Neighbourhoods(
        precision=_share(held > 0),
        recall=_share(torch.cat(recalled)),
        density=float(held.double().mean()) / k,
        coverage=_share(torch.cat(covered)),
    )


def _squared_radii(points: Tensor, k: int) -> Tensor:
    """Squared distance from every point to its k-th nearest other point, (N,)."""
    radii = []
    for rows, squares in _squared_distances(points, points):
        squares.diagonal(offset=rows.start).fill_(torch.inf)  # a point is no neighbour of its own
        radii.append(squares.topk(k, largest=False).values[:, -1])
    return torch.cat(radii)


def nearest(queries: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
    """For every query the distance to its nearest reference, float64 (N,), and which one that is, int64 (N,).

    Args:
        queries, references: features (N, D) and (M, D), at least one each.
    """
    queries, references = _pair(queries, references, least=1)
    index = _nearest_indices(queries, references, k=1)[:, 0]
    return (queries - references[index]).norm(dim=1), index  # anew, so that a copy is at exactly 0


def _nearest_indices(queries: Tensor, references: Tensor, k: int) -> Tensor:
    """The k nearest references of every query, nearest first, (N, k)."""
    blocks = _squared_distances(*_centred(queries, references))
    return torch.cat([squares.topk(k, largest=False).indices for _, squares in blocks])


@dataclass(frozen=True)
class Memorisation:
    """How near generated samples lie to the training data, measured by how near new real data lie to it."""

    ratio: float  # median distance of the fakes over that of the test data; well below 1 means copying
    nearer_1: float  # share of fakes nearer than the nearest 1 % of the test data; 0.01 if they are like new data
    nearer_5: float  # the same for the nearest 5 %


def memorisation(train: Tensor, test: Tensor, fake: Tensor) -> Memorisation:
    """Compare the distances to the nearest training sample of generated samples and of held-out real data.

    Samples that are merely typical (blurred, or of a few modes) also lie near to the training data, so look at the
    nearest pairs (`nearest`) before you speak of copies.

    Args:
        train, test, fake: features (N, D), (M, D) and (K, D); the model has seen `train` and not `test`.

    Raises:
        UserError: an empty set, or features that are not finite.
    """
    expected, found = nearest(test, train)[0], nearest(fake, train)[0]
    first, fifth, median = expected.quantile(torch.tensor([0.01, 0.05, 0.5], dtype=torch.float64))
    return Memorisation(
        ratio=float(found.quantile(0.5) / median), nearer_1=_share(found < first), nearer_5=_share(found < fifth)
    )


def nearest_class(features: Tensor, reference_features: Tensor, reference_labels: Tensor, k: int = 5) -> Tensor:
    """Class of every sample by a vote of its k nearest references, int64 (N,): a classifier without training.

    Equal votes go to the class whose voters are nearer.

    Args:
        features, reference_features: (N, D) and (M, D).
        reference_labels: whole numbers from 0, (M,).
        k: how many vote; all of them if there are fewer.
    """
    features, references = _pair(features, reference_features, least=1)
    k = min(k, len(references))
    labels = reference_labels.cpu().long()
    chosen = labels[_nearest_indices(features, references, k)]  # (N, k)
    # A vote counts 1 and up to 1/(k + 1) more by its rank: k of these stay below one vote, so they only break ties.
    weights = 1 + torch.arange(k, 0, -1, dtype=torch.float64) / (k * (k + 1))
    votes = torch.zeros(len(features), int(labels.max()) + 1, dtype=torch.float64)
    return votes.scatter_add(1, chosen, weights.expand_as(chosen)).argmax(1)


def diversity(features: Tensor, pairs: int = 10_000, seed: int = 0) -> float:
    """Mean distance between the two samples of random pairs; real data say what is much.

    Args:
        features: (N, D), at least two.
        pairs: how many pairs of different samples are drawn.
    """
    points = _points(features, least=2)
    generator = torch.Generator().manual_seed(seed)
    first = torch.randint(len(points), (pairs,), generator=generator)
    second = (first + torch.randint(1, len(points), (pairs,), generator=generator)) % len(points)
    return float((points[first] - points[second]).norm(dim=1).mean())


def class_histogram(labels: Tensor, classes: int) -> Tensor:
    """How many of the labels (N,) fall in each class, int64 (classes,)."""
    return torch.bincount(labels.cpu().long(), minlength=classes)


def entropy(histogram: Tensor) -> float:
    """Entropy in nats of counts or probabilities (classes,): 0 for one class only, ln(classes) for even ones."""
    total = histogram.sum()
    if not total > 0:
        raise ValueError("an empty histogram has no entropy")
    return float(torch.special.entr(histogram.double() / total).sum())


def label_accuracy(predicted: Tensor, wanted: Tensor) -> float:
    """Share of the samples whose predicted label (N,) is the one that was asked for (N,)."""
    if predicted.shape != wanted.shape:
        raise ValueError(f"labels of shapes {tuple(predicted.shape)} and {tuple(wanted.shape)} cannot be compared")
    return _share(predicted.cpu() == wanted.cpu())


def halves(features: Tensor, seed: int = 0, size: int | None = None) -> tuple[Tensor, Tensor]:
    """Two disjoint random sets of the same size out of one, to find what a statistic gives for equal sources.

    This real-against-real floor holds for its own N only: the Fréchet distance is biased at small N, and coverage and
    the others depend on N too. So ask for as many as the comparison with the fakes will use.

    Args:
        features: (N, D).
        size: rows in each set; half of what there is by default.

    Raises:
        UserError: there are fewer than 2 * size rows.
    """
    size = len(features) // 2 if size is None else size
    if len(features) < 2 * size:
        raise UserError(f"a floor at N={size:,} needs {2 * size:,} real samples, and there are {len(features):,}")
    order = torch.randperm(len(features), generator=torch.Generator().manual_seed(seed)).to(features.device)
    return features[order[:size]], features[order[size : 2 * size]]


def _centred(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both sets with the second one's mean at the origin, because distances by matrix product lose digits far away."""
    centre = second.mean(0)
    return first - centre, second - centre


def _squared_distances(queries: Tensor, references: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield block after block of the queries (a slice of rows) with its squared distances to all references, (n, M)."""
    query_norms, reference_norms = queries.square().sum(1, keepdim=True), references.square().sum(1)
    rows = max(1, BLOCK // len(references))
    for start in range(0, len(queries), rows):
        block = slice(start, min(start + rows, len(queries)))
        products = torch.addmm(reference_norms, queries[block], references.T, alpha=-2)  # |r|^2 - 2 q.r
        yield block, products.add_(query_norms[block]).clamp_(min=0)


def _pair(first: Tensor, second: Tensor, least: int) -> tuple[Tensor, Tensor]:
    if first.shape[1:] != second.shape[1:]:
        raise ValueError(f"features of shapes {tuple(first.shape)} and {tuple(second.shape)} cannot be compared")
    return _points(first, least), _points(second, least)


def _points(features: Tensor, least: int) -> Tensor:
    """Features as the functions here work on them: finite float64 on the CPU, (N, D)."""
    if features.ndim != 2:
        raise ValueError(f"features must be (N, D), not {tuple(features.shape)}")
    if len(features) < least:
        raise UserError(f"this metric needs {least:,} samples or more, and there are {len(features):,}; take more")
    features = features.detach().cpu().double()
    if not features.isfinite().all():
        raise UserError("the features hold NaN or infinity, so the samples are broken; use an earlier checkpoint")
    return features


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())
