"""What can be drawn with a trained model: samples, interpolations, latent arithmetic and reconstructions."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from einops import repeat
from torch import Tensor
from torch.nn import functional as F

from common.cores.latents import Point, analogy, combine, slerp, walk
from common.cores.vae import VAE
from common.errors import UserError
from common.pictures.sheets import grid, pictures, save_animation, save_picture, there_and_back
from common.processes import rank, turns, wait
from image.config import ANIMATIONS, PICTURES, WITHOUT_TEXT, GenerateConfig, pictures_in
from image.data.prompts import PromptTokenizer
from image.edit.inversion import find_picture
from image.models import ImageModel, load_for
from image.sheets import WIDEST, by_class, draw_sheet, line_width

SAMPLES, STRIPS = 64, 8  # how many by default, or somewhat more so that all classes get as many
OF_A_TEXT = 4  # samples of a description by default, which hardly differ where it has one picture
TRUNCATION = 0.7  # of GANs' latents by default: fewer samples are damaged, and they are less varied
MOST_STRIPS = 12  # to which there are more by default, so that every class has one
IN_A_STRIP, A_STEP = 10, 24  # pictures in a strip of a sheet, about, and between two stops of an animation


@dataclass(frozen=True)
class Gallery:
    """Pictures in their order on a sheet, and in that of an animation.

    Attributes:
        what: it is, in words.
        rows: labels and their images, uint8 (n, C, H, W); "" for none.
        frames: images, uint8 (n, C, H, W), each batch one frame.
        fps: frames a second.
        headings: what stands above the pictures of each row, "" for nothing.
        notes: what whoever asked should know.
        refused: what is wrong with descriptions that were not drawn.
    """

    what: str
    rows: list[tuple[str, Tensor]]
    frames: list[Tensor]
    fps: float
    headings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def make_gallery(model: ImageModel, config: GenerateConfig) -> Gallery:
    """Draw what the command line asks for.

    Raises:
        UserError: the model has no such labels, or cannot do this.
    """
    if model.tokenizer is not None:
        return drawings(model, config, model.tokenizer)
    if config.text:
        raise UserError(f"--text: {model.name} reads no descriptions; name weights that do, such as emoji-text")
    if config.interpolate:
        return interpolations(model, config)
    if config.arithmetic:
        return arithmetic(model, config)
    if config.mix:
        return mixtures(model, config, config.mix)
    return reconstructions(model, config, config.reconstruct) if config.reconstruct else samples(model, config)


def write_gallery(gallery: Gallery, config: GenerateConfig) -> str:
    """Write a gallery as --out asks for it, and say what was written.

    Of several processes, which all have the same one, each writes some of many files, and the first a single file.

    Raises:
        UserError: it cannot be written.
    """
    what = config.out
    if config.ending == "":
        what = _write_singles(gallery, Path(config.out))
    elif config.ending in ANIMATIONS and rank() == 0:
        save_animation([grid(frame) for frame in gallery.frames], config.out, gallery.fps)
    elif rank() == 0:
        save_picture(draw_sheet(gallery.rows, gallery.headings), config.out)
    wait()
    return what


def _write_singles(gallery: Gallery, folder: Path) -> str:
    labelled = [(label, picture) for label, images in gallery.rows for picture in pictures(images)]
    slugs = [re.sub(r"\W+", "-", label).strip("-") for label, _ in labelled]
    names = [f"{index:04d}{'-' if slug else ''}{slug}.png" for index, slug in enumerate(slugs)]
    _require_no_others(folder, names)
    wait()  # so that none sees files that another one is writing
    for name, (_, picture) in list(zip(names, labelled, strict=True))[turns()]:
        save_picture(picture, folder / name)
    return f"{len(names)} picture{'s' if len(names) > 1 else ''} into {folder}"


def _require_no_others(folder: Path, names: Sequence[str]) -> None:
    """Refuse a folder in which new pictures would mix with those of an earlier run."""
    if others := sorted(set(pictures_in(folder)) - set(names)):
        raise UserError(
            f"--out {folder} holds pictures that would mix with the new ones, such as {others[0]} "
            f"({len(others)} in all); name a new folder, or empty this one"
        )


def samples(model: ImageModel, config: GenerateConfig) -> Gallery:
    """Independent samples, a row a class; as an animation one after the other."""
    classes = choose(model, config.label)
    count = _asked(config, classes) or _default_samples(len(classes))
    labels = even_labels(classes, count)
    images = model.decode(_latents(model, config, count, config.seed), labels)
    what = f"{count} sample{'s' if count > 1 else ''} of {model.name}{_shared_out(count, len(classes))}"
    return Gallery(what, by_class(model, images, labels), list(images.split(1)), fps=4)


def drawings(model: ImageModel, config: GenerateConfig, tokenizer: PromptTokenizer) -> Gallery:
    """Samples of each description, a row each; as an animation one after the other."""
    if not config.text:
        raise UserError(f"--weights {model.name} {WITHOUT_TEXT}")
    prompts, refused = _prompts(tokenizer, config.text)
    texts = list(prompts.values())
    count = config.n or OF_A_TEXT
    z = torch.cat([_latents(model, config, count, config.seed + row) for row in prompts])
    tokens = repeat(tokenizer.tokens(texts), "texts l -> (texts n) l", n=count)
    images = model.decode(z, tokens, config.guidance)
    guessed = tokenizer.unknown(texts)
    labels = [" ".join(f"{word}?" if word in guessed else word for word in text.split()) for text in texts]
    rows = list(zip(labels, images.split(count), strict=True)) if len(texts) > 1 or guessed else [("", images)]
    notes = [
        f"{word!r} was in no description that was learned from, so what it means is guessed at ({word}? on a sheet)"
        for word in guessed
    ]
    shown = ", ".join(texts[:3]) + (", ..." if len(texts) > 3 else "")
    each = f", {count} of each description" if len(texts) > 1 else ""
    what = f"{len(images)} sample{'s' if len(images) > 1 else ''} of {shown} by {model.name}{each}"
    return Gallery(what, rows, list(images.split(1)), fps=4, notes=tuple(notes), refused=refused)


def _prompts(tokenizer: PromptTokenizer, texts: Sequence[str]) -> tuple[dict[int, str], tuple[str, ...]]:
    """Descriptions that can be drawn, by the places at which they were asked for, and what is wrong with others.

    Raises:
        UserError: none can be.
    """
    prompts, refused = {}, []
    for row, text in enumerate(texts):
        try:
            prompts[row] = tokenizer.prompt(text)
        except UserError as error:
            refused.append(str(error))
    if not prompts:
        raise UserError("; ".join(refused))
    return prompts, tuple(refused)


def interpolations(model: ImageModel, config: GenerateConfig) -> Gallery:
    """A strip a row, from latent to latent or from label to label; as an animation all at once, there and back."""
    classes = choose(model, config.label)
    between = _between_labels if config.interpolate == "labels" else _between_seeds
    return between(model, config, classes)


def arithmetic(model: ImageModel, config: GenerateConfig) -> Gallery:
    """A row each for A, B, C and A - B + C; as an animation from A to the result, there and back."""
    terms = config.arithmetic
    notes: list[str] = []
    points = [_point(model, config, text, notes) for text in terms]
    goal = combine(analogy, *points)
    images = [model.decode(point.z, point.labels) for point in (*points, goal)]
    first, second, third = (Path(term).name if _is_picture(term) else term for term in terms)
    labels = (first, f"- {second}", f"+ {third}", "=")
    shares = _shares(config, legs=1) if config.ending in ANIMATIONS else []
    way = [combine(partial(slerp, share=share), points[0], goal) for share in shares]
    frames = [model.decode(point.z, point.labels) for point in way]
    what = f"{' '.join(labels[:3])} by {model.name}, {len(goal.z)} time{'s' if len(goal.z) > 1 else ''}"
    return Gallery(what, list(zip(labels, images, strict=True)), there_and_back(frames), fps=12, notes=tuple(notes))


def mixtures(model: ImageModel, config: GenerateConfig, seeds: tuple[int, int]) -> Gallery:
    """Pictures of two seeds, and those with the coarse shapes of the first in the style of the second."""
    classes = choose(model, config.label)
    count = _asked(config, classes) or _default_strips(len(classes))
    labels = even_labels(classes, count)
    coarse, fine = (_latents(model, config, count, seed) for seed in seeds)
    images = [model.decode(coarse, labels), model.decode(fine, labels), model.decode(coarse, labels, fine=fine)]
    names = (f"seed {seeds[0]}", f"seed {seeds[1]}", f"{seeds[0]} in the\nstyle of {seeds[1]}")
    what = f"{count} pictures of seed {seeds[0]} in the style of those of seed {seeds[1]} by {model.name}"
    return Gallery(what, list(zip(names, images, strict=True)), images, fps=1)


def reconstructions(model: ImageModel, config: GenerateConfig, data: str) -> Gallery:
    """Held-out pictures above their reconstructions from the posteriors' means; as an animation in turn."""
    loaded = load_for(model, data)
    order = torch.randperm(len(loaded.test), generator=torch.Generator().manual_seed(config.seed))
    batch = loaded.test.gather(order[: config.n or STRIPS])
    originals = batch["image"]
    rebuilt = model.reconstruct(originals, batch["label"] if model.classes else None)
    width = line_width(len(originals))
    pairs = zip(originals.split(width), rebuilt.split(width), strict=True)
    rows = [row for above, below in pairs for row in (("original", above), ("reconstruction", below))]
    what = f"{len(originals)} held-out pictures of {loaded.name} and their reconstructions by {model.name}"
    return Gallery(what, rows, [originals, rebuilt], fps=1)


