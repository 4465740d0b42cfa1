"""`python benchmarks/image_quality.py`: the default recipe beside the textbook DCGAN's, both for the same minutes.

Ours is `python -m image.train --data DATA --minutes M` and nothing else. The textbook recipe (Radford et al. 2016) is
binary cross-entropy, Adam at 2e-4 with beta1 0.5, batch 128, BatchNorm in both networks, no average of the weights, no
spectral norm, no labels; the last weights count. Its loop is lent our memory format and our batches, so that recipes
are compared and not implementations. Both are measured alike, against the same held-out images.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.textbook import Textbook
from common.cli import run
from common.config import PrecisionConfig, require
from common.data.order import batch_indices
from common.evaluation.metrics import Neighbourhoods, frechet_distance, neighbourhoods
from common.files import write_json
from common.pictures.sheets import grid, save_picture
from common.progress import progress_bar
from common.training.devices import pick_device
from image.config import TrainConfig
from image.data.loading import ImageData, load_images, to_model
from image.judges.extractor import load_extractor
from image.metrics import K, gather
from image.models import ImageModel, load_image_model
from image.networks import NetworkConfig, build_critic, build_generator, stages, widths
from image.train import main as train

LATENT, BATCH = 100, 128  # the paper's


@dataclass(frozen=True, kw_only=True)
class QualityConfig(PrecisionConfig):
    """Settings of the comparison."""

    data: str = "fashion-mnist"  # as of image.train
    minutes: float = 10.0  # of training, for each recipe
    n: int = 10_000  # samples, and as many held-out images, that the distances are taken between
    seed: int = 0  # of weights, data order and noise
    channels: tuple[int, ...] = (1024, 256)  # of the textbook's smallest maps, halved at each doubling; one run each
    conditional: bool = False  # tell the textbook's networks the classes too
    out: Path = Path("runs/benchmark-quality")  # folder of the runs and the table

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.minutes > 0, "minutes", f"must be above 0, not {self.minutes}")
        require(self.n >= 4, "n", f"must be 4 or more, not {self.n}")
        require(all(channels >= 64 for channels in self.channels), "channels", "must be 64 or more")


@dataclass(frozen=True)
class Result:
    """What a recipe reached."""

    recipe: str
    images: int  # seen in training
    n: int
    frechet: float
    floor: float  # the same distance between training and held-out images
    around: Neighbourhoods
    extractor: str  # of the features


def main(config: QualityConfig) -> None:
    """Train our default recipe and the textbook DCGAN's, each for the same minutes, and print what both reach."""
    results = [ours(config)]
    data = load_images(config.data)
    results += [textbook(config, data, channels) for channels in config.channels]
    report(config, results)
    table = [asdict(result) for result in results]
    write_json(config.out / "quality.json", {"data": config.data, "minutes": config.minutes, "results": table})
    print(f"\nwrote {config.out}: quality.json, our run, and a sheet of each recipe's samples")


def ours(config: QualityConfig) -> Result:
    """The default recipe, by its command."""
    out = config.out / "ours"
    limits = {"minutes": config.minutes, "seed": config.seed, "out": out, "overwrite": True}
    train(TrainConfig(data=config.data, device=config.device, precision=config.precision, **limits))
    rows = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    images = json.loads(rows[-1])["images"]
    return measure(config, load_image_model(str(out), pick_device(config.device)), "ours", images)


def textbook(config: QualityConfig, data: ImageData, channels: int) -> Result:
    """The textbook recipe, with so many channels at the smallest maps."""
    torch.manual_seed(config.seed)
    device, spec = pick_device(config.device), data.spec
    network = NetworkConfig(
        net="dcgan",
        side=spec.size,
        channels=spec.channels,
        width=channels >> stages(spec.size)[2],
        latent=LATENT,
        classes=len(spec.classes) if config.conditional else 0,
    )
    generator, critic = build_generator(network), build_critic(network)
    loop = Textbook(generator, critic, LATENT, device, config.conditional, torch.channels_last)
    images = train_textbook(loop, config, data)
    model = ImageModel(generator.eval(), network, spec.classes if config.conditional else ())
    return measure(config, model, f"textbook {'-'.join(map(str, widths(network)[:-1]))}", images)


def train_textbook(loop: Textbook, config: QualityConfig, data: ImageData) -> int:
    """Train until the minutes are over; returns how many images were seen."""
    torch.set_flush_denormal(True)  # lent as well
    arrays = data.train.on(loop.device, 4 << 30)
    start = time.perf_counter()
    for step in progress_bar(count(), "textbook", unit="steps", disable=None):
        if time.perf_counter() - start >= 60 * config.minutes:
            break
        batch = arrays.gather(batch_indices(len(arrays), config.seed, step, BATCH))
        loop.step(to_model(batch["image"]), batch.get("label", batch["image"]))
    return step * BATCH


def measure(config: QualityConfig, model: ImageModel, recipe: str, images: int) -> Result:
    """Measure as `image.evaluate` does, and draw a sheet."""
    data, extractor = load_images(config.data), load_extractor(device=pick_device(config.device))
    material = gather(model, data, extractor, config.n, config.seed, "prior")
    save_picture(grid(material.samples[:100]), config.out / f"{recipe.replace(' ', '-')}.png")
    real, fake = material.real_features, material.sample_features
    distance = frechet_distance(real, fake)
    floor = frechet_distance(real, material.train_features[material.floor])
    return Result(recipe, images, len(material), distance, floor, neighbourhoods(real, fake, K), extractor.name)


def report(config: QualityConfig, results: list[Result]) -> None:
    """Print the table."""
    first, *others = results
    print(
        f"\n{config.data}, {config.minutes:g} minutes of training each; ours is class-conditional, the textbook "
        f"{'too' if config.conditional else 'unconditional'}.\nN = {first.n:,} samples against {first.n:,} held-out "
        f"images; Fréchet distance fd_{first.extractor}, real against real {first.floor:.4g}.\n"
    )
    print(f"{'recipe':<28}{'images seen':>13}{'distance':>12}{'coverage':>11}{'recall':>11}{'precision':>11}")
    for result in results:
        around = result.around
        shares = f"{around.coverage:>11.3f}{around.recall:>11.3f}{around.precision:>11.3f}"
        print(f"{result.recipe:<28}{result.images:>13,}{result.frechet:>12.4g}{shares}")
    if others:
        best = min(others, key=lambda result: result.frechet)
        print(f"\nOurs has {first.frechet / best.frechet:.2f} times the distance of the better textbook run.")


if __name__ == "__main__":
    run(main, "benchmarks.image_quality")
