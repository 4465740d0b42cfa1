"""The trainer's eyes on a generator: sheets of crops, fidelity to validation pictures, the weights' config and card."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from common.cli import command
from common.pictures.perceptual import SqueezeNet, picture_distance
from common.pictures.sheets import save_picture, sheet
from common.training.monitor import Monitor, Verdict
from common.training.runs import in_minutes
from superres.config import Degradation, TrainConfig
from superres.data.loading import PhotoData
from superres.data.patches import Pair
from superres.metrics import psnr_y
from superres.models import SuperResModel, superres_model
from superres.networks import Generator, NetworkConfig
from superres.resize import upscale

JUDGED = 24  # validation pictures of a look at the quality
SIDE = 512  # of what is judged of each, at most, in pixels
SHOWN = 6  # crops on a sheet
CROP = 160  # their side, in pixels
MADE_SMALL: dict[Degradation, str] = {
    "bicubic": "were made small by bicubic alone",
    "real": "had blur, noise and JPEG too when they were made small",
    "second-order": "had blur, resizing, noise and JPEG twice when they were made small",
}

RGB = NDArray[np.uint8]


class PhotoMonitor(Monitor):
    """Judges by the fidelity to validation pictures.

    Args:
        config: the run's settings.
        data: what is trained on.
        network: what the product is built from.
    """

    def __init__(self, config: TrainConfig, data: PhotoData, network: NetworkConfig) -> None:
        self.config, self.data, self.network = config, data, network
        self.notes: tuple[str, ...] = (f"Began as: {config.weights}",) if config.weights else ()  # lines of the card
        self.pictures = [middle(pair, SIDE, data.scale) for pair in spread(data.validation, JUDGED)]
        self.crops = [middle(pair, CROP, data.scale) for pair in spread(data.validation, SHOWN)]
        enlarged = [psnr_y(upscale(low, data.scale), high, data.scale) for high, low in self.pictures]
        self.bicubic = float(np.mean(enlarged))

    def sheet(self, network: nn.Module, path: Path) -> None:
        """Draw crops of validation pictures as bicubic and as the network enlarge them, and as they are."""
        model, scale = self._model(network), self.data.scale
        rows = [(upscale(low, scale), model.upscale_picture(low), high) for high, low in self.crops]
        save_picture(side_by_side(rows, "upscaled"), path.with_suffix(".png"))

    def judge(self, network: nn.Module, images: int) -> Verdict:
        """PSNR-Y of validation pictures, and how much of it bicubic does not have."""
        model, scale = self._model(network), self.data.scale
        found = [psnr_y(model.upscale_picture(low), high, scale) for high, low in self.pictures]
        psnr = float(np.mean(found))
        return Verdict({"psnr_y": psnr, "above_bicubic": psnr - self.bicubic}, -psnr)

    def describe(self, facts: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The weights folder's config and card."""
        data = {"name": self.data.name, "key": self.data.key, "degradation": self.data.degradation}
        config = {"domain": "superres", "kind": "generator", "network": self.network.as_json(), "data": data}
        return config, self._card(facts)

    def _card(self, facts: dict[str, Any]) -> str:
        data, notes = self.data, "".join(f"- {note}\n" for note in self.notes)
        figures = "\n".join(f"| {name} | {value:.4g} |" for name, value in facts["figures"].items())
        return f"""# x{data.scale}, {self.network.net}, {self.config.core}

Upscales pictures {data.scale} times along each side. Trained on ones that {MADE_SMALL[data.degradation]}.

- Command: `{command("superres.train", self.config)}`
- These weights: after {facts["best_images"]:,} patches, {in_minutes(facts["seconds"])} on {facts["hardware"]}
- Data: {data.source}; {len(data.train):,} to train on, {len(data.validation):,} for validation
{notes}
Quality when saved, on {len(self.pictures):,} *validation* pictures (`python -m superres.evaluate` measures on others):

| figure | value |
|---|---|
{figures}
"""

    def _model(self, network: nn.Module) -> SuperResModel:
        assert isinstance(network, Generator)
        return superres_model(network)


class SharpMonitor(PhotoMonitor):
    """Judges by how alike pictures look to a network that recognises things, where it can be had.

    Args:
        features: that network; without it the latest weights count as the best.
    """

    def __init__(
        self, config: TrainConfig, data: PhotoData, network: NetworkConfig, features: SqueezeNet | None
    ) -> None:
        super().__init__(config, data, network)
        self.features = features
        described = "the critic's own features" if features is None else features.name
        self.notes += (f"Perceptual loss: on {described}",)

    def judge(self, network: nn.Module, images: int) -> Verdict:
        """The fidelity of validation pictures, and their distance in features."""
        verdict = super().judge(network, images)
        if self.features is None:
            return replace(verdict, score=None)
        model, features = self._model(network), self.features
        found = [picture_distance(features, model.upscale_picture(low), high) for high, low in self.pictures]
        distance = float(np.mean(found))
        return Verdict(verdict.figures | {"distance": distance}, distance)


def spread(pairs: Sequence[Pair], most: int) -> list[Pair]:
    """Some of them, evenly: files whose names are alike are often of the same kind."""
    return [pairs[number * len(pairs) // most] for number in range(most)] if len(pairs) > most else list(pairs)


def middle(pair: Pair, side: int, scale: int) -> tuple[RGB, RGB]:
    """The middle of a picture, at most `side` pixels of it each way, large and small (its first version)."""
    small = side // scale
    height, width = pair.lows.shape[1:3]
    y, x = (max(0, (length - small) // 2) for length in (height, width))
    high = pair.high[y * scale : (y + small) * scale, x * scale : (x + small) * scale]
    return high.numpy(), pair.lows[0, y : y + small, x : x + small].numpy()


def side_by_side(rows: Sequence[tuple[RGB, RGB, RGB]], name: str) -> Image.Image:
    """A sheet of crops (H, W, 3), of one size a row: as bicubic enlarges them, as `name` does, and as they are."""
    strips = [("", torch.from_numpy(rearrange(list(row), "n h w c -> n c h w"))) for row in rows]
    return sheet(strips, headings=("bicubic", name, "true"))
