"""One evaluation of a translator from the weights to the report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
import torch
from einops import rearrange, reduce
from numpy.typing import NDArray
from torch import Tensor

from common.evaluation.metrics import frechet_distance, halves
from common.evaluation.report import Better, Evaluation, Metric, Table, write_report
from common.pictures.perceptual import SqueezeNet, load_squeezenet, picture_distance
from common.pictures.sheets import save_picture, sheet
from common.progress import progress_bar
from common.randomness import Draw
from common.training.devices import pick_device
from common.weights_folders import digest_of, find_weights
from image.data.loading import to_model
from image.judges.extractor import FEATURES, SIDE, Extractor, load_extractor
from image.translate.chroma import chroma, coloured, rounded_luma
from image.translate.colorizer import Colorizer
from image.translate.config import EvaluateConfig, TaskName
from image.translate.data import PairData, load_pairs
from image.translate.hints import dots
from image.translate.lab import ab_of
from image.translate.metrics import colourfulness, middles, psnr, squared_error, tile_features, weave
from image.translate.models import TranslationModel, load_translation_model
from image.translate.patches import Album, as_batch
from image.translate.tasks import TASKS

SHOWN = 24  # pictures on the sheet
DOTS = 10  # that a colorizer is given of a picture's true colours
VARIED = ("edges", "inpaint")  # tasks that are measured from sources as training has them, too
OF_TASK: dict[TaskName, str] = {  # what its figures mean
    "colorize": "Chroma: Cb and Cr of ITU-T T.871. Error of a* and b*: the root of their mean squared distance (CIE "
    "L*a*b*) over all pixels. Colourfulness: Hasler & Süsstrunk 2003. ",
    "inpaint": "Holes: a box or an ellipse in each picture, an eighth to 3/8 of its side long; large ones: those that "
    "training draws, boxes, ellipses and strokes of up to a third of the picture. SqueezeNet distance: of unit-length "
    "features, over whole pictures; what fills holes learned from these very features, unless by --perceptual 0. "
    f"Distance in `{FEATURES}`, from which nothing learned: of the tiles of 32 x 32 pixels that holes reach into. ",
    "edges": "Sketches: the lines as a trembling hand draws and a scanner reads them, but for some that are clean. "
    "Weave: what repeats with every second pixel, amplitude in the median area whose 8 x 8 true pixels are of one "
    "colour, not white. ",
    "pairs": "",
}
RGB = NDArray[np.uint8]


@dataclass(frozen=True)
class Trial:
    """Held-out pictures, uint8 (N, 3, H, W).

    Attributes:
        true: as they are.
        sources: what the model is given, float (N, C, H, W).
        made: what it makes of them.
        mean: the mean colour of what it may have been trained on, (3,).
        varied: the same from sources as training has them, of `edges` and `inpaint`: sketches, and larger holes; of a
            colorizer that takes hints, with `DOTS` dots of the true colours.
    """

    true: Tensor
    sources: Tensor
    made: Tensor
    mean: NDArray[np.float64]
    varied: "Trial | None" = None


def evaluate(config: EvaluateConfig, out: Path) -> Evaluation:
    """Measure, and write evaluation.json, report.html and pictures.png into `out`.

    Raises:
        UserError: weights or data cannot be had, or the disk is full.
    """
    device = pick_device(config.device)
    model = load_translation_model(config.weights, device)
    side = config.side or int(model.data["patch"])
    scenes = config.side is not None or isinstance(model.network, Colorizer)
    data = load_pairs(config.data, model.task, side, scenes=scenes)
    trial, extractor = attempt(model, data, side, config), load_extractor(device=device)
    measure = {"colorize": colours, "inpaint": fillings}.get(model.task, drawings)
    facts = {
        "weights": config.weights,
        "weights_sha256": digest_of(find_weights(config.weights, "image")),
        "task": model.task,
        "data": data.name,
        "source": data.source,
        "seed": config.seed,
        "n": len(trial.true),
        "extractor": extractor.name,
    }
    evaluation = Evaluation(facts, protocol(model.task, data, trial, extractor, scenes), measure(trial, extractor))
    shown = zip(TASKS[model.task].shown(trial.sources[:SHOWN]), trial.made, trial.true, strict=False)
    strips = [("", torch.stack(row)) for row in shown]
    pictures = sheet(strips, headings=("given", "translated", "true"))
    save_picture(pictures, out / "pictures.png")
    write_report(evaluation, out, f"{model.name} on {data.name}", [("Held-out pictures, not picked", pictures)])
    return evaluation


def attempt(model: TranslationModel, data: PairData, side: int, config: EvaluateConfig) -> Trial:
    """Translate the middles of held-out pictures."""
    true = middles(data.test, side, config.n)
    batch, task = as_batch(true), TASKS[model.task]

    def trial(vary: bool, varied: Trial | None = None, dotted: bool = False) -> Trial:
        draw = Draw(config.seed, rows=len(true))
        sources = task.source(batch, draw, vary)
        if dotted:
            sources = torch.cat([sources, dots(ab_of(to_model(batch["picture"])), draw, DOTS)], 1)
        rows = progress_bar(sources.split(1), "translating", unit="img", leave=False, disable=None)
        made = torch.cat([task.picture(source, model.translate(source)) for source in rows])
        return Trial(batch["picture"], sources, made, mean_colour(data.train), varied)

    if isinstance(model.network, Colorizer):
        return trial(False, trial(False, dotted=True))
    return trial(False, trial(True) if model.task in VARIED else None)


def mean_colour(album: Album) -> NDArray[np.float64]:
    """The mean colour of all pixels of a picture, (3,)."""
    return album.pixels[:, :3].double().mean(0).numpy()


def colours(trial: Trial, extractor: Extractor) -> list[Table]:
    """Against no colours at all, and against one colour for all: the mean one's chroma."""
    grey = rounded_luma(trial.true)
    average = chroma(to_model(torch.from_numpy(trial.mean)[None, :, None, None]))
    tables = []
    for name, baseline in (
        ("no colour", torch.zeros(1, 2, 1, 1)),
        ("mean colour", average),
    ):
        others = coloured(grey, baseline.expand(len(grey), 2, *grey.shape[2:])).to(torch.uint8)
        tables.append(
            Table(
                f"Colours against {name}",
                ("translated", name),
                [
                    _both(
                        "chroma PSNR, dB", lambda made: _mean_psnr(_chroma(made), _chroma(trial.true)), trial, others
                    ),
                    _both("PSNR of RGB, dB", lambda made: _mean_psnr(made, trial.true), trial, others),
                    _both("error of a* and b*", lambda made: _colour_error(made, trial.true), trial, others, "lower"),
                ],
            )
        )
    if trial.varied is not None:
        given, without = (_colour_error(made, trial.true) for made in (trial.varied.made, trial.made))
        error = Metric("error of a* and b* with dots", given, without, "lower", len(trial.true))
        tables.append(Table(f"Colours with {DOTS} dots of true ones", ("translated", "without dots"), [error]))
    made, true = (float(np.mean([colourfulness(one) for one in _pictures(side)])) for side in (trial.made, trial.true))
    figures = [
        Metric("colourfulness", made, true, "as real", len(trial.true)),
        _distance(trial, extractor),
        Metric("colourfulness, share of the true one", made / true if true else None, 1.0, "as real", len(trial.true)),
    ]
    return [*tables, Table("Against true pictures", ("translated", "true"), figures)]