def choose(model: ImageModel, names: Sequence[str]) -> list[int]:
    """The numbers of the classes named, each once; all of them if none is.

    Raises:
        UserError: the model has no such class.
    """
    return list(dict.fromkeys(map(model.label, names))) or list(range(len(model.classes)))


def even_labels(classes: Sequence[int], count: int) -> Tensor | None:
    """Labels in equal shares, those of a class together, int64 (count,); None if there are no classes.

    What cannot be shared out evenly goes to the first classes.
    """
    return torch.tensor(classes)[(torch.arange(count) % len(classes)).sort().values] if classes else None


def _latents(model: ImageModel, config: GenerateConfig, count: int, seed: int) -> Tensor:
    usual = model.truncation or (1.0 if isinstance(model.network, VAE) else TRUNCATION)
    z = model.latents(count, seed, config.sampler or model.usual_sampler)
    return z * (usual if config.truncation is None else config.truncation)


def _asked(config: GenerateConfig, classes: Sequence[int]) -> int | None:
    """How many pictures or strips --n asks for: of each class that --label names, or of all."""
    return config.n and config.n * (len(classes) if config.label else 1)


def _default_samples(classes: int) -> int:
    return SAMPLES if not 0 < classes <= SAMPLES else classes * math.ceil(SAMPLES / classes)


