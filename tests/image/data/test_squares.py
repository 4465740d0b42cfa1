"""Squares of pictures: where they lie, and that those of one picture stay together."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from image.data.loading import load_images
from image.data.squares import SQUARES, box


def test_squares_by_hand() -> None:
    boxes = [box((300, 100), number) for number in range(SQUARES)]
    assert boxes[:3] == [(0, 0, 100, 100), (100, 0, 200, 100), (200, 0, 300, 100)]
    assert boxes[3:6] == [(0, 0, 50, 50), (125, 0, 175, 50), (250, 0, 300, 50)]
    assert boxes[6:] == [(0, 50, 50, 100), (125, 50, 175, 100), (250, 50, 300, 100)]
    upright = [box((100, 300), number) for number in range(SQUARES)]
    assert upright[:3] == [(0, 0, 100, 100), (0, 100, 100, 200), (0, 200, 100, 300)]
    assert upright[3:5] == [(0, 0, 50, 50), (50, 0, 100, 50)] and upright[-1] == (50, 250, 100, 300)


@given(st.integers(1, 400), st.integers(1, 400), st.integers(0, SQUARES - 1))
def test_squares_lie_within(width: int, height: int, number: int) -> None:
    left, top, right, bottom = box((width, height), number)
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert right - left == bottom - top


def test_squares_of_one_picture_are_learned_from_or_held_out_together(tmp_path: Path) -> None:
    for number in range(12):
        Image.new("RGB", (48, 32), (20 * number, 5, 250)).save(tmp_path / f"{number:02}.png")
    data = load_images(str(tmp_path), 16, "squares")
    assert len(data.train) + len(data.test) == 12 * SQUARES
    reds = [set(part.tensors["image"][:, 0].unique().tolist()) for part in (data.train, data.test)]
    assert not reds[0] & reds[1] and len(reds[0] | reds[1]) == 12
    assert data.names[0][0].endswith(".png 1")


def test_a_turned_picture_is_cut_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    for number in range(3):
        pixels = np.full((32, 48, 3), 3 * number, np.uint8)
        pixels[:, :24] = 255 - 3 * number  # on its side: the left half will be the upper one
        Image.fromarray(pixels).save(tmp_path / f"{number}.png", exif=exif)
    data = load_images(str(tmp_path), 16, "squares")
    first = data.train.tensors["image"][:SQUARES].float().mean((1, 2, 3))
    assert first[:3].tolist() == pytest.approx([255 * 24 / 32, 255 / 2, 255 * 8 / 32], abs=8)
