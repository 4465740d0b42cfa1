"""Sounds for the eye: spectrograms on a sheet."""

from collections.abc import Sequence

from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from common.pictures.sheets import beside, captioned, sheet
from music.sound.config import HOP, RATE
from music.sound.spectrograms import FFT

SHOWN_BINS = 256  # of a map: up to 4 kHz
HEIGHT, WIDTH = 128, 64  # of one spectrogram, in pixels
LABEL = 100  # pixels that the label of a row takes, about


def pictures_of(maps: Tensor) -> Tensor:
    """Log-magnitudes of maps (N, 2, bins, frames) as pictures with low frequencies below, (N, 1, H, W) in [-1, 1]."""
    log = maps[:, :1, :SHOWN_BINS].flip(2)
    return F.interpolate(log, (HEIGHT, WIDTH), mode="area").clamp(-1, 1)


def spectrogram_sheet(rows: Sequence[tuple[str, Tensor]], headings: Sequence[str] = ()) -> Image.Image:
    """A labelled sheet: a row of spectrograms for every (label, maps), and below it what its axes are.

    Many short rows stand in several columns, but for those below headings.
    """
    widest = max(len(maps) for _, maps in rows)
    columns = 1 if any(headings) else max(1, round((len(rows) * HEIGHT / (widest * WIDTH + LABEL)) ** 0.5))
    each = -(-len(rows) // columns)
    parts = [rows[first : first + each] for first in range(0, len(rows), each)]
    drawn = [[(label, pictures_of(maps)) for label, maps in part] for part in parts]
    whole = beside([sheet(part, headings=headings, upscale=1) for part in drawn])
    seconds = max(maps.shape[3] for _, maps in rows) * HOP / RATE
    highest = SHOWN_BINS * RATE / FFT / 1_000
    return captioned(whole, f"each: {seconds:.1f} s to the right, 0 to {highest:g} kHz upwards, black at -80 dB")
