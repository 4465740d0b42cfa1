"""Several processes that torchrun started for one command: which one this is, and what they tell each other.

A command that shares work among them must let none end, or fail, before all are done: torchrun then kills the others.
"""

import atexit
import os
import sys
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Any, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")
PATIENCE = timedelta(weeks=4)  # for which the first to be done waits for the last


def rank() -> int:
    """The number of this process, from 0 on."""
    return int(os.environ.get("RANK", 0))


def count() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", 1))


def summed(values: Sequence[int]) -> list[int]:
    """The sums of what all processes give, once all have come here."""
    if count() == 1:
        return list(values)
    import torch  # slow to import, and one process does without

    _meet()
    sums = torch.tensor(values)
    torch.distributed.all_reduce(sums)
    return [int(value) for value in sums]


def wait() -> None:
    """Go on when all processes have come here."""
    summed([0])


def turns() -> slice:
    """Which of some items this process makes, where all processes take turns."""
    return slice(rank(), None, count())


def gathered(made: Sequence[Made]) -> list[Made]:
    """What all processes made, each of the items that were its `turns`, in the order of the items; all get it."""
    if count() == 1:
        return list(made)
    import torch

    _meet()
    everyone: list[Any] = [None] * count()
    torch.distributed.all_gather_object(everyone, list(made))
    return [own[number] for number in range(len(everyone[0])) for own in everyone if number < len(own)]


def in_turn(
    items: Collection[Item],
    make: Callable[[Item], Made],
    shared: bool = True,
    leave: Callable[[Item], object] = lambda item: None,
) -> list[Made]:
    """What is made of each item; where it is shared, processes take turns, and all get all.

    Args:
        leave: is called, in place of `make` and in the same order, with what another process makes; to draw from a
            generator what that draws.
    """
    own = range(len(items))[turns()] if shared else range(len(items))
    made = []
    for number, item in enumerate(items):
        if number in own:
            made.append(make(item))
        else:
            leave(item)
    return gathered(made) if shared else made


def tell(line: str) -> None:
    """Print a line on standard error; of several processes the first does."""
    if rank() == 0:
        print(line, file=sys.stderr)


def _meet() -> None:
    """Begin to talk to the others, unless that is done, and end it before Python ends, which else may abort."""
    import torch
    from accelerate import PartialState

    if not torch.distributed.is_initialized():
        atexit.register(PartialState(cpu=True, timeout=PATIENCE).destroy_process_group)
