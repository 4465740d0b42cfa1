"""Noise is a function of (seed, step, player), and a turn moves one player only."""

from itertools import pairwise, product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from common.cores.game import Game, Player, only
from common.randomness import Draw, mix


def numbers(draw: Draw) -> list[Tensor]:
    return [draw.normal(3), draw.uniform(), draw.integers(1000, 2), draw.uniform(2, 2)]


def equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_noise_is_a_function_of_seed_step_and_player() -> None:
    start = numbers(Draw(seed=1, step=2, player=0, rows=8))
    assert equal(start, numbers(Draw(seed=1, step=2, player=0, rows=8, images=99, progress=0.5)))
    for other in [Draw(2, 2, 0, 8), Draw(1, 3, 0, 8), Draw(1, 2, 1, 8), Draw(2, 1, 0, 8)]:
        assert not any(torch.equal(a, b) for a, b in zip(start, numbers(other), strict=True))


def test_draws_of_one_turn_follow_each_other() -> None:
    draw = Draw(0, rows=8)
    assert not torch.equal(draw.normal(3), draw.normal(3))


def test_noise_does_not_hang_on_the_global_generator() -> None:
    torch.manual_seed(0)
    first = Draw(0, rows=4).normal(2)
    torch.manual_seed(1)
    assert torch.equal(first, Draw(0, rows=4).normal(2))


@given(st.lists(st.integers(0, 12), max_size=4))
def test_slices_of_the_global_batch_make_the_whole(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), 12]
    parts = [Draw(5, 7, 1, 12, slice(a, b)) for a, b in pairwise(edges)]
    whole = numbers(Draw(5, 7, 1, 12))
    assert equal(whole, [torch.cat(pieces) for pieces in zip(*map(numbers, parts), strict=True)])
    assert [part.local_rows for part in parts] == [b - a for a, b in pairwise(edges)]


def test_noise_has_its_distribution() -> None:
    draw = Draw(3, rows=20_000)
    z, u, k = draw.normal(), draw.uniform(), draw.integers(5)
    assert abs(z.mean()) < 0.03
    assert abs(z.std() - 1) < 0.03
    assert u.min() >= 0
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < 0.01
    assert k.dtype == torch.int64
    assert torch.bincount(k).min() > 3700
    assert len(torch.bincount(k)) == 5


def test_neighbouring_steps_do_not_correlate() -> None:
    noise = torch.stack([Draw(0, step, rows=10_000).normal() for step in range(5)])
    assert (torch.corrcoef(noise) - torch.eye(5)).abs().max() < 0.05


def test_mix_is_splitmix64() -> None:
    assert mix(0) == 0xE220A8397B1DCDAF >> 1  # the first output of Vigna's reference for the seed 0


def test_mix_has_no_collisions_in_small_ranges() -> None:
    seeds = [mix(*parts) for parts in product(range(40), repeat=3)]
    seeds += [mix(*parts) for parts in product(range(200), repeat=2)] + [mix(a) for a in range(200)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 1 << 63 for seed in seeds)


def test_mix_takes_any_whole_number() -> None:
    assert len({mix(n) for n in (-1, 0, 1, (1 << 63) - 1, -(1 << 63))}) == 5


def duel() -> Game:
    return Game({name: Player(nn.Linear(2, 2), lambda batch, draw: (torch.zeros(()), {})) for name in "ab"}, "a")


def trainable(player: Player) -> list[bool]:
    return [parameter.requires_grad for parameter in player.network.parameters()]


def test_only_one_player_is_trainable_in_a_turn() -> None:
    game = duel()
    a, b = game.players.values()
    b.network.bias.requires_grad_(False)  # frozen for good by whoever built the network
    with only(a, game):
        assert trainable(a) == [True, True]
        assert trainable(b) == [False, False]
    assert trainable(a) == [True, True]
    assert trainable(b) == [True, False]


def test_only_thaws_after_an_error() -> None:
    game = duel()
    a, b = game.players.values()
    with pytest.raises(ZeroDivisionError), only(a, game):
        _ = 1 / 0
    assert trainable(b) == [True, True]
