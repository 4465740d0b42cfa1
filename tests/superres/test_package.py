"""From Python: a picture in, a larger one out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import superres
from common.errors import UserError
from common.weights import save_weights
from superres.networks import NetworkConfig, build_generator


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """Of a small generator that has learned nothing."""
    torch.manual_seed(0)
    config = NetworkConfig("fast", 2, 1, 8)
    about = {"domain": "superres", "kind": "generator", "network": config.as_json(), "data": {"name": "none"}}
    save_weights(tmp_path / "weights", build_generator(config), about, "card")
    return str(tmp_path / "weights")


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_keep_their_kind(weights: str, shape: tuple[int, ...], dtype: type) -> None:
    pixels = np.full(shape, 100, dtype)
    assert superres.enlarge(pixels, weights).shape == (10, 14, *shape[2:])
    assert superres.enlarge(pixels, weights, scale=1.5).shape == (8, 11, *shape[2:])
    assert superres.enlarge(pixels, weights).dtype == dtype


def test_pictures_and_files_come_back_as_pictures(weights: str, tmp_path: Path) -> None:
    for mode, kept in (("L", "L"), ("LA", "LA"), ("RGB", "RGB"), ("RGBA", "RGBA"), ("P", "RGB"), ("CMYK", "RGB")):
        found = superres.enlarge(Image.new(mode, (7, 5)), weights)
        assert (found.mode, found.size) == (kept, (14, 10))
    turned = Image.Exif()
    turned[274] = 6  # lies on its side
    Image.new("RGB", (7, 5)).save(tmp_path / "side.jpg", exif=turned)
    assert superres.enlarge(tmp_path / "side.jpg", weights).size == (10, 14)
    with pytest.raises(UserError, match=r"nothere\.png: no such file"):
        superres.enlarge("nothere.png", weights)


def test_sixteen_bits_are_rounded_and_not_cut_off(weights: str, tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 35).round().astype(np.uint16).reshape(5, 7)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    expected = superres.enlarge(np.rint(deep / 257).astype(np.uint8), weights)
    for one in (tmp_path / "deep.png", Image.fromarray(deep)):
        found = superres.enlarge(one, weights)
        assert found.mode == "L" and np.array_equal(np.asarray(found), expected)


def test_what_is_no_picture_is_refused(weights: str) -> None:
    for pixels in (np.zeros((5, 7)), np.zeros((5, 7, 5), np.uint8), np.zeros(5, np.uint8), np.zeros((0, 5), np.uint8)):
        with pytest.raises(ValueError, match="uint8 or uint16"):
            superres.enlarge(pixels, weights)
    with pytest.raises(UserError, match="--scale must be 1 to 16, not 0"):
        superres.enlarge(np.zeros((5, 7), np.uint8), weights, scale=0)
