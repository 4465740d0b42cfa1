"""A differentiable synthesiser: harmonics of a pitch, each as loud as told from frame to frame, and filtered noise.

After Engel et al. 2020 (DDSP). Sounds are told by scores (N, 1, `ROWS`, frames) of unbounded numbers, so that a point
between two scores is a sound between two sounds; frames are `HOP` samples apart, the first and the last at the ends.
"""

import math
from functools import cache

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from music.sound.config import HOP, RATE
from music.sound.spectrograms import hertz

LOWEST = 0.5  # times the fundamental: the partials lie so far apart, for organs and bells sound below what is written
HARMONICS = 192
BANDS = 64  # of the noise, evenly from 0 to half the rate
ROWS = HARMONICS + BANDS + 2  # of a score: harmonics, noise, how far out of tune, how stiff
BENT, EASE = 0.5, 0.1  # semitones at most by which a note is out of tune; small, lest pitch drown all else in learning
STIFFEST = 0.004  # inharmonicity at most, by which the k-th partial lies at k (1 + B k^2)^(1/2) times the fundamental
FINER = 2  # times the rate at which harmonics are made, so that they can be read between samples
TOP = 0.95 * RATE / 2  # hertz above which no harmonic sounds, lest it be heard as another
WINDOW = 2 * HOP  # samples of noise that are filtered at a time, each overlapping the next by half
LOUDEST, SOFTEST = 2.0, 1e-7  # amplitudes, and the power of a sigmoid that they are
STEEP = math.log(10)


def synthesise(scores: Tensor, pitch: Tensor) -> Tensor:
    """The sounds of scores (N, 1, `ROWS`, frames): float32 (N, (frames - 1) * `HOP`), softer where they would clip.

    Args:
        pitch: by MIDI number, (N,).
    """
    sounds = unlimited(scores, pitch)
    return sounds / sounds.abs().amax(1, keepdim=True).clamp(min=1)


def unlimited(scores: Tensor, pitch: Tensor) -> Tensor:
    """As `synthesise`, but as loud as told."""
    harmonics, noise, bend, stiffness = scores[:, 0].float().split([HARMONICS, BANDS, 1, 1], 1)
    bent = BENT * (EASE * bend[:, 0]).tanh()
    tuned, vibrato = hertz(pitch + bent.mean(1)), bent - bent.mean(1, keepdim=True)
    stiff = STIFFEST * stiffness[:, 0].mean(1).sigmoid()
    return trembling(oscillated(amplitudes(harmonics), tuned, stiff), vibrato) + filtered(amplitudes(noise))


def amplitudes(scores: Tensor) -> Tensor:
    """Unbounded numbers as amplitudes, of which equal steps are about equal steps in loudness."""
    return LOUDEST * scores.sigmoid().pow(STEEP) + SOFTEST


def oscillated(loudness: Tensor, frequency: Tensor, stiffness: Tensor) -> Tensor:
    """A bank of sines, all at 0 when they begin: float32 (N, `FINER` * samples), at so many times the rate.

    As frequencies stay, sines within a frame are products of what the frame begins with and what is the same in all of
    them, so that a product of matrices takes the place of a sine for each sample and harmonic.

    Args:
        loudness: amplitudes (N, K, frames), between which samples lie on straight lines.
        frequency: of the fundamental, in hertz, (N,).
        stiffness: B of each sound, (N,).
    """
    order = LOWEST * torch.arange(1, loudness.shape[1] + 1, device=loudness.device)
    partials = order * (1 + stiffness[:, None] * order.square()).sqrt() * frequency[:, None]  # (N, K)
    loudness = loudness * (partials < TOP)[:, :, None]
    sample = torch.arange(HOP * FINER, device=loudness.device) / FINER
    frame = torch.arange(loudness.shape[2] - 1, device=loudness.device)
    within = _turned(partials[:, :, None] * sample / RATE)
    begun = _turned((partials * HOP / RATE).remainder(1)[:, :, None] * frame)  # large numbers would lose digits
    later = sample / HOP
    before, after = loudness[:, :, :-1], loudness[:, :, 1:]
    of_frames = torch.cat([before * begun.sin(), before * begun.cos(), after * begun.sin(), after * begun.cos()], 1)
    cosine, sine = within.cos(), within.sin()
    of_samples = torch.cat([(1 - later) * cosine, (1 - later) * sine, later * cosine, later * sine], 1)
    return rearrange(of_frames.mT @ of_samples, "n t s -> n (t s)")


def trembling(fine: Tensor, vibrato: Tensor) -> Tensor:
    """Sounds whose pitch moves, as those of a steady one that are played faster and slower: float32 (N, samples).

    Args:
        fine: at `FINER` times the rate, (N, `FINER` * samples).
        vibrato: by how much the pitch is higher, in semitones, (N, frames).
    """
    ahead = _between_frames(2 ** (vibrato / 12)) - 1
    drift = FINER * (ahead.cumsum(1) - ahead)  # from where a steady sound would be; its place itself would lose digits
    even = FINER * torch.arange(drift.shape[1], device=fine.device)
    first = (even + drift.detach().floor().long()).clamp(1, fine.shape[1] - 3)
    x = drift - (first - even)  # of a cubic through four samples, the second of which is at 0 (Lagrange)
    shares = [
        -x * (x - 1) * (x - 2) / 6,
        (x + 1) * (x - 1) * (x - 2) / 2,
        -(x + 1) * x * (x - 2) / 2,
        (x + 1) * x * (x - 1) / 6,
    ]
    return sum((fine.gather(1, first + at - 1) * share for at, share in enumerate(shares)), torch.zeros(()))


def _between_frames(values: Tensor) -> Tensor:
    """Values at frames (N, frames) as values at samples, on straight lines, (N, (frames - 1) * `HOP`)."""
    later = torch.arange(HOP, device=values.device) / HOP
    return rearrange(values[:, :-1, None] + values.diff(dim=1)[:, :, None] * later, "n t s -> n (t s)")


def _turned(turns: Tensor) -> Tensor:
    """Turns of a circle as radians from 0 to 2 pi."""
    return 2 * math.pi * turns.remainder(1)


def filtered(magnitudes: Tensor) -> Tensor:
    """White noise with these magnitudes (N, `BANDS`, frames) of its bands: float32 (N, samples)."""
    samples = (magnitudes.shape[2] - 1) * HOP
    window = torch.hann_window(WINDOW, device=magnitudes.device)
    wide = F.interpolate(rearrange(magnitudes, "n b t -> n t b"), WINDOW // 2 + 1, mode="linear", align_corners=True)
    return torch.istft(
        _noise(samples, magnitudes.device) * rearrange(wide, "n t f -> n f t"),
        WINDOW,
        HOP,
        window=window,
        length=samples,
    )


@cache
def _noise(samples: int, device: torch.device) -> Tensor:
    """The spectrum of white noise, the same every time, so that the same score is the same sound, (bins, frames)."""
    noise = torch.randn(samples, generator=torch.Generator().manual_seed(0)).to(device)
    window = torch.hann_window(WINDOW, device=device)
    return torch.stft(noise, WINDOW, HOP, window=window, return_complex=True, pad_mode="constant")
