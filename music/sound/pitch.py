"""The pitch of a sound, by its harmonics: subharmonic summation (Hermes 1988)."""

import math

import torch
from torch import Tensor

from music.sound.config import RATE
from music.sound.spectrograms import hertz

LOWEST, HIGHEST = 33, 100  # MIDI numbers that are looked for
PER_SEMITONE = 10  # candidates
HARMONICS, DECAY = 10, 0.65  # how many are summed, each counting so much less than the one before
WINDOW = (0.06, 0.5)  # seconds of a sound that are looked at, after the attack
POINTS = 1 << 15  # of the Fourier transform: half a hertz apart
CHUNK = 64  # sounds at a time
IN_TUNE = 0.5  # semitones: 50 cents


def pitches(sounds: Tensor) -> Tensor:
    """The pitch of each sound, as a MIDI number with fractions, float32 (N,).

    Args:
        sounds: float (N, samples) at `RATE`.
    """
    return torch.cat([_pitches(part) for part in sounds.split(CHUNK)])


def in_tune(sounds: Tensor, wanted: Tensor) -> Tensor:
    """Whether the pitch of each sound is within 50 cents of the one wanted, (N,); bool (N,)."""
    return (pitches(sounds) - wanted).abs() <= IN_TUNE


def _pitches(sounds: Tensor) -> Tensor:
    begin, end = (round(second * RATE) for second in WINDOW)
    piece = sounds[:, begin:end]
    spectrum = torch.fft.rfft(piece * torch.hann_window(piece.shape[1], device=piece.device), POINTS).abs()
    weight = spectrum.sqrt()  # or the loudest harmonic alone would tell
    count = (HIGHEST - LOWEST) * PER_SEMITONE + 1
    candidates = LOWEST + torch.arange(count, device=sounds.device) / PER_SEMITONE
    score = sounds.new_zeros(len(sounds), count)
    for harmonic in range(1, HARMONICS + 1):
        bins = hertz(candidates) * harmonic * (POINTS / RATE)
        heard = bins < POINTS // 2
        score += math.pow(DECAY, harmonic - 1) * weight[:, bins.round().long().clamp(max=POINTS // 2)] * heard
    return candidates[score.argmax(1)]
