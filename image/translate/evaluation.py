"""One evaluation of a translator from the weights to the report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor

from common.evaluation.metrics import frechet_distance, halves
from common.evaluation.report import Better, Evaluation, Metric, Table, write_report
from common.pictures.sheets import save_picture, sheet
from common.progress import progress_bar
from common.randomness import Draw
from common.training.devices import pick_device
from common.weights_folders import digest_of, find_weights
from image.data.loading import to_model
from image.judges.extractor import Extractor, load_extractor
from image.translate.chroma import chroma, coloured, rounded_luma
from image.translate.colorizer import Colorizer
from image.translate.config import EvaluateConfig
from image.translate.data import PairData, load_pairs
from image.translate.lab import ab_of
from image.translate.metrics import colourfulness, middles, psnr, squared_error, tile_features, weave
from image.translate.models import TranslationModel, load_translation_model
from image.translate.patches import Album, as_batch
from image.translate.tasks import TASKS

SHOWN = 24  # pictures on the sheet

RGB = NDArray[np.uint8]


@dataclass(frozen=True)
class Trial:
    """Held-out pictures, uint8 (N, 3, H, W).

    Attributes:
        true: as they are.
        sources: what the model is given, float (N, C, H, W).
        made: what it makes of them.
        mean: the mean colour of what it may have been trained on, (3,).
        rough: what it makes of drawings as people make them, of `edges`.
    """

    true: Tensor
    sources: Tensor
    made: Tensor
    mean: NDArray[np.float64]
    rough: Tensor | None = None


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
    evaluation = Evaluation(facts, protocol(data, trial, extractor, scenes), measure(trial, extractor))
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

    def translated(sources: Tensor) -> Tensor:
        rows = progress_bar(sources.split(1), "translating", unit="img", leave=False, disable=None)
        return torch.cat([task.picture(source, model.translate(source)) for source in rows])

    sources, varied = (task.source(batch, Draw(config.seed, rows=len(true)), vary) for vary in (False, True))
    rough = translated(varied) if model.task == "edges" else None
    return Trial(batch["picture"], sources, translated(sources), mean_colour(data.train), rough)


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
    made, true = (float(np.mean([colourfulness(one) for one in _pictures(side)])) for side in (trial.made, trial.true))
    figures = [
        Metric("colourfulness", made, true, "as real", len(trial.true)),
        _distance(trial, extractor),
        Metric("colourfulness, share of the true one", made / true if true else None, 1.0, "as real", len(trial.true)),
    ]
    return [*tables, Table("Against true pictures", ("translated", "true"), figures)]


def fillings(trial: Trial, extractor: Extractor) -> list[Table]:
    """Within the holes, against a biharmonic surface (Damelin & Hoang 2018, as scikit-image has it)."""
    from skimage.restoration import inpaint_biharmonic

    holes = (trial.sources[:, 3] > 0.5).numpy()
    smooth = []
    for picture, hole in zip(_pictures(trial.true), holes, strict=True):
        filled = inpaint_biharmonic(np.where(hole[..., None], 0, picture), hole, channel_axis=2)
        smooth.append(np.rint(255 * filled).clip(0, 255).astype(np.uint8))
    sides = [_pictures(trial.made), smooth]
    found = [
        float(np.mean([psnr(squared_error(*pair)) for pair in zip(side, _pictures(trial.true), holes, strict=True)]))
        for side in sides
    ]
    figure = Metric("PSNR of RGB within the holes, dB", found[0], found[1], "higher", len(holes))
    against = Table("Holes against a smooth surface", ("translated", "biharmonic"), [figure])
    return [against, Table("Against true pictures", ("translated", "true"), [_distance(trial, extractor)])]


def drawings(trial: Trial, extractor: Extractor) -> list[Table]:
    """Against the mean colour, and against true pictures."""
    mean = torch.from_numpy(trial.mean.round()).to(torch.uint8)[None, :, None, None].expand_as(trial.true)
    figures = [
        _both("mean difference, grey levels", lambda made: _difference(made, trial.true), trial, mean, "lower"),
        _both("PSNR of RGB, dB", lambda made: _mean_psnr(made, trial.true), trial, mean),
    ]
    if trial.rough is not None:
        rough = replace(trial, made=trial.rough)
        figures.append(_both("PSNR from sketches, dB", lambda made: _mean_psnr(made, trial.true), rough, mean))
    against = Table("Pictures against the mean colour", ("translated", "mean colour"), figures)
    woven = Metric(
        "weave, grey levels", weave(trial.made, trial.true), weave(trial.true, trial.true), "lower", len(trial.true)
    )
    return [against, Table("Against true pictures", ("translated", "true"), [woven, _distance(trial, extractor)])]


def protocol(data: PairData, trial: Trial, extractor: Extractor, scenes: bool) -> str:
    """Say in words how it was measured."""
    n, side = len(trial.true), trial.true.shape[2]
    shrunk = f", its shorter side made {side} pixels before" if scenes else ""
    return (
        f"N = {n:,} held-out pictures of {data.name}, the middle {side} x {side} pixels of each{shrunk}, as the model "
        "translates them. PSNR: of the mean squared error of each picture, in grey levels with a peak of 255, mean "
        "over pictures; chroma: Cb and Cr of ITU-T T.871. Error of a* and b*: the root of their mean squared distance "
        "(CIE L*a*b*) over all pixels. Colourfulness: Hasler & Süsstrunk 2003. Sketches: the "
        "lines as a trembling hand draws and a scanner reads them, but for some that are clean. Weave: what repeats "
        "with every second pixel, amplitude in the median area whose 8 x 8 true pixels are of one colour, not white. "
        "Fréchet distance: of "
        f"the features `{extractor.name}` of all tiles of 32 x 32 pixels, no FID; under true, that between the tiles "
        "of one half of the true pictures and those of the other, which are half as many."
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


def _pictures(pictures: Tensor) -> Sequence[RGB]:
    return list(rearrange(pictures, "n c h w -> n h w c").numpy())
