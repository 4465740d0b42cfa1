"""One evaluation from the weights to the report."""

import json
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from common.cores.vae import VAE
from common.evaluation.report import ClassCount, Evaluation, Table, write_report
from common.pictures.sheets import curves
from common.training.devices import pick_device
from common.training.runs import recorded, trained_on
from common.weights_folders import bundled, digest_of, find_weights, read_config
from image.config import DATA_SETS, EvaluateConfig
from image.data.loading import ImageData
from image.judges.extractor import Extractor, load_extractor
from image.judges.features import find_extractor, warning_of
from image.judges.labels import Judge, classifier_judge, find_classifier
from image.judges.r_precision import CHOICES, SAMPLES, alignment, drawn_prompts
from image.judges.text_scorer import TrainedScorer, load_scorer
from image.metrics import (
    FEW,
    VOTERS,
    K,
    Material,
    bounds,
    closest_pairs,
    count_classes,
    gather,
    likelihood,
    memory,
    quality,
    voters,
    voting_judge,
)
from image.models import ImageModel, load_for, load_image_model
from image.sheets import by_class, draw_sheet

SHOWN = 10  # pictures in a row of the report
AGAINST_REAL = ("samples", "real")


def evaluate(config: EvaluateConfig, out: Path) -> Evaluation:
    """Measure, and write evaluation.json and report.html into `out`.

    Raises:
        UserError: weights, data, classifier or extractor cannot be had or do not fit each other, or the disk is full.
    """
    device = pick_device(config.device)
    model, folder = load_image_model(config.weights, device, shared=True), find_weights(config.weights, "image")
    data = load_for(model, config.data or trained_on(folder, DATA_SETS))
    classifier = find_classifier(config.classifier, data, device)
    extractor = find_extractor(config.extractor, device)
    sampler = config.sampler or model.usual_sampler
    material = gather(model, data, extractor, config.n, config.seed, sampler, config.truncation)
    note = warning_of(extractor.name, read_config(folder) | recorded(folder))
    tables, classes = measure(model, data, material, extractor.name, classifier, config.seed, note)
    scorer = find_scorer(config, model, data, device)
    if scorer is not None:
        tables.append(Table("Descriptions", AGAINST_REAL, alignment(model, data, scorer, config.seed)))
    facts = {
        "weights": config.weights,
        "weights_sha256": digest_of(folder),
        "data": data.name,
        "source": data.source,
        "n": len(material),
        "seed": config.seed,
        "sampler": sampler,
        "truncation": config.truncation,
        "extractor": extractor.name,
        "classifier": classifier.name if classifier else None,
        "scorer": scorer.name if scorer else None,
    }
    evaluation = Evaluation(facts, protocol(config, facts, material, bool(model.classes)), tables, classes)
    shown = pictures(model, material, data, folder)
    if model.tokenizer is not None:
        rows = drawn_prompts(model, data, extractor, material.train_features, config.seed)
        headings = ("samples", *[""] * (SAMPLES - 1), "nearest")
        shown.insert(1, ("Descriptions, not picked, and the nearest training pictures", draw_sheet(rows, headings)))
    write_report(evaluation, out, f"{model.name} on {data.name}", shown)
    return evaluation


def measure(
    model: ImageModel,
    data: ImageData,
    material: Material,
    name: str,
    classifier: Extractor | None,
    seed: int,
    note: str = "",
) -> tuple[list[Table], list[ClassCount]]:
    """All tables that model and data allow; `name` is the feature extractor's, and `note` stands beside its figures."""
    classes: list[ClassCount] = []
    against = f"Samples against {'training' if material.seen else 'held-out'} pictures"
    tables = [
        Table(against + (f" ({note})" if note else ""), AGAINST_REAL, quality(material, name)),
        Table("Memorisation", AGAINST_REAL, memory(material)),
    ]
    if data.spec.classes:
        judge = classifier_judge(classifier, data) if classifier else _vote(material, data, model.device)
        figures, classes = count_classes(material, judge, data.spec.classes)
        tables.append(Table("Labels", AGAINST_REAL, figures))
    if isinstance(model.network, VAE):
        held_out, training = bounds(model, data.test, seed), bounds(model, data.train, seed)
        title = f"Likelihood of {held_out.n:,} held-out and {training.n:,} training pictures"
        tables.append(Table(title, ("held-out", "training"), likelihood(held_out, training, model.config.latent)))
    return tables, classes


