"""`python benchmarks/text_quality.py`: decoders and remedies against posterior collapse, side by side.

Trains a VAE of texts by each recipe for equally long, one after the other, evaluates it on held-out texts, and prints
a table: texts seen, nats a text by the importance-weighted bound, the same at z = 0, KL, active units, mutual
information, and of samples the reverse perplexity, the style accuracy and distinct-2 (in the last line, of real texts).
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import run
from common.config import ThreadConfig, require

ROOT = Path(__file__).resolve().parents[1]
RECIPES = {
    "GRU, free bits 0.25": (),
    "GRU, free bits 0.4": ("--free-bits", "0.4"),
    "GRU, normalised means": ("--normalised", "0.6"),
    "GRU, annealing alone": ("--free-bits", "0", "--beta-warm-up", "50000"),
    "GRU, a fifth of words dropped": ("--word-dropout", "0.2"),
    "GRU, denoising": ("--noise", "0.2"),
    "Transformer, free bits 0.25": ("--decoder", "transformer"),
}
BOUNDS = {"nats": "nats a text", "KL": "KL, nats a text", "units": "active units", "information": "mutual information"}
SAMPLES = {"reverse": "reverse perplexity (own trigrams)", "style": "style accuracy", "distinct-2": "distinct-2"}


@dataclass(frozen=True, kw_only=True)
class QualityConfig(ThreadConfig):
    """Settings of the comparison."""

    minutes: float = 5.0  # of training, each
    data: str = "bible"  # what is trained on and held out
    n: int = 1_000  # held-out texts and samples
    longest: int = 48  # pieces of a text

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.minutes > 0, "minutes", f"must be above 0, not {self.minutes}")


def main(config: QualityConfig) -> None:
    """Train and evaluate every recipe."""
    names = ["texts", "nats", "z = 0", *list(BOUNDS)[1:], *SAMPLES]
    print("recipe".ljust(32) + "".join(name.rjust(12) for name in names), flush=True)
    for recipe, flags in RECIPES.items():
        with tempfile.TemporaryDirectory() as folder:
            seen, found = measured(config, flags, Path(folder) / "run")
        print(recipe.ljust(32) + "".join(f"{value:12.4g}" for value in (seen, *row(found, "latent"))), flush=True)
    print("real".ljust(32) + " " * 12 * (2 + len(BOUNDS)) + "".join(f"{value:12.4g}" for value in row(found, "real")))


def measured(config: QualityConfig, flags: tuple[str, ...], out: Path) -> tuple[int, dict[str, Any]]:
    """Training texts seen, and the evaluation."""
    train = ("--net-size", "small", "--minutes", config.minutes, "--longest", config.longest)
    command("text.train", "--data", config.data, *train, *flags, "--out", out)
    command("text.evaluate", "--weights", out, "--n", config.n, "--out", out / "evaluation")
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return rows[-1]["images"], json.loads((out / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))


def row(found: dict[str, Any], side: str) -> list[float]:
    """The figures of one line: of the model, or of real texts where they have them."""
    bounds, samples = list(found["tables"].values())[:2]

    def figure(table: list[dict[str, Any]], name: str, column: str) -> float:
        return next(line[column] for line in table if line["figure"].startswith(name))

    if side == "real":
        return [figure(samples, name, "real") for name in SAMPLES.values()]
    return [
        figure(bounds, "nats a text", "latent"),
        figure(bounds, "nats a text", "z = 0"),
        *(figure(bounds, name, "latent") for name in list(BOUNDS.values())[1:]),
        *(figure(samples, name, "samples") for name in SAMPLES.values()),
    ]


def command(*words: object) -> None:
    """Run one of the project's commands, quietly unless it fails."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)


if __name__ == "__main__":
    run(main, "benchmarks.text_quality")
