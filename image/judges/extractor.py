"""A small image classifier of our own: the features behind our distances, and the judge of class labels."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.blocks import convolution
from common.schema import from_json
from common.training.devices import placed
from common.weights import load_network
from common.weights_folders import digest_of, find_weights, load_config, reading_config
from image.data.loading import to_model

SIDE = 32  # the classifier sees every image as a square of this side
FEATURES = "features"  # the bundled extractor


class Classifier(nn.Module):
    """Six convolutions over 32 x 32 RGB, BatchNorm and ReLU; its features are the mean over the last map.

    Args:
        classes: how many classes it tells apart.
        width: channels of the first layer; the features are twice as long.
    """

    def __init__(self, classes: int, width: int = 64):
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),  # (N, 12, 16, 16): cheap, and loses nothing
            *convolution(12, width),
            nn.MaxPool2d(2),
            *convolution(width, 2 * width),
            *convolution(2 * width, 2 * width),
            nn.MaxPool2d(2),
            *convolution(2 * width, 2 * width),
        )
        self.head = nn.Linear(2 * width, classes)

    def features(self, images: Tensor) -> Tensor:
        """Images (N, 1 or 3, H, W) in [-1, 1], of any size -> (N, 2 * width)."""
        return self.layers(standardise(images)).mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 1 or 3, H, W) in [-1, 1], of any size -> logits (N, classes)."""
        return self.head(self.features(images))


def standardise(images: Tensor) -> Tensor:
    """Bring images (N, 1 or 3, H, W) to (N, 3, 32, 32): small ones padded by their border, large ones area-averaged.

    Height and width each by itself, so large pictures that are not square are seen compressed.
    """
    images = images.expand(-1, 3, -1, -1)
    if max(images.shape[2:]) > SIDE:
        images = F.interpolate(images, size=[min(side, SIDE) for side in images.shape[2:]], mode="area")
    missing = [SIDE - side for side in (images.shape[3], images.shape[2])]
    edges = [edge for pixels in missing for edge in (pixels // 2, pixels - pixels // 2)]
    return F.pad(images, edges, mode="replicate") if any(missing) else images


@dataclass(frozen=True)
class Extractor:
    """A trained classifier, ready to measure with.

    Attributes:
        name: of the bundled folder or path, and the first digits of its file's SHA-256, such as `features@1a2b3c4d`.
        classes: what it tells apart, as `data: class`.
    """

    network: Classifier
    name: str
    classes: tuple[str, ...]

    @torch.inference_mode()
    def features(self, images: Iterable[Tensor]) -> Tensor:
        """Batches of images, uint8 (n, C, H, W) -> all their features, float32 (N, D) on the CPU."""
        return torch.cat([self.network.features(self._prepare(batch)).float().cpu() for batch in images])

    @torch.inference_mode()
    def labels(self, images: Iterable[Tensor]) -> Tensor:
        """Batches of images, uint8 (n, C, H, W) -> the most likely classes, int64 (N,) on the CPU."""
        return torch.cat([self.network(self._prepare(batch)).argmax(1).cpu() for batch in images])

    def _prepare(self, batch: Tensor) -> Tensor:
        device = next(self.network.parameters()).device
        return to_model(batch.to(device)).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class _Stated:
    """What config.json must hold."""

    classes: tuple[str, ...]
    width: int


def load_extractor(source: str = FEATURES, device: torch.device | str = "cpu") -> Extractor:
    """Load a classifier by bundled name or path.

    Raises:
        UserError: there is none by that name, or it is damaged.
    """
    folder = find_weights(source, "image")
    config = load_config(folder, "image", "classifier")
    with reading_config(folder):
        stated = from_json(_Stated, config, others=True)
    digest = digest_of(folder)[:8]
    network = placed(load_network(folder, lambda: Classifier(len(stated.classes), stated.width)), device)
    return Extractor(network, f"{folder.name}@{digest}", stated.classes)
