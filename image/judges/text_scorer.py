"""How well pictures and descriptions fit: a trained scorer, and R-precision by it (Xu et al. 2018)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.blocks import convolution
from common.data.pieces import END, PAD
from common.schema import from_json
from common.weights import load_network
from common.weights_folders import digest_of, find_weights, load_config, reading_config
from image.data.loading import in_parts, to_model
from image.data.prompts import PromptTokenizer

CHUNK = 256  # descriptions that go through a network at a time
OUTPUTS = 128  # length of what a picture and a description become


class Scorer(nn.Module):
    """Brings pictures and descriptions to unit vectors that are near to each other where they belong together.

    A small CNN and a bag of pieces (Radford et al. 2021: CLIP, in small).

    Args:
        pieces: of the vocabulary.
        width: channels of the first layer.
        side: that pictures are brought to, in pixels.
    """

    def __init__(self, pieces: int, width: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),
            *convolution(12, width),
            nn.MaxPool2d(2),
            *convolution(width, 2 * width),
            nn.MaxPool2d(2),
            *convolution(2 * width, 4 * width),
        )
        self.seen = nn.Linear(4 * width, OUTPUTS)
        self.embedding = nn.Embedding(pieces, OUTPUTS, padding_idx=PAD)
        self.told = nn.Sequential(nn.Linear(OUTPUTS, 2 * OUTPUTS), nn.ReLU(True), nn.Linear(2 * OUTPUTS, OUTPUTS))
        self.sharpness = nn.Parameter(torch.tensor(math.log(10.0)))

    def pictures(self, images: Tensor) -> Tensor:
        """Images (N, 1 or 3, H, W) in [-1, 1] -> (N, OUTPUTS), of length 1."""
        images = images.expand(-1, 3, -1, -1)
        if images.shape[2:] != (self.side, self.side):
            images = F.interpolate(images, size=(self.side, self.side), mode="area")
        return F.normalize(self.seen(self.layers(images).amax((2, 3))))

    def texts(self, tokens: Tensor) -> Tensor:
        """Descriptions (N, L) -> (N, OUTPUTS), of length 1."""
        present = ((tokens != PAD) & (tokens != END))[..., None]
        total = (self.embedding(tokens) * present).sum(1)
        return F.normalize(self.told(total / present.sum(1).clamp(min=1)))


@dataclass(frozen=True)
class TrainedScorer:
    """A scorer, ready to measure with.

    Attributes:
        name: of the bundled folder or path, and the first digits of its file's SHA-256.
    """

    network: Scorer
    tokenizer: PromptTokenizer
    name: str

    @torch.inference_mode()
    def pictures(self, images: Tensor) -> Tensor:
        """Images uint8 (N, C, H, W) -> (N, OUTPUTS) on the CPU."""
        device = self.network.sharpness.device
        parts = (self.network.pictures(to_model(part.to(device))) for part in in_parts(images))
        return torch.cat([part.float().cpu() for part in parts])

    @torch.inference_mode()
    def texts(self, texts: list[str]) -> Tensor:
        """Descriptions -> (N, OUTPUTS) on the CPU."""
        tokens = self.tokenizer.tokens(texts).to(self.network.sharpness.device)
        return torch.cat([self.network.texts(part).float().cpu() for part in tokens.split(CHUNK)])


def load_scorer(source: str, device: torch.device | str = "cpu") -> TrainedScorer:
    """Load a scorer by bundled name or path.

    Raises:
        UserError: there is none by that name, or it is damaged.
    """
    folder = find_weights(source, "image")
    config = load_config(folder, "image", "scorer")
    with reading_config(folder):
        stated, tokenizer = from_json(_Stated, config, others=True), PromptTokenizer.load(folder, config)
    network = load_network(folder, lambda: Scorer(**vars(stated.network.sizes)))
    digest = digest_of(folder)[:8]
    return TrainedScorer(network.to(device), tokenizer, f"{folder.name}@{digest}")


@dataclass(frozen=True)
class _Sizes:
    pieces: int
    width: int
    side: int


@dataclass(frozen=True)
class _Network:
    sizes: _Sizes
    longest: int


@dataclass(frozen=True)
class _Stated:
    """What config.json must hold."""

    network: _Network
    words: str
