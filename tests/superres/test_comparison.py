"""Sheets of weights: where they differ most is found, and the map shows where a twin departs."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from small_photos import picture

from common.errors import UserError
from superres.comparison import compare, difference, drawn, places
from superres.config import CompareConfig


@given(height=st.integers(8, 60), width=st.integers(8, 60), side=st.integers(8, 20), seed=st.integers(0, 9))
def test_places_are_inside_apart_and_the_first_is_the_best(height: int, width: int, side: int, seed: int) -> None:
    side = min(side, height, width)
    apart = np.random.default_rng(seed).random((height, width))
    found = places(apart, side, 3)
    sums = [apart[y : y + side, x : x + side].sum() for y, x in found]
    assert all(0 <= y <= height - side and 0 <= x <= width - side for y, x in found) and 1 <= len(found) <= 3
    best = max(
        apart[y : y + side, x : x + side].sum() for y in range(height - side + 1) for x in range(width - side + 1)
    )
    assert sums[0] == pytest.approx(best) and sums == sorted(sums, reverse=True)
    for k, (y, x) in enumerate(found):
        assert all(abs(y - v) >= side or abs(x - u) >= side for v, u in found[:k])


def test_differences_are_of_the_small_pixels() -> None:
    one, other = np.zeros((8, 12, 3), np.uint8), np.zeros((8, 12, 3), np.uint8)
    other[4:8, 8:12, 0] = 60
    assert difference(one, other, 4).tolist() == [[0, 0, 0], [0, 0, 20]]
    assert drawn(np.array([[0, 16, 32, 64]], np.float32), 4).flatten(1).tolist() == [[0, 127, 255, 255] * 3]


def test_scales_may_differ_and_twins_have_a_map(tmp_path: Path) -> None:
    Image.fromarray(picture(0)).save(tmp_path / "a.png")

    def drawing(*names: str) -> Image.Image:
        config = CompareConfig(picture=tmp_path / "a.png", weights=names, side=16, crops=2, device="cpu")
        sheet, told = compare(config)
        assert len(told) == len(names) * (len(names) - 1) // 2
        return sheet

    plain, with_map = drawing("x2-fast", "x4-fast"), drawing("x4-fast", "x4-fast-gan")
    assert with_map.height > plain.height + 150 and plain.width > 3 * 64


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    for names in (("x4-fast",), ("x4-fast", "x4-fast")):
        with pytest.raises(UserError, match="two or more"):
            CompareConfig(picture=tmp_path / "a.png", weights=names)
    Image.new("RGB", (20, 4)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="fewer than 8 pixels"):
        compare(CompareConfig(picture=tmp_path / "a.png", device="cpu"))
