"""The trainer's eyes on a translator: sheets of validation pictures, figures, and the weights' config and card."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from common.cli import command
from common.evaluation.metrics import frechet_distance
from common.pictures.sheets import save_picture, sheet
from common.randomness import Draw
from common.training.monitor import Monitor, Verdict
from common.training.runs import in_minutes
from image.judges.extractor import SIDE, Extractor, load_extractor
from image.translate.colorizer import Colorizer, ColorizerConfig
from image.translate.config import TaskName, TrainConfig
from image.translate.data import PairData
from image.translate.inpainter import InpainterConfig
from image.translate.metrics import colourfulness, middles, psnr, squared_error, tile_features
from image.translate.networks import TranslatorConfig
from image.translate.patches import as_batch
from image.translate.tasks import TASKS

JUDGED = 96  # validation pictures of a look at the quality
SHOWN = 8  # of them on a sheet
CHUNK = 16  # pictures that go through the network at a time
ENOUGH = 0.8  # of the true colourfulness; who dares more is wrong more often
TEMPERATURES = (0.3, 0.38, 0.5, 0.7, 1.0)  # of which a colorizer gets the best
BALANCES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)  # likewise

DOES: dict[TaskName, str] = {
    "colorize": "Gives grey pictures colours; their luma stays what it is.",
    "edges": "Makes pictures of line drawings, dark on white.",
    "inpaint": "Fills holes in pictures.",
    "pairs": "Makes of one kind of picture another.",
}


class TranslationMonitor(Monitor):
    """Judges by validation pictures: colours by error and colourfulness, all else by a Fréchet distance of small tiles.

    The pixel-wise best colours are grey ones, and the best of other pictures blurred; so neither counts alone. What
    is to descend --difference psnr is judged by that alone.

    Args:
        config: the run's settings.
        data: what is trained on.
        network: what the product is built from.
        device: where pictures are translated.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: PairData,
        network: TranslatorConfig | InpainterConfig | ColorizerConfig,
        device: torch.device,
    ) -> None:
        self.config, self.data, self.network, self.device = config, data, network, device
        self.task = TASKS[config.task]
        crops = middles(data.validation, config.patch, JUDGED)
        batch, draw = as_batch(crops), Draw(config.seed, rows=len(crops))
        self.true, self.sources = batch["picture"], self.task.source(batch, draw, False)
        self.extractor: Extractor = load_extractor(device=device)
        self.real = tile_features(self.extractor, self.true)

    def sheet(self, network: nn.Module, path: Path) -> None:
        """Draw validation pictures as given, as translated, and as they are."""
        sources = self.sources[:SHOWN]
        rows = zip(self.task.shown(sources), self._translated(network, sources), self.true[:SHOWN], strict=True)
        strips = [("", torch.stack(row)) for row in rows]
        save_picture(sheet(strips, headings=("given", "translated", "true")), path.with_suffix(".png"))

    def judge(self, network: nn.Module, images: int) -> Verdict:
        """Errors, colourfulness and the distance of tiles; a colorizer gets the temperature at which they are best."""
        made = self._best(network) if isinstance(network, Colorizer) else self._translated(network, self.sources)
        figures = self._figures(made)
        if len(self.real) > 1:
            figures["frechet"] = frechet_distance(self.real, tile_features(self.extractor, made))
        if self.config.difference == "psnr":  # who asks for it alone is judged by it
            return Verdict(figures, -figures["psnr"])
        if self.config.task != "colorize":
            return Verdict(figures, figures.get("frechet", -figures["psnr"]))
        return Verdict(figures, _colour_score(figures))

    @torch.inference_mode()
    def _best(self, network: Colorizer) -> Tensor:
        """What a colorizer makes at the temperature and balance that do best, which it then keeps."""
        sources = self._placed(self.sources)
        guesses = torch.cat([network.guess(part) for part in sources.split(CHUNK)])

        def made(config: ColorizerConfig) -> Tensor:
            output = network.read(sources, guesses, config.temperature, config.balance)
            return self.task.picture(self.sources, output.float().cpu())

        found = [replace(network.config, temperature=one, balance=two) for one, two in product(TEMPERATURES, BALANCES)]
        network.config = min(found, key=lambda config: _colour_score(self._figures(made(config))))
        self.network = network.config
        return made(network.config)

    def _figures(self, made: Tensor) -> dict[str, float]:
        """Of the validation pictures, uint8 (N, 3, H, W)."""
        pairs = list(zip(_pixels(made), _pixels(self.true), strict=True))
        figures = {
            "psnr": float(np.mean([psnr(max(squared_error(first, second), 1e-3)) for first, second in pairs])),
            "colourfulness": float(np.mean([colourfulness(first) for first, _ in pairs])),
            "true_colourfulness": float(np.mean([colourfulness(second) for _, second in pairs])),
        }
        if self.config.task == "colorize":
            grey = _pixels(self.task.picture(self.sources, torch.zeros_like(self.sources).expand(-1, 2, -1, -1)))
            error = sum(squared_error(first, second) for first, second in pairs)
            without = sum(squared_error(first, second) for first, (_, second) in zip(grey, pairs, strict=True))
            figures["error_to_grey"] = (error / max(without, 1e-9)) ** 0.5
        return figures

    def describe(self, facts: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The weights folder's config and card."""
        config = {
            "domain": "image",
            "kind": "translator",
            "network": self.network.as_json(),
            "data": {"name": self.data.name, "key": self.data.key, "patch": self.config.patch},
        }
        return config, self._card(facts)

    def _card(self, facts: dict[str, Any]) -> str:
        config, data = self.config, self.data
        figures = "\n".join(f"| {name} | {value:.4g} |" for name, value in facts["figures"].items())
        return f"""# {data.name}, {config.task}

{DOES[config.task]}

- Command: `{command("image.translate.train", config)}`
- These weights: after {facts["best_images"]:,} patches, {in_minutes(facts["seconds"])} on {facts["hardware"]}
- Data: {data.source}; {data.training:,} to train on, {len(data.validation):,} for validation, {len(data.test):,} held \
out

Quality when saved, on the middles of {len(self.true):,} *validation* pictures, features `{self.extractor.name}` of
{SIDE} x {SIDE} tiles (`python -m image.translate.evaluate` measures on held-out pictures):

| figure | value |
|---|---|
{figures}
"""

    @torch.inference_mode()
    def _translated(self, network: nn.Module, sources: Tensor) -> Tensor:
        """uint8 (N, 3, H, W) on the CPU."""
        parts = [(part, network(self._placed(part))) for part in sources.split(CHUNK)]
        return torch.cat([self.task.picture(part, output.float().cpu()) for part, output in parts])

    def _placed(self, sources: Tensor) -> Tensor:
        return sources.to(self.device).contiguous(memory_format=torch.channels_last)


def _colour_score(figures: dict[str, float]) -> float:
    """Lower is better: the error, and what is missing of enough colour."""
    share = figures["colourfulness"] / max(figures["true_colourfulness"], 1e-9)
    return figures["error_to_grey"] + max(0.0, ENOUGH - share)


def _pixels(pictures: Tensor) -> list[np.ndarray]:
    return list(rearrange(pictures, "n c h w -> n h w c").numpy())
