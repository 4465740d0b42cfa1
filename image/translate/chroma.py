"""Colour as luma and chroma (YCbCr of ITU-T T.871, full range), and back with the luma kept to the last bit.

Luma is what Pillow's "L" is: (19595 R + 38470 G + 7471 B) / 65536, rounded. Chroma is (Cb, Cr), each in [-1, 1] for
pictures in [-1, 1].
"""

import torch
from torch import Tensor

WEIGHTS = (19595, 38470, 7471)  # of R, G and B in luma, in 65536ths
UNIT = 65536
RED, GREEN, BLUE = (weight / UNIT for weight in WEIGHTS)


def luma(pictures: Tensor) -> Tensor:
    """(N, 3, H, W) -> (N, 1, H, W), in the same units, unrounded."""
    red, green, blue = pictures.split(1, 1)
    return RED * red + GREEN * green + BLUE * blue


def rounded_luma(pixels: Tensor) -> Tensor:
    """Luma of whole numbers, (N, 3, H, W) -> int64 (N, 1, H, W), as Pillow converts to "L"."""
    red, green, blue = pixels.long().split(1, 1)
    return (WEIGHTS[0] * red + WEIGHTS[1] * green + WEIGHTS[2] * blue + UNIT // 2) // UNIT


def chroma(pictures: Tensor) -> Tensor:
    """(N, 3, H, W) in [-1, 1] -> (N, 2, H, W) in [-1, 1]: Cb and Cr."""
    grey = luma(pictures)
    return torch.cat([(pictures[:, 2:] - grey) / (2 - 2 * BLUE), (pictures[:, :1] - grey) / (2 - 2 * RED)], 1)


def coloured(grey: Tensor, colours: Tensor, most: int = 255) -> Tensor:
    """Lay chroma over luma; where there is no such colour, as saturated as there is one.

    Red and blue are rounded, and green is the whole number that brings the luma to what it was: a step of green changes
    it by 0.587, so one is always near enough. `rounded_luma` of the result is `grey`, exactly.

    Args:
        grey: whole numbers from 0 to `most`, (N, 1, H, W).
        colours: chroma, (N, 2, H, W) in [-1, 1].
        most: what white is.

    Returns:
        int64 (N, 3, H, W), 0 to `most`.
    """
    grey = grey.long()
    level, (cb, cr) = grey.double(), (colours.double() * most / 2).split(1, 1)
    red, blue = (2 - 2 * RED) * cr, (2 - 2 * BLUE) * cb  # differences from the luma
    green = -(RED * red + BLUE * blue) / GREEN
    apart = torch.cat([red, green, blue], 1)
    room = torch.where(apart > 0, most - level, level)
    share = (room / apart.abs().clamp(min=1e-9)).amin(1, keepdim=True).clamp(max=1)
    red, blue = ((level + share * part).round().long() for part in (red, blue))
    missing = UNIT * grey - WEIGHTS[0] * red - WEIGHTS[2] * blue
    return torch.cat([red, (2 * missing + WEIGHTS[1]) // (2 * WEIGHTS[1]), blue], 1)
