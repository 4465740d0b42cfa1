"""Sounds as maps that a GAN can make, and back: log-magnitude and instantaneous frequency (Engel et al. 2019).

Of each frequency a map tells by how much the phase goes on from frame to frame. That is told relative to what it would
be at the nearest harmonic of the pitch or, without a pitch, in the middle of the frequency's bin; so 0 is a note in
tune at all its harmonics, whatever the pitch, and the phases of neighbouring frames need not be unwrapped.
"""

import math
from functools import cache

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F
from torchaudio.transforms import InverseSpectrogram, MelSpectrogram, Spectrogram

from music.sound.config import HOP, NO_PITCH, RATE

FFT = 1024  # samples in a frame: 64 ms
BINS = FFT // 2  # frequencies of a map; the one at half the rate is left out
FLOOR = 1e-4  # magnitude, as a share of that of a full-scale sine, that is added before the logarithm: -80 dB
MELS = 64  # bands of a mel spectrogram
MIDDLE = -math.log(FLOOR) / 2  # half the range of logarithms, which becomes [-1, 1]
FULL = FFT / 4  # magnitude of a full-scale sine under Hann's window


def to_float(sounds: Tensor) -> Tensor:
    """int16 -> float32 in [-1, 1]; floats stay as they are."""
    return sounds if sounds.is_floating_point() else sounds.float() / 32767


def to_maps(sounds: Tensor, pitch: Tensor) -> Tensor:
    """Sounds -> maps, float32 (N, 2, `BINS`, samples / `HOP` + 1).

    The first channel is the logarithm of the magnitude, from -1 (silence) to 1 (a full-scale sine), the second how far
    the phase went on since the frame before, beyond what is expected, in half turns, [-1, 1).

    Args:
        sounds: float (N, samples) in [-1, 1]; `HOP` divides the samples.
        pitch: by MIDI number, or `NO_PITCH`, int64 (N,).
    """
    transform = Spectrogram(FFT, hop_length=HOP, power=None, pad_mode="constant").to(sounds.device)
    spectrum = transform(sounds)[:, :BINS]
    log = (spectrum.abs() / FULL + FLOOR).log()
    phase = spectrum.angle()
    steps = phase.diff(dim=2, prepend=torch.zeros_like(phase[:, :, :1])) - _expected(pitch, spectrum.shape[2])
    return torch.stack([log / MIDDLE + 1, _wrapped(steps / math.pi)], 1)


def to_sounds(maps: Tensor, pitch: Tensor) -> Tensor:
    """Maps (N, 2, `BINS`, frames) -> sounds (N, (frames - 1) * `HOP`) in [-1, 1]; undoes `to_maps`.

    A sound that would be louder than full scale is made as much softer: clipped, it would be another. What is below
    -80 dB, and what lies at half the rate, is lost; of maps that no sound has, the nearest one is made.
    """
    magnitude = (((maps[:, 0] - 1) * MIDDLE).exp() - FLOOR).clamp(min=0) * FULL
    steps = math.pi * maps[:, 1].double() + _expected(pitch.to(maps.device), maps.shape[3])  # many lose digits
    phase = steps.cumsum(2)
    spectrum = F.pad(torch.polar(magnitude, phase.remainder(2 * math.pi).float()), (0, 0, 0, 1))
    inverse = InverseSpectrogram(FFT, hop_length=HOP).to(maps.device)
    sounds = inverse(spectrum, length=(maps.shape[3] - 1) * HOP)
    return sounds / sounds.abs().amax(1, keepdim=True).clamp(min=1)


def heard(sounds: Tensor) -> Tensor:
    """Sounds float (N, samples) -> logarithms of a mel spectrogram, (N, 1, `MELS`, frames), mostly in [-1, 1]."""
    return (_mel(sounds.device)(sounds) + FLOOR).log()[:, None] / -math.log(FLOOR) + 0.5


@cache
def _mel(device: torch.device) -> MelSpectrogram:
    mel = MelSpectrogram(RATE, FFT, hop_length=HOP, n_mels=MELS, power=1, norm="slaney", mel_scale="slaney")
    return mel.to(device)


def hertz(pitch: Tensor) -> Tensor:
    """The frequency of pitches by MIDI number, any shape."""
    return 440.0 * 2 ** ((pitch - 69) / 12)


def _expected(pitch: Tensor, frames: int) -> Tensor:
    """By how much phases go on in each frame where nothing is out of tune, in radians, (N, `BINS`, frames).

    In the first frame, from 0, by half a turn more from bin to bin: so the bins of one harmonic lie.
    """
    on = _advances(pitch.device)[pitch][:, :, None].expand(-1, -1, frames - 1)  # (N, BINS, frames - 1)
    first = math.pi * (torch.arange(BINS, device=pitch.device) % 2)
    return torch.cat([first[None, :, None].expand(len(pitch), -1, 1), on], 2)


@cache
def _advances(device: torch.device) -> Tensor:
    """By how much phases go on from frame to frame where nothing is out of tune, (`NO_PITCH` + 1, `BINS`)."""
    return (_nearest() * (2 * math.pi * HOP / RATE)).remainder(2 * math.pi).float().to(device)


@cache
def partials(device: torch.device) -> Tensor:
    """The logarithm of the magnitude that the nearest harmonic alone has in each bin, (`NO_PITCH` + 1, `BINS`).

    That is the main lobe of Hann's window; 0 everywhere where there is no pitch.
    """
    away = ((_nearest() * FFT / RATE) - torch.arange(BINS)).abs()
    lobe = (torch.sinc(away) / (1 - away.square())).abs()  # at 1, where both parts are 0, it is a half
    lobe = torch.where((away - 1).abs() < 1e-6, 0.5, lobe)
    lobe = torch.where(away < 2, lobe, 0).clamp(min=FLOOR)
    lobe[NO_PITCH] = 1
    return lobe.log().float().to(device)


def _nearest() -> Tensor:
    """The harmonic that is nearest to each bin or, without a pitch, the bin's own frequency, in hertz, float64."""
    bins = torch.arange(BINS, dtype=torch.float64) * (RATE / FFT)
    fundamental = hertz(torch.arange(NO_PITCH, dtype=torch.float64))[:, None]
    harmonics = (bins / fundamental).round().clamp(min=1) * fundamental
    return torch.cat([harmonics, bins[None]])


def _wrapped(halves: Tensor) -> Tensor:
    """Half turns brought to [-1, 1)."""
    return (halves + 1).remainder(2) - 1


def folded(maps: Tensor, fold: int) -> Tensor:
    """Maps with `fold` neighbouring bins as channels: (N, C, bins, T) -> (N, C * fold, bins / fold, T)."""
    return rearrange(maps, "n c (f fold) t -> n (c fold) f t", fold=fold)


def unfolded(maps: Tensor, fold: int) -> Tensor:
    """Undoes `folded`."""
    return rearrange(maps, "n (c fold) f t -> n c (f fold) t", fold=fold)