def _default_strips(classes: int) -> int:
    return STRIPS if not 0 < classes <= MOST_STRIPS else classes * max(1, STRIPS // classes)


def _shared_out(count: int, classes: int) -> str:
    """How many samples a class gets, in words."""
    if classes < 2:
        return ""
    least, more = divmod(count, classes)
    return f", {least}{f' or {least + 1}' if more else ''} of each class"


def _between_seeds(model: ImageModel, config: GenerateConfig, classes: list[int]) -> Gallery:
    count = _asked(config, classes) or _default_strips(len(classes))
    seeds = (config.seed, config.seed + 1 if config.to_seed is None else config.to_seed)
    start, end = (_latents(model, config, count, seed) for seed in seeds)
    labels, shares = even_labels(classes, count), _shares(config, legs=1)
    strips = [model.decode(slerp(start, end, share), labels) for share in shares]
    names = [""] * count if labels is None else [model.classes[label] for label in labels]
    return _strips(model, names, strips, [f"seed {seed}" for seed in seeds])


def _between_labels(model: ImageModel, config: GenerateConfig, classes: list[int]) -> Gallery:
    if len(classes) < 2:
        raise UserError(
            "--interpolate labels needs two labels or more; name them with --label, or use --interpolate seeds"
        )
    z = _latents(model, config, config.n or STRIPS, config.seed)
    stops = _one_hot(model, classes)  # (stops, classes + 1)
    shares = _shares(config, legs=len(classes) - 1)
    strips = [model.decode(z, walk(stops, share).expand(len(z), -1)) for share in shares]
    names = [model.classes[label] for label in classes]
    label = f"{names[0]}\nto {names[-1]}" if len(shares) > WIDEST else ""  # where there are no headings
    return _strips(model, [label] * len(z), strips, names)


def _one_hot(model: ImageModel, classes: Sequence[int]) -> Tensor:
    return F.one_hot(torch.tensor(classes), len(model.classes) + 1).float()


def _shares(config: GenerateConfig, legs: int) -> list[float]:
    """How far along the way each picture of a strip is, from 0 to 1; by default a sheet shows every stop itself."""
    on_a_sheet = legs * max(1, round((IN_A_STRIP - 1) / legs)) + 1
    pictures = config.frames or (A_STEP * legs if config.ending in ANIMATIONS else on_a_sheet)
    return torch.linspace(0, 1, pictures, dtype=torch.float64).tolist()


def _strips(model: ImageModel, labels: Sequence[str], pictures: list[Tensor], stops: Sequence[str]) -> Gallery:
    """Strips under the names of their stops, where a picture is right at one.

    Args:
        labels: of the strips.
        pictures: those at one share of the way, (strips, C, H, W).
        stops: names of what lies at equal distances on the way.
    """
    rows = list(zip(labels, torch.stack(pictures, 1), strict=True))
    what = f"{len(rows)} strip{'s' if len(rows) > 1 else ''} of {len(pictures)} pictures by {model.name}"
    places = [divmod(i * (len(stops) - 1), len(pictures) - 1) for i in range(len(pictures))]
    headings = tuple("" if past else stops[stop] for stop, past in places)
    return Gallery(what, rows, there_and_back(pictures), fps=12, headings=headings)


def _is_picture(text: str) -> bool:
    return Path(text).suffix.lower() in PICTURES and Path(text).is_file()


def _point(model: ImageModel, config: GenerateConfig, text: str, notes: list[str]) -> Point:
    """What "label", "label@seed" or, without labels, "seed" stands for; or, of a picture file, where it is found.

    Args:
        notes: is told how well a picture was found.
    """
    if _is_picture(text):
        point, psnr = find_picture(model, Path(text))
        notes.append(f"{text}: found by {model.name} with a PSNR of {psnr:.1f} dB")
        return point
    label, at, seed = text.rpartition("@") if model.classes else ("", "@", text)
    if not at:
        label, seed = text, str(config.seed)
    if not seed.isdecimal() or int(seed) >= 1 << 31:
        raise UserError(f"--arithmetic {text}: {seed!r} is no seed; give a whole number, 0 to 2^31 - 1")
    z = _latents(model, config, config.n or STRIPS, int(seed))
    return Point(z, _one_hot(model, [model.label(label)]).expand(len(z), -1) if model.classes else None)
