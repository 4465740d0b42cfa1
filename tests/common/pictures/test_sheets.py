"""Pictures have the promised pixels, and files are whole or not there."""

import math

import av
import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from common.errors import UserError
from common.pictures.sheets import (
    beside,
    captioned,
    curves,
    grid,
    pictures,
    save_animation,
    save_gif,
    save_picture,
    sheet,
)


def flat(*values: int, size: int = 4, channels: int = 1) -> torch.Tensor:
    """One flat image a value, uint8 (N, C, size, size)."""
    return torch.tensor(values, dtype=torch.uint8)[:, None, None, None].repeat(1, channels, size, size)


def test_grid_puts_image_i_where_it_says():
    picture = grid(flat(10, 20, 30, 40, 50), columns=2, gap=3, upscale=2)  # cells of 8 pixels
    assert picture.size == (3 + 2 * 11, 3 + 3 * 11)
    pixels = np.asarray(picture)
    for index, value in enumerate([10, 20, 30, 40, 50]):
        x, y = 3 + index % 2 * 11, 3 + index // 2 * 11
        assert (pixels[y : y + 8, x : x + 8] == value).all()
        pixels = pixels.copy()
        pixels[y : y + 8, x : x + 8] = 255
    assert (pixels == 255).all()  # gaps and the empty cell


def test_grid_keeps_rows_columns_and_colours_apart():
    image = torch.arange(2 * 3 * 3).reshape(1, 3, 2, 3).to(torch.uint8)  # (1, C, H=2, W=3)
    picture = grid(image, gap=0, upscale=1)
    assert picture.size == (3, 2)
    assert picture.getpixel((2, 1)) == tuple(image[0, :, 1, 2].tolist())


def test_upscaling_repeats_pixels():
    image = torch.tensor([[[[0, 100], [150, 200]]]], dtype=torch.uint8)
    expected = np.array([[0, 100], [150, 200]]).repeat(3, 0).repeat(3, 1)
    assert (np.asarray(grid(image, gap=0, upscale=3))[..., 0] == expected).all()


@pytest.mark.parametrize(("size", "shown"), [(28, 84), (32, 96), (64, 64), (97, 97), (200, 200)])
def test_small_images_are_enlarged_to_a_visible_size(size, shown):
    assert grid(flat(0, size=size), gap=0).size == (shown, shown)


def test_the_default_grid_is_square():
    assert grid(flat(*range(9)), gap=0, upscale=1).size == (12, 12)
    assert grid(flat(*range(7)), gap=0, upscale=1).size == (12, 12)


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (3, 3), (8, 4), (10, 5), (50, 10), (64, 8), (101, 11)])
def test_a_grid_is_somewhat_wider_where_this_fills_it(count, columns):
    picture = grid(flat(*range(count)), gap=0, upscale=1)
    assert picture.size == (4 * columns, 4 * math.ceil(count / columns))


def test_floats_run_from_minus_one_to_one():
    values = torch.tensor([-1, 1, 0, -3, 3, math.nan])
    image = values.reshape(1, 1, 1, 6)
    assert np.asarray(grid(image, gap=0, upscale=1))[0, :, 0].tolist() == [0, 255, 128, 0, 255, 128]


def test_every_byte_survives_as_a_float():
    image = torch.arange(256).reshape(1, 1, 16, 16)
    picture = grid(image / 127.5 - 1, gap=0, upscale=1)
    assert np.asarray(picture)[..., 0].flatten().tolist() == list(range(256))


def test_pictures_are_of_their_own_size():
    images = pictures(flat(1, 2, size=5, channels=3))
    assert [image.size for image in images] == [(5, 5)] * 2
    assert images[1].getpixel((0, 0)) == (2, 2, 2)


@pytest.mark.parametrize("shape", [(0, 1, 4, 4), (2, 2, 4, 4), (3, 4, 4)])
def test_what_is_no_batch_of_images_is_refused(shape):
    with pytest.raises(ValueError, match="images must be"):
        grid(torch.zeros(shape))


