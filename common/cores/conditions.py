"""What a conditional game is told beside its images or latents: classes and descriptions, read and embedded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.game import Batch
from common.data.pieces import END, PAD
from common.randomness import Draw

GROUP = 4  # neighbours in a batch that swap their conditions; batches are of whole groups, whatever their parts


class Condition(Protocol):
    """What is known of each of N examples, "raw" as it lies in a batch, and how a network reads it."""

    def read(self, batch: Batch, draw: Draw | None = None) -> Any:
        """The raw condition of a batch, (N, ...), a tensor or whatever the network takes; of several by the draw, or
        the first."""
        ...

    def __call__(self, raw: Any) -> Any:
        """What networks are given of a raw condition, such as an embedding (N, width)."""
        ...


class DroppableCondition(Condition, Protocol):
    """A condition that need not be told, and of which the wrong one may be told."""

    def none(self, count: int, device: torch.device) -> Any:
        """The raw condition that tells nothing, (count, ...)."""
        ...

    def drop(self, raw: Any, dropped: Tensor) -> Any:
        """The raw condition with nothing told where `dropped`, bool (N,), is true."""
        ...

    def swap(self, raw: Any) -> Any:
        """The raw condition with each row's replaced by that of another one, unless that one tells nothing."""
        ...


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

    def read(self, batch: Batch, draw: Draw | None = None) -> Tensor:
        """The labels of a batch, (N,) int64."""
        return batch["label"]

    def none(self, count: int, device: torch.device) -> Tensor:
        """ "No label" for every row, (count,)."""
        return torch.full((count,), self.classes, device=device)

    def drop(self, raw: Tensor, dropped: Tensor) -> Tensor:
        """Labels (N,) with those where `dropped` (N,) is true replaced by "no label"."""
        return raw.masked_fill(dropped, self.classes)

    def swap(self, raw: Tensor) -> Tensor:
        """Each row's label replaced by its neighbour's, unless that has none."""
        other = _neighbours(raw)
        return torch.where(other == self.classes, raw, other)

    def forward(self, raw: Tensor) -> Tensor:
        """Labels (N,), or weights of all labels (N, classes + 1) for what lies between -> embeddings (N, width)."""
        return raw @ self.embedding.weight if raw.is_floating_point() else self.embedding(raw)


@dataclass(frozen=True)
class Reading:
    """A description as it was read.

    Attributes:
        sentence: the whole, (N, outputs).
        words: each piece in its context, (N, L, width).
        present: which of the L there are, bool (N, L); never none of a row.
    """

    sentence: Tensor
    words: Tensor
    present: Tensor


class TextCondition(nn.Module):
    """A description in pieces, read by a small Transformer (Vaswani et al. 2017); "" tells nothing.

    Raw, a description is int (L,): its pieces, `END` and padding, as `common.data.pieces.padded` makes it.

    Args:
        pieces: size of the vocabulary.
        longest: L at most.
        width: of each piece, in the Transformer.
        outputs: length of the embedding of the whole.
    """

    def __init__(self, pieces: int, longest: int, width: int, outputs: int, depth: int = 2, heads: int = 4):
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(pieces, width, padding_idx=PAD)
        self.places = nn.Parameter(0.1 * torch.randn(longest, width))
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, 0.1, F.gelu, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, depth, nn.LayerNorm(width), enable_nested_tensor=False)
        self.whole = nn.Linear(width, outputs)

    def read(self, batch: Batch, draw: Draw | None = None) -> Tensor:
        """Choose one of the descriptions of each picture, (N, M, L), by the draw, or the first, (N, L)."""
        return batch["text"][:, 0] if draw is None else one_description(batch, draw)

    def none(self, count: int, device: torch.device) -> Tensor:
        """The empty description for every row, (count, 1)."""
        return torch.full((count, 1), END, device=device)

    def drop(self, raw: Tensor, dropped: Tensor) -> Tensor:
        """Descriptions (N, L) with those where `dropped` (N,) is true replaced by the empty one."""
        empty = F.pad(raw.new_full((len(raw), 1), END), (0, raw.shape[1] - 1), value=PAD)
        return torch.where(dropped[:, None], empty, raw)

    def swap(self, raw: Tensor) -> Tensor:
        """Each row's description replaced by its neighbour's, unless that is empty."""
        other = _neighbours(raw)
        return torch.where(other[:, :1] == END, raw, other)

    def encode(self, raw: Tensor) -> Reading:
        """Read descriptions (N, L), both as a whole and word by word."""
        present = raw != PAD
        words = self.embedding(raw) + self.places[: raw.shape[1]]
        words = self.layers(words, src_key_padding_mask=~present)
        weights = present.to(words.dtype)[..., None]
        return Reading(self.whole((words * weights).sum(1) / weights.sum(1)), words, present)

    def forward(self, raw: Tensor) -> Tensor:
        """Descriptions (N, L) -> embeddings (N, outputs)."""
        return self.encode(raw).sentence


def one_description(batch: Batch, draw: Draw) -> Tensor:
    """Choose one of the descriptions of each picture, "text" (N, M, L), by the draw, (N, L)."""
    texts = batch["text"]
    chosen = (draw.uniform() * texts.shape[1]).long()
    return texts[torch.arange(len(texts), device=texts.device), chosen]


def dropping(condition: DroppableCondition, share: float) -> Callable[[Batch, Draw], Any]:
    """Read a batch's condition and hide each with probability `share`, so that one network also samples without."""
    return lambda batch, draw: condition.drop(condition.read(batch, draw), draw.uniform() < share)


def _neighbours(raw: Tensor) -> Tensor:
    """(N, ...) with every row moved on by one within its group."""
    group = GROUP if len(raw) % GROUP == 0 else len(raw)
    moved = rearrange(raw, "(groups n) ... -> groups n ...", n=group).roll(1, 1)
    return rearrange(moved, "groups n ... -> (groups n) ...")
