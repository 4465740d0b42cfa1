"""Sounds for the eye: spectrograms on a sheet."""

from collections.abc import Sequence

from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from common.pictures.sheets import beside, captioned, sheet
from music.sound.config import FRAMES, HOP, RATE
from music.sound.spectrograms import FFT

SHOWN = 8_000  # hertz up to which a sheet goes
HEIGHT, WIDTH = 128, 64  # of a spectrogram of a second, in pixels
WIDEST = 512  # pixels of a long one
LABEL = 100  # pixels that the label of a row takes, about


def pictures_of(maps: Tensor) -> Tensor:
    """Log-magnitudes of maps (N, 2, bins, frames) as pictures with low frequencies below, (N, 1, H, W) in [-1, 1]."""
    log = maps[:, :1, : SHOWN * FFT // RATE].flip(2)
    width = min(WIDEST, max(1, maps.shape[3] * WIDTH // FRAMES))
    return F.interpolate(log, (HEIGHT, width), mode="area").clamp(-1, 1)


def spectrogram_sheet(rows: Sequence[tuple[str, Tensor]], headings: Sequence[str] = ()) -> Image.Image:
    """A labelled sheet: a row of spectrograms for every (label, maps), and below it what its axes are.

    Many short rows stand in several columns, but for those below headings.
    """
    widest = max(len(maps) * maps.shape[3] * WIDTH // FRAMES for _, maps in rows)
    columns = 1 if any(headings) else max(1, round((len(rows) * HEIGHT / (widest + LABEL)) ** 0.5))
    each = -(-len(rows) // columns)
    parts = [rows[first : first + each] for first in range(0, len(rows), each)]
    drawn = [[(label, pictures_of(maps)) for label, maps in part] for part in parts]
    whole = beside([sheet(part, headings=headings, upscale=1) for part in drawn])
    seconds = max(maps.shape[3] for _, maps in rows) * HOP / RATE
    return captioned(whole, f"each: {seconds:.1f} s to the right, 0 to {SHOWN // 1_000} kHz upwards, black at -80 dB")