def test_a_sheet_has_its_rows_beside_their_labels():
    rows = [("one", flat(10, 20, size=40)), ("a longer label", flat(30, size=40, channels=3))]
    picture = sheet(rows, gap=2, upscale=1)
    left = picture.width - (2 + 2 * 42)
    assert picture.height == 2 * 44
    pixels = np.asarray(picture)
    assert (pixels[2:42, left + 2 : left + 42] == 10).all()
    assert (pixels[2:42, left + 44 : left + 84] == 20).all()
    assert (pixels[46:86, left + 2 : left + 42] == 30).all()
    assert (pixels[46:86, left + 44 :] == 255).all()
    assert (pixels[:44, :left] < 128).any() and (pixels[44:, :left] < 128).any()  # both labels are written
    assert (pixels[:, left - 2 : left] == 255).all()  # and none runs into its images


def test_a_row_is_as_high_as_its_label():
    picture = sheet([("three\nlines\nof text", flat(0, size=4))], upscale=1)
    assert picture.height > 40


def test_headings_stand_above_their_columns():
    rows = [("label", flat(10, 20, 30, size=40))] * 2
    plain, headed = sheet(rows, upscale=1), sheet(rows, upscale=1, headings=["X", "", "end"])
    band, left = headed.height - plain.height, plain.width - (2 + 3 * 42)
    assert headed.width == plain.width and band > 0
    assert np.array_equal(np.asarray(headed)[band:], np.asarray(plain))
    _, inked = np.nonzero(np.asarray(headed)[:band, :, 0] < 128)
    for column in (0, 2):
        first = left + 2 + 42 * column
        mine = inked[(inked >= first) & (inked < first + 40)]
        assert abs((mine.min() + mine.max()) / 2 - (first + 20)) <= 1.5
    assert not ((inked >= left + 44) & (inked < left + 84)).any()


@pytest.mark.parametrize("text", ["ten letters", "a heading that no font makes narrow enough"])
def test_headings_keep_clear_of_each_other(text):
    headed = np.asarray(sheet([("", flat(*range(5), size=60))], upscale=1, headings=[text] * 5))
    band = headed[: len(headed) - 64, :, 0]
    between = [2 + 62 * column + offset for column in range(1, 5) for offset in (-2, -1, 0)]
    assert (band < 128).any() and (band[:, between] == 255).all()


def test_a_sheet_without_labels_has_no_margin_for_them():
    assert sheet([("", flat(1, 2))] * 2, gap=2, upscale=1).width == 2 + 2 * 6


@pytest.mark.parametrize("name", ["a.png", "b.webp", "C.PNG"])
def test_a_picture_is_read_back_as_it_was(tmp_path, name):
    picture = grid(flat(10, 200))
    save_picture(picture, tmp_path / "new folder" / name)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "new folder" / name)), np.asarray(picture))


def test_jpeg_takes_any_mode(tmp_path):
    save_picture(Image.new("RGBA", (4, 4)), tmp_path / "a.jpg")
    assert Image.open(tmp_path / "a.jpg").format == "JPEG"


