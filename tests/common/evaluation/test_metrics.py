"""The metrics against hand-worked values, naive loops and other people's linear algebra."""

import math
from dataclasses import astuple

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from common.evaluation import metrics
from common.evaluation.metrics import (
    class_histogram,
    diversity,
    entropy,
    frechet_distance,
    halves,
    kernel_distance,
    label_accuracy,
    memorisation,
    nearest,
    nearest_class,
    neighbourhoods,
    squared_mmd,
    standard_errors,
)


def normal(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def line(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None]


# standard errors


def test_the_standard_error_of_a_mean_by_hand():
    # Two of four: means 0, 2 and 4 with 1/6, 4/6 and 1/6, variance 4/3; and the mean of four has (16/3) / 4.
    values = line(0.0, 0.0, 4.0, 4.0)
    (error,) = standard_errors(lambda real, fake: [float(real.mean())], values, values, subsets=2000)
    assert error == pytest.approx(math.sqrt(4 / 3), rel=0.05)


def test_standard_errors_tell_how_far_other_samples_move_a_figure():
    def figures(real, fake):
        return frechet_distance(real, fake), neighbourhoods(real, fake).coverage

    pairs = [(normal(200, 4, seed), normal(200, 4, 100 + seed) + 0.5) for seed in range(40)]
    moved = torch.tensor([figures(*pair) for pair in pairs]).std(0)
    said = torch.tensor([standard_errors(figures, *pair) for pair in pairs[:10]]).mean(0)
    assert (said / moved).log().abs().max() < math.log(1.7)


# Fréchet distance


def test_frechet_distance_of_two_hand_worked_lines():
    # Means 0 and 3, variances 2 and 8: 3^2 + (sqrt(8) - sqrt(2))^2 = 9 + 2.
    assert frechet_distance(line(-1, 1), line(1, 5)) == pytest.approx(11)


def test_frechet_distance_of_diagonal_covariances_adds_up_the_axes():
    cross = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]])  # covariance 2/3 on each axis
    stretched = cross * torch.tensor([3.0, 5.0]) + torch.tensor([1.0, 2.0])
    expected = 1 + 4 + 2 / 3 * ((3 - 1) ** 2 + (5 - 1) ** 2)
    assert frechet_distance(cross, stretched) == pytest.approx(expected)


@pytest.mark.parametrize("rows", [200, 6])  # 6 rows of 8 columns: singular covariances
def test_frechet_distance_agrees_with_the_matrix_square_root(rows):
    real, fake = normal(rows, 8) @ normal(8, 8, 1), normal(rows, 8, 2) @ normal(8, 8, 3) + 0.3
    first, second = np.cov(real.double().numpy().T), np.cov(fake.double().numpy().T)
    root = scipy.linalg.sqrtm(first @ second).real
    gap = float((real.double().mean(0) - fake.double().mean(0)).square().sum())
    expected = gap + np.trace(first + second - 2 * root)
    assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-5)


def test_frechet_distance_is_symmetric_and_zero_for_the_same_set():
    real, fake = normal(50, 4), normal(60, 4, 1) * 2
    assert frechet_distance(real, fake) == pytest.approx(frechet_distance(fake, real))
    assert 0 <= frechet_distance(real, real) < 1e-6


def test_frechet_distance_is_biased_at_small_n():
    pool = normal(8000, 16)
    assert frechet_distance(*halves(pool, size=100)) > 5 * frechet_distance(*halves(pool, size=4000))


# Kernel distance


def test_squared_mmd_equals_a_double_loop():
    real, fake = normal(7, 3).double(), normal(9, 3, 1).double() + 0.5

    def kernel(x: torch.Tensor, y: torch.Tensor) -> float:
        return (sum(float(a) * float(b) for a, b in zip(x, y, strict=True)) / 3 + 1) ** 3

    within_real = sum(kernel(real[i], real[j]) for i in range(7) for j in range(7) if i != j) / (7 * 6)
    within_fake = sum(kernel(fake[i], fake[j]) for i in range(9) for j in range(9) if i != j) / (9 * 8)
    between = sum(kernel(x, y) for x in real for y in fake) / (7 * 9)
    assert squared_mmd(real, fake) == pytest.approx(within_real + within_fake - 2 * between)


def test_squared_mmd_of_two_hand_worked_lines():
    # k(1, -1) = 0; k(2, 3) = 7^3; between: k(1, 2) + k(1, 3) + k(-1, 2) + k(-1, 3) = 27 + 64 - 1 - 8.
    assert squared_mmd(line(1, -1), line(2, 3)) == pytest.approx(0 + 343 - 2 * 82 / 4)


