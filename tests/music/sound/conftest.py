"""Sounds that the tests of makers of sounds share."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_sounds import CLASSES, tone, write

from common.data.arrays import Arrays
from common.weights import save_weights
from music.sound.data.loading import SoundData
from music.sound.data.sources import asked, play
from music.sound.instruments import Voice
from music.sound.networks import Generator, NetworkConfig

PLAYED = {"flute": Voice(73, "pipes", 64, 76), "cello": Voice(42, "strings", 48, 60)}


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Untrained weights of three instruments."""
    folder, config = tmp_path_factory.mktemp("weights") / "three", NetworkConfig(1, 4, 8, len(CLASSES))
    torch.manual_seed(0)
    about = {
        "domain": "music",
        "kind": "sound",
        "network": config.as_json(),
        "classes": CLASSES,
        "families": ["pipes", "strings", "reeds"],
        "ranges": [[60, 96], [36, 72], [52, 81]],
        "data": {"name": "instruments"},
    }
    folder.mkdir()
    save_weights(folder, Generator(config), about, "# Untrained\n")
    return str(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of ten usable sounds each."""
    for number in range(10):
        write(tmp_path / "sounds" / "high" / f"{number}.wav", tone(0.3, 880 + number))
        write(tmp_path / "sounds" / "low" / f"{number}.wav", tone(0.3 + number / 20, 110 + number))
    return tmp_path / "sounds"


@pytest.fixture(scope="session")
def hits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two kinds of sounds without a pitch, noise and falling tones, of thirty each."""
    root, rng = tmp_path_factory.mktemp("hits") / "hits", np.random.default_rng(0)
    for number in range(30):
        seconds = 0.15 + number / 200
        time = np.arange(round(seconds * 16_000)) / 16_000
        write(root / "hat" / f"{number}.wav", 0.3 * rng.uniform(-1, 1, len(time)) * np.exp(-20 * time), 16_000)
        fall = np.sin(2 * np.pi * (90 + number) * time * (1.5 - time))
        write(root / "kick" / f"{number}.wav", 0.5 * fall * np.exp(-8 * time), 16_000)
    return root


@pytest.fixture(scope="session")
def notes() -> SoundData:
    """Notes of two instruments, of which every fifth pitch is held out."""
    rows: dict[str, list[np.ndarray]] = {"wave": [], "label": [], "pitch": [], "velocity": []}
    for label, voice in enumerate(PLAYED.values()):
        waves, (pitch, velocity) = play(voice, 1), np.array(asked(voice)).T
        rows["wave"].append(np.rint(waves * 32767 * 0.9 / np.abs(waves).max()).astype(np.int16))
        for name, values in (("label", np.full(len(pitch), label)), ("pitch", pitch), ("velocity", velocity)):
            rows[name].append(values.astype(np.int64))
    arrays = {name: np.concatenate(parts) for name, parts in rows.items()}
    test = arrays["pitch"] % 5 == 0
    train, held_out = (Arrays({name: array[side] for name, array in arrays.items()}) for side in (~test, test))
    families = tuple(voice.family for voice in PLAYED.values())
    return SoundData(
        "notes", 1, tuple(PLAYED), families, True, train, held_out, {}, "played for tests", "notes of tests"
    )
