"""Inception-v3 as published Fréchet inception distances use it, through torchmetrics and torch-fidelity."""

from collections.abc import Iterable

import torch
from torch import Tensor

from common.errors import UserError


class Inception:
    """Inception-v3's last pooled features, 2,048 a picture (Heusel et al. 2017), every picture resized to 299 x 299.

    Args:
        device: where it computes; on a CPU it is slow, some twenty pictures a second.

    Raises:
        UserError: the packages are missing, or the weights can be had neither from the cache nor from the network.
    """

    name = "inception@6726825d"  # the first digits of the SHA-256 that names the file of its weights

    def __init__(self, device: torch.device | str = "cpu"):
        try:
            from torchmetrics.image.fid import NoTrainInceptionV3  # optional, and slow to import

            self.network = NoTrainInceptionV3("inception-v3-compat", ["2048"]).to(device)
        except ModuleNotFoundError as error:
            advice = "pip install 'quartet-gen[fid]', or leave --extractor out"
            raise UserError(f"--extractor inception needs torchmetrics and torch-fidelity; {advice}") from error
        except OSError as error:
            advice = "go online once, or leave --extractor out"
            raise UserError(f"--extractor inception: its weights cannot be fetched ({error}); {advice}") from error
        self.device = device

    @torch.inference_mode()
    def features(self, images: Iterable[Tensor]) -> Tensor:
        """Batches of images, uint8 (n, 1 or 3, H, W) -> all their features, float32 (N, 2048) on the CPU."""
        return torch.cat([self.network(batch.expand(-1, 3, -1, -1).to(self.device)).float().cpu() for batch in images])
