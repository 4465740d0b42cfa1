"""Several things made at once by threads of one process, each of which computes by itself.

Many small operations are faster so than one after the other with all threads in each, which wait for each other.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Made = TypeVar("Made")


def side_by_side(items: Sequence[Item], make: Callable[[Item], Made], device: torch.device | str = "cpu") -> list[Made]:
    """What is made of each item, in their order; on the CPU by as many threads as torch computes with.

    Args:
        device: where `make` computes; on others than the CPU one thread makes one after the other.

    Raises:
        Exception: as `make` does.
    """
    if torch.device(device).type != "cpu":
        return [make(item) for item in items]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # of threads that begin after it, too
    try:
        if len(items) < 2 or threads < 2:
            return [make(item) for item in items]
        with ThreadPoolExecutor(min(threads, len(items))) as pool:
            return list(pool.map(make, items))
    finally:
        torch.set_num_threads(threads)