def fillings(trial: Trial, extractor: Extractor) -> list[Table]:
    """Of holes, and of large ones, against a biharmonic surface (Damelin & Hoang 2018, as scikit-image has it)."""
    tables = [Table("Holes against a smooth surface", ("translated", "biharmonic"), _fillings(trial, extractor))]
    if trial.varied is not None:
        figures = _fillings(trial.varied, extractor)
        tables.append(Table("Large holes against a smooth surface", ("translated", "biharmonic"), figures))
    return [*tables, Table("Against true pictures", ("translated", "true"), [_distance(trial, extractor)])]


def _fillings(trial: Trial, extractor: Extractor) -> list[Metric]:
    holes, squeezenet = (trial.sources[:, 3] > 0.5).numpy(), load_squeezenet()
    sides, true = (_pictures(trial.made), _surfaces(trial.true, holes)), _pictures(trial.true)

    def metric(name: str, measure: Callable[[Sequence[RGB]], float], better: Better = "lower") -> Metric:
        value, reference = (measure(side) for side in sides)
        return Metric(name, value, reference, better, len(holes))

    figures = [
        metric("PSNR of RGB within the holes, dB", lambda made: _mean_psnr_within(made, true, holes), "higher"),
        metric(f"distance in `{FEATURES}`, of tiles", lambda made: _distance_of_tiles(extractor, made, true, holes)),
    ]
    if squeezenet is not None:
        figures.append(metric("SqueezeNet distance", lambda made: _mean_distance(squeezenet, made, true)))
    return figures


def _surfaces(true: Tensor, holes: NDArray[np.bool_]) -> Sequence[RGB]:
    from skimage.restoration import inpaint_biharmonic

    smooth = []
    for picture, hole in zip(_pictures(true), holes, strict=True):
        filled = inpaint_biharmonic(np.where(hole[..., None], 0, picture), hole, channel_axis=2)
        smooth.append(np.rint(255 * filled).clip(0, 255).astype(np.uint8))
    return smooth


