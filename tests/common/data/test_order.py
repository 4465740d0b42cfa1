"""The order of epochs: every item once, evenly anywhere, beside any other, and the same whoever asks."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from common.config import NEWEST, Order
from common.data.order import BLOCK, batch_indices, epoch_order, permuted

ORDERS = pytest.mark.parametrize("order", ["shuffled", "keyed"])


def epoch(n: int, seed: int = 0, number: int = 0) -> np.ndarray:
    return permuted(np.arange(n), n, seed, number)


@settings(deadline=None)
@given(
    n=st.one_of(st.integers(1, 300), st.integers(1, 50_000)), seed=st.integers(0, 2**32), number=st.integers(0, 10**9)
)
def test_an_epoch_has_every_item_once(n: int, seed: int, number: int) -> None:
    items = epoch(n, seed, number)
    assert items.dtype == np.int64
    assert np.array_equal(np.sort(items), np.arange(n))


@settings(deadline=None)
@given(n=st.integers(1, 1 << 40), place=st.integers(0, (1 << 40) - 1), number=st.integers(0, 100))
def test_a_place_is_computed_alone(n: int, place: int, number: int) -> None:
    places = np.array([place % n, (place + 1) % n, 0])
    items = permuted(places, n, 1, number)
    assert (items >= 0).all() and (items < n).all()
    assert permuted(places[:1], n, 1, number) == items[0]


def test_epochs_and_seeds_differ() -> None:
    first = epoch(1000)
    assert np.array_equal(first, epoch(1000))
    for other in (epoch(1000, number=1), epoch(1000, seed=1), np.arange(1000)):
        assert (first == other).sum() < 10  # one is to be expected


@pytest.mark.parametrize("n", [2, 3, 5, 7, 16, 33])
def test_items_stand_evenly_at_all_places(n: int) -> None:
    orders = np.stack([epoch(n, 7, number) for number in range(400 * n)])
    counts = np.stack([np.bincount(orders[:, place], minlength=n) for place in range(n)])
    assert chisquare(counts.ravel(), ddof=2 * n - 2).pvalue > 1e-4


@pytest.mark.parametrize("n", [5, 16, 33])
def test_items_follow_each_other_evenly(n: int) -> None:
    orders = np.stack([epoch(n, 8, number) for number in range(400 * n)])
    steps = (orders[:, 1:] - orders[:, :-1]) % n
    assert chisquare(np.bincount(steps.ravel(), minlength=n)[1:]).pvalue > 1e-4


def test_a_large_epoch_is_even_in_places_and_neighbours() -> None:
    n = 100_003
    items = epoch(n, 3)
    place = np.arange(n)
    for found in (items * 30 // n * 30 + place * 30 // n, np.diff(items) % n * 30 // n):
        assert chisquare(np.bincount(found)).pvalue > 1e-4


@ORDERS
@settings(deadline=None)
@given(n=st.integers(1, 40), batch=st.integers(1, 100), seed=st.integers(0, 2**32), steps=st.integers(1, 20))
def test_the_steps_laid_end_to_end_are_the_epochs_laid_end_to_end(
    order: Order, n: int, batch: int, seed: int, steps: int
) -> None:
    seen = torch.cat([batch_indices(n, seed, step, batch, order) for step in range(steps)])
    numbers = range(len(seen) // n + 1)
    lists = [epoch_order(n, seed, k) if order == "shuffled" else torch.from_numpy(epoch(n, seed, k)) for k in numbers]
    assert seen.dtype == torch.int64
    assert torch.equal(seen, torch.cat(lists)[: steps * batch])


@ORDERS
def test_batches_cross_blocks(order: Order) -> None:
    n, batch = 3 * BLOCK // 2, BLOCK // 3 + 1
    seen = torch.cat([batch_indices(n, 0, step, batch, order) for step in range(5)])
    assert torch.equal(seen[:n].sort().values, torch.arange(n))


def test_an_epoch_as_a_list_depends_on_seed_and_epoch() -> None:
    order = epoch_order(100, 0, 0)
    assert sorted(order.tolist()) == list(range(100))
    assert not torch.equal(order, epoch_order(100, 0, 1))
    assert not torch.equal(order, epoch_order(100, 1, 0))


def test_the_order_is_the_same_in_another_process() -> None:
    asked = "from common.data.order import batch_indices; print(batch_indices(1000, 3, 40, 8).tolist())"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert said.split("\n")[0] == str(batch_indices(1000, 3, 40, 8, NEWEST).tolist())
