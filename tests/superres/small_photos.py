"""Small pictures to train on, and networks as small as they get."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SMALL: dict[str, Any] = {
    "scale": 2, "width": 4, "depth": 1, "patch": 8, "batch": 4, "warm_up": 8, "device": "cpu", "precision": "fp32",
}  # fmt: skip
COUNT = 6


def picture(seed: int, height: int = 40, width: int = 44) -> NDArray[np.uint8]:
    """Waves of a colour, with some noise."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width][..., None]
    waves = np.sin(x * draw.uniform(0.1, 1, 3) + y * draw.uniform(0.1, 1, 3) + draw.uniform(0, 6, 3))
    return (127 + 90 * waves + draw.normal(0, 5, (height, width, 3))).clip(0, 255).astype(np.uint8)


def save_pictures(folder: Path, count: int = COUNT, height: int = 40, width: int = 44) -> Path:
    """A folder of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        Image.fromarray(picture(seed, height, width)).save(folder / f"{seed}.png")
    return folder
