"""Frames that resemble the one before: what is reused is what would be computed, to the last bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from superres.models import SuperResModel
from superres.networks import NetworkConfig, build_generator, fuse
from superres.upscaling import TiledUpscaler
from superres.video.unchanged_tiles import CORE, FrameUpscaler

HEIGHT, WIDTH = 150, 170


class Counting:
    """A model that counts the pixels it is given."""

    def __init__(self, model: SuperResModel) -> None:
        self.model, self.scale, self.reach, self.device = model, model.scale, model.reach, model.device
        self.pixels = 0

    def upscale(self, images: Tensor) -> Tensor:
        self.pixels += images.shape[2] * images.shape[3]
        return self.model.upscale(images)


@pytest.fixture(scope="module")
def model() -> Counting:
    torch.manual_seed(0)
    config = NetworkConfig("fast", 2, 2, 8)
    return Counting(SuperResModel(fuse(build_generator(config)).requires_grad_(False), config))


def picture(seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def alone(model: Counting, frame: NDArray[np.uint8], scale: float | None = None) -> NDArray[np.uint8]:
    """A frame upscaled as if there had been none before."""
    return FrameUpscaler(TiledUpscaler(model, scale), HEIGHT, WIDTH)(frame)[0]


@settings(max_examples=12, deadline=None)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1), st.integers(1, 60), st.integers(1, 60)),
        max_size=3,
    ),
    scale=st.sampled_from([None, 1.5]),
    tile=st.sampled_from([None, 100]),
)
def test_reused_tiles_are_those_that_would_be_computed(
    model: Counting, changes: list[tuple[int, int, int, int]], scale: float | None, tile: int | None
) -> None:
    upscaler = FrameUpscaler(TiledUpscaler(model, scale, tile), HEIGHT, WIDTH)
    first, second = picture(), picture()
    for row, column, height, width in changes:
        second[row : row + height, column : column + width] ^= 85
    result, is_new = upscaler(first)
    np.testing.assert_array_equal(result, alone(model, first, scale))
    assert is_new
    result, is_new = upscaler(second)
    np.testing.assert_array_equal(result, alone(model, second, scale))
    assert is_new != np.array_equal(first, second)  # one change may undo another


def test_a_still_costs_nothing(model: Counting) -> None:
    upscaler = FrameUpscaler(TiledUpscaler(model), HEIGHT, WIDTH)
    before = upscaler(picture())[0].copy()
    model.pixels = 0
    result, is_new = upscaler(picture())
    assert model.pixels == 0 and not is_new
    np.testing.assert_array_equal(result, before)


def test_little_change_costs_little_and_much_no_more_than_all(model: Counting) -> None:
    upscaler = FrameUpscaler(TiledUpscaler(model), HEIGHT, WIDTH)
    upscaler(picture())
    spot = picture()
    spot[70, 80] ^= 1
    model.pixels = 0
    upscaler(spot)
    assert 0 < model.pixels <= (CORE + 2 * model.reach.radius) ** 2
    model.pixels = 0
    upscaler(picture(1))
    assert model.pixels == (HEIGHT + 2 * model.reach.radius) * (WIDTH + 2 * model.reach.radius)  # with what lies around


def test_a_change_is_seen_as_far_as_the_network_sees(model: Counting) -> None:
    """A pixel changes the result exactly within the radius; tiles whose margins it lies in are computed too."""
    upscaler = FrameUpscaler(TiledUpscaler(model), HEIGHT, WIDTH)
    for row in range(CORE - 8, CORE + 24):
        frame = picture()
        frame[row, 20] ^= 255
        result, _ = upscaler(frame)
        np.testing.assert_array_equal(result, alone(model, frame))
