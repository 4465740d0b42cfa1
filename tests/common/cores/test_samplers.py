"""What stands in for a VAE's prior."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from common.cores.samplers import NEIGHBOURS, REACH, AggregateSampler, NeighbourSampler


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def blobs() -> Tensor:
    left = normal(1500, 2) @ torch.tensor([[0.3, 0.2], [0.0, 0.1]], dtype=torch.float64) + torch.tensor([-3.0, 1.0])
    right = 0.5 * normal(500, 2, seed=1) + torch.tensor([4.0, -2.0])
    return torch.cat([left, right]).float()


def test_sampler_recovers_two_blobs() -> None:
    data = blobs()
    samples = AggregateSampler(2, components=2).fit(data).sample(20_000, generator())
    assert samples.shape == (20_000, 2)
    for fitted, given in [(samples[samples[:, 0] < 0], data[:1500]), (samples[samples[:, 0] >= 0], data[1500:])]:
        assert len(fitted) / 20_000 == pytest.approx(len(given) / 2000, abs=0.02)
        torch.testing.assert_close(fitted.mean(0), given.mean(0), atol=0.03, rtol=0)
        torch.testing.assert_close(fitted.T.cov(), given.T.cov(), atol=0.02, rtol=0)


def test_a_fitted_sampler_s_moments_are_those_of_what_it_was_fitted_to() -> None:
    mean, factor = AggregateSampler(2, components=2).fit(blobs()).moments()
    torch.testing.assert_close(mean, blobs().mean(0), atol=1e-3, rtol=0)
    torch.testing.assert_close(factor @ factor.T, blobs().T.cov(correction=0), atol=1e-3, rtol=1e-3)


def test_sampler_is_the_prior_until_fitted_and_survives_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    prior = AggregateSampler(3).sample(20_000, generator())
    torch.testing.assert_close(prior.mean(0), torch.zeros(3), atol=0.04, rtol=0)
    torch.testing.assert_close(prior.T.cov(), torch.eye(3), atol=0.05, rtol=0)
    fitted = AggregateSampler(2, components=2).fit(blobs(), seed=1)
    save_file(fitted.state_dict(), tmp_path / "sampler.safetensors")
    loaded = AggregateSampler(2, components=2)
    loaded.load_state_dict(load_file(tmp_path / "sampler.safetensors"))
    assert torch.equal(loaded.sample(5, generator(7)), fitted.sample(5, generator(7)))


# --- near each datum


def test_a_draw_is_a_datum_moved_as_its_neighbours_differ() -> None:
    line = torch.stack([torch.arange(50.0), torch.zeros(50), torch.full((50,), 3.0)], 1)
    drawn = NeighbourSampler(50, 3).fit(line).sample(5000, generator())
    assert drawn.shape == (5000, 3)
    assert torch.equal(drawn[:, 1:], line[:1, 1:].expand(5000, 2))  # no way leads off the line
    assert drawn[:, 0].mean() == pytest.approx(24.5, abs=0.8)
    two = torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    moved = NeighbourSampler(2, 2).fit(two).sample(20_000, generator())[:, 0]
    assert moved.var() == pytest.approx(4 + 2 * (REACH * 2) ** 2, rel=0.03)


def test_its_moments_are_those_of_what_it_draws() -> None:
    sampler = NeighbourSampler(200, 4).fit(normal(200, 4).float() @ torch.diag(torch.tensor([1.0, 2.0, 0.5, 0.0])))
    drawn, (mean, factor) = sampler.sample(200_000, generator()), sampler.moments()
    torch.testing.assert_close(mean, drawn.mean(0), atol=0.03, rtol=0)
    torch.testing.assert_close(factor @ factor.T, drawn.T.cov(), atol=0.05, rtol=0.03)


def test_it_remembers_the_last_data_that_it_is_told() -> None:
    sampler, told = NeighbourSampler(4, 2), normal(7, 2).float()
    for part in told.split(3):
        sampler.remember(part)
    assert torch.equal(sampler.points, told[-4:])
    sampler.remember(told)  # more at once than it holds
    assert torch.equal(sampler.points, told[-4:])


def test_of_one_datum_it_draws_that() -> None:
    sampler = NeighbourSampler(1, 3).fit(torch.ones(1, 3))
    assert torch.equal(sampler.sample(4, generator()), torch.ones(4, 3))
    assert torch.isfinite(sampler.moments()[1]).all()


def test_fewer_data_than_neighbours_and_dimensions_will_do() -> None:
    data = normal(NEIGHBOURS - 2, 16).float()
    sampler = NeighbourSampler(len(data), 16).fit(data)
    assert torch.isfinite(sampler.sample(10, generator())).all()
    assert torch.isfinite(sampler.moments()[1]).all()


def test_it_survives_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    fitted = NeighbourSampler(9, 2).fit(normal(9, 2).float())
    save_file(fitted.state_dict(), tmp_path / "sampler.safetensors")
    loaded = NeighbourSampler(9, 2)
    loaded.load_state_dict(load_file(tmp_path / "sampler.safetensors"))
    assert torch.equal(loaded.sample(5, generator(7)), fitted.sample(5, generator(7)))