def _vote(material: Material, data: ImageData, device: torch.device) -> Judge:
    rows, training = voters(material, len(data.train)), data.train.tensors
    return voting_judge(training["image"][rows], training["label"][rows], load_extractor(device=device))


def find_scorer(
    config: EvaluateConfig, model: ImageModel, data: ImageData, device: torch.device
) -> TrainedScorer | None:
    """--scorer, or the bundled one of the data, or None; None, too, for models that read no descriptions.

    Raises:
        UserError: it cannot be loaded.
    """
    own = f"{data.name}-scorer"
    name = config.scorer or (own if own in bundled("image") else None)
    return load_scorer(name, device) if name and model.tokenizer is not None else None


def protocol(config: EvaluateConfig, facts: dict[str, Any], material: Material, conditional: bool) -> str:
    """Say in words how it was measured."""
    n, least = len(material), "" if len(material) == config.n else f" ({config.n:,} asked for; there are no more)"
    labels = ", labels as the real pictures have them" if conditional else ""
    real, twin = f"held-out pictures of {facts['data']}", f"{n:,} training pictures"
    if material.seen:
        few = len(material.unseen_features)
        real = f"training pictures of {facts['data']} (only {few:,} are held out, which judge memorisation alone)"
        twin = f"the other {n:,} training pictures"
    truncated = "" if config.truncation == 1 else f" times {config.truncation:g}"
    told = ""
    if facts["scorer"]:
        told = (
            f" R-precision: of {CHOICES} descriptions, the right and random others, it is nearest by {facts['scorer']}."
        )
    judge = facts["classifier"] or f"a vote of the {K} nearest of up to {VOTERS:,} training pictures, by `features`"
    return (
        f"N = {n:,} samples{least} from the {facts['sampler']}{truncated}, seed {config.seed}{labels}, against {n:,} "
        f"{real}. Real against real: {twin} in the samples' place (for diversity "
        f"and labels, the real pictures themselves). Features: {facts['extractor']}; k = {K}. Nearest training "
        f"pictures are sought among all {len(material.train_features):,}. Labels are judged by {judge}.{told}"
        + (
            f" Distances at N below {FEW:,} are mostly bias: hold them against the real column only; ± is the "
            "standard error, a jackknife's."
            if n < FEW
            else ""
        )
    )


def pictures(model: ImageModel, material: Material, data: ImageData, folder: Path) -> list[tuple[str, Image.Image]]:
    """The report's pictures under their captions."""
    shown = [("Samples, the first of those measured", draw_sheet(_sample_rows(model, material)))]
    rows, neighbours = closest_pairs(material, SHOWN)
    pairs = [("sample", material.samples[rows]), ("training", data.train.tensors["image"][neighbours])]
    shown.append(("The samples nearest to a training picture, of the first 1,000", draw_sheet(pairs)))
    if isinstance(model.network, VAE):
        originals, labels = material.real[:SHOWN], material.wanted
        rebuilt = model.reconstruct(originals, None if labels is None else labels[:SHOWN])
        shown.append(
            ("Real pictures and their reconstructions", draw_sheet([("original", originals), ("rebuilt", rebuilt)]))
        )
    if log := _log(folder / "metrics.jsonl"):
        shown.append(("Curves of the training", curves(log)))
    return shown


def _sample_rows(model: ImageModel, material: Material) -> list[tuple[str, Tensor]]:
    if material.wanted is None:
        return [("", material.samples[: SHOWN * SHOWN])]
    order = material.wanted.argsort(stable=True)
    return [
        (label, images[:SHOWN]) for label, images in by_class(model, material.samples[order], material.wanted[order])
    ]


def _log(path: Path) -> list[dict[str, Any]]:
    """The figures of a run, if these weights are one; a run under way may be writing its last line."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
