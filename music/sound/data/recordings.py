"""Recordings as they are learned from: mono at one rate, without silence around them, as loud as each other."""

from math import gcd
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray

from common.data import folders
from common.data.folders import File
from common.errors import UserError
from music.sound.config import LONGEST, RATE, SHORTEST

ENDINGS = {".wav", ".flac", ".ogg", ".mp3"}
UNREADABLE = (*folders.UNREADABLE, av.FFmpegError)
READ = 30.0  # seconds that are decoded at most, silence around the sound among them
CHANNELS = 2  # at most
RATES = 1_000, 800_000  # samples a second, at least and at most
MOST, USUAL = 1_000, 48_000  # of a share between rates, above which FFmpeg first brings sound to the usual rate
FULL_SCALE = 0.9999  # from which a sample counts as cut off, ...
CLIPPED = 0.005  # ... and the share of those above which a recording is
SILENT = 10 ** (-60 / 20)  # peak below which there is nothing to hear
QUIET = 10 ** (-50 / 20)  # share of the peak below which the beginning and the end are silence
LOUDNESS, PEAK = -20.0, 0.95  # LUFS, and what no sample exceeds
Mono = NDArray[np.float32]


def read(file: File) -> Mono:
    """Decode a file: float32 (samples,) at `RATE`, its channels mixed.

    Raises:
        UserError: why it is left out.
        UNREADABLE: it is damaged, or no sound.
    """
    with file.open() as content, av.open(content, "r", metadata_errors="ignore") as container:
        if not container.streams.audio:
            raise UserError("no sound in it")
        stream = container.streams.audio[0]
        if stream.codec_context is None:
            raise UserError("sound in a coding that cannot be read")
        if stream.channels > CHANNELS:
            raise UserError(f"more than {CHANNELS} channels")
        if not RATES[0] <= stream.rate <= RATES[1]:
            raise UserError(f"a rate of {stream.rate:,} samples a second")
        parts, left = [], READ * stream.rate
        # torchaudio's filters grow with the share between rates when it is in its lowest terms.
        rate = stream.rate if stream.rate // gcd(stream.rate, RATE) <= MOST else USUAL
        resampler = av.AudioResampler(format="fltp", rate=rate)
        for frame in container.decode(stream):
            parts += [np.atleast_2d(part.to_ndarray()) for part in resampler.resample(frame)]
            left -= frame.samples
            if left < 0:
                raise UserError(f"longer than {LONGEST:g} seconds")
        if parts:
            parts += [np.atleast_2d(part.to_ndarray()) for part in resampler.resample(None)]  # what it still holds
    if not parts:
        raise UserError("empty")
    stereo = np.concatenate(parts, 1)
    if (np.abs(stereo) >= FULL_SCALE).mean() > CLIPPED:
        raise UserError("clipped")
    return mono(stereo, rate)


def mono(channels: NDArray[Any], rate: int) -> Mono:
    """Sound (channels, samples) at any rate -> (samples,) at `RATE`."""
    from torchaudio import functional  # slow to import, and not needed where the cache is filled

    return functional.resample(torch.from_numpy(channels).float().mean(0), rate, RATE).numpy()


def trimmed(sound: Mono) -> Mono:
    """Without the silence before and after it.

    Raises:
        UserError: nothing is left, or too little or too much.
    """
    loud = np.flatnonzero(np.abs(sound) > max(SILENT, QUIET * np.abs(sound).max(initial=0)))
    if not len(loud):
        raise UserError("empty")
    sound = sound[loud[0] : loud[-1] + 1]
    if len(sound) < SHORTEST * RATE:
        raise UserError(f"shorter than {SHORTEST:g} seconds")
    if len(sound) > LONGEST * RATE:
        raise UserError(f"longer than {LONGEST:g} seconds")
    return sound


def levelled(sound: Mono, samples: int) -> Mono:
    """A sound at `LOUDNESS` (ITU-R BS.1770-4), or softer where its peak would pass `PEAK`, cut or filled up."""
    from torchaudio import functional

    cut = np.pad(sound[:samples], (0, max(0, samples - len(sound))))
    # torchaudio's filters clip at full scale, and its blocks of 0.4 s want two of them or more.
    quiet = torch.from_numpy(0.1 * cut / np.abs(cut).max())[None]
    gain = 10 ** ((LOUDNESS - float(functional.loudness(quiet, RATE))) / 20) * float(quiet.abs().max())
    return (cut / np.abs(cut).max() * min(gain if np.isfinite(gain) else PEAK, PEAK)).astype(np.float32)
