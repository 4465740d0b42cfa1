"""What threads make side by side is in order, and what fails, fails as alone."""

import threading
from collections.abc import Iterator

import pytest
import torch

from common.threads import one_thread, side_by_side


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """So many that torch computes with."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_items_are_made_in_order_by_single_threads(threads: int) -> None:
    met = threading.Barrier(threads, timeout=30)  # so that none goes on alone

    def make(item: int) -> tuple[int, int]:
        met.wait()
        return item**2, torch.get_num_threads()

    assert side_by_side(range(4), make) == [(0, 1), (1, 1), (4, 1), (9, 1)]
    assert torch.get_num_threads() == threads
    assert side_by_side([], make) == []
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads
    assert side_by_side([3], lambda item: -item) == [-3]


def test_on_other_devices_one_thread_makes_all(threads: int) -> None:
    assert side_by_side([1, 2], lambda item: threading.current_thread(), "cuda") == [threading.main_thread()] * 2


def test_an_error_is_passed_on(threads: int) -> None:
    def make(item: int) -> float:
        return 1 / item

    with pytest.raises(ZeroDivisionError):
        side_by_side([1, 0, 2], make)
    assert torch.get_num_threads() == threads
