"""What all tests share, in all processes that run them: one thread, no network, and a cache of their own."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported
os.environ["OMP_NUM_THREADS"] = "1"  # for the processes that tests start

import pytest
import torch

ROOT = Path(__file__).parents[1]
# Folders of what tests share:
SHARED = (
    "common/data",
    "common/training",
    "e2e",
    "image/translate",
    "music",
    "music/sound",
    "superres",
    "superres/video",
    "text",
)
sys.path[:0] = [str(ROOT / "tests" / folder) for folder in SHARED]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait for processes that they start."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session", autouse=True)
def _quiet_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        if "QUARTET_CACHE" not in os.environ:
            place = tmp_path_factory.getbasetemp()
            shared = place.parent if "PYTEST_XDIST_WORKER" in os.environ else place  # what workers have in common
            patch.setenv("QUARTET_CACHE", str(shared / "cache"))
        yield


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of a test's own, in the place of the one that all share."""
    monkeypatch.setenv("QUARTET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT
