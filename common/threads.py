"""Several things made at once by threads of one process, each of which computes by itself.

Many small operations are faster so than one after the other with all threads in each, which wait for each other.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

Item = TypeVar("Item")
Made = TypeVar("Made")


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, also in threads that begin meanwhile: of small operations more would wait for others."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def side_by_side(items: Sequence[Item], make: Callable[[Item], Made], device: torch.device | str = "cpu") -> list[Made]:
    """What is made of each item, in their order; of several on the CPU, by as many threads as torch computes with.

    Args:
        device: where `make` computes; on others than the CPU one thread makes one after the other.

    Raises:
        Exception: as `make` does.
    """
    workers = min(torch.get_num_threads(), len(items))
    if workers < 2 or torch.device(device).type != "cpu":
        return [make(item) for item in items]
    with one_thread(), ThreadPoolExecutor(workers) as pool:
        return list(pool.map(make, items))
