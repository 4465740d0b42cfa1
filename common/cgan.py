"""The conditional half of the GAN core: conditions, and the critics that read them.

A condition is a small module with one interface, and generator and critic each own one:
`read(batch)` takes the raw condition out of a batch, `drop(raw, dropped)` hides it for some rows, `forward(raw)`
embeds it as (N, width). A class label is the first of them.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from common.game import Batch, Draw


class ClassCondition(nn.Module):
    """A class label, with one more embedding for "no label".

    Args:
        classes: how many classes there are; the index `classes` itself means "no label".
        width: length of the embedding.
    """

    def __init__(self, classes: int, width: int):
        super().__init__()
        self.classes, self.width = classes, width
        self.embedding = nn.Embedding(classes + 1, width)

    def read(self, batch: Batch) -> Tensor:
        """The labels of a batch, (N,) int64."""
        return batch["label"]

    def drop(self, raw: Tensor, dropped: Tensor) -> Tensor:
        """Labels (N,) with those where `dropped` (N,) is true replaced by "no label"."""
        return raw.masked_fill(dropped, self.classes)

    def forward(self, raw: Tensor) -> Tensor:
        """Labels (N,), or weights of all labels (N, classes + 1) for what lies between -> embeddings (N, width)."""
        return raw @ self.embedding.weight if raw.is_floating_point() else self.embedding(raw)


def dropping(condition: ClassCondition, share: float) -> Callable[[Batch, Draw], Tensor]:
    """Read the labels of a batch and hide each with probability `share`, so that one network samples without, too."""
    return lambda batch, draw: condition.drop(condition.read(batch), draw.uniform() < share)


class ProjectionHead(nn.Module):
    """The critic's last layer: psi(h) + <embed(y), h> (Miyato & Koyama 2018); without a condition just psi(h).

    Args:
        width: length of the critic's features h.
        condition: embeds the raw condition as (N, width), or None.
    """

    def __init__(self, width: int, condition: nn.Module | None = None):
        super().__init__()
        self.psi = nn.Linear(width, 1)
        self.condition = condition
        self.scale = width**-0.5  # keeps the product of the order of psi at the start

    def forward(self, features: Tensor, raw: Any = None) -> Tensor:
        """Features (N, width) and raw condition -> logits (N,)."""
        logits = self.psi(features).squeeze(1)
        if self.condition is None or raw is None:
            return logits
        return logits + torch.linalg.vecdot(self.condition(raw), features) * self.scale
