"""A small collection of tunes for three voices, and a run on it that lasts for seconds."""

from pathlib import Path

import pytest
from small_tunes import save_tunes

from music.config import TrainConfig
from music.data.loading import MusicData, load_music
from music.models import MusicModel, load_music_model
from music.train import main

BARS = 2  # of a window


@pytest.fixture(scope="session")
def tunes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of them."""
    return save_tunes(tmp_path_factory.mktemp("data") / "tunes")


@pytest.fixture(scope="session")
def data(tunes: Path) -> MusicData:
    """Windows of those."""
    return load_music(str(tunes), BARS)


@pytest.fixture(scope="session")
def run_folder(tunes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on those."""
    out = tmp_path_factory.mktemp("runs") / "tunes"
    settings = {"net_size": "debug", "latent": 8, "bar_latent": 4, "steps": 12, "batch": 16}
    main(TrainConfig(data=str(tunes), bars=BARS, device="cpu", out=out, **settings))  # type: ignore[arg-type]
    return out


@pytest.fixture(scope="session")
def model(run_folder: Path) -> MusicModel:
    """What the run made."""
    return load_music_model(str(run_folder))
