"""What a translator learns: how a source is made of a true picture, and how source and output make a picture.

A task knows no network and no trainer. Sources and outputs are float (N, C, H, W), mostly in [-1, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from common.cores.game import Batch
from common.randomness import Draw
from image.data.loading import to_model, to_uint8
from image.translate.chroma import chroma, coloured, luma
from image.translate.config import TaskName
from image.translate.drawings import lines, sketches
from image.translate.exemplars import guessed
from image.translate.holes import holes, measured_holes

GAIN = 3.0  # by which chroma is multiplied for the networks, as most of it is small
GAMMA = 0.35  # the luma of pictures to learn colours from is bent by up to this power of e


@dataclass(frozen=True)
class Task:
    """One way from pictures to pictures.

    Attributes:
        inputs, outputs: channels of what is given and of what is made of it.
        source: (batch, draw, whether to vary) -> (N, inputs or more, H, W); the batch has "picture", uint8
            (N, 3, H, W), and of pairs "source" likewise. Varied, as in training, sources differ from draw to draw by
            more than they must.
        target: batch -> (N, outputs, H, W), what the network should say.
        keep: (source, output) -> output in which what is known already is what it was.
        weight: (source, target, saturation) -> what each place counts in the difference from the target,
            (N, 1, H, W), or None for all alike.
        picture: (source, output) -> uint8 (N, 3, H, W).
        shown: source -> uint8 (N, 3, H, W), what a sheet shows of it.
        seen: source -> what is given, (N, inputs, H, W); of holes a source holds guesses too, for a network of its own.
        mirrored: whether pictures are made of a source and of its mirror image, and the mean of both counts.
    """

    inputs: int
    outputs: int
    source: Callable[[Batch, Draw, bool], Tensor]
    target: Callable[[Batch], Tensor]
    picture: Callable[[Tensor, Tensor], Tensor]
    shown: Callable[[Tensor], Tensor]
    keep: Callable[[Tensor, Tensor], Tensor] = lambda source, output: output
    weight: Callable[[Tensor, Tensor, float], Tensor | None] = lambda source, target, saturation: None
    seen: Callable[[Tensor], Tensor] = lambda source: source
    mirrored: bool = False


# --- colours for grey pictures


def _luma_of(batch: Batch, draw: Draw, vary: bool) -> Tensor:
    grey = luma(to_model(batch["picture"]))
    if not vary:
        return grey
    power = ((2 * draw.uniform(1, 1, 1) - 1) * GAMMA).exp()
    return 2 * ((grey + 1) / 2).clamp(0, 1) ** power - 1


def _chroma_of(batch: Batch) -> Tensor:
    return GAIN * chroma(to_model(batch["picture"]))


def _colourful(source: Tensor, target: Tensor, saturation: float) -> Tensor | None:
    """Colourful places count for more: few pixels are, and a median over all of them is grey (Zhang et al. 2016)."""
    if not saturation:
        return None
    strength = target.square().sum(1, keepdim=True).sqrt()
    return 1 + saturation * strength


def _with_colours(source: Tensor, output: Tensor) -> Tensor:
    return coloured(((source[:, :1] + 1) * 127.5).round().clamp(0, 255), output / GAIN).to(torch.uint8)


# --- pictures for line drawings


def _lines_of(batch: Batch, draw: Draw, vary: bool) -> Tensor:
    with torch.autocast(batch["picture"].device.type, enabled=False):  # the differences are small
        pictures = to_model(batch["picture"])
        return sketches(pictures, draw) if vary else lines(pictures)


# --- what is missing in pictures


def _holed(batch: Batch, draw: Draw, vary: bool) -> Tensor:
    pictures = to_model(batch["picture"])
    return guessed(pictures, (holes if vary else measured_holes)(draw, *pictures.shape[2:]))


def _around_the_hole(source: Tensor, output: Tensor) -> Tensor:
    return torch.where(source[:, 3:4] > 0.5, output, source[:, :3].to(output.dtype))


def _within_the_hole(source: Tensor, target: Tensor, saturation: float) -> Tensor:
    return source[:, 3:4]


def _shown(source: Tensor) -> Tensor:
    return _rgb(_blank(source))


def _blank(source: Tensor) -> Tensor:
    """The picture, mid-grey within the hole, and the hole."""
    hole = source[:, 3:4]
    return torch.cat([source[:, :3] * (1 - hole), hole], 1)


# --- all of them


def _true(batch: Batch) -> Tensor:
    return to_model(batch["picture"])


def _output(source: Tensor, output: Tensor) -> Tensor:
    return to_uint8(output)


def _rgb(source: Tensor) -> Tensor:
    colours: Any = source[:, :3] if source.shape[1] >= 3 else source.expand(-1, 3, -1, -1)
    return to_uint8(colours)


TASKS: dict[TaskName, Task] = {
    "colorize": Task(1, 2, _luma_of, _chroma_of, _with_colours, _rgb, weight=_colourful),
    "edges": Task(1, 3, _lines_of, _true, _output, _rgb, mirrored=True),
    "inpaint": Task(4, 3, _holed, _true, _output, _shown, _around_the_hole, _within_the_hole, _blank),
    "pairs": Task(3, 3, lambda batch, draw, vary: to_model(batch["source"]), _true, _output, _rgb),
}
