"""Geometric self-ensembles: the mean over the eight ways to lay down a picture (Timofte et al. 2016; EDSR+)."""

import torch
from torch import Tensor, nn

WAYS = 8  # to turn and mirror a square


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
        total = back(self._of(images, 0), 0)
        for way in range(1, WAYS):
            total += back(self._of(images, way), way)
        return total / WAYS

    def _of(self, images: Tensor, way: int) -> Tensor:
        return self.network(there(images, way).contiguous(memory_format=torch.channels_last)).float()


def there(images: Tensor, way: int) -> Tensor:
    """Images (N, C, H, W) laid down in one of the `WAYS`; those from 4 on swap height and width."""
    mirrored = images.flip([axis for axis, bit in ((2, 1), (3, 2)) if way & bit])
    return mirrored.transpose(2, 3) if way & 4 else mirrored


def back(images: Tensor, way: int) -> Tensor:
    """What `there` laid down so, as it was."""
    turned = images.transpose(2, 3) if way & 4 else images
    return turned.flip([axis for axis, bit in ((2, 1), (3, 2)) if way & bit])