@pytest.mark.parametrize("name", ["a.txt", "a", "a.gif", "a.png.exe"])
def test_an_unknown_ending_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"must end in \.png, \.jpg, \.jpeg, \.webp"):
        save_picture(grid(flat(0)), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


class BrokenPicture(Image.Image):
    """A picture whose writing fails halfway, as on a full disk."""

    def convert(self, *_args, **_options):
        return self

    def save(self, path, **_options):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")


def test_a_failed_write_leaves_the_old_picture(tmp_path):
    path = tmp_path / "a.png"
    save_picture(grid(flat(7)), path)
    before = path.read_bytes()
    with pytest.raises(UserError, match="No space left"):
        save_picture(BrokenPicture(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_gif_has_its_frames_and_its_time(tmp_path):
    frames = [grid(flat(value), gap=0) for value in (0, 50, 100, 150)]
    save_gif(frames, tmp_path / "a.gif", fps=10)
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 4 and gif.info["loop"] == 0
        shown = [
            (frame.convert("RGB").getpixel((5, 5)), frame.info["duration"]) for frame in ImageSequence.Iterator(gif)
        ]
    assert shown == [((value,) * 3, 100) for value in (0, 50, 100, 150)]


def test_an_mp4_has_its_frames_its_time_and_an_even_size(tmp_path):
    frames = [grid(flat(value, channels=3, size=96), gap=0).resize((97, 33)) for value in (0, 60, 120, 250)]
    save_animation(frames, tmp_path / "a.mp4", fps=8)
    with av.open(str(tmp_path / "a.mp4")) as film:
        shown = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert film.streams.video[0].average_rate == 8
    assert [picture.shape for picture in shown] == [(34, 98, 3)] * 4
    assert all(abs(int(picture[5, 5, 0]) - value) <= 3 for picture, value in zip(shown, (0, 60, 120, 250), strict=True))


def test_animations_have_their_endings(tmp_path):
    save_animation([grid(flat(0)), grid(flat(9))], tmp_path / "a.GIF")
    with pytest.raises(UserError, match=r"must end in \.gif, \.mp4"):
        save_animation([grid(flat(0))], tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.GIF"]


def test_a_grey_gif_keeps_every_shade(tmp_path):
    ramp = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    frames = [grid(image, gap=0, upscale=1) for image in (ramp, 255 - ramp)]
    save_gif(frames, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as gif:
        for frame, expected in zip(ImageSequence.Iterator(gif), frames, strict=True):
            assert np.array_equal(np.asarray(frame.convert("RGB")), np.asarray(expected))


def test_a_gif_is_never_faster_than_browsers_show(tmp_path):
    save_gif([grid(flat(0)), grid(flat(9))], tmp_path / "a.gif", fps=1000)
    assert Image.open(tmp_path / "a.gif").info["duration"] == 20


def test_a_gif_is_a_gif(tmp_path):
    with pytest.raises(UserError, match=r"must end in \.gif"):
        save_gif([grid(flat(0))], tmp_path / "a.png")


ROWS = [
    {"step": 1, "images": 64, "loss": 2.0, "note": "first", "good": True},
    {"step": 2, "images": 128, "loss": math.nan, "coverage": 0.5},
    {"step": 3, "images": 192, "loss": 1.0, "coverage": 0.6},
    {"header": 1},
]


def test_curves_draw_one_chart_a_figure():
    one, two = curves([{"images": 1, "loss": 2.0}]), curves(ROWS)
    assert one.size == (400, 240) and two.size == (800, 240)
    assert curves(ROWS, columns=1).size == (400, 480)


def test_the_same_rows_give_the_same_picture():
    assert curves(ROWS).tobytes() == curves(ROWS).tobytes()
    assert curves(ROWS).tobytes() != curves(ROWS[:2]).tobytes()


def test_curves_of_nothing_are_refused():
    with pytest.raises(UserError, match="nothing to draw"):
        curves([{"images": 5, "note": "no number"}])


def test_pictures_stand_beside_each_other_above_a_caption() -> None:
    red, blue = Image.new("RGB", (10, 30), (255, 0, 0)), Image.new("RGB", (20, 10), (0, 0, 255))
    both = beside([red, blue])
    assert both.size == (30, 30)
    assert both.getpixel((5, 29)) == (255, 0, 0) and both.getpixel((15, 5)) == (0, 0, 255)
    assert both.getpixel((15, 20)) == (255, 255, 255)
    told = captioned(both, "what the axes are")
    assert told.width > both.width and told.height > both.height
    assert told.crop((0, 0, 30, 30)).tobytes() == both.tobytes()
    assert min(told.crop((0, 30, *told.size)).convert("L").getextrema()) < 100
