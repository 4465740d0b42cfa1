"""Tiles: hand-cut axes, what holds of every cut, and that pieces are the whole to the last bit."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from common.pictures.tiles import Cut, Tile, cuts, tiles
from superres.networks import NetworkConfig, build_generator, fuse

Upscaler = Callable[[Tensor], Tensor]  # (N, C, h, w) -> (N, C', h * scale, w * scale)

lengths, radii = st.integers(1, 70), st.integers(0, 6)


class LocalStack(nn.Module):
    """Convolutions of whole numbers, which add up exactly in any order, and a shuffle; radius is theirs together."""

    def __init__(self, kernels: list[int], padding: str, scale: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.scale, self.padding, self.radius = scale, padding, sum(kernel // 2 for kernel in kernels)
        widths = [2, *([3] * (len(kernels) - 1)), 2 * scale**2]
        generator = torch.Generator().manual_seed(0)
        self.weights = [
            torch.randint(-2, 3, (outputs, inputs, kernel, kernel), generator=generator).to(dtype)
            for kernel, (inputs, outputs) in zip(kernels, pairwise(widths), strict=True)
        ]

    def forward(self, x: Tensor) -> Tensor:
        repeated = F.interpolate(x, scale_factor=self.scale, mode="nearest")
        for weight in self.weights:
            half = weight.shape[2] // 2
            mode = "constant" if self.padding == "zeros" else "replicate"
            x = F.relu(F.conv2d(F.pad(x, (half,) * 4, mode=mode), weight) + 1).fmod(64)
        return F.pixel_shuffle(x, self.scale) + repeated


def picture(height: int, width: int, dtype: torch.dtype = torch.float32, channels: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(height * 100 + width)
    return torch.randint(0, 16, (1, channels, height, width), generator=generator).to(dtype)


def counted(upscaler: Upscaler, seen: list[tuple[int, int]]) -> Upscaler:
    def count(region: Tensor) -> Tensor:
        seen.append((region.shape[2], region.shape[3]))
        return upscaler(region)

    return count


def tiled(picture: Tensor, upscaler: Upscaler, scale: int, tile: int, radius: int, step: int = 1) -> Tensor:
    """A picture upscaled piece by piece."""
    rows = tiles(*picture.shape[2:], tile, radius, step)
    return torch.cat([torch.cat([kept(picture, upscaler, scale, one) for one in row], 3) for row in rows], 2)


def kept(picture: Tensor, upscaler: Upscaler, scale: int, tile: Tile) -> Tensor:
    return upscaler(picture[(..., *tile.region)])[(..., *tile.kept(scale))]


def test_an_axis_by_hand() -> None:
    # 20 pixels, regions of 10, margins of 2: inner cores of 16 / 3, beside which the outer ones have 2 more.
    assert cuts(20, 10, 2) == [Cut(0, 7, 0, 9), Cut(7, 12, 5, 14), Cut(12, 20, 10, 20)]
    assert cuts(10, 10, 2) == [Cut(0, 10, 0, 10)]
    assert cuts(11, 10, 2) == [Cut(0, 5, 0, 7), Cut(5, 11, 3, 11)]
    assert cuts(3, 1, 0) == [Cut(0, 1, 0, 1), Cut(1, 2, 1, 2), Cut(2, 3, 2, 3)]


def test_a_tile_by_hand() -> None:
    tile = tiles(20, 10, 10, 2)[1][0]
    assert tile.region == (slice(5, 14), slice(0, 10))
    assert tile.placed(3) == (slice(21, 36), slice(0, 30))
    assert tile.kept(3) == (slice(6, 21), slice(0, 30))


@settings(max_examples=200, deadline=None)
@given(length=st.integers(1, 400), inner=st.integers(1, 60), radius=radii)
def test_what_holds_of_every_cut(length: int, inner: int, radius: int) -> None:
    tile = inner + 2 * radius
    found = cuts(length, tile, radius)
    assert found[0].start == 0 and found[-1].stop == length
    assert all(before.stop == after.start for before, after in pairwise(found))
    for cut in found:
        assert cut.start < cut.stop
        assert cut.first == max(0, cut.start - radius) and cut.last == min(length, cut.stop + radius)
        assert cut.last - cut.first <= tile
    most = 2 * (tile - radius) + (len(found) - 3) * inner  # what one tile less could cover
    assert len(found) == 1 or (length > tile if len(found) == 2 else length > most)


@settings(max_examples=80, deadline=None)
@given(
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    kernels=st.lists(st.sampled_from([1, 3, 5]), min_size=1, max_size=3),
    inner=st.integers(1, 12),
    scale=st.sampled_from([1, 2, 3, 4]),
    padding=st.sampled_from(["zeros", "replicate"]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_pieces_are_the_whole_to_the_last_bit(
    height: int, width: int, kernels: list[int], inner: int, scale: int, padding: str, dtype: torch.dtype
) -> None:
    stack = LocalStack(kernels, padding, scale, dtype)
    image, tile = picture(height, width, dtype), inner + 2 * stack.radius
    assert torch.equal(tiled(image, stack, scale, tile, stack.radius), stack(image))


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 50),
    width=st.integers(1, 50),
    net=st.sampled_from(["fast", "base"]),
    scale=st.sampled_from([2, 3, 4, 8]),
    channels=st.sampled_from([4, 16, 48]),
    inner=st.integers(1, 30),
    channels_last=st.booleans(),
)
def test_generators_in_pieces_are_the_whole_to_the_last_bit(
    height: int, width: int, net: str, scale: int, channels: int, inner: int, channels_last: bool
) -> None:
    torch.manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    config = NetworkConfig(net, scale, 1, channels, net == "base")  # type: ignore[arg-type]
    network = fuse(build_generator(config)).eval()
    network.to(memory_format=layout)
    image = torch.rand(1, 3, height, width).contiguous(memory_format=layout)
    with torch.inference_mode():
        assert torch.equal(tiled(image, network, scale, inner + 2 * network.radius, network.radius), network(image))


def test_less_overlap_than_the_radius_is_not_enough() -> None:
    stack = LocalStack([3, 3, 3], "zeros", 2, torch.float32)
    image = picture(30, 30)
    assert not torch.equal(tiled(image, stack, 2, 12, stack.radius - 1), stack(image))


def test_several_pictures_at_once() -> None:
    stack = LocalStack([3, 3], "replicate", 2, torch.float32)
    images = torch.cat([picture(17, 13), picture(17, 13) + 1])
    assert torch.equal(tiled(images, stack, 2, 9, 2), stack(images))


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 60), width=st.integers(1, 60), inner=st.integers(2, 30), step=st.sampled_from([2, 3, 4]))
def test_functions_that_look_at_several_pixels_together(height: int, width: int, inner: int, step: int) -> None:
    def pooled(x: Tensor) -> Tensor:
        """The mean of each step x step pixels and their neighbours, beyond the border repeated."""
        padding = (0, -x.shape[3] % step, 0, -x.shape[2] % step)
        coarse = F.avg_pool2d(F.pad(x, padding, mode="replicate"), step)
        around = F.avg_pool2d(F.pad(coarse, (1, 1, 1, 1), mode="replicate"), 3, 1)
        return F.interpolate(around, scale_factor=step)[..., : x.shape[2], : x.shape[3]]

    image, radius = picture(height, width, torch.float64), 2 * step
    assert torch.equal(tiled(image, pooled, 1, 2 * radius + step + inner, radius, step), pooled(image))


def test_a_long_thin_picture_in_few_tiles() -> None:
    seen: list[tuple[int, int]] = []
    stack = LocalStack([3], "zeros", 2, torch.float32)
    assert tiled(picture(2, 900), counted(stack, seen), 2, 100, 1).shape == (1, 2, 4, 1800)
    assert len(seen) == 10 and {height for height, _ in seen} == {2}


def test_what_cannot_be_cut_is_said() -> None:
    with pytest.raises(ValueError, match="10 pixels is all margin at a radius of 5; take 11 or more"):
        cuts(20, 10, 5)
