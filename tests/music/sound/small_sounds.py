"""Sounds that tests make: sines, and WAV files of them."""

import wave
from pathlib import Path

import numpy as np

CLASSES = ("flute", "cello", "english horn")  # of the untrained weights that tests share


def tone(seconds: float, hertz: float = 440.0, rate: int = 22_050, loudness: float = 0.3) -> np.ndarray:
    """A sine, float64 (samples,)."""
    return loudness * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def write(path: Path, channels: np.ndarray, rate: int = 22_050) -> None:
    """Write (samples,) or (channels, samples) as a WAV of 16 bits."""
    rows = np.atleast_2d(channels)
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(rows))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((rows.T * 32767).round().astype("<i2").tobytes())
