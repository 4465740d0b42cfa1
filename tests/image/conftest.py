"""A small data set of two shapes, and runs on it that last for seconds."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image.config import TrainConfig
from image.train import main

SIDE = 16


def disc(rng: np.random.Generator) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE]
    centre, radius = rng.uniform(6, 10, 2), rng.uniform(3, 6)
    return (np.hypot(y - centre[0], x - centre[1]) < radius) * rng.uniform(120, 255)


def bars(rng: np.random.Generator) -> np.ndarray:
    y, _ = np.mgrid[:SIDE, :SIDE]
    return ((y + rng.integers(6)) % 6 < 3) * rng.uniform(120, 255)


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 2 x 100 grey pictures of 16 x 16 pixels: bars and discs."""
    folder, rng = tmp_path_factory.mktemp("data") / "shapes", np.random.default_rng(0)
    for name, draw in (("bars", bars), ("discs", disc)):
        (folder / name).mkdir(parents=True)
        for index in range(100):
            pixels = draw(rng) + rng.normal(0, 8, (SIDE, SIDE))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name / f"{index}.png")
    return folder


def train(out: Path, shapes: Path, core: str) -> Path:
    main(
        TrainConfig(
            data=str(shapes),
            core=core,
            net_size="debug",
            latent=8,
            steps=60,
            batch=16,
            snapshot=480,
            device="cpu",
            out=out,
        )  # type: ignore[arg-type]
    )
    return out


@pytest.fixture(scope="session")
def cgan_run(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a conditional GAN."""
    return train(tmp_path_factory.mktemp("runs") / "shapes-cgan", shapes, "cgan")


@pytest.fixture(scope="session")
def vae_run(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of an unconditional VAE."""
    return train(tmp_path_factory.mktemp("runs") / "shapes-vae", shapes, "vae")


@pytest.fixture(scope="session")
def cvae_run(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a conditional VAE."""
    return train(tmp_path_factory.mktemp("runs") / "shapes-cvae", shapes, "cvae")
