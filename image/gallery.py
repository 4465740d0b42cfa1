"""What can be drawn with a trained model: samples, interpolations, latent arithmetic and reconstructions."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from common.errors import UserError
from common.figures import grid, pictures, save_gif, save_picture, sheet
from common.latents import analogy, slerp, walk
from image.config import GenerateConfig
from image.data import ImageData, load_images
from image.models import ImageModel

SAMPLES, STRIPS = 64, 8  # how many by default
IN_A_STRIP, A_STEP = 10, 24  # pictures in a strip of a sheet, and between two stops of an animation
WIDEST = 16  # pictures in a labelled row of a sheet; longer ones are broken
NAMED = 4  # stops of an interpolation that its label names, at most


Point = tuple[Tensor, Tensor | None]  # latents (N, latent), and weights of all labels (N, classes + 1)


@dataclass(frozen=True)
class Gallery:
    """Pictures in their order on a sheet, and in that of an animation.

    Attributes:
        what: it is, in words.
        rows: labels and their images, uint8 (n, C, H, W); "" for none.
        frames: images, uint8 (n, C, H, W), each batch one frame.
        fps: frames a second.
    """

    what: str
    rows: list[tuple[str, Tensor]]
    frames: list[Tensor]
    fps: float


def make_gallery(model: ImageModel, config: GenerateConfig) -> Gallery:
    """Draw what the command line asks for.

    Raises:
        UserError: the model has no such labels, or cannot do this.
    """
    if config.interpolate:
        return interpolations(model, config)
    if config.arithmetic:
        return arithmetic(model, config)
    return reconstructions(model, config, config.reconstruct) if config.reconstruct else samples(model, config)


def write_gallery(gallery: Gallery, config: GenerateConfig) -> str:
    """Write a gallery as --out asks for it, and say what was written.

    Raises:
        UserError: it cannot be written.
    """
    if config.ending == "":
        return _write_singles(gallery, Path(config.out))
    if config.ending == ".gif":
        save_gif([grid(frame) for frame in gallery.frames], config.out, gallery.fps)
    else:
        save_picture(draw_sheet(gallery.rows), config.out)
    return config.out


def draw_sheet(rows: Sequence[tuple[str, Tensor]]) -> Image.Image:
    """All rows on one sheet with their labels, or the only row as a grid."""
    if len(rows) == 1:
        return grid(rows[0][1])
    parts = [(label, images.split(WIDEST)) for label, images in rows]
    return sheet([("" if i else label, part) for label, chunks in parts for i, part in enumerate(chunks)])


def _write_singles(gallery: Gallery, folder: Path) -> str:
    named = [(label, picture) for label, images in gallery.rows for picture in pictures(images)]
    for index, (label, picture) in enumerate(named):
        slug = re.sub(r"\W+", "-", label).strip("-")
        save_picture(picture, folder / f"{index:04d}{'-' if slug else ''}{slug}.png")
    return f"{len(named)} pictures into {folder}"


def samples(model: ImageModel, config: GenerateConfig) -> Gallery:
    """Independent samples, a row a class; as an animation one after the other."""
    count = config.n or SAMPLES
    labels = even_labels(choose(model, config.label), count)
    images = model.decode(_latents(model, config, count, config.seed), labels)
    return Gallery(f"{count} samples of {model.name}", by_class(model, images, labels), list(images.split(1)), fps=4)


def interpolations(model: ImageModel, config: GenerateConfig) -> Gallery:
    """A strip a row, from latent to latent or from label to label; as an animation all at once, there and back."""
    count = config.n or STRIPS
    start = _latents(model, config, count, config.seed)
    classes = choose(model, config.label)
    if config.interpolate == "labels":
        return _between_labels(model, config, start, classes)
    labels = even_labels(classes, count)
    end = _latents(model, config, count, config.seed + 1 if config.to_seed is None else config.to_seed)
    strips = [model.decode(slerp(start, end, share), labels) for share in _shares(config, legs=1)]
    names = [""] * count if labels is None else [model.classes[label] for label in labels]
    return _strips(model, names, strips)


def arithmetic(model: ImageModel, config: GenerateConfig) -> Gallery:
    """A row each for A, B, C and A - B + C; as an animation from A to the result, there and back."""
    terms = config.arithmetic
    points = [_point(model, config, text) for text in terms]
    goal = _each(analogy, *points)
    images = [model.decode(*point) for point in (*points, goal)]
    labels = (terms[0], f"- {terms[1]}", f"+ {terms[2]}", "=")
    shares = _shares(config, legs=1) if config.ending == ".gif" else []
    frames = [model.decode(*_each(partial(slerp, share=share), points[0], goal)) for share in shares]
    what = f"{' '.join(labels[:3])} by {model.name}, {len(images[0])} times"
    return Gallery(what, list(zip(labels, images, strict=True)), _there_and_back(frames), fps=12)


def reconstructions(model: ImageModel, config: GenerateConfig, data: str) -> Gallery:
    """Held-out pictures above their reconstructions from the posteriors' means; as an animation in turn."""
    loaded = load_for(model, data)
    order = torch.randperm(len(loaded.test), generator=torch.Generator().manual_seed(config.seed))
    batch = loaded.test.gather(order[: config.n or STRIPS])
    originals = batch["image"]
    rebuilt = model.reconstruct(originals, batch["label"] if model.classes else None)
    pairs = zip(originals.split(WIDEST), rebuilt.split(WIDEST), strict=True)
    rows = [row for above, below in pairs for row in (("original", above), ("reconstruction", below))]
    what = f"{len(originals)} held-out pictures of {loaded.name} and their reconstructions by {model.name}"
    return Gallery(what, rows, [originals, rebuilt], fps=1)


