"""`python benchmarks/reading.py`: texts to read blind, ours among real ones.

Of each style it writes so many texts as the command writes them, with as many held-out ones, in random order into
`texts.csv`, whose last column is for the reader: 1 for what is grammatical, fragments included, and 0 for what is not.
Which are ours stands apart in `key.csv`. `benchmarks/reading_marks.py` scores what readers filled in.
"""

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import run
from common.config import ThreadConfig, require, require_seed
from common.files import replacing
from text.config import DEFAULT_WEIGHTS, GenerateConfig

KEY, TEXTS = "key.csv", "texts.csv"


@dataclass(frozen=True, kw_only=True)
class ReadingConfig(ThreadConfig):
    """Settings of a reading."""

    data: str  # whose held-out texts are read beside ours
    weights: str = DEFAULT_WEIGHTS  # what writes; a bundled name, a folder or a Hub id
    styles: tuple[str, ...] = ()  # that are read; default: all of the weights
    n: int = 100  # texts of ours a style, and as many real ones
    seed: int = 0  # of the texts and of their order
    out: Path = Path("reading")  # folder for the two files

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.n > 0, "n", f"must be above 0, not {self.n}")
        require_seed(self.seed)


def main(config: ReadingConfig) -> None:
    """Write texts and key."""
    import numpy as np

    rows = [(style, text, source) for source, texts in found(config).items() for style, text in texts]
    rows = [rows[row] for row in np.random.default_rng(config.seed).permutation(len(rows))]
    rows.sort(key=lambda row: row[0])
    config.out.mkdir(parents=True, exist_ok=True)
    save(
        config.out / TEXTS,
        ("number", "style", "text", "grammatical"),
        [(number, style, text, "") for number, (style, text, _) in enumerate(rows, 1)],
    )
    save(
        config.out / KEY,
        ("number", "style", "source"),
        [(number, style, source) for number, (style, _, source) in enumerate(rows, 1)],
    )
    print(f"wrote {len(rows):,} texts into {config.out / TEXTS}; mark them before you look into {config.out / KEY}")


def found(config: ReadingConfig) -> dict[str, list[tuple[str, str]]]:
    """Texts with their styles, ours and real ones."""
    import torch

    from text.generation import make_texts
    from text.models import load_fitting, load_text_model

    model = load_text_model(config.weights)
    data = load_fitting(config.data, model)
    pairs: dict[str, list[tuple[str, str]]] = {"ours": [], "real": []}
    for style in config.styles or data.styles:
        settings = GenerateConfig(weights=config.weights, style=style, n=config.n, seed=config.seed)
        own = (data.test.tensors["label"] == model.label(style)).nonzero()[:, 0]
        drawn = own[torch.randperm(len(own), generator=torch.Generator().manual_seed(config.seed))[: config.n]]
        pairs["ours"] += [(style, one.text) for one in make_texts(model, settings)]
        pairs["real"] += [(style, text) for text in data.texts(data.test, drawn)]
    return pairs


def save(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


if __name__ == "__main__":
    run(main, "benchmarks.reading")