def _mean_psnr_within(made: Sequence[RGB], true: Sequence[RGB], holes: NDArray[np.bool_]) -> float:
    return float(np.mean([psnr(squared_error(*trio)) for trio in zip(made, true, holes, strict=True)]))


def _mean_distance(network: SqueezeNet, made: Sequence[RGB], true: Sequence[RGB]) -> float:
    return float(np.mean([picture_distance(network, *pair) for pair in zip(made, true, strict=True)]))


def _distance_of_tiles(
    extractor: Extractor, made: Sequence[RGB], true: Sequence[RGB], holes: NDArray[np.bool_]
) -> float:
    """The mean distance between the features of the tiles of 32 x 32 pixels that holes reach into."""
    first, second = (tile_features(extractor, _batch(side)) for side in (made, true))
    touched = reduce(torch.from_numpy(holes), "n (rows h) (columns w) -> (n rows columns)", "max", h=SIDE, w=SIDE)
    return (first - second)[touched].norm(dim=1).mean().item()


def drawings(trial: Trial, extractor: Extractor) -> list[Table]:
    """Against the mean colour, and against true pictures."""
    mean = torch.from_numpy(trial.mean.round()).to(torch.uint8)[None, :, None, None].expand_as(trial.true)
    figures = [
        _both("mean difference, grey levels", lambda made: _difference(made, trial.true), trial, mean, "lower"),
        _both("PSNR of RGB, dB", lambda made: _mean_psnr(made, trial.true), trial, mean),
    ]
    if trial.varied is not None:
        figures.append(_both("PSNR from sketches, dB", lambda made: _mean_psnr(made, trial.true), trial.varied, mean))
    against = Table("Pictures against the mean colour", ("translated", "mean colour"), figures)
    woven = Metric(
        "weave, grey levels", weave(trial.made, trial.true), weave(trial.true, trial.true), "lower", len(trial.true)
    )
    return [against, Table("Against true pictures", ("translated", "true"), [woven, _distance(trial, extractor)])]


def protocol(task: TaskName, data: PairData, trial: Trial, extractor: Extractor, scenes: bool) -> str:
    """Say in words how it was measured."""
    n, side = len(trial.true), trial.true.shape[2]
    shrunk = f", its shorter side made {side} pixels before" if scenes else ""
    return (
        f"N = {n:,} held-out pictures of {data.name}, the middle {side} x {side} pixels of each{shrunk}, as the model "
        f"translates them. {OF_TASK[task]}PSNR: of the mean squared error of each picture, in grey levels with a peak "
        f"of 255, mean over pictures. Fréchet distance: of the features `{extractor.name}` of all tiles of 32 x 32 "
        "pixels, no FID; under true, that between the tiles of one half of the true pictures and those of the other, "
        "which are half as many."
    )


def _distance(trial: Trial, extractor: Extractor) -> Metric:
    true, made = (tile_features(extractor, side) for side in (trial.true, trial.made))
    floor = frechet_distance(*halves(true)) if len(true) >= 4 else None
    return Metric("Fréchet distance of tiles", frechet_distance(true, made), floor, "lower", len(true))


def _both(
    name: str, metric: Callable[[Tensor], float], trial: Trial, others: Tensor, better: Better = "higher"
) -> Metric:
    found = (metric(side) for side in (trial.made, others))
    value, reference = (one if isfinite(one) else None for one in found)
    return Metric(name, value, reference, better, len(trial.true))


def _mean_psnr(first: Tensor, second: Tensor) -> float:
    pairs = zip(_pictures(first), _pictures(second), strict=True)
    return float(np.mean([psnr(squared_error(*pair)) for pair in pairs]))


def _colour_error(first: Tensor, second: Tensor) -> float:
    """The root of the mean squared distance in a* and b*."""
    pairs = zip(first.split(1), second.split(1), strict=True)
    errors = [(ab_of(to_model(made)) - ab_of(to_model(true))).square().sum(1).mean() for made, true in pairs]
    return torch.stack(errors).mean().sqrt().item()


def _difference(first: Tensor, second: Tensor) -> float:
    return (first.float() - second.float()).abs().mean().item()


def _chroma(pictures: Tensor) -> Tensor:
    """In grey levels, (N, 2, H, W)."""
    return 127.5 * chroma(to_model(pictures))


def _batch(pictures: Sequence[RGB]) -> Tensor:
    return torch.from_numpy(rearrange(list(pictures), "n h w c -> n c h w"))


def _pictures(pictures: Tensor) -> Sequence[RGB]:
    return list(rearrange(pictures, "n c h w -> n h w c").numpy())