def test_kernel_distance_is_unbiased_and_its_error_is_the_spread_over_fresh_data():
    results = [kernel_distance(normal(120, 4, i), normal(120, 4, 1000 + i) + 0.5, 30, 40) for i in range(60)]
    means, errors = torch.tensor(results).T
    whole = torch.tensor([squared_mmd(normal(120, 4, i), normal(120, 4, 1000 + i) + 0.5) for i in range(60)])
    assert float(means.mean()) == pytest.approx(float(whole.mean()), rel=0.05)
    assert 0.7 < float(errors.mean() / means.std()) < 1.5


def test_kernel_distance_of_equal_sources_is_zero_within_its_error():
    mean, error = kernel_distance(*halves(normal(2000, 8)), subsets=20, size=200)
    assert abs(mean) < 3 * error


def test_kernel_distance_takes_at_most_half_of_the_smaller_side():
    mean, error = kernel_distance(normal(10, 2), normal(400, 2, 1), subsets=5, size=1000)
    assert math.isfinite(mean) and error > 0


def test_kernel_distance_is_a_function_of_its_seed():
    real, fake = normal(100, 4), normal(100, 4, 1)
    assert kernel_distance(real, fake, 5, 20, seed=3) == kernel_distance(real, fake, 5, 20, seed=3)
    assert kernel_distance(real, fake, 5, 20, seed=3) != kernel_distance(real, fake, 5, 20, seed=4)


# Precision, recall, density, coverage


def naive_neighbourhoods(real: np.ndarray, fake: np.ndarray, k: int) -> tuple[float, float, float, float]:
    """The four definitions word by word."""

    def radius(points: np.ndarray, i: int) -> float:
        return sorted(np.linalg.norm(points[i] - points[j]) for j in range(len(points)) if j != i)[k - 1]

    def inside(x: np.ndarray, points: np.ndarray, i: int) -> bool:
        return bool(np.linalg.norm(x - points[i]) <= radius(points, i))

    reals, fakes = range(len(real)), range(len(fake))
    precision = np.mean([any(inside(x, real, i) for i in reals) for x in fake])
    recall = np.mean([any(inside(x, fake, j) for j in fakes) for x in real])
    density = np.mean([sum(inside(x, real, i) for i in reals) / k for x in fake])
    coverage = np.mean([any(inside(x, real, i) for x in fake) for i in reals])
    return float(precision), float(recall), float(density), float(coverage)


def test_neighbourhoods_by_hand():
    # Real radii 1, 1, 2, 1, 1; fake radii 5, 5, 1, 1. Only 0.5 lies in real balls, those of 0 and 1; the reals 0, 1
    # and 3 lie in the ball of 0.5.
    result = neighbourhoods(line(0, 1, 3, 30, 31), line(0.5, 5.5, 20, 21), k=1)
    assert astuple(result) == pytest.approx((1 / 4, 3 / 5, 2 / 4, 2 / 5))


@pytest.mark.parametrize("block", [2**23, 50, 1])  # all at once, three rows at a time, one row at a time
@pytest.mark.parametrize("k", [1, 3, 5])
def test_neighbourhoods_agree_with_the_definitions(monkeypatch, block, k):
    monkeypatch.setattr(metrics, "BLOCK", block)
    real, fake = normal(17, 3), normal(13, 3, 1) * 0.7 + 0.4
    expected = naive_neighbourhoods(real.double().numpy(), fake.double().numpy(), k)
    assert astuple(neighbourhoods(real, fake, k)) == pytest.approx(expected)


def test_a_ball_is_closed_and_holds_copies_whatever_the_blocks(monkeypatch):
    monkeypatch.setattr(metrics, "BLOCK", 200)  # one row at a time, then two: they round differently
    places = normal(20, 33).double() * 100 + 1000
    real = places.repeat(6, 1)  # every radius is 0, as 5 others are at the same place
    result = neighbourhoods(real, places[:13].repeat(7, 1), k=5)
    assert astuple(result) == pytest.approx((1, 13 / 20, 6 / 5, 13 / 20))


def test_one_mode_has_precision_but_no_coverage_nor_recall():
    real = torch.cat([normal(50, 2), normal(50, 2, 1) + 100])
    result = neighbourhoods(real, normal(100, 2, 2) * 0.5)
    assert result.precision > 0.95
    assert result.coverage <= 0.5 and result.recall <= 0.5


def test_real_against_real_is_nearly_perfect():
    result = neighbourhoods(*halves(normal(1000, 4)))
    assert result.precision > 0.85 and result.recall > 0.85 and result.coverage > 0.9
    assert result.density == pytest.approx(1, abs=0.1)


# Diversity and classes


def test_diversity_by_hand():
    assert diversity(line(2, 5), pairs=10) == pytest.approx(3)  # a pair never takes the same sample twice
    assert diversity(torch.ones(9, 3)) == 0


def test_diversity_is_the_mean_over_all_pairs():
    points = normal(30, 5)
    assert diversity(points, pairs=50_000) == pytest.approx(float(torch.pdist(points).mean()), rel=0.01)


