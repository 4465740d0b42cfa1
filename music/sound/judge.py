"""A small classifier of sounds of our own: the features behind distances, and the judge of instruments.

It hears sounds, not the maps that a GAN makes, and learns from the training part alone, once for each data set.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.blocks import convolution
from common.data.arrays import Arrays, cached
from common.data.order import batch_indices
from common.evaluation.metrics import nearest_class
from common.progress import progress_bar
from common.randomness import mix
from music.sound.data.loading import SoundData, load_sounds
from music.sound.spectrograms import heard, to_float

FORMAT = 1  # of what is cached; raise it when the same sounds would make another judge
WIDTH = 24  # channels of the first layer
PASSES, FEWEST, BATCH = 12, 3_200, 32  # times that every sound is seen, sounds at least, and those of one step
LR = 2e-3
NOISE = 0.02  # of the logarithms; much more, and silence is unlike what it learned from
CHUNK = 256  # sounds at a time
TEACHER = "instruments"  # what is learned from for sounds without classes
K = 5  # neighbours that vote


class Classifier(nn.Module):
    """Four convolutions over a mel spectrogram; its features are the mean over the last map.

    Args:
        classes: how many it tells apart.
    """

    def __init__(self, classes: int, width: int = WIDTH):
        super().__init__()
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),
            *convolution(4, width),
            nn.MaxPool2d(2),
            *convolution(width, 2 * width),
            nn.MaxPool2d(2),
            *convolution(2 * width, 2 * width),
            *convolution(2 * width, 2 * width),
        )
        self.head = nn.Linear(2 * width, classes)

    def features(self, mels: Tensor) -> Tensor:
        """Logarithms as of `music.sound.spectrograms.heard` -> (N, 2 * width)."""
        return self.layers(mels).mean((2, 3))

    def forward(self, mels: Tensor) -> Tensor:
        """Logarithms as of `music.sound.spectrograms.heard` -> logits (N, classes)."""
        return self.head(self.features(mels))


@dataclass(frozen=True)
class Judge:
    """A trained classifier, ready to measure with.

    Attributes:
        network: hears a mel spectrogram.
        classes: what it tells apart, of `data`.
        data: name of what it learned from.
    """

    network: Classifier
    classes: tuple[str, ...]
    data: str

    @torch.inference_mode()
    def features(self, sounds: Iterable[Tensor]) -> Tensor:
        """Batches of sounds (n, samples), int16 or float in [-1, 1] -> all their features, (N, D) on the CPU."""
        return torch.cat([self.network.features(self._hear(batch)).cpu() for batch in sounds])

    def probabilities(self, features: Tensor) -> Tensor:
        """How sure it is of each of its classes, by features (N, D) -> (N, classes)."""
        with torch.inference_mode():
            return self.network.head(features.to(self.network.head.weight.device)).softmax(1).cpu()

    def labels(self, features: Tensor, data: SoundData, known: Tensor) -> Tensor:
        """The classes of `data` by features (N, D), int64 (N,): its own, or by a vote of training sounds.

        Args:
            known: features of all training sounds of `data`, (M, D).
        """
        if self.data == data.name:
            return self.probabilities(features).argmax(1)
        return nearest_class(features, known, data.train.tensors["label"], K)

    def _hear(self, batch: Tensor) -> Tensor:
        return heard(to_float(batch).to(self.network.head.weight.device))


def load_judge(data: SoundData, device: torch.device | str = "cpu") -> Judge:
    """The judge of a data set; it learns on first use, for a minute or two, into the cache.

    Of sounds without two classes or more it is that of `TEACHER`.

    Raises:
        UserError: as `load_sounds`, or an unwritable cache.
    """
    teacher = data if len(data.classes) > 1 else load_sounds(TEACHER)
    arrays, _ = cached(f"judge {FORMAT} {teacher.key}", lambda folder: _build(folder, teacher))
    network = Classifier(len(teacher.classes))
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})
    return Judge(network.to(device).eval(), teacher.classes, teacher.name)


def _build(folder: Path, data: SoundData) -> dict[str, Any]:
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = learned(data.train, len(data.classes))
    for name, tensor in network.state_dict().items():
        np.save(folder / f"{name}.npy", tensor.numpy())
    return {}


def learned(sounds: Arrays, classes: int) -> Classifier:
    """A classifier that descends the cross-entropy of labelled sounds."""
    network = Classifier(classes)
    mels = torch.cat([heard(to_float(part)) for part in sounds.tensors["wave"].split(CHUNK)])
    steps = max(PASSES * len(sounds), FEWEST) // BATCH
    optimizer = torch.optim.AdamW(network.parameters(), LR, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in progress_bar(range(steps), "learning to judge", leave=False, disable=None):
        rows = batch_indices(len(sounds), mix(0), step, BATCH)
        logits = network(mels[rows] + NOISE * torch.randn(BATCH, 1, *mels.shape[2:]))
        loss = F.cross_entropy(logits, sounds.tensors["label"][rows], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()
