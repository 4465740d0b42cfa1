"""Training the small classifier: labelled data sets joined into one, its one-player game, and its card."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.game import Batch, Game, OptimizerConfig, Player
from common.data.arrays import Arrays
from common.errors import UserError
from common.randomness import Draw, mix
from common.training.launch import Run
from common.training.monitor import Monitor, Verdict
from image.data.loading import load_images, to_model, to_uint8
from image.judges.config import ClassifierConfig
from image.judges.extractor import Classifier, Extractor, standardise

CHUNK = 512  # images that are standardised or labelled at a time


@dataclass(frozen=True)
class JointData:
    """Labelled data sets as one, every image as the classifier sees it: uint8 (N, 3, 32, 32)."""

    classes: tuple[str, ...]  # "data: class", by label
    train: Arrays
    test: Arrays
    sources: tuple[str, ...]


def prepare(config: ClassifierConfig) -> Run:
    """What `image.judges.classifier` carries out.

    Raises:
        UserError: the data are of no use.
    """
    data = join(config.data)
    monitor = ClassifierMonitor(config, data)
    return Run(
        "image.judges.classifier",
        config,
        f"image-{'-'.join(Path(name).stem for name in config.data)}-classifier",
        classifier_game(monitor.network, config.lr),
        data.train,
        monitor,
        examples="images",
        sheets="",
        training=len(data.train),
        held_out=len(data.test),
        then=lambda out: f"test accuracy {monitor.accuracy():.4f} on {len(data.test):,} held-out images",
    )


def join(names: tuple[str, ...]) -> JointData:
    """Load labelled data sets and number their classes through.

    Raises:
        UserError: one cannot be loaded or has no labels.
    """
    classes: list[str] = []
    sources: list[str] = []
    parts: dict[str, list[dict[str, np.ndarray]]] = {"train": [], "test": []}
    for name in names:
        data = load_images(name)
        if not data.spec.classes:
            raise UserError(f"--data {name} has no labels; a classifier needs one sub-folder a class")
        for side, arrays in (("train", data.train), ("test", data.test)):
            parts[side].append(_standard(arrays, len(classes)))
        classes += [f"{data.name}: {label}" for label in data.spec.classes]
        sources.append(data.source)
    train, test = (
        Arrays({key: np.concatenate([part[key] for part in parts[side]]) for key in ("image", "label")})
        for side in ("train", "test")
    )
    return JointData(tuple(classes), train, test, tuple(sources))


def classifier_game(network: Classifier, lr: float) -> Game:
    """One player that descends the cross-entropy, on images shifted by up to two pixels."""

    def loss(batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        images = _jitter(to_model(batch["image"]), draw).contiguous(memory_format=torch.channels_last)
        logits = network(images)
        value = F.cross_entropy(logits.float(), batch["label"], label_smoothing=0.05)
        accuracy = (logits.argmax(1) == batch["label"]).float().mean()
        return value, {"classifier": value, "accuracy": accuracy}

    settings = OptimizerConfig(lr, weight_decay=1e-4)
    return Game({"classifier": Player(network, loss, settings, average=5_000, compile=True)}, "classifier")


class ClassifierMonitor(Monitor):
    """The trainer's eyes on a classifier. Nothing is tuned on held-out images."""

    def __init__(self, config: ClassifierConfig, data: JointData):
        torch.manual_seed(mix(config.seed, 0))
        self.config, self.data = config, data
        self.network = Classifier(len(data.classes), config.width)
        self.product: nn.Module = self.network

    def judge(self, network: nn.Module, images: int) -> Verdict:
        """Keep the latest weights."""
        self.product = network
        return Verdict()

    def describe(self, facts: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The config and card of the classifier's weights folder."""
        config = {
            "domain": "image",
            "kind": "classifier",
            "classes": list(self.data.classes),
            "width": self.config.width,
        }
        return config, _card(self.config, self.data, facts, self.accuracy())

    def accuracy(self) -> float:
        """Share of the held-out images that the latest weights label rightly."""
        assert isinstance(self.product, Classifier)
        extractor = Extractor(self.product.eval(), "", self.data.classes)
        found = extractor.labels(self.data.test.tensors["image"].split(CHUNK))
        return (found == self.data.test.tensors["label"]).float().mean().item()


def _card(config: ClassifierConfig, data: JointData, facts: dict[str, Any], accuracy: float) -> str:
    sources = "\n".join(f"- {source}" for source in data.sources)
    return f"""# A small image classifier

Tells {len(data.classes)} classes apart; used for the features of Fréchet distances and to judge labels.

- Command: `python -m image.judges.classifier --data {" ".join(config.data)} --images {facts["images"]} \
--seed {config.seed}`
- Trained on {len(data.train):,} images, {facts["images"]:,} seen, in {facts["seconds"] / 60:.1f} minutes \
on {facts["hardware"]}
- Accuracy on {len(data.test):,} held-out images: {accuracy:.4f}
- Sees every image at 32 x 32 RGB: smaller ones padded by their border, larger ones area-averaged

Data:
{sources}

Known faults: detail finer than 32 x 32 does not reach it, and it knows no class outside its own.
"""


def _standard(arrays: Arrays, first_label: int) -> dict[str, np.ndarray]:
    images = arrays.tensors["image"]
    small = torch.cat([to_uint8(standardise(to_model(part))) for part in images.split(CHUNK)])
    return {"image": small.numpy(), "label": arrays.tensors["label"].numpy() + first_label}


def _jitter(images: Tensor, draw: Draw) -> Tensor:
    """Shift each image by up to two pixels. Nothing is mirrored: digits do not bear it."""
    padded = rearrange(F.pad(images, (2, 2, 2, 2), mode="replicate"), "n c h w -> n h w c")
    shift = draw.integers(5, 2)
    rows = torch.arange(images.shape[2], device=images.device) + shift[:, :1]
    columns = torch.arange(images.shape[3], device=images.device) + shift[:, 1:]
    items = torch.arange(len(images), device=images.device)[:, None, None]
    return rearrange(padded[items, rows[:, :, None], columns[:, None, :]], "n h w c -> n c h w")
