"""`python benchmarks/sound_speed.py`: how long made sounds take, from a cold start and in one process.

Prints medians, with the fastest and the slowest: a note to a file from a cold start of Python; notes in one process, as
seconds of sound made in a second; and a piece played by a band, likewise.
"""

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
BAND = "flute, oboe, cello, bassoon"


@dataclass(frozen=True, kw_only=True)
class SpeedConfig(ThreadConfig):
    """Settings of the measurement."""

    weights: str = "instruments"  # a bundled name, a folder or a Hub id
    notes: int = 256  # made in one process
    rounds: int = 3  # of each; the median counts

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("notes", "rounds"):
            require(getattr(self, name) > 0, name, f"must be above 0, not {getattr(self, name)}")


def main(config: SpeedConfig) -> None:
    """Measure single notes, many, and a band."""
    import torch

    from music import compose
    from music.sound.band import play
    from music.sound.config import RATE, length
    from music.sound.models import load_sound_model

    model, piece = load_sound_model(config.weights), compose(bars=16, seed=0)
    labels = torch.arange(config.notes) % len(model.classes)
    ranges = torch.tensor(model.ranges)[labels]
    notes = (labels, ranges.sum(1) // 2, torch.full_like(labels, 100))
    made = config.notes * length(model.config.seconds) / RATE

    def batch() -> float:
        return made / timed(lambda: model.sounds(model.latents(config.notes), notes))

    def band() -> float:
        return piece.get_end_time() / timed(lambda: play(piece, model, BAND))

    print(f"{config.weights}, {torch.get_num_threads()} CPU threads, median of {config.rounds} (fastest to slowest)\n")
    report("a note to a file, cold start", "s", [cold_start(config.weights) for _ in range(config.rounds)])
    report(f"{config.notes} notes, one process", "s of sound/s", [batch() for _ in range(config.rounds)])
    report("16 bars by a band of four", "s of sound/s", [band() for _ in range(config.rounds)])


def timed(work: Callable[[], object]) -> float:
    """How many seconds it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def cold_start(weights: str) -> float:
    """Seconds from starting Python to a note on disk."""
    with tempfile.TemporaryDirectory() as folder:
        words = ("--weights", weights, "--instrument", "cello", "--out", f"{folder}/note.wav", "--device", "cpu")
        command = [sys.executable, "-m", "music.sound.generate", *words]
        return timed(lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True))


def report(what: str, unit: str, values: list[float]) -> None:
    """Print a line."""
    print(f"{what:<30} {statistics.median(values):8.2f} {unit} ({min(values):.2f} to {max(values):.2f})", flush=True)


if __name__ == "__main__":
    run(main, "benchmarks/sound_speed.py")
