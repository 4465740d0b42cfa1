"""Spherical walks stay on the sphere and keep their pace; analogies balance."""

import math

import pytest
import torch

from common.cores.latents import analogy, slerp, walk

X, Y, Z = torch.eye(3)


def test_half_way_between_orthogonal_vectors() -> None:
    torch.testing.assert_close(slerp(X, Y, 0.5), (X + Y) / math.sqrt(2))
    torch.testing.assert_close(slerp(X, Y, 1 / 3), math.cos(math.pi / 6) * X + math.sin(math.pi / 6) * Y)


def test_ends_are_exact() -> None:
    start, end = torch.randn(2, 5, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(slerp(start, end, 0.0), start)
    torch.testing.assert_close(slerp(start, end, 1.0), end)


def test_the_pace_is_constant_and_the_radius_kept() -> None:
    start, end = torch.nn.functional.normalize(torch.randn(2, 64, generator=torch.Generator().manual_seed(1)), dim=-1)
    points = torch.stack([slerp(start, end, share) for share in torch.linspace(0, 1, 9).tolist()])
    torch.testing.assert_close(points.norm(dim=1), torch.ones(9))
    steps = torch.cosine_similarity(points[1:], points[:-1]).arccos()
    torch.testing.assert_close(steps, steps[0].expand(8), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("end", [2 * X, -X, X])
def test_parallel_vectors_are_joined_by_a_line(end: torch.Tensor) -> None:
    torch.testing.assert_close(slerp(X, end, 0.25), 0.75 * X + 0.25 * end)


def test_each_row_may_have_its_own_share() -> None:
    rows = slerp(X.expand(2, 3), Y.expand(2, 3), torch.tensor([[0.0], [0.5]]))
    torch.testing.assert_close(rows, torch.stack([X, (X + Y) / math.sqrt(2)]))


def test_a_walk_passes_through_its_stops() -> None:
    stops = torch.stack([X, Y, Z])
    for share, expected in ((0, X), (0.25, (X + Y) / math.sqrt(2)), (0.5, Y), (0.75, (Y + Z) / math.sqrt(2)), (1, Z)):
        torch.testing.assert_close(walk(stops, share), expected)


def test_analogy_is_a_sum_brought_back_to_the_sphere() -> None:
    torch.testing.assert_close(analogy(X, Y, Z), (X - Y + Z) / math.sqrt(3))
    torch.testing.assert_close(analogy(2 * X, X, 3 * X), 6 * X)  # 4 X, at 2 * 3 / 1


def test_what_cancels_leaves_the_rest() -> None:
    first, second = torch.randn(2, 4, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(analogy(first, first, second), second)
    torch.testing.assert_close(analogy(first, second, second), first)
    assert torch.equal(analogy(X, 2 * X, X), torch.zeros(3))
