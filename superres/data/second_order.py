"""What happens to photos that were passed on: blur, resizing, noise and JPEG, in two rounds, and a last sinc filter.

After Real-ESRGAN (Wang et al. 2021), with its ranges; without its generalised Gaussians, and a filter of 21 x 21 pixels
that was cut out of a sinc is the whole of it here. Filters multiply spectra, which costs the same for any width.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from PIL import Image

RGB = NDArray[np.uint8]
Draw = np.random.Generator
Range = tuple[float, float]
Frequencies = NDArray[np.float32]  # radians a pixel
Transfer = Callable[[Frequencies, Frequencies], NDArray[np.float32]]  # of waves down and across: what they are times


@dataclass(frozen=True)
class Round:
    """How often, and how strongly, something happens.

    Attributes:
        blurred: how often there is blur.
        deviation: of Gaussians, in pixels, along each of two axes at right angles.
        enlarged, shrunk: how often pictures become larger, and smaller; else they stay as they are.
        sizes: the smallest and the largest that they become.
        noise: standard deviation of Gaussian noise, in grey levels.
        shots: strength of Poisson noise, as a multiple of that of one photon for each grey level.
    """

    blurred: float
    deviation: Range
    enlarged: float
    shrunk: float
    sizes: Range
    noise: Range
    shots: Range


FIRST = Round(1.0, (0.2, 3.0), 0.2, 0.7, (0.15, 1.5), (1, 30), (0.05, 3.0))
SECOND = Round(0.8, (0.2, 1.5), 0.3, 0.4, (0.3, 1.2), (1, 25), (0.05, 2.5))
SINC = 0.1  # how often a sinc stands for a Gaussian
LAST_SINC = 0.8  # how often there is one at the end
ANISOTROPIC = 0.4  # how often Gaussians are not round
GAUSSIAN = 0.5  # how often noise is Gaussian; else Poisson's
GREY = 0.4  # how often noise is the same in all channels
QUALITY = (30, 95)  # of JPEG, of 100
CUTOFF = (math.pi / 5, math.pi)  # of sinc filters, radians a pixel
FILTERS = (Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)  # the first is for areas
AROUND = 16  # pixels, or some more, that are mirrored around a picture, so that its opposite sides do not blend


def degrade_twice(image: RGB, scale: int, seed: int) -> RGB:
    """A small picture as it may be found after it was passed on, uint8 (H, W, 3) -> (H / scale, W / scale, 3).

    A function of its arguments alone.

    Args:
        image: sides are multiples of `scale`.
    """
    draw = np.random.default_rng(seed)
    height, width = image.shape[0] // scale, image.shape[1] // scale
    found = compressed(_round(image, image.shape[:2], FIRST, draw), draw)
    found = _round(found, (height, width), SECOND, draw)
    is_last = draw.random() < 0.5  # JPEG; or else the filter
    found = resized(found if is_last else compressed(found, draw), (height, width), draw)
    if draw.random() < LAST_SINC:
        found = filtered(found, sinc(draw.uniform(math.pi / 3, math.pi)))
    return compressed(found, draw) if is_last else found


def _round(image: RGB, size: tuple[int, ...], of: Round, draw: Draw) -> RGB:
    """Blur, resizing and noise; `of.sizes` are multiples of `size`."""
    if draw.random() < of.blurred:
        image = filtered(image, _random_filter(of.deviation, draw))
    which, ratio = draw.random(), 1.0
    if which < of.enlarged:
        ratio = draw.uniform(1, of.sizes[1])
    elif which < of.enlarged + of.shrunk:
        ratio = draw.uniform(of.sizes[0], 1)
    image = resized(image, (max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))), draw)
    is_gaussian, is_grey = draw.random(2) < (GAUSSIAN, GREY)
    strength = draw.uniform(*(of.noise if is_gaussian else of.shots))
    return noisy(image, strength, is_grey, draw, is_gaussian)


def _random_filter(deviation: Range, draw: Draw) -> Transfer:
    if draw.random() < SINC:
        return sinc(draw.uniform(*CUTOFF))
    one, other = draw.uniform(*deviation, 2)
    return gaussian(one, other, draw.uniform(0, math.pi)) if draw.random() < ANISOTROPIC else gaussian(one, one)


def gaussian(one: float, other: float, angle: float = 0.0) -> Transfer:
    """A blur by a Gaussian of two standard deviations, in pixels: along `angle`, in radians from the horizontal down,
    and at a right angle to it."""
    cos, sin = math.cos(angle), math.sin(angle)

    def transfer(down: Frequencies, across: Frequencies) -> Frequencies:
        along, beside = cos * across + sin * down, cos * down - sin * across
        return np.exp(-((one * along) ** 2 + (other * beside) ** 2) / 2)

    return transfer


def sinc(cutoff: float) -> Transfer:
    """A filter that drops all waves above `cutoff`, in radians a pixel, whatever their direction; edges ring."""
    return lambda down, across: (down**2 + across**2 <= cutoff**2).astype(np.float32)


def filtered(image: RGB, transfer: Transfer) -> RGB:
    """A picture whose spectrum is multiplied, (H, W, 3) -> (H, W, 3); beyond its borders it goes on mirrored."""
    height, width = image.shape[:2]
    margins = [
        (AROUND, scipy.fft.next_fast_len(side + 2 * AROUND, real=True) - side - AROUND) for side in (height, width)
    ]
    padded = np.pad(image.astype(np.float32), (*margins, (0, 0)), "symmetric")
    down = np.float32(2 * math.pi) * scipy.fft.fftfreq(padded.shape[0]).astype(np.float32)[:, None, None]
    across = np.float32(2 * math.pi) * scipy.fft.rfftfreq(padded.shape[1]).astype(np.float32)[None, :, None]
    spectrum = scipy.fft.rfft2(padded, axes=(0, 1)) * transfer(down, across)
    found = scipy.fft.irfft2(spectrum, padded.shape[:2], axes=(0, 1))
    return _rounded(found[AROUND : AROUND + height, AROUND : AROUND + width])


def resized(image: RGB, size: tuple[int, int], draw: Draw) -> RGB:
    """To a height and a width, by the area that pixels cover, bilinear or bicubic."""
    method = FILTERS[draw.integers(len(FILTERS))]
    return np.asarray(Image.fromarray(image).resize((size[1], size[0]), method))


def noisy(image: RGB, strength: float, is_grey: bool, draw: Draw, is_gaussian: bool = True) -> RGB:
    """A picture with Gaussian noise or Poisson's.

    Poisson's is drawn from the normal distributions that it nears, which is quicker and differs in near black alone.

    Args:
        strength: standard deviation in grey levels; Poisson's times that of one photon for each grey level.
        is_grey: the same in all channels.
    """
    if is_gaussian:
        spread = np.ones((1, 1, 1), np.float32)
    else:
        spread = np.sqrt(image.mean(2, keepdims=True, dtype=np.float32) if is_grey else image.astype(np.float32))
    noise = draw.standard_normal((*image.shape[:2], 1 if is_grey else 3), dtype=np.float32)
    return _rounded(image + np.float32(strength) * spread * noise)


def compressed(image: RGB, draw: Draw) -> RGB:
    """As JPEG leaves a picture."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=int(draw.integers(*QUALITY, endpoint=True)))
    return np.asarray(Image.open(buffer))


def _rounded(image: NDArray[np.float32]) -> RGB:
    return image.round().clip(0, 255).astype(np.uint8)
