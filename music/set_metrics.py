"""How a set of pieces differs from real ones: in what they are made of, by histogram, and in passages they copy."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import cdist, pdist

from common.errors import UserError
from music.metrics import histograms
from music.score import Score
from music.theory import PITCHES

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier


SMOOTHING = 1e-3  # share of the even distribution that is mixed into histograms before their divergence
PIECES = 100  # of each set, between which distances are taken for their densities
BLOCK = 64  # pieces compared with all windows at once

_FACTORS = np.random.default_rng(0).integers(2**64, size=PITCHES // 4, dtype=np.uint64)  # one a byte of two bit masks


# --- Histograms -------------------------------------------------------------------------------------------------------


def overlap_area(first: np.ndarray, second: np.ndarray) -> float:
    """The area that two histograms share, scaled to sum 1 each: 0 (nothing in common) to 1 (equal shapes).

    Args:
        first, second: counts or probabilities (bins,). NaN where one is all zeros.
    """
    p, q = _shares(first), _shares(second)
    return float(np.minimum(p, q).sum())  # minimum hands on NaN


def kl_divergence(first: np.ndarray, second: np.ndarray) -> float:
    """Kullback-Leibler divergence in nats of the second histogram from the first, sum p ln(p / q).

    So that an empty bin of the second does not make it infinite, both are scaled to sum 1 and then mixed with the even
    distribution: (1 - SMOOTHING) p + SMOOTHING / bins. It is then at most ln(bins / SMOOTHING).

    Args:
        first, second: counts or probabilities (bins,). NaN where one is all zeros.
    """
    p, q = ((1 - SMOOTHING) * _shares(counts) + SMOOTHING / len(counts) for counts in (first, second))
    return float((p * np.log(p / q)).sum())


def _shares(counts: np.ndarray) -> np.ndarray:
    """Scaled to sum 1, or all NaN where there is nothing, (..., bins)."""
    total = counts.sum(axis=-1, keepdims=True)
    return counts / np.where(total > 0, total, np.nan)


def compare(samples: Sequence[Score], real: Sequence[Score]) -> dict[str, float]:
    """How the contents of generated pieces differ from those of real ones, by histogram.

    For each NAME of `histograms` there are

    - NAME_overlap: `overlap_area` of the histograms of the two sets. 1 is equal; it says nothing of single pieces.
    - NAME_kl: `kl_divergence` of the samples' from the real ones', real first. 0 is equal.
    - NAME_distance_overlap: `distance_overlap` of the pieces' own histograms, scaled to sum 1 (pieces without any count
      are left out). It also sees whether the pieces vary as much as real ones do.

    Yang & Lerch 2020 (MGEval) take overlap and divergence of the densities of such distances only, for features of
    their own choice; ours of the histograms themselves are simpler. All depend on the number of pieces, so compare them
    at one number, and beside their floor: the same between two sets of real pieces.

    Args:
        samples, real: one piece or more each.
    """
    ours, theirs = _stacked(samples), _stacked(real)
    figures = {}
    for name in ours:
        p, q = ours[name], theirs[name]
        figures[f"{name}_overlap"] = overlap_area(p.sum(axis=0), q.sum(axis=0))
        figures[f"{name}_kl"] = kl_divergence(q.sum(axis=0), p.sum(axis=0))
        figures[f"{name}_distance_overlap"] = distance_overlap(_shares(p[p.any(axis=1)]), _shares(q[q.any(axis=1)]))
    return figures


def total_histograms(scores: Sequence[Score]) -> dict[str, np.ndarray]:
    """The histograms of a set of pieces: the sums of theirs, (bins,) each."""
    return {name: counts.sum(axis=0) for name, counts in _stacked(scores).items()}


def _stacked(scores: Sequence[Score]) -> dict[str, np.ndarray]:
    """The histograms of every piece, (pieces, bins) each."""
    of_pieces = [histograms(score) for score in scores]
    return {name: np.stack([of_piece[name] for of_piece in of_pieces]) for name in of_pieces[0]}


def distance_overlap(samples: np.ndarray, real: np.ndarray) -> float:
    """Overlap of the densities of distances within real pieces and between them and samples, 0 to 1.

    Yang & Lerch 2020 (MGEval): the Euclidean distances between the features of all pairs of real pieces, and of all
    pairs of a sample and a real piece, are each made a density by Gaussian kernels (scipy's, Scott's bandwidth); the
    result is the area under both. 1 means that samples are as far from real pieces as these are from each other.

    Of more than PIECES pieces, PIECES at equal steps through the set are taken. NaN where a density cannot be had:
    fewer than three real pieces, or distances that are all the same.

    Args:
        samples, real: features (N, D) and (M, D).
    """
    from scipy.stats import gaussian_kde  # takes a second

    samples, real = _thinned(samples), _thinned(real)
    if not len(samples) or len(real) < 3:
        return float("nan")
    within, between = pdist(real), cdist(samples, real).ravel()
    if np.ptp(within) < 1e-9 or np.ptp(between) < 1e-9:
        return float("nan")
    densities = [gaussian_kde(within), gaussian_kde(between)]
    margin = 4 * max(float(density.covariance[0, 0]) ** 0.5 for density in densities)  # beyond it nothing is left
    ends = np.concatenate([within, between])
    grid = np.linspace(ends.min() - margin, ends.max() + margin, 512)
    return float(np.trapezoid(np.minimum(*(density(grid) for density in densities)), grid))


def _thinned(features: np.ndarray) -> np.ndarray:
    return features[np.linspace(0, len(features) - 1, min(len(features), PIECES)).astype(int)]


# --- Styles -----------------------------------------------------------------------------------------------------------


def contents(scores: Sequence[Score]) -> np.ndarray:
    """The histograms of every piece, scaled to sum 1 each and joined: (N, bins)."""
    rows = []
    for score in scores:
        rows.append(np.concatenate([counts / max(counts.sum(), 1) for counts in histograms(score).values()]))
    return np.stack(rows)


def style_forest(scores: Sequence[Score], styles: np.ndarray) -> "RandomForestClassifier":
    """A random forest that learned from the `contents` of pieces which style (N,) they are of."""
    from sklearn.ensemble import RandomForestClassifier  # slow to import

    forest = RandomForestClassifier(300, min_samples_leaf=2, oob_score=True, random_state=0)
    return forest.fit(contents(scores), styles)


# --- Memorisation -----------------------------------------------------------------------------------------------------


def nearest_window(samples: Sequence[Score], references: Iterable[Score]) -> tuple[np.ndarray, np.ndarray]:
    """How far each piece is from the nearest passage of the references, float64 (N,), and which has it, int64 (N,).

    Every passage of a sample's length that begins at a bar line of a reference is compared; a note that is held there
    is taken to begin there, as in pieces that were cut out. The distance is the share of the (track, step) cells in
    which the two differ, in what sounds or in what begins, drums included: 0 is a copy, 1 nothing in common. Both must
    have their tonic at C, as nothing is transposed. Silence that two pieces share makes them similar. What is near
    depends on the music, so compare with the floor: the same distances of held-out pieces.

    512 pieces against 30,000 windows of four tracks by 64 steps take four to eight seconds on a CPU core.

    Args:
        samples: N pieces of one length, with the same tracks.
        references: pieces with these tracks, of any length; shorter ones are passed over.

    Raises:
        UserError: no reference is as long as the samples.
        ValueError: the samples differ in length, or the tracks in number.
    """
    steps = samples[0].steps
    if any(sample.steps != steps for sample in samples):
        raise ValueError("samples of different lengths cannot be compared with windows of one length")
    queries = np.stack([_cells(sample.pitch, sample.onset).ravel() for sample in samples])
    windows, owners = [], []
    for owner, reference in enumerate(references):
        found = _windows(reference, steps)
        windows += found
        owners += [owner] * len(found)
    if not windows:
        raise UserError(f"no piece of the data lasts {steps} steps, as the samples do; take shorter samples")
    table = np.stack(windows)
    index, distance = [], []
    for start in range(0, len(queries), BLOCK):
        block = cdist(queries[start : start + BLOCK], table, "hamming")  # (BLOCK, windows)
        index.append(block.argmin(axis=1))
        distance.append(block.min(axis=1))
    return np.concatenate(distance), np.array(owners)[np.concatenate(index)]


def _windows(score: Score, steps: int) -> list[np.ndarray]:
    """The cells of every passage of that length that begins at a bar line, (tracks x steps,) each."""
    cells, first = _cells(score.pitch, score.onset), _cells(score.pitch, score.pitch)  # a passage cuts held notes
    starts = range(0, score.steps - steps + 1, score.bar)
    return [np.concatenate([first[:, [s]], cells[:, s + 1 : s + steps]], axis=1).ravel() for s in starts]


def _cells(pitch: np.ndarray, onset: np.ndarray) -> np.ndarray:
    """A whole number for what sounds and begins at each step, equal for equal content: float64 (tracks, steps).

    The 32 bytes of a step are hashed (multiply and shift, Dietzfelbinger 1996) to 53 bits, as many as a float64 holds
    exactly: two different contents get one number in one of 2^52 cases.
    """
    masks = np.concatenate([np.packbits(pitch, axis=2), np.packbits(onset, axis=2)], axis=2)  # (tracks, steps, 32)
    return (masks @ _FACTORS >> 11).astype(float)
