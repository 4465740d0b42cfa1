"""Geometric self-ensembles: the mean over the eight ways to lay down a picture (Timofte et al. 2016; EDSR+)."""

import torch
from torch import Tensor, nn

from superres.symmetries import SYMMETRIES, mirrored, unmirrored

AXES = (2, 3)  # of height and width


class Ensemble(nn.Module):
    """Another network's results, averaged over all symmetries of a square, which takes eight times as long.

    What a network makes of a picture and of its mirror image should be the same but for the mirroring, and never quite
    is; of what it adds by chance the mean has less.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 3, H * scale, W * scale), float32."""
        total = self._of(images, 0)
        for symmetry in range(1, SYMMETRIES):
            total = total + self._of(images, symmetry)
        return total / SYMMETRIES

    def _of(self, images: Tensor, symmetry: int) -> Tensor:
        """What the network makes of images laid down in one way, as they were."""
        laid = mirrored(images, symmetry, AXES).contiguous(memory_format=torch.channels_last)
        return unmirrored(self.network(laid).float(), symmetry, AXES)
