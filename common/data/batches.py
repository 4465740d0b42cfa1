"""What the trainer draws from: the contract that arrays, crops and patches keep."""

from typing import Protocol, Self

import torch
from torch import Tensor

from common.config import Order


class Batches(Protocol):
    """Training examples by number, 0 to `len` - 1, and the order in which they come."""

    @property
    def nbytes(self) -> int:
        """Size of all that is held, in bytes."""
        ...

    def __len__(self) -> int: ...

    def indices(self, seed: int, step: int, batch: int, order: Order) -> Tensor:
        """The numbers of global step `step`, int64 (batch,), a function of the arguments alone.

        Args:
            order: of an epoch, where items are not drawn with replacement.
        """
        ...

    def digest(self) -> str:
        """What stands for the content, so that a run that goes on can tell whether it has changed."""
        ...

    def gather(self, indices: Tensor) -> dict[str, Tensor]:
        """The examples of these numbers, tensors (N, ...) by name, on the device that `on` chose."""
        ...

    def on(self, device: torch.device | str, budget_bytes: int) -> Self:
        """The same examples, which come out on `device`, and are held there if `nbytes` is within `budget_bytes`."""
        ...
