"""How far a network sees, found by changing one column of its source after another."""

import torch
from torch import Tensor, nn


def reach(network: nn.Module, source: Tensor, stride: int) -> int:
    """The largest distance in columns from an output that changes to the column of a source (1, C, H, W) that did."""
    middle, found = source.shape[3] // 2, 0
    for place in range(middle, middle + stride):
        changed = source.clone()
        changed[..., place] += 100
        with torch.no_grad():
            differs = (network(source) != network(changed)).any(2).any(1)[0].nonzero().flatten()
        found = max(found, place - int(differs.min()), int(differs.max()) - place)
    return found
