"""Sounds for the eye: spectrograms on a sheet."""

from collections.abc import Sequence

from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from common.pictures.sheets import sheet

SHOWN_BINS = 256  # of a map: up to 4 kHz
HEIGHT, WIDTH = 128, 64  # of one spectrogram, in pixels


def pictures_of(maps: Tensor) -> Tensor:
    """Log-magnitudes of maps (N, 2, bins, frames) as pictures with low frequencies below, (N, 1, H, W) in [-1, 1]."""
    log = maps[:, :1, :SHOWN_BINS].flip(2)
    return F.interpolate(log, (HEIGHT, WIDTH), mode="area").clamp(-1, 1)


def spectrogram_sheet(rows: Sequence[tuple[str, Tensor]], headings: Sequence[str] = ()) -> Image.Image:
    """A labelled sheet: a row of spectrograms for every (label, maps)."""
    return sheet([(label, pictures_of(maps)) for label, maps in rows], headings=headings, upscale=1)
