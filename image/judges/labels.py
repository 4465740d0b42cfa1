"""Who judges labels: a trained classifier, or a vote of the nearest training images."""

from collections.abc import Callable

import torch
from torch import Tensor

from common.errors import UserError
from common.weights_folders import bundled
from image.data.loading import ImageData, in_parts
from image.judges.extractor import Extractor, load_extractor

# --- classes

Judge = Callable[[Tensor, Tensor], Tensor]  # (images (N, C, H, W), features (N, D)) -> labels (N,); K for none of the K


def classifier_judge(classifier: Extractor, data: ImageData) -> Judge:
    """An independently trained classifier.

    Raises:
        UserError: it does not know the classes of the data.
    """
    names = [f"{data.name}: {label}" for label in data.spec.classes]
    if missing := [name for name in names if name not in classifier.classes]:
        raise UserError(f"--classifier {classifier.name} does not know {missing[0]!r}; train one on {data.name}")
    table = torch.full((len(classifier.classes),), len(names))
    table[[classifier.classes.index(name) for name in names]] = torch.arange(len(names))
    return lambda images, features: table[classifier.labels(in_parts(images))]


def find_classifier(named: str | None, data: ImageData, device: torch.device) -> Extractor | None:
    """The one named, or the bundled one of the data, or None; checked against the data's classes.

    Raises:
        UserError: it cannot be loaded, or does not know the classes.
    """
    own = f"{data.name}-classifier"
    name = named or (own if own in bundled("image") else None)
    if name is None or not data.spec.classes:
        return None
    classifier = load_extractor(name, device)
    classifier_judge(classifier, data)
    return classifier
