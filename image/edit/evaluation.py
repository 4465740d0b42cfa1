"""One evaluation of editing, from the weights to the report."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from common.errors import UserError
from common.evaluation.report import Evaluation, Metric, Table, write_report
from common.pictures.sheets import save_picture, sheet
from common.training.devices import pick_device
from common.weights_folders import digest_of, find_weights
from image.data.loading import ImageData
from image.edit.config import MIN_PSNR, EvaluateConfig
from image.edit.directions import MAX_DISTANCE, Direction, moved
from image.edit.inversion import invert, reconstruction_psnr
from image.judges.extractor import Extractor, load_extractor
from image.judges.labels import Judge, classifier_judge, find_classifier
from image.models import ImageModel, load_for, load_image_model

TOGETHER = 50  # pictures that are sought at a time
SHOWN = 12  # pictures on the sheet


@dataclass(frozen=True)
class Trial:
    """Held-out pictures, uint8 (N, C, side, side), and what became of them.

    Attributes:
        labels: their classes, (N,).
        wanted: the classes they were edited to, (N,), each another than its own.
        again: reconstructions, before any edit.
        edited: at +2 to the class wanted.
        left: at -2 from their own.
    """

    pictures: Tensor
    labels: Tensor
    wanted: Tensor
    again: Tensor
    edited: Tensor
    left: Tensor


def evaluate(config: EvaluateConfig, out: Path) -> Evaluation:
    """Measure, and write evaluation.json, report.html and pictures.png into `out`.

    Raises:
        UserError: weights or data cannot be had or do not fit each other, there is no classifier, or the disk is full.
    """
    device = pick_device(config.device)
    model, extractor = load_image_model(config.weights, device), load_extractor(device=device)
    if len(model.classes) < 2:
        raise UserError(f"--weights {config.weights} have no classes, to which pictures would be edited; name others")
    data = load_for(model, config.data)
    classifier = find_classifier(config.classifier, data, device)
    if classifier is None:
        raise UserError(
            f"no judge of the labels of {data.name} is bundled; train one by image.judges.classifier and name it"
        )
    trial = attempt(model, data, extractor, config)
    facts = {
        "weights": config.weights,
        "weights_sha256": digest_of(find_weights(config.weights, "image")),
        "data": data.name,
        "source": data.source,
        "seed": config.seed,
        "n": len(trial.pictures),
        "extractor": extractor.name,
        "classifier": classifier.name,
    }
    tables = [
        classes(trial, classifier_judge(classifier, data)),
        identities(trial, extractor),
        reconstructions(trial, data),
    ]
    evaluation = Evaluation(facts, protocol(model, data, trial, extractor, classifier), tables)
    sides = (trial.pictures, trial.again, trial.edited)
    strips = [("", torch.stack(row)) for row in zip(*(side[:SHOWN] for side in sides), strict=True)]
    pictures = sheet(strips, headings=("picture", "found", "edited"))
    save_picture(pictures, out / "pictures.png")
    write_report(evaluation, out, f"edits by {model.name}", [("Held-out pictures, not picked", pictures)])
    return evaluation


def attempt(model: ImageModel, data: ImageData, extractor: Extractor, config: EvaluateConfig) -> Trial:
    """Find held-out pictures, and move each to the class after its own and away from its own."""
    held_out = data.test.tensors
    rows = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(config.seed))[: config.n]
    pictures, labels = held_out["image"][rows], held_out["label"][rows].long()
    wanted = (labels + 1) % len(model.classes)
    again, edited, left = (torch.empty_like(pictures) for _ in range(3))
    for some in torch.arange(len(rows)).split(TOGETHER):
        point = invert(model, pictures[some], extractor, config.steps, config.starts, config.seed)
        again[some] = model.decode(point.z, point.labels)
        for goals, distance, found in ((wanted[some], MAX_DISTANCE, edited), (labels[some], -MAX_DISTANCE, left)):
            for goal in goals.unique().tolist():
                chosen = goals == goal
                end = moved(point[chosen], Direction("", goal, None, distance))
                found[some[chosen]] = model.decode(end.z, end.labels)
    return Trial(pictures, labels, wanted, again, edited, left)


def classes(trial: Trial, judge: Judge) -> Table:
    """Whether the judge changes its mind."""
    before, edited, left = (judge(side, side) for side in (trial.again, trial.edited, trial.left))
    figures = [
        Metric(
            "judged to be of the class wanted, at +2", *_shares(edited, before, trial.wanted), "higher", len(before)
        ),
        Metric("judged to be of their own class, at -2", *_shares(left, before, trial.labels), "lower", len(before)),
    ]
    return Table("Classes of edited pictures", ("edited", "unedited"), figures)


def identities(trial: Trial, extractor: Extractor) -> Table:
    """Whether edited pictures stay nearer to what they were made of than others of the class wanted are to it."""
    figures, n = [], len(trial.labels)
    for name, measure in (
        ("features", lambda side: extractor.features([side])),
        ("pixels", lambda side: side.float().flatten(1) / side[0].numel() ** 0.5),
    ):
        true, again, edited = (measure(side) for side in (trial.pictures, trial.again, trial.edited))
        apart = torch.cdist(true, true)
        others = apart[trial.labels == trial.wanted[:, None]]
        for what, side in (("edited", edited), ("found", again)):
            figures.append(Metric(f"{what}, by {name}", _mean((side - true).norm(dim=1)), _mean(others), "lower", n))
        nearest = torch.cdist(edited, true).argmin(1) == torch.arange(n)
        figures.append(Metric(f"edited, nearest to its own by {name}", _mean(nearest), 1 / n, "higher", n))
    return Table("Distance from the picture", ("to its own", "to others"), figures)


def reconstructions(trial: Trial, data: ImageData) -> Table:
    """How well pictures were found, before any edit, and how well the mean training picture would do."""
    found = reconstruction_psnr(trial.pictures, trial.again)
    mean = data.train.tensors["image"].float().mean(0, keepdim=True).round().to(torch.uint8)
    flat = reconstruction_psnr(trial.pictures, mean.expand_as(trial.pictures))
    n = len(found)
    return Table(
        "Reconstruction before editing",
        ("found", "mean picture"),
        [
            Metric("PSNR, dB", _mean(found), _mean(flat), "higher", n),
            Metric(
                f"share above {MIN_PSNR:g} dB, which are edited",
                _mean(found >= MIN_PSNR),
                _mean(flat >= MIN_PSNR),
                "higher",
                n,
            ),
        ],
    )


def protocol(model: ImageModel, data: ImageData, trial: Trial, extractor: Extractor, classifier: Extractor) -> str:
    """Say in words how it was measured."""
    n = len(trial.pictures)
    return (
        f"N = {n:,} held-out pictures of {data.name}, drawn at random, none left out. Each was edited to another class "
        f"({', '.join(model.classes)}). Judged by {classifier.name}, trained apart. Distances: Euclidean, of the "
        f"features `{extractor.name}`, which the search for the picture descends too and which know no faces, and of "
        "pixels, beside the mean between a picture and the others of the class to which it was edited. PSNR: in grey "
        "levels with a peak of 255, mean over pictures."
    )


def _shares(after: Tensor, before: Tensor, labels: Tensor) -> tuple[float, float]:
    return _mean(after == labels), _mean(before == labels)


def _mean(values: Tensor) -> float:
    return values.double().mean().item()
