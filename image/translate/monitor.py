"""The trainer's eyes on a translator: sheets of validation pictures, figures, and the weights' config and card."""

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
from image.translate.config import TaskName, TrainConfig
from image.translate.data import PairData
from image.translate.inpainter import AnyTranslatorConfig
from image.translate.metrics import colourfulness, middles, psnr, squared_error, tile_features
from image.translate.patches import as_batch
from image.translate.tasks import TASKS

JUDGED = 96  # validation pictures of a look at the quality
SHOWN = 8  # of them on a sheet
CHUNK = 16  # pictures that go through the network at a time

DOES: dict[TaskName, str] = {
    "colorize": "Gives grey pictures colours; their luma stays what it is.",
    "edges": "Makes pictures of line drawings, dark on white.",
    "inpaint": "Fills holes in pictures.",
    "pairs": "Makes of one kind of picture another.",
}


class TranslationMonitor(Monitor):
    """Judges by validation pictures: colours by error and colourfulness, all else by a Fréchet distance of small tiles.

    The pixel-wise best colours are grey ones, and the best of other pictures blurred; so neither counts alone.

    Args:
        config: the run's settings.
        data: what is trained on.
        network: what the product is built from.
        device: where pictures are translated.
    """

    def __init__(self, config: TrainConfig, data: PairData, network: AnyTranslatorConfig, device: torch.device) -> None:
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
        """Errors, colourfulness and the distance of tiles."""
        made = self._translated(network, self.sources)
        pairs = list(zip(_pixels(made), _pixels(self.true), strict=True))
        figures = {
            "psnr": float(np.mean([psnr(max(squared_error(first, second), 1e-3)) for first, second in pairs])),
            "colourfulness": float(np.mean([colourfulness(first) for first, _ in pairs])),
            "true_colourfulness": float(np.mean([colourfulness(second) for _, second in pairs])),
        }
        if len(self.real) > 1:
            figures["frechet"] = frechet_distance(self.real, tile_features(self.extractor, made))
        if self.config.task != "colorize":
            return Verdict(figures, figures.get("frechet", -figures["psnr"]))
        grey = _pixels(self.task.picture(self.sources, torch.zeros_like(self.sources).expand(-1, 2, -1, -1)))
        error = sum(squared_error(first, second) for first, second in pairs)
        without = sum(squared_error(first, second) for first, (_, second) in zip(grey, pairs, strict=True))
        figures["error_to_grey"] = (error / max(without, 1e-9)) ** 0.5
        missing = abs(figures["colourfulness"] / max(figures["true_colourfulness"], 1e-9) - 1)
        return Verdict(figures, figures["error_to_grey"] + missing)

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
        found = []
        for part in sources.split(CHUNK):
            output = network(part.to(self.device).contiguous(memory_format=torch.channels_last))
            found.append(self.task.picture(part, output.float().cpu()))
        return torch.cat(found)


def _pixels(pictures: Tensor) -> list[np.ndarray]:
    return list(rearrange(pictures, "n c h w -> n h w c").numpy())
