"""Two sets of pictures held against each other, without weights: what `image.evaluate --samples` does."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from common.evaluation.report import Evaluation, Table, write_report
from common.evaluation.sets import choose_rows, protocol
from common.training.devices import pick_device
from image.config import EvaluateConfig, as_size, height_and_width
from image.data.loading import ImageData, load_images
from image.evaluation import AGAINST_REAL, SHOWN
from image.judges.features import find_extractor
from image.metrics import FEW, K, Material, features_of, quality
from image.sheets import draw_sheet


@dataclass(frozen=True)
class Sets:
    """Samples and real pictures of one size, as they were loaded."""

    samples: ImageData
    real: ImageData


def compare(config: EvaluateConfig, out: Path) -> Evaluation:
    """Measure --samples against --data, and write evaluation.json and report.html into `out`.

    Raises:
        UserError: either cannot be had, has too few pictures, or the disk is full.
    """
    assert config.samples is not None and config.data is not None
    sets = load(config.samples, config)
    extractor = find_extractor(config.extractor, pick_device(config.device))
    samples, real = (_all(data) for data in (sets.samples, sets.real))
    rows, real_rows, rest = choose_rows(len(samples), len(real), config.n, config.seed)
    n = len(rows)
    chosen, truth, floor = samples[rows], real[real_rows], real[rest[:n]]
    features = [
        features_of(extractor, images, what)
        for images, what in ((chosen, "samples"), (truth, "real pictures"), (floor, "the floor"))
    ]
    material = Material(chosen, None, features[0], truth, None, features[1], features[1], features[2], torch.arange(n))
    names = (sets.samples.name, sets.real.name)
    facts = {
        "samples": config.samples,
        "data": sets.real.name,
        "source": sets.real.source,
        "n": n,
        "seed": config.seed,
        "size": sets.real.spec.size,
        "extractor": extractor.name,
    }
    told = protocol(n, config.n, config.seed, names, "pictures")
    tables = [Table(f"{names[0]} against {names[1]}", AGAINST_REAL, quality(material, extractor.name))]
    evaluation = Evaluation(facts, f"{told} {_measured(sets, extractor.name, n)}", tables)
    shown = [
        (f"{name}, not picked", draw_sheet([("", images[: SHOWN * SHOWN])]))
        for name, images in zip(names, (chosen, truth), strict=True)
    ]
    write_report(evaluation, out, f"{names[0]} against {names[1]}", shown)
    return evaluation


def load(samples: str, config: EvaluateConfig) -> Sets:
    """Both sets at --size or, by default, at the size that the real pictures are learned from."""
    assert config.data is not None
    real = load_images(config.data, config.size)
    height, width = height_and_width(real.spec.size)
    return Sets(load_images(samples, as_size(height, width)), real)


def _all(data: ImageData) -> Tensor:
    """The pictures of both parts, uint8 (N, C, H, W)."""
    return torch.cat([data.train.tensors["image"], data.test.tensors["image"]])


def _measured(sets: Sets, extractor: str, n: int) -> str:
    height, width = height_and_width(sets.real.spec.size)
    skipped = len(sets.samples.skipped) + len(sets.real.skipped)
    few = f" Distances at N below {FEW:,} are mostly bias: hold them against the real column only." if n < FEW else ""
    left = f" {skipped:,} files could not be read and are left out." if skipped else ""
    return f"All are brought to {width} x {height} pixels. Features: {extractor}; k = {K}.{few}{left}"
