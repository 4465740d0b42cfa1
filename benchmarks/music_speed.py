"""`python benchmarks/music_speed.py`: how long music takes, from a cold start and in one process.

Prints medians, with the fastest and the slowest: a piece of 16 bars to MIDI from a cold start of Python; opening the
chorales from their cache (parsed first if need be); pieces a second, the plain draw of one window each, decoded to
MIDI; and the renderer's real-time factor, seconds of computing a second of sound.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import run
from common.config import ThreadConfig, require

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class SpeedConfig(ThreadConfig):
    """Settings of the measurement."""

    weights: str = "chorales"  # a bundled name, a folder or a Hub id
    pieces: int = 1_000  # composed in one process
    rounds: int = 3  # of each; the median counts

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("pieces", "rounds"):
            require(getattr(self, name) > 0, name, f"must be above 0, not {getattr(self, name)}")


def main(config: SpeedConfig) -> None:
    """Measure composing, loading and rendering."""
    import torch

    from music.models import load_music_model

    load_music_model(config.weights)  # refuses what is none, before it is named to another process
    print(f"{config.weights}, {torch.get_num_threads()} CPU threads, median of {config.rounds} (fastest to slowest)\n")
    report("16 bars to MIDI, cold start", "s", repeated(config.rounds, lambda: cold_start(config.weights)))
    report("chorales from their cache", "s", repeated(config.rounds, loading()))
    report(f"{config.pieces:,} pieces, one process", "pieces/s", repeated(config.rounds, composing(config)))
    report("rendering, real-time factor", "", repeated(config.rounds, rendering(config.weights)))


def repeated(rounds: int, measure: Callable[[], float]) -> list[float]:
    """What `measure` returns, so many times."""
    return [measure() for _ in range(rounds)]


def report(what: str, unit: str, values: list[float]) -> None:
    """Print a line."""
    print(f"{what:<32}{statistics.median(values):>9.3g} {unit:<9}({min(values):.3g} to {max(values):.3g})", flush=True)


def cold_start(weights: str) -> float:
    """Seconds of a whole command."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "song.mid")
        command = [sys.executable, "-m", "music.generate", "--weights", weights, "--bars", "16", "--out", out]
        start = time.perf_counter()
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def loading() -> Callable[[], float]:
    """Seconds of opening the cache."""
    from music.data.loading import load_music

    load_music("chorales")

    def measure() -> float:
        start = time.perf_counter()
        load_music("chorales")
        return time.perf_counter() - start

    return measure


def composing(config: SpeedConfig) -> Callable[[], float]:
    """Pieces a second."""
    from music.io.midi import to_midi
    from music.models import load_music_model

    model = load_music_model(config.weights)
    condition = model.condition(config.pieces, model.metres[""], "major")

    def measure() -> float:
        start = time.perf_counter()
        rolls = model.write(condition)
        for score in model.scores(rolls, condition):
            if score.onset.any():
                to_midi(score)
        return config.pieces / (time.perf_counter() - start)

    return measure


def rendering(weights: str) -> Callable[[], float]:
    """Seconds of computing a second of sound."""
    from music import compose
    from music.io.sound import RATE, render

    midi = compose(weights=weights, bars=16)

    def measure() -> float:
        start = time.perf_counter()
        audio = render(midi)
        return (time.perf_counter() - start) * RATE / audio.shape[1]

    return measure


if __name__ == "__main__":
    run(main, "benchmarks.music_speed")
