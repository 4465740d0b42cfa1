"""Deflickering: noise where nothing moves is averaged, and what moves stays."""

import numpy as np
import pytest
from numpy.typing import DTypeLike
from small_photos import picture

from superres.video.deflicker import Deflicker, stillness


def noisy(seed: int, dtype: DTypeLike) -> np.ndarray:
    unit = np.iinfo(dtype).max / 255
    values = 100 + np.random.default_rng(seed).normal(0, 2, (40, 44, 3))
    return (values * unit).round().astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_noise_where_nothing_moves_is_averaged_with_two_frames(dtype: DTypeLike) -> None:
    deflicker, unit = Deflicker(), np.iinfo(dtype).max / 255
    small = [noisy(seed, dtype) for seed in range(6)]
    large = [one.repeat(2, 0).repeat(2, 1) for one in small]
    kept = [one.copy() for one in large]
    found = [deflicker(one, other) for one, other in zip(small, large, strict=True)]
    assert found[0].dtype == dtype and np.array_equal(found[0], large[0])
    expected = np.mean(large[2:5], axis=0)
    assert np.abs(found[4] - expected).max() <= 1 * unit  # all three weigh the same, but for rounding
    assert all(np.array_equal(one, other) for one, other in zip(large, kept, strict=True))
    before, after = (np.abs(np.diff(np.float32(films[2:]), axis=0)).mean() for films in (large, found))
    assert after < 0.45 * before


def test_what_moves_is_left_as_it_is_and_what_stands_still_beside_it_is_not() -> None:
    deflicker = Deflicker()
    for step in range(3):
        frame = np.full((64, 128, 3), 100, np.uint8)
        frame[:, :40] = picture(3, 64, 60)[:, 5 * step : 5 * step + 40]
        large = frame.repeat(2, 0).repeat(2, 1) + np.uint8(step)
        found = deflicker(frame, large)
        assert np.array_equal(found[:, :80], large[:, :80])
    assert np.array_equal(found[:, 120:], large[:, 120:] - 1)  # 100, 101 and 102


def test_stillness_is_all_for_equal_frames_and_none_for_others() -> None:
    one = picture(0, 40, 44).astype(np.float32).mean(2)
    assert (stillness(one, one, (100, 90)) == 1).all() and stillness(one, one, (100, 90)).shape == (100, 90)
    assert (stillness(one, one + 9, (40, 44)) == 0).all()
