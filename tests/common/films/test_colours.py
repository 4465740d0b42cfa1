"""Colours of films: against the formulas of H.273, for every matrix and range, and tags."""

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import VideoReformatter
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from common.films.colours import MATRICES, colours_of, frame_of, picture_of

SIDE = 16
levels = st.tuples(*[st.floats(0, 1)] * 3)


def by_formula(rgb: NDArray[np.float64], matrix: int, is_full: bool, bits: int) -> NDArray[np.float64]:
    """Y, Cb and Cr of one colour in [0, 1], not rounded."""
    coefficients, offset = formula(matrix, is_full, bits)
    return coefficients @ rgb + offset


def formula(matrix: int, is_full: bool, bits: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of H.273: what RGB in [0, 1] is multiplied by, and what is added."""
    given = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
    red, blue = given.get(matrix, (0.299, 0.114))
    luma = np.array([red, 1 - red - blue, blue])
    differences = [(np.eye(3)[2] - luma) / (2 * (1 - blue)), (np.eye(3)[0] - luma) / (2 * (1 - red))]
    step, top = 2 ** (bits - 8), 2**bits - 1
    if is_full:
        return top * np.array([luma, *differences]), np.array([0, 128, 128]) * step
    factors = np.array([[219], [224], [224]]) * step
    return factors * np.array([luma, *differences]), np.array([16, 128, 128]) * step


def flat(yuv: NDArray[np.int64], bits: int, matrix: int, is_full: bool) -> av.VideoFrame:
    """A frame of one colour."""
    kind = np.uint8 if bits == 8 else np.uint16
    values = np.concatenate(
        [np.full(SIDE * SIDE, yuv[0]), np.full(SIDE * SIDE // 4, yuv[1]), np.full(SIDE * SIDE // 4, yuv[2])]
    )
    packed = values.astype(kind).reshape(-1, SIDE)
    frame = av.VideoFrame.from_ndarray(packed, format="yuv420p" if bits == 8 else "yuv420p10le")
    frame.colorspace, frame.color_range = matrix, 2 if is_full else 1
    return frame


def planes(frame: av.VideoFrame) -> NDArray[np.float64]:
    """The one colour of a frame."""
    packed = frame.to_ndarray().ravel().astype(np.float64)
    luma, differences = packed[: SIDE * SIDE], packed[SIDE * SIDE :].reshape(2, -1)
    assert np.ptp(luma) == 0 and (np.ptp(differences, 1) == 0).all()
    return np.array([luma[0], *differences[:, 0]])


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("is_full", [False, True], ids=["studio", "full"])
@pytest.mark.parametrize("matrix", sorted(MATRICES))
@settings(max_examples=10)
@given(rgb=levels)
def test_colours_are_right_within_rounding(matrix: int, is_full: bool, bits: int, rgb: tuple[float, ...]) -> None:
    exact = by_formula(np.array(rgb), matrix, is_full, bits)
    stored = np.rint(exact).clip(0, 2**bits - 1).astype(np.int64)
    frame = flat(stored, bits, matrix, is_full)
    colours = colours_of(frame)
    assert (colours.matrix, colours.is_full, colours.bits) == (matrix, is_full, bits)
    picture = picture_of(frame, colours, VideoReformatter())
    assert picture.shape == (SIDE, SIDE, 3) and picture.dtype == (np.uint8 if bits == 8 else np.uint16)
    read = picture[0, 0] / np.iinfo(picture.dtype).max
    most = 2**bits - 1
    coefficients, offset = formula(matrix, is_full, bits)
    np.testing.assert_allclose(read, np.linalg.solve(coefficients, stored - offset).clip(0, 1), atol=0.52 / most)
    back = frame_of(picture, colours)
    assert (back.colorspace, back.color_range) == (matrix, 2 if is_full else 1)
    np.testing.assert_allclose(planes(back), by_formula(read, matrix, is_full, bits).clip(0, most), atol=0.51)
    np.testing.assert_allclose(planes(back), stored, atol=1)


@pytest.mark.parametrize(
    ("name", "white"), [("gray", 255), ("gray10le", 1023), ("rgb24", 255), ("gbrp", 255), ("yuvj420p", 255)]
)
def test_white_is_white(name: str, white: int) -> None:
    shape = (SIDE, SIDE) if name.startswith("gray") else (SIDE, SIDE, 3)
    values = np.full(shape, white, np.uint8 if white == 255 else np.uint16)
    if name == "yuvj420p":
        values = np.full((SIDE * 3 // 2, SIDE), 128, np.uint8)
        values[:SIDE] = white
    frame = av.VideoFrame.from_ndarray(values, format=name)
    picture = picture_of(frame, colours_of(frame), VideoReformatter())
    assert (picture == np.iinfo(picture.dtype).max).all()


def test_films_without_tags_are_read_as_players_do_and_tagged() -> None:
    small, large = (av.VideoFrame(width, 48, "yuv420p") for width in (720, 1280))
    assert (colours_of(small).matrix, colours_of(large).matrix) == (6, 1)
    assert not colours_of(small).is_full
    assert colours_of(av.VideoFrame(64, 48, "yuvj420p")).is_full
    rgb = colours_of(av.VideoFrame(64, 48, "bgr0"))
    assert not rgb.is_full and rgb.bits == 8
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    frame = frame_of(picture, colours_of(small))
    assert (frame.colorspace, frame.color_range) == (6, 1)


def test_differences_lie_on_even_columns_between_rows() -> None:
    picture = np.zeros((4, 8, 3), np.uint8)
    picture[..., 2] = np.array([0, 40, 80, 120, 160, 200, 240, 255], np.uint8)
    picture[1::2, :, 2] //= 2
    colours = colours_of(av.VideoFrame(8, 4, "yuv420p"))
    cb = frame_of(picture, colours).to_ndarray().ravel()[32:40].reshape(2, 4).astype(float)
    columns = picture[:2, :, 2].astype(float).mean(0)
    expected = [(3 * columns[0] + columns[1]) / 4]  # the column before the first repeats it
    expected += [(columns[x - 1] + 2 * columns[x] + columns[x + 1]) / 4 for x in (2, 4, 6)]
    np.testing.assert_allclose(cb[0], 128 + 224 * np.array(expected) / 255 * 0.5, atol=0.51)
    np.testing.assert_array_equal(cb[0], cb[1])


def test_odd_sizes_become_even_by_repeating() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    colours = colours_of(av.VideoFrame(8, 6, "yuv420p"))
    frame = frame_of(picture, colours)
    assert (frame.height, frame.width) == (6, 8)
    repeated = np.pad(picture, ((0, 1), (0, 1), (0, 0)), mode="edge")
    np.testing.assert_array_equal(frame.to_ndarray(), frame_of(repeated, colours).to_ndarray())


def test_deep_frames_keep_their_depth() -> None:
    ramp = np.arange(64, 64 + SIDE)  # ten bits, finer than eight can tell apart
    packed = np.full((SIDE * 3 // 2, SIDE), 512, np.uint16)
    packed[:SIDE] = ramp
    frame = av.VideoFrame.from_ndarray(packed, format="yuv420p10le")
    colours = colours_of(frame)
    back = frame_of(picture_of(frame, colours, VideoReformatter()), colours, torch.device("cpu"))
    np.testing.assert_array_equal(back.to_ndarray()[:SIDE], packed[:SIDE])
    assert back.format.name == "yuv420p10le"
