"""Two rounds of degradations: each of the pieces, and the whole as patches get it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from small_photos import picture

from common.randomness import mix
from superres.data.loading import load_photos
from superres.data.patches import AROUND, Patches
from superres.data.second_order import compressed, degrade_twice, filtered, gaussian, noisy, resized, sinc
from superres.symmetries import mirrored


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([2, 3, 4, 8]), st.integers(0, 2**60))
def test_any_picture_is_degraded_alike_each_time(rows: int, columns: int, scale: int, seed: int) -> None:
    image = picture(0, rows * scale, columns * scale)
    before = image.copy()
    found = degrade_twice(image, scale, seed)
    assert found.shape == (rows, columns, 3) and found.dtype == np.uint8
    assert np.array_equal(found, degrade_twice(image, scale, seed)) and np.array_equal(image, before)


def test_seeds_make_different_pictures_of_about_the_same_colours() -> None:
    image = np.full((64, 96, 3), (60, 120, 180), np.uint8)
    found = np.stack([degrade_twice(image, 4, seed) for seed in range(24)]).astype(float)
    assert len({one.tobytes() for one in found}) == 24
    assert np.abs(found.mean((0, 1, 2)) - (60, 120, 180)).max() < 4


@pytest.mark.parametrize("side", [12, 131])
def test_a_round_gaussian_is_scipys(side: int) -> None:
    image = picture(1, side, side + 6)
    expected = gaussian_filter(image.astype(float), (1.5, 1.5, 0), mode="reflect")
    assert np.abs(filtered(image, gaussian(1.5, 1.5)) - expected).max() < 1.1


def test_an_anisotropic_gaussian_blurs_along_its_angle() -> None:
    image = np.zeros((65, 65, 3), np.uint8)
    image[32, 32] = 255
    for angle, direction in ((0.0, (0, 1)), (math.pi / 2, (1, 0)), (math.pi / 4, (1, 1))):
        found = filtered(image, gaussian(3.0, 0.3, angle)).astype(int)[..., 0]
        y, x = np.nonzero(found > found.max() / 8)
        along = np.array(direction) / np.hypot(*direction)
        beside = np.abs((y - 32) * along[1] - (x - 32) * along[0])
        assert len(y) > 5 and beside.max() < 1.5


def test_a_sinc_keeps_low_waves_and_drops_high_ones() -> None:
    x = np.arange(128)
    for frequency, kept in ((0.5, 1), (2.5, 0)):  # radians a pixel
        wave = (127.5 + 100 * np.sin(frequency * x + 0.3))[None, :, None].repeat(128, 0).repeat(3, 2)
        found = filtered(wave.round().astype(np.uint8), sinc(1.5)).astype(float)
        inside = found[32:-32, 32:-32]
        assert inside.std() == pytest.approx(kept * wave[:, 32:-32].std(), abs=5)


@pytest.mark.parametrize("is_grey", [False, True])
@pytest.mark.parametrize("is_gaussian", [False, True])
def test_noise_is_as_strong_as_said(is_grey: bool, is_gaussian: bool) -> None:
    draw = np.random.default_rng(0)
    for level in (64, 144):
        image = np.full((200, 200, 3), level, np.uint8)
        noise = noisy(image, 2.0, is_grey, draw, is_gaussian).astype(float) - level
        assert noise.std() == pytest.approx(2.0 if is_gaussian else 2 * level**0.5, rel=0.03)
        assert abs(noise.mean()) < 0.2
        assert (noise[..., 0] == noise[..., 1]).all() == is_grey


def test_resizing_keeps_colours_and_jpeg_the_size() -> None:
    draw, image = np.random.default_rng(0), np.full((40, 24, 3), (200, 100, 50), np.uint8)
    for _ in range(8):
        assert (resized(image, (13, 31), draw) == (200, 100, 50)).all()
    found = [compressed(picture(2), draw) for _ in range(8)]
    assert len({one.tobytes() for one in found}) > 1 and all(one.shape == picture(2).shape for one in found)


def test_patches_are_degraded_by_their_number_and_in_their_place(folder: Path) -> None:
    data = load_photos(str(folder), 2, "second-order", least=8)

    def degrade(high: np.ndarray, number: int) -> np.ndarray:
        seen.append(high.shape[:2])
        return high[::2, ::2]

    seen: list[tuple[int, ...]] = []
    patches = Patches(data.train, 8, 2, degrade=degrade)
    drawn = patches.indices(0, 0, 64)
    batch = patches.gather(drawn)
    for low, high, number in zip(batch["low"], batch["high"], drawn.tolist(), strict=True):
        symmetry = number % 8
        turned = mirrored(high.permute(1, 2, 0), symmetry & 3 if symmetry < 4 else 0)
        if symmetry < 4:
            expected = mirrored(turned[::2, ::2], symmetry)
            assert torch.equal(low.permute(1, 2, 0), expected)
    assert max(seen) <= (16 + 4 * AROUND, 16 + 4 * AROUND)

    anew = Patches(data.train, 8, 2, degrade=lambda image, number: degrade_twice(image, 2, mix(5, number)))
    one, other = anew.gather(drawn)["low"], anew.gather(drawn.flip(0))["low"].flip(0)
    assert torch.equal(one, other) and not torch.equal(one, batch["low"])
    changed = Patches(data.train, 8, 2, degrade=lambda image, number: degrade_twice(image, 2, mix(6, number)))
    assert not torch.equal(changed.gather(drawn)["low"], one)


def test_only_what_is_kept_for_validation_is_degraded_beforehand(folder: Path) -> None:
    plain, found = (load_photos(str(folder), 2, way, least=8) for way in ("bicubic", "second-order"))
    assert [pair.name for pair in found.validation] == [pair.name for pair in plain.validation]
    for before, after in zip(plain.train, found.train, strict=True):
        assert torch.equal(before.lows, after.lows)
    for before, after in zip(plain.validation, found.validation, strict=True):
        assert not torch.equal(before.lows, after.lows)
