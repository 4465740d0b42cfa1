"""TIFFs in all layouts, made by the standard, have the pixels that were put into them, in training too."""

import io
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image

from common.data.folders import File
from common.errors import UserError
from common.pictures.opening import open_image
from common.pictures.photos import decode, size_of
from common.pictures.reading import open_picture, read_picture

HEIGHT, WIDTH = 5, 7


def packed(plane: NDArray[np.uint16], bits: int, order: str) -> bytes:
    """Rows of numbers (H, N): bit after bit, and every row from a byte on."""
    if bits in (8, 16):
        return plane.astype(f"{order}u{bits // 8}").tobytes()
    digits = (plane[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(digits.reshape(len(plane), -1).astype(np.uint8), axis=1).tobytes()


def tiff(
    values: NDArray[np.uint16], bits: int, photometric: int, kinds: Sequence[int], is_planar: bool, order: str
) -> bytes:
    """A TIFF 6.0 without compression, of numbers (H, W, C) and as many kinds as there are further channels."""
    height, width, channels = values.shape
    planes = [values[..., k] for k in range(channels)] if is_planar else [values.reshape(height, -1)]
    strips = [packed(plane, bits, order) for plane in planes]
    starts = [8 + sum(map(len, strips[:k])) for k in range(len(strips))]
    tags = {256: (4, [width]), 257: (4, [height]), 258: (3, [bits] * channels), 259: (3, [1]), 262: (3, [photometric])}
    tags |= {273: (4, starts), 277: (3, [channels]), 278: (4, [height]), 279: (4, list(map(len, strips)))}
    tags |= {284: (3, [2 if is_planar else 1])} | ({338: (3, list(kinds))} if kinds else {})
    body = b"".join(strips) + bytes(sum(map(len, strips)) % 2)
    place = 8 + len(body) + 2 + 12 * len(tags) + 4
    entries, rest = b"", b""
    for tag, (kind, numbers) in sorted(tags.items()):
        content = struct.pack(f"{order}{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        if len(content) > 4:
            content, rest = struct.pack(f"{order}I", place + len(rest)), rest + content
        entries += struct.pack(f"{order}HHI", tag, kind, len(numbers)) + content.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8 + len(body))
    return head + body + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + rest


def expected(values: NDArray[np.uint16], bits: int, photometric: int, kinds: Sequence[int]) -> NDArray[np.uint16]:
    """By the standard: black is 0 and white the largest number, or the reverse, and colours are not multiplied."""
    colours = values.shape[2] - len(kinds)
    share = values / (2**bits - 1)
    if photometric == 0:
        share[..., 0] = 1 - share[..., 0]
    alpha = next((k for k, kind in enumerate(kinds) if kind), None)
    if alpha is None:
        share = share[..., :colours]
    else:
        opacity = share[..., colours + alpha, None]
        visible = np.where(opacity > 0, opacity, np.inf) if kinds[alpha] == 1 else 1.0
        share = np.concatenate([share[..., :colours] / visible, opacity], 2).clip(0, 1)
    return np.rint(share * (255 if bits <= 8 else 65535)).astype(np.uint8 if bits <= 8 else np.uint16)


@settings(max_examples=150, deadline=None)
@given(
    bits=st.integers(1, 16),
    photometric=st.sampled_from([0, 1, 2]),
    kinds=st.sampled_from([(), (0,), (1,), (2,), (0, 2)]),
    is_planar=st.booleans(),
    order=st.sampled_from(["<", ">"]),
    seed=st.integers(0, 99),
)
def test_every_layout(
    bits: int,
    photometric: int,
    kinds: tuple[int, ...],
    is_planar: bool,
    order: str,
    seed: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    channels = (3 if photometric == 2 else 1) + len(kinds)
    values = np.random.default_rng(seed).integers(0, 2**bits, (HEIGHT, WIDTH, channels)).astype(np.uint16)
    path = tmp_path_factory.getbasetemp() / "layout.tif"
    path.write_bytes(tiff(values, bits, photometric, kinds, is_planar, order))
    found, wanted = read_picture(path).pixels, expected(values, bits, photometric, kinds)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    tolerance = 2 if 1 in kinds else 0  # colours are divided by what is rounded already
    visible = wanted[..., -1:] > 0 if any(kinds) else np.array(True)
    difference = np.abs(found.astype(int) - wanted)
    if 1 in kinds:  # dark alpha magnifies the rounding of both
        difference = difference * (wanted[..., -1:] > np.iinfo(wanted.dtype).max // 2)
    assert (difference * visible).max() <= tolerance


@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "packbits", "zstd"])
@pytest.mark.parametrize("is_tiled", [False, True])
def test_compressions_predictors_and_tiles(compression: str | None, is_tiled: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for dtype in (np.uint8, np.uint16):
        pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (40, 50, 3)).astype(dtype)
        for settings_ in ({}, {"predictor": True}, {"bigtiff": True}, {"byteorder": ">"}, {"planarconfig": "separate"}):
            if "predictor" in settings_ and compression in (None, "packbits"):
                continue
            data = np.moveaxis(pixels, 2, 0) if "planarconfig" in settings_ else pixels
            more = {"tile": (16, 16)} if is_tiled else {"rowsperstrip": 7}
            tifffile.imwrite(path, data, photometric="rgb", compression=compression, **settings_, **more)
            assert np.array_equal(read_picture(path).pixels, pixels), settings_


def test_fractions_of_several_channels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).random((6, 8, 3)).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", compression="deflate", predictor=True)
    assert np.array_equal(read_picture(tmp_path / "a.tif").pixels, np.rint(pixels * 65535).astype(np.uint16))
    tifffile.imwrite(tmp_path / "b.tif", pixels * 3, photometric="rgb")
    with pytest.raises(UserError, match="neither"):
        read_picture(tmp_path / "b.tif")


def test_what_belongs_to_a_page_is_read_and_pages_differ(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        first = np.full((4, 6), 65535 - 257, np.uint16)
        file.write(first, photometric="miniswhite", resolution=(100, 200), resolutionunit="centimeter")
        file.write(np.full((3, 3, 3), 9, np.uint8), photometric="rgb", extratags=[(274, 3, 1, 6, True)])
    with open_picture(path) as file:
        assert file.frames == 2 and not file.is_animation
        pages = list(file)
    assert (pages[0].pixels == 257).all() and pages[0].dpi == pytest.approx((254, 508))
    assert (pages[1].pixels == 9).all() and ExifTags.Base.Orientation not in pages[1].exif


def test_cut_off_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path, pixels = tmp_path / "a.tif", np.random.default_rng(0).integers(0, 65535, (40, 50, 3)).astype(np.uint16)
    whole = io.BytesIO()
    tifffile.imwrite(whole, pixels, photometric="rgb", compression="deflate")
    path.write_bytes(whole.getvalue()[:-500])
    with pytest.raises(UserError, match="truncated"):
        read_picture(path)
    path.write_bytes(whole.getvalue()[:-900] + bytes(900))
    with pytest.raises(UserError, match=r"a\.tif cannot be read"):
        read_picture(path)
    path.write_bytes(b"II*\0\x08\0\0\0\x05\0")
    with pytest.raises(UserError, match=r"a\.tif"):
        read_picture(path)


def test_training_sees_the_same(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (HEIGHT, WIDTH, 1)).astype(np.uint16)
    content = tiff(values, 12, 0, (), False, "<")
    (tmp_path / "a.tif").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.tif", content)
    wanted = np.rint(255 * (1 - values / 4095)).astype(int)
    for file in (File(tmp_path / "a.tif"), File(tmp_path / "a.zip", "a.tif")):
        assert size_of(file, 1) == (HEIGHT, WIDTH)
        assert np.abs(decode(file) - wanted).max() <= 1
    with open_image(tmp_path / "a.tif") as image:
        assert isinstance(image, Image.Image) and image.mode == "L" and image.size == (WIDTH, HEIGHT)
        assert np.array_equal(np.asarray(image), decode(File(tmp_path / "a.tif"))[..., 0])
