"""`python benchmarks/music_speed.py`: how long music takes, from a cold start and in one process.

Prints medians, with the fastest and the slowest: a piece of 16 bars to MIDI from a cold start of Python; opening the
chorales from their cache (parsed first if need be); pieces a second, the plain draw of one window each, decoded to
MIDI; the renderer's real-time factor, seconds of computing a second of sound; a made note to a file from a cold start;
and how many seconds of sound are made in one, of notes and of a piece by a band of four.
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
NOTES, BAND = 256, "flute, oboe, cello, bassoon"  # made at a time, and who plays


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
    piece = ("music.generate", "--weights", config.weights, "--bars", "16", "--out", "song.mid")
    report("16 bars to MIDI, cold start", "s", repeated(config.rounds, lambda: cold_start(*piece)))
    report("chorales from their cache", "s", repeated(config.rounds, loading()))
    report(f"{config.pieces:,} pieces, one process", "pieces/s", repeated(config.rounds, composing(config)))
    report("rendering, real-time factor", "", repeated(config.rounds, rendering(config.weights)))
    note = ("music.sound.generate", "--instrument", "cello", "--out", "note.wav")
    report("a made note, cold start", "s", repeated(config.rounds, lambda: cold_start(*note)))
    report(f"{NOTES} made notes, one process", "s/s", repeated(config.rounds, sounding()))
    report("16 bars by a band of four", "s/s", repeated(config.rounds, banding(config.weights)))


def repeated(rounds: int, measure: Callable[[], float]) -> list[float]:
    """What `measure` returns, so many times."""
    return [measure() for _ in range(rounds)]


def report(what: str, unit: str, values: list[float]) -> None:
    """Print a line."""
    print(f"{what:<32}{statistics.median(values):>9.3g} {unit:<9}({min(values):.3g} to {max(values):.3g})", flush=True)


def cold_start(*words: str) -> float:
    """Seconds of a whole command."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", *words], cwd=folder, check=True, env=environment, capture_output=True)
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
    from music.mending import mended
    from music.models import load_music_model

    model = load_music_model(config.weights)
    condition = model.condition(config.pieces, model.metres[""], "major")

    def measure() -> float:
        start = time.perf_counter()
        rolls = mended(model, model.write(condition), condition)
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


def sounding() -> Callable[[], float]:
    """Seconds of made notes in one."""
    import torch

    from music.sound.config import MAKER, RATE, length
    from music.sound.models import load_sound_model

    model = load_sound_model(MAKER)
    labels = torch.arange(NOTES) % len(model.classes)
    notes = (labels, torch.tensor(model.ranges)[labels].sum(1) // 2, torch.full_like(labels, 100))

    def measure() -> float:
        start = time.perf_counter()
        model.sounds(model.latents(NOTES), notes)
        return NOTES * length(model.config.seconds) / RATE / (time.perf_counter() - start)

    return measure


def banding(weights: str) -> Callable[[], float]:
    """Seconds of a piece, played by made instruments, in one."""
    from music import compose
    from music.sound.band import play
    from music.sound.config import MAKER
    from music.sound.models import load_sound_model

    model, midi = load_sound_model(MAKER), compose(weights=weights, bars=16)

    def measure() -> float:
        start = time.perf_counter()
        play(midi, model, BAND)
        return midi.get_end_time() / (time.perf_counter() - start)

    return measure


if __name__ == "__main__":
    run(main, "benchmarks.music_speed")
