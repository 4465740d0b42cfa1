"""Set5, where it is to be had, and a folder of small pictures."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

SET5 = Path(__file__).parents[3] / "shared" / "data" / "set5"


@pytest.fixture(params=[2, 3, 4, 8], ids="x{}".format)
def scale(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def set5(scale: int) -> dict[str, tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """By name, the true picture as it is and its published LR."""
    if not SET5.is_dir():
        pytest.skip("needs the shared data")
    pairs = {}
    for path in sorted((SET5 / "HR").glob("*.png")):
        low = SET5 / "LR_bicubic" / f"X{scale}" / f"{path.stem}x{scale}.png"
        pairs[path.stem] = (np.asarray(Image.open(path)), np.asarray(Image.open(low)))
    assert len(pairs) == 5
    return pairs


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures to train on."""
    from small_photos import save_pictures

    return save_pictures(tmp_path_factory.mktemp("data") / "waves")
