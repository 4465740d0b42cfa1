"""Upscaling of pixels: tiles are exact, any scale is reached, grey stays grey, and edges of cut-outs are clean."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from common.errors import UserError
from superres.models import SuperResModel, load_superres_model
from superres.networks import NetworkConfig, Reach, build_generator, fuse
from superres.resize import resize
from superres.upscaling import Model, TiledUpscaler, extended, smoothed

CPU = torch.device("cpu")


def untrained(net: str, scale: int, width: int = 8) -> SuperResModel:
    torch.manual_seed(0)
    config = NetworkConfig(net, scale, 1, width, net == "base")  # type: ignore[arg-type]
    network = fuse(build_generator(config)).eval().requires_grad_(False)
    return SuperResModel(network.to(memory_format=torch.channels_last), config)


MODELS = {(net, scale): untrained(net, scale) for net in ("fast", "base") for scale in (2, 3)}


@dataclass(frozen=True)
class Bicubic:
    """What needs no training; it runs out of memory beyond `room` pixels."""

    scale: int = 2
    room: int = 1 << 30
    device: torch.device = CPU

    @property
    def reach(self) -> Reach:
        return Reach(self.scale, 3)

    def upscale(self, images: Tensor) -> Tensor:
        if images.shape[2] * images.shape[3] > self.room:
            raise torch.OutOfMemoryError("too large")
        return F.interpolate(images, scale_factor=self.scale, mode="bicubic").clamp(0, 1)


def picture(height: int, width: int, channels: int, dtype: type = np.uint8, seed: int = 0) -> NDArray[np.uint8]:
    """Noise, of which a part is transparent, a part opaque and a part neither where there is alpha."""
    top = np.iinfo(dtype).max
    pixels = np.random.default_rng(seed).integers(0, top + 1, (height, width, channels)).astype(dtype)
    if channels in (2, 4):
        pixels[: height // 2, : width // 2, -1] = 0
        pixels[height // 2 :, :, -1] = top
    return pixels


def going_on(pixels: NDArray[np.uint8], radius: int) -> NDArray[np.uint8]:
    """With the border repeated around it."""
    return np.pad(pixels, ((radius, radius), (radius, radius), (0, 0)), "symmetric")


def whole(model: Model, scale: float | None = None) -> TiledUpscaler:
    return TiledUpscaler(model, scale, tile=10_000)


def disc(side: int, radius: float) -> NDArray[np.bool_]:
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    return np.hypot(y, x) < radius


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 28),
    width=st.integers(1, 28),
    channels=st.integers(1, 4),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    net=st.sampled_from(["fast", "base"]),
    net_scale=st.sampled_from([2, 3]),
    scale=st.sampled_from([None, 1, 1.37, 2, 2.5, 3.99, 4]),
    inner=st.integers(3, 20),
)
def test_tiled_is_untiled_to_the_last_bit(
    height: int, width: int, channels: int, dtype: type, net: str, net_scale: int, scale: float | None, inner: int
) -> None:
    pixels, model = picture(height, width, channels, dtype), MODELS[net, net_scale]
    expected = whole(model, scale)
    tile = expected.least - 1 + inner
    found = TiledUpscaler(model, scale, tile).upscale(pixels)
    assert found.dtype == dtype and found.shape == (*expected.size(height, width), channels)
    assert np.array_equal(found, expected.upscale(pixels))


def test_pixels_are_what_the_network_says() -> None:
    model, pixels = MODELS["fast", 2], picture(9, 7, 3)
    upscaler = TiledUpscaler(model)
    images = torch.from_numpy(going_on(pixels, upscaler.radius)).permute(2, 0, 1)[None] / 255
    inner = slice(2 * upscaler.radius, -2 * upscaler.radius)
    expected = model.upscale(images)[0, :, inner, inner].permute(1, 2, 0).numpy() * 255
    assert np.array_equal(upscaler.upscale(pixels), np.rint(expected))


@pytest.mark.parametrize(("scale", "passes"), [(1.5, 1), (2, 1), (3.3, 2), (4, 2), (7.9, 3)])
def test_other_scales_are_passes_and_an_exact_resize(scale: float, passes: int) -> None:
    model, pixels = MODELS["fast", 2], picture(13, 22, 3)
    upscaler = TiledUpscaler(model, scale)
    images = torch.from_numpy(going_on(pixels, upscaler.radius)).permute(2, 0, 1)[None] / 255
    for _ in range(passes):
        images = model.upscale(images)
    inner = slice(upscaler.radius * upscaler.net_scale, -upscaler.radius * upscaler.net_scale)
    images = images[..., inner, inner]
    size = (int(13 * scale + 0.5), int(22 * scale + 0.5))
    exact = resize(images[0].permute(1, 2, 0).double().numpy(), size) * 255
    found = upscaler.upscale(pixels)
    assert upscaler.passes == passes and found.shape == (*size, 3)
    assert np.abs(found - exact.clip(0, 255)).max() < 0.501


def test_grey_stays_grey() -> None:
    model, grey = MODELS["base", 2], picture(12, 15, 1)
    one = TiledUpscaler(model).upscale(grey)
    three = TiledUpscaler(model).upscale(grey.repeat(3, 2))
    assert one.shape == (24, 30, 1) and np.array_equal(three, one.repeat(3, 2))


def test_sixteen_bits_are_more_than_eight() -> None:
    slope = np.linspace(20_000, 24_000, 64).astype(np.uint16)[None, :, None].repeat(8, 0)
    large = TiledUpscaler(Bicubic(2)).upscale(slope)
    assert len(np.unique(large)) > 100  # 4,000 numbers are 16 of 8 bits
    assert (np.diff(large[4, 8:-8, 0].astype(int)) > 0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (3000, 2)])
@pytest.mark.parametrize("scale", [2, 1.5, 3])
def test_sizes_that_are_rare(size: tuple[int, int], scale: float) -> None:
    upscaler = TiledUpscaler(MODELS["fast", 2], scale)
    assert upscaler.upscale(picture(*size, 3)).shape == (*upscaler.size(*size), 3)


# --- Transparency -----------------------------------------------------------------------------------------------------


def test_colours_of_the_invisible_never_show() -> None:
    cut_out = np.zeros((40, 40, 4), np.uint8)
    cut_out[..., 1] = 255  # invisible green
    cut_out[disc(40, 12)] = (200, 30, 60, 255)
    large = TiledUpscaler(Bicubic(2), 3).upscale(cut_out)
    seen = large[..., 3] > 0
    assert np.abs(large[seen][:, :3].astype(int) - (200, 30, 60)).max() <= 1


def test_edges_of_what_is_cut_out_are_smooth_and_flat_parts_exact() -> None:
    cut_out = np.zeros((40, 40, 4), np.uint8)
    cut_out[disc(40, 12), 3] = 255
    for model in (Bicubic(2), MODELS["fast", 2]):
        alpha = TiledUpscaler(model, 4).upscale(cut_out)[..., 3]
        assert (alpha[disc(160, 39)] == 255).all() and (alpha[~disc(160, 57)] == 0).all()
    steps = alpha[80].astype(int)[:80]
    assert len(np.unique(alpha)) > 20 and np.abs(np.diff(steps)).max() < 255  # no jump from nothing to all
    area = (alpha / 255).sum() / 16
    assert area == pytest.approx(disc(40, 12).sum(), rel=0.03)


def test_only_alpha_that_is_all_or_nothing_is_softened() -> None:
    edge = np.repeat(np.array([[[0], [0], [255], [255]]], np.uint8), 3, 0)
    assert smoothed(edge)[1, :, 0].tolist() == [0, 38, 217, 255]
    line = np.array([[[0], [65535], [0]]], np.uint16)
    assert smoothed(line)[0, :, 0].tolist() == [9830, 45874, 9830]
    soft = np.where(edge == 255, 254, edge)
    assert smoothed(soft) is soft


def test_alpha_that_is_the_same_everywhere_stays_so() -> None:
    pixels = picture(10, 10, 4)
    pixels[..., 3] = 77
    large = TiledUpscaler(MODELS["fast", 3]).upscale(pixels)
    assert (large[..., 3] == 77).all()
    assert np.array_equal(large[..., :3], TiledUpscaler(MODELS["fast", 3]).upscale(pixels[..., :3]))


def test_the_nearest_visible_colours_reach_out() -> None:
    colours = np.arange(6, dtype=np.uint8)[None, :, None]
    alpha = np.array([0, 0, 9, 0, 0, 200], np.uint8)[None, :, None]
    assert extended(colours, alpha)[0, :, 0].tolist() == [2, 2, 2, 2, 5, 5]
    assert np.array_equal(extended(colours, np.zeros_like(alpha)), colours)
    tall = np.zeros((1500, 2, 1), np.uint8)
    tall[0], mask = 7, np.zeros_like(tall)
    mask[0] = 1
    assert extended(tall, mask)[:60].min() == 7 and extended(tall, mask)[-500:].max() == 0


# --- Memory -----------------------------------------------------------------------------------------------------------


def test_tiles_are_halved_when_memory_runs_out() -> None:
    pixels, told = picture(60, 70, 4), []
    upscaler = TiledUpscaler(Bicubic(room=24 * 24), tile=200)
    large = upscaler.upscale(pixels, advance=told.append)
    assert upscaler.tile < 50 and sum(told) == pytest.approx(60 * 70)
    assert np.array_equal(large, TiledUpscaler(Bicubic(), tile=200).upscale(pixels))
    assert upscaler.tile < 50


def test_no_memory_at_all_is_said() -> None:
    upscaler = TiledUpscaler(Bicubic(room=10))
    with pytest.raises(UserError, match="out of memory even with tiles of 7 pixels"):
        upscaler.upscale(picture(30, 30, 3))


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    class Broken(Bicubic):
        def upscale(self, images: Tensor) -> Tensor:
            raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="do not fit"):
        TiledUpscaler(Broken()).upscale(picture(30, 30, 3))


def test_tiles_that_are_all_margin_are_refused() -> None:
    with pytest.raises(UserError, match="--tile 6: the network needs tiles of 7 pixels or more"):
        TiledUpscaler(Bicubic(), tile=6)
    assert TiledUpscaler(Bicubic(), tile=7).upscale(picture(30, 30, 1)).shape == (60, 60, 1)


def test_results_go_where_they_are_wanted() -> None:
    made = []

    def allocate(shape: tuple[int, ...], dtype: type) -> NDArray[np.uint8]:
        made.append(np.zeros(shape, dtype))
        return made[-1]

    large = TiledUpscaler(Bicubic()).upscale(picture(8, 8, 2), allocate)
    assert large is made[0] and len(made) == 1 and large.any()


@pytest.mark.parametrize(
    ("weights", "levels"),
    [("x2-fast", 1), ("x4-fast", 0), ("x4-fast-gan", 1), ("x4-base", 0), ("x4-real", 1)],
)
def test_a_flat_colour_stays_that_colour_to_its_corners(weights: str, levels: int) -> None:
    upscaler = TiledUpscaler(load_superres_model(weights), tile=40)
    strong = ((30, 200, 90), (200, 30, 40), (20, 60, 220), (240, 230, 20))
    for colour in ((255, 255, 255), (128, 128, 128), (0, 0, 0), *strong):
        flat = np.full((20, 50, 3), colour, np.uint8)
        assert np.abs(upscaler.upscale(flat).astype(int) - colour).max() <= levels
