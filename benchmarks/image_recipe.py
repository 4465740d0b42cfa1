"""`python benchmarks/image_recipe.py`: what each part of the default recipe is worth, in equal minutes on `--data`.

Each line is the default recipe with one part taken back, or all of them, or the default VAE. Runs that are there
already are measured and not trained anew, so that lines can be added, and trained on several machines.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import run
from common.config import PrecisionConfig, require
from common.evaluation.metrics import frechet_distance, neighbourhoods
from common.pictures.sheets import grid, save_picture
from common.training.devices import pick_device
from image.config import TrainConfig
from image.data.loading import load_images
from image.judges.features import find_extractor
from image.metrics import K, gather
from image.models import load_image_model
from image.train import main as train

RECIPES: dict[str, dict[str, Any]] = {
    "default": {},
    "one-critic": {"critic": "plain"},
    "batch-64": {"batch": 64},
    "shuffle": {"finish": "shuffle"},
    "unaugmented": {"augment": ()},
    "vae": {"core": "vae"},
    "before": {"critic": "plain", "batch": 64, "finish": "shuffle", "augment": (), "mirror": False},
}


@dataclass(frozen=True, kw_only=True)
class RecipeConfig(PrecisionConfig):
    """Settings of the comparison."""

    data: str = "emoji"  # as of image.train
    minutes: float = 10.0  # of training, for each recipe
    recipes: tuple[str, ...] = tuple(RECIPES)  # of the table's lines, by name
    n: int = 1_000  # samples, and as many real pictures, that the distances are taken between
    seed: int = 0  # of weights, data order and noise
    linear: bool = False  # --output linear, for drawings on white
    out: Path = Path("runs/benchmark-recipe")  # folder of the runs and their sheets

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.minutes > 0, "minutes", f"must be above 0, not {self.minutes}")
        unknown = set(self.recipes) - set(RECIPES)
        require(not unknown, "recipes", f"are {', '.join(RECIPES)}, not {', '.join(unknown)}")


def main(config: RecipeConfig) -> None:
    """Train each recipe for the same minutes, unless it is there, and print what all reach."""
    print(f"{config.data}, {config.minutes:g} minutes of training each")
    print(f"{'recipe':<14}{'images seen':>13}{'features':>18}{'distance':>12}{'real':>10}{'recall':>9}{'coverage':>10}")
    for name in config.recipes:
        out = config.out / name
        if not (out / "model.safetensors").is_file():
            trained(config, name, out)
        measured(config, name, out)


def trained(config: RecipeConfig, name: str, out: Path) -> None:
    """Train one recipe."""
    limits: dict[str, Any] = {"minutes": config.minutes, "seed": config.seed, "out": out, "overwrite": out.exists()}
    if config.linear:
        limits["output"] = "linear"
    machine: dict[str, Any] = {"device": config.device, "precision": config.precision, "threads": config.threads}
    train(TrainConfig(data=config.data, **machine, **limits, **{"core": "gan"} | RECIPES[name]))


def measured(config: RecipeConfig, name: str, out: Path) -> None:
    """Measure the best weights of a run by features that the second critic knows, and by such as no critic does."""
    rows = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    seen = json.loads(rows[-1])["images"]
    device = pick_device(config.device)
    model, data = load_image_model(str(out), device), load_images(config.data)
    for named in ("squeezenet", "features"):
        extractor = find_extractor(named, device)
        material = gather(model, data, extractor, config.n, config.seed, model.usual_sampler)
        save_picture(grid(material.samples[:64]), config.out / f"{name}.png")
        real, fake = material.real_features, material.sample_features
        floor = frechet_distance(real, material.train_features[material.floor])
        around = neighbourhoods(real, fake, K)
        shares = f"{around.recall:>9.3f}{around.coverage:>10.3f}"
        print(f"{name:<14}{seen:>13,}{named:>18}{frechet_distance(real, fake):>12.4g}{floor:>10.4g}{shares}")


if __name__ == "__main__":
    run(main, "benchmarks.image_recipe")