def test_class_histogram_counts_every_class():
    assert class_histogram(torch.tensor([2, 0, 2]), classes=4).tolist() == [1, 0, 2, 0]


def test_entropy_in_nats():
    assert entropy(torch.tensor([5, 5, 5, 5])) == pytest.approx(math.log(4))
    assert entropy(torch.tensor([7, 0, 0])) == 0
    assert entropy(torch.tensor([0.25, 0.75])) == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))
    with pytest.raises(ValueError, match="empty"):
        entropy(torch.zeros(3))


def test_label_accuracy_is_a_share():
    assert label_accuracy(torch.tensor([0, 1, 2, 3]), torch.tensor([0, 1, 2, 9])) == 0.75
    with pytest.raises(ValueError, match="shapes"):
        label_accuracy(torch.zeros(4), torch.zeros(4, 1))  # would broadcast to 4 x 4


def test_nearest_class_takes_the_majority():
    references, labels = line(0, 1, 2, 10, 11), torch.tensor([7, 7, 3, 3, 3])
    assert nearest_class(line(0.4, 9, 100), references, labels, k=3).tolist() == [7, 3, 3]


def test_nearest_class_breaks_ties_by_nearness():
    references, labels = line(0, 1, 3, 4), torch.tensor([0, 0, 1, 1])
    assert nearest_class(line(1.9, 2.1), references, labels, k=4).tolist() == [0, 1]
    assert nearest_class(line(-1, 5), references, labels, k=50).tolist() == [0, 1]  # no more than there are


# Memorisation


def test_nearest_by_hand():
    distance, index = nearest(line(0.9, 4, 10), line(4, 1, 0))
    assert index.tolist() == [1, 0, 0]
    assert distance.tolist() == pytest.approx([0.1, 0, 6], abs=1e-6)


def test_a_copy_is_at_distance_exactly_zero():
    train = normal(500, 20) + 100
    distance, index = nearest(train[[3, 77]], train)
    assert index.tolist() == [3, 77] and distance.tolist() == [0, 0]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4), st.integers(0, 1000))
def test_nearest_agrees_with_all_distances(rows, references, columns, seed):
    first, second = normal(rows, columns, seed).double(), normal(references, columns, seed + 1).double()
    expected = (first[:, None] - second[None]).norm(dim=2).min(1)
    distance, index = nearest(first, second)
    assert index.tolist() == expected.indices.tolist()
    torch.testing.assert_close(distance, expected.values)


def test_memorisation_by_hand():
    train = line(0)
    test = line(*range(1, 102))  # distances 1 to 101: median 51, 1 % at 2, 5 % at 6
    result = memorisation(train, test, line(1, 1.5, 2, 5, 6, 25.5, 25.5, 25.5, 25.5, 25.5, 99))
    assert result.ratio == pytest.approx(0.5)
    assert result.nearer_1 == pytest.approx(2 / 11)  # 1 and 1.5, and not 2 itself
    assert result.nearer_5 == pytest.approx(4 / 11)


def test_memorisation_tells_copies_from_new_samples():
    train, test = normal(300, 8), normal(300, 8, 1)
    new = memorisation(train, test, normal(300, 8, 2))
    assert new.ratio == pytest.approx(1, abs=0.1) and new.nearer_1 < 0.05
    copies = memorisation(train, test, train[:100])
    assert copies.ratio == 0 and copies.nearer_1 == 1 and copies.nearer_5 == 1


# The floor, and bad input


def test_halves_are_disjoint_and_of_one_size():
    first, second = halves(torch.arange(11)[:, None])
    assert len(first) == len(second) == 5
    assert len({*first.flatten().tolist(), *second.flatten().tolist()}) == 10
    assert [len(part) for part in halves(torch.zeros(11, 1), size=3)] == [3, 3]


def test_halves_want_enough_samples():
    with pytest.raises(UserError, match="needs 20 real samples, and there are 19"):
        halves(torch.zeros(19, 2), size=10)


@pytest.mark.parametrize("metric", [frechet_distance, kernel_distance, squared_mmd, neighbourhoods, nearest])
def test_broken_features_are_refused(metric):
    broken = normal(20, 3)
    broken[4, 1] = math.nan
    with pytest.raises(UserError, match="NaN"):
        metric(normal(20, 3), broken)
    with pytest.raises(UserError, match="take more"):
        metric(normal(20, 3), torch.zeros(0, 3))
    with pytest.raises(ValueError, match="cannot be compared"):
        metric(normal(20, 3), normal(20, 4))
    with pytest.raises(ValueError, match=r"must be \(N, D\)"):
        metric(torch.zeros(20), torch.zeros(20))


def test_neighbourhoods_want_more_than_k_samples():
    with pytest.raises(UserError, match="6 samples or more, and there are 5"):
        neighbourhoods(normal(20, 3), normal(5, 3))