def load_for(model: ImageModel, data: str) -> ImageData:
    """Load a data set as the model saw its own.

    Raises:
        UserError: there is none, or a conditional model has other classes.
    """
    fit = (model.data or {}).get("fit", "crop")
    loaded = load_images(data, model.config.side, fit, grey=model.config.channels == 1)
    if model.classes and loaded.spec.classes != model.classes:
        raise UserError(
            f"{data} has not the classes of {model.name} ({', '.join(model.classes)}); name its own data set"
        )
    return loaded


def choose(model: ImageModel, names: Sequence[str]) -> list[int]:
    """The numbers of the classes named, each once; all of them if none is.

    Raises:
        UserError: the model has no such class.
    """
    return list(dict.fromkeys(map(model.label, names))) or list(range(len(model.classes)))


def even_labels(classes: Sequence[int], count: int) -> Tensor | None:
    """Labels in equal shares, those of a class together, int64 (count,); None if there are no classes."""
    return torch.tensor(classes)[torch.arange(count) * len(classes) // count] if classes else None


def by_class(model: ImageModel, images: Tensor, labels: Tensor | None) -> list[tuple[str, Tensor]]:
    """The images of each class under its name, in the order of their first appearance."""
    if labels is None:
        return [("", images)]
    return [(model.classes[label], images[labels == label]) for label in dict.fromkeys(labels.tolist())]


def _latents(model: ImageModel, config: GenerateConfig, count: int, seed: int) -> Tensor:
    return model.latents(count, seed, config.sampler) * config.truncation


def _between_labels(model: ImageModel, config: GenerateConfig, z: Tensor, classes: list[int]) -> Gallery:
    if len(classes) < 2:
        raise UserError(
            "--interpolate labels needs two labels or more; name them with --label, or use --interpolate seeds"
        )
    stops = _one_hot(model, classes)  # (stops, classes + 1)
    shares = _shares(config, legs=len(classes) - 1)
    strips = [model.decode(z, walk(stops, share).expand(len(z), -1)) for share in shares]
    names = [model.classes[label] for label in classes]
    if len(names) > NAMED:
        names = [names[0], f"{len(names) - 2} others", names[-1]]
    return _strips(model, ["\nto ".join(names)] * len(z), strips)


def _one_hot(model: ImageModel, classes: Sequence[int]) -> Tensor:
    return F.one_hot(torch.tensor(classes), len(model.classes) + 1).float()


def _shares(config: GenerateConfig, legs: int) -> list[float]:
    """How far along the way each picture of a strip is, from 0 to 1."""
    pictures = config.frames or (A_STEP * legs if config.ending == ".gif" else max(IN_A_STRIP, legs + 1))
    return torch.linspace(0, 1, pictures, dtype=torch.float64).tolist()


def _strips(model: ImageModel, names: Sequence[str], pictures: list[Tensor]) -> Gallery:
    """`pictures` are those at one share of the way, (strips, C, H, W)."""
    rows = list(zip(names, torch.stack(pictures, 1), strict=True))
    what = f"{len(rows)} strips of {len(pictures)} pictures by {model.name}"
    return Gallery(what, rows, _there_and_back(pictures), fps=12)


def _there_and_back(frames: list[Tensor]) -> list[Tensor]:
    return frames + frames[-2:0:-1]


def _point(model: ImageModel, config: GenerateConfig, text: str) -> Point:
    """What "label", "label@seed" or, without labels, "seed" stands for."""
    label, at, seed = text.rpartition("@") if model.classes else ("", "@", text)
    if not at:
        label, seed = text, str(config.seed)
    if not seed.isdecimal() or int(seed) >= 1 << 31:
        raise UserError(f"--arithmetic {text}: {seed!r} is no seed; give a whole number, 0 to 2^31 - 1")
    z = _latents(model, config, config.n or STRIPS, int(seed))
    return z, _one_hot(model, [model.label(label)]).expand(len(z), -1) if model.classes else None


def _each(function: Callable[..., Tensor], *points: Point) -> Point:
    """Do the same to the latents and to the label weights."""
    latents, weights = zip(*points, strict=True)
    return function(*latents), None if weights[0] is None else function(*weights)
