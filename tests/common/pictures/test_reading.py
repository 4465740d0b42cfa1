"""Pictures that people have: what is read of them, and that what is written is read again the same."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms
from PIL.TiffImagePlugin import IFDRational

from common.errors import UserError
from common.pictures.formats import FORMATS
from common.pictures.png_tiff import AT_A_TIME, write_png, write_tiff
from common.pictures.reading import Picture, open_picture, read_picture, upright
from common.pictures.tiff_reading import eight_bits
from common.pictures.writing import require_writable, write_pictures

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
EXACT = ("png", "tif")


def noise(*shape: int, dtype: type = np.uint8, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def smooth(height: int = 40, width: int = 60, channels: int = 3) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width] / max(height, width)
    planes = [128 + 100 * np.sin(3 * x + k) * np.cos(2 * y - k) for k in range(channels)]
    return np.stack(planes, -1).round().astype(np.uint8)


def saved(path: Path, image: Image.Image, **settings: object) -> Path:
    image.save(path, **settings)
    return path


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def deep_png(pixels: NDArray[np.uint16], *more: bytes) -> bytes:
    """A PNG of 16 bits by the standard, with no filters."""
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = (chunk(b"IHDR", header), *more, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def error_of(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_picture(path)
    message = str(caught.value)
    assert str(path) in message and len(message.splitlines()) == 1
    return message


# --- Reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA"])
def test_modes_keep_their_channels(mode: str, tmp_path: Path) -> None:
    image = Image.fromarray(noise(9, 7, 4), "RGBA").convert(mode)
    pixels = read_picture(saved(tmp_path / "a.png", image)).pixels
    assert pixels.dtype == np.uint8 and pixels.shape == (9, 7, len(image.getbands()))
    expected = np.asarray(image.convert("L") if mode == "1" else image)
    assert np.array_equal(pixels.reshape(expected.shape), expected)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits_are_read_whole(channels: int, tmp_path: Path) -> None:
    pixels = noise(5, 8, channels, dtype=np.uint16)
    path = tmp_path / "deep.png"
    path.write_bytes(deep_png(pixels))
    assert np.array_equal(read_picture(path).pixels, pixels)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bits_of_plain_tiffs_are_read_whole(channels: int, order: str, tmp_path: Path) -> None:
    pixels = noise(5, 8, channels, dtype=np.uint16)
    data = pixels.astype(f"{order}u2").tobytes()
    # Width, height, bits, no compression, RGB, offset, samples, rows and bytes of the one strip, and alpha.
    rest = [(338, 3, 1, 2)] if channels == 4 else []
    entries = [(256, 4, 1, 8), (257, 4, 1, 5), (258, 3, channels, 0), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 0)]
    entries += [(277, 3, 1, channels), (278, 4, 1, 5), (279, 4, 1, len(data)), *rest]
    bits_at = 8 + 2 + 12 * len(entries) + 4
    values = {258: bits_at, 273: bits_at + 2 * channels}
    packed = b""
    for tag, kind, count, value in entries:
        field = struct.pack(f"{order}HH", value, 0) if kind == 3 and tag != 258 else None
        packed += struct.pack(f"{order}HHI", tag, kind, count) + (
            field or struct.pack(f"{order}I", values.get(tag, value))
        )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    path = tmp_path / "deep.tif"
    path.write_bytes(head + packed + bytes(4) + struct.pack(f"{order}{channels}H", *[16] * channels) + data)
    assert np.array_equal(read_picture(path).pixels, pixels)


@pytest.mark.parametrize("most", [300, 4095, 65535])
def test_colours_of_ppms_are_read_whole(most: int, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, most + 1, (5, 8, 3))
    wanted = np.rint(values / most * 65535)
    (tmp_path / "a.ppm").write_bytes(b"P6\n# made by hand\n8 5\n%d\n" % most + values.astype(">u2").tobytes())
    numbers = " ".join(map(str, values.ravel())).replace(" ", "\n# a remark\n", 1)
    (tmp_path / "b.ppm").write_text(f"P3\n8 5\n{most}\n{numbers}\n")
    for name in ("a.ppm", "b.ppm"):
        assert np.array_equal(read_picture(tmp_path / name).pixels, wanted), name
    (tmp_path / "a.ppm").write_bytes((tmp_path / "a.ppm").read_bytes()[:-9])
    error_of(tmp_path / "a.ppm")


def test_a_colour_that_means_invisible_becomes_alpha(tmp_path: Path) -> None:
    grey = saved(tmp_path / "grey.png", Image.fromarray(np.array([[3, 7]], np.uint8)), transparency=7)
    assert read_picture(grey).pixels.tolist() == [[[3, 255], [7, 0]]]
    path = tmp_path / "deep.png"
    path.write_bytes(
        deep_png(np.array([[[1, 2, 3], [1, 2, 4]]], np.uint16), chunk(b"tRNS", struct.pack(">HHH", 1, 2, 4)))
    )
    assert read_picture(path).pixels.tolist() == [[[1, 2, 3, 65535], [1, 2, 4, 0]]]
    path.write_bytes(deep_png(np.array([[[1], [2]]], np.uint16), chunk(b"tRNS", struct.pack(">H", 2))))
    assert read_picture(path).pixels.tolist() == [[[1, 65535], [2, 0]]]


def test_palettes_become_their_colours(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 100, 0, 5, 5, 5])
    plain = read_picture(saved(tmp_path / "plain.png", image)).pixels
    assert plain.tolist() == [[[10, 20, 30], [200, 100, 0]], [[5, 5, 5], [200, 100, 0]]]
    clear = read_picture(saved(tmp_path / "clear.png", image, transparency=1)).pixels
    assert clear.shape == (2, 2, 4) and clear[..., 3].tolist() == [[255, 0], [255, 0]]
    image.putpalette([0, 0, 0, 90, 90, 90, 255, 255, 255])
    assert read_picture(saved(tmp_path / "grey.png", image)).pixels.tolist() == [[[0], [90]], [[255], [90]]]
    hidden = read_picture(saved(tmp_path / "clear.gif", image, transparency=0)).pixels[..., 1] == 0
    assert hidden.tolist() == [[True, False], [False, False]]


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    for ending in ("jpg", "tif"):
        pixels = read_picture(saved(tmp_path / f"red.{ending}", image)).pixels
        assert pixels.shape == (16, 16, 3)
        assert np.abs(pixels.astype(int) - (255, 0, 0)).max() < 4
    damaged = read_picture(saved(tmp_path / "damaged.jpg", image, icc_profile=b"no profile"))
    assert np.array_equal(damaged.pixels, read_picture(tmp_path / "red.jpg").pixels) and damaged.icc is None


def test_fractions_and_large_numbers(tmp_path: Path) -> None:
    fractions = Image.fromarray(np.array([[0, 0.5, 1]], np.float32))
    assert read_picture(saved(tmp_path / "f.tif", fractions)).pixels.ravel().tolist() == [0, 32768, 65535]
    numbers = Image.fromarray(np.array([[0, 65536]], np.int32))
    assert "neither" in error_of(saved(tmp_path / "i.tif", numbers))
    assert "neither" in error_of(saved(tmp_path / "nan.tif", Image.fromarray(np.array([[np.nan, 1]], np.float32))))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    lying = noise(3, 5, 3)
    stood = {1: lying, 2: lying[:, ::-1], 3: lying[::-1, ::-1], 4: lying[::-1], 5: lying.swapaxes(0, 1)}
    stood |= {6: np.rot90(lying, -1), 7: np.rot90(lying, -1)[::-1], 8: np.rot90(lying)}
    for ending in EXACT:
        path = saved(tmp_path / f"a.{ending}", Image.fromarray(lying), exif=exif, dpi=(100, 200))
        picture = read_picture(path)
        assert np.array_equal(picture.pixels, stood[orientation]), ending
        assert ExifTags.Base.Orientation not in picture.exif
    assert np.array_equal(upright(lying, orientation), stood[orientation])
    turned = read_picture(tmp_path / "a.png").dpi
    assert turned is not None and np.allclose(turned, (200, 100) if orientation >= 5 else (100, 200), atol=0.02)


# --- What cannot be read ----------------------------------------------------------------------------------------------


def test_bad_files_are_named_with_what_is_wrong(tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.fromarray(noise(64, 64, 3)).save(whole, "PNG")
    bad = {
        "truncated.png": (whole.getvalue()[:3000], "truncated"),
        "renamed.png": (b"Dear diary", "not a picture"),
        "empty.jpg": (b"", "is empty"),
        "header.png": (whole.getvalue()[:20], "Truncated"),
        "damaged.png": (whole.getvalue()[:900] + b"?" * 9 + whole.getvalue()[909:], "cannot be read"),
    }
    for name, (content, problem) in bad.items():
        (tmp_path / name).write_bytes(content)
        assert problem in error_of(tmp_path / name), name
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    assert "pixels" in error_of(tmp_path / "bomb.png")
    assert "no such file" in error_of(tmp_path / "missing.png")
    assert "directory" in error_of(tmp_path).lower()


def test_truncated_photos_and_animations(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Image.fromarray(noise(64, 64, 3)))
    path.write_bytes(path.read_bytes()[:2000])
    assert "truncated" in error_of(path)
    frames = [Image.fromarray(noise(64, 64, 3, seed=k)) for k in range(3)]
    path = saved(tmp_path / "a.webp", frames[0], save_all=True, append_images=frames[1:])
    path.write_bytes(path.read_bytes()[:9000])
    error_of(path)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF", "JPEG", "BMP", "PPM"])
def test_a_file_cut_anywhere_is_read_or_refused(form: str, tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3), dtype=np.uint8)
    first, second = map(Image.fromarray, colours)
    moving = {"save_all": True, "append_images": [second]} if form in ("GIF", "PNG", "WEBP", "TIFF") else {}
    whole, path = io.BytesIO(), tmp_path / "cut"
    first.save(whole, form, **moving)
    refused = 0
    for length in range(len(whole.getvalue())):
        path.write_bytes(whole.getvalue()[:length])
        try:
            with open_picture(path) as file:
                assert all(picture.pixels.shape[:2] == (5, 6) for picture in file)
        except UserError:
            refused += 1
    assert refused > 20


def test_malformed_exif_is_no_reason_to_refuse(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    rest = b"II*\0\x08\0\0\0\x05\0" + b"\xff" * 11
    saved(path, Image.fromarray(smooth()), exif=b"Exif\0\0" + rest)
    assert read_picture(path).exif == {}


# --- Writing ----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    channels=st.integers(1, 4),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    is_flat=st.booleans(),
)
def test_png_and_tiff_lose_nothing(
    height: int, width: int, channels: int, dtype: type, is_flat: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pixels = noise(height, width, channels, dtype=dtype)
    if is_flat:
        pixels = np.broadcast_to(pixels[:1], pixels.shape)
    for ending in EXACT:
        path = tmp_path_factory.getbasetemp() / f"lossless.{ending}"
        write_pictures(path, [Picture(pixels)])
        found = read_picture(path).pixels
        if ending == "tif" and channels == 2 and dtype == np.uint16:
            assert np.array_equal(found, pixels[..., [0, 0, 0, 1]])
        else:
            assert found.dtype == dtype and np.array_equal(found, pixels)


def test_rows_go_to_the_file_in_strips(tmp_path: Path) -> None:
    pixels = noise(50, AT_A_TIME // 30, 3)  # ten rows at a time
    pixels[20:40] = pixels[10]  # rows that are best told from the one above, across the strips' borders
    with (tmp_path / "a.png").open("wb") as file:
        write_png(file, pixels, None, None, b"")
    write_tiff(tmp_path / "a.tif", [(pixels, {}), (pixels[:7, :5], {})])
    for name in ("a.png", "a.tif"):
        with Image.open(tmp_path / name) as image:
            assert np.array_equal(np.asarray(image), pixels)
            if name == "a.tif":
                image.seek(1)
                assert np.array_equal(np.asarray(image), pixels[:7, :5])


def test_filters_make_smooth_pictures_as_small_as_pillow_does(tmp_path: Path) -> None:
    pixels = np.tile(smooth(), (4, 4, 1))
    write_pictures(tmp_path / "ours.png", [Picture(pixels)])
    saved(tmp_path / "theirs.png", Image.fromarray(pixels))
    assert (tmp_path / "ours.png").stat().st_size < 1.1 * (tmp_path / "theirs.png").stat().st_size


@pytest.mark.parametrize(
    "ending", sorted({"png", "jpg", "webp", "tif", "gif", "bmp", "avif"} & {e[1:] for e in FORMATS})
)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_format_takes_every_picture(ending: str, channels: int, dtype: type, tmp_path: Path) -> None:
    pixels = smooth(channels=channels)
    if channels in (2, 4):
        pixels[..., -1] = 255
        pixels[:20, :20, -1] = 0
    deep = pixels.astype(np.uint16) * 257 if dtype == np.uint16 else pixels
    path = tmp_path / f"a.{ending}"
    write_pictures(path, [Picture(deep)], quality=90)
    found = read_picture(path)
    assert found.pixels.dtype == (dtype if ending in EXACT else np.uint8)
    with Image.open(path) as image:
        rgba = np.asarray(image.convert("RGBA")).astype(int)
    if ending in EXACT:  # which Pillow shows otherwise
        rgba = np.asarray(Image.fromarray(eight_bits(found.pixels).squeeze()).convert("RGBA")).astype(int)
    expected = np.asarray(Image.fromarray(pixels.squeeze()).convert("RGBA")).astype(int)
    has_alpha = ending not in ("jpg", "bmp")
    if channels in (2, 4) and not has_alpha:
        expected[:20, :20] = 255
    hidden = np.zeros((40, 60), bool)
    hidden[:20, :20] = channels in (2, 4) and has_alpha
    assert np.array_equal(rgba[..., 3] < 128, hidden)
    inside = ~hidden
    inside[15:25, 15:25] = False  # of the edge, which is blurred in some formats
    assert np.abs(rgba - expected)[inside].max() <= (0 if ending in (*EXACT, "bmp") else 24)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif", "avif"])
def test_what_belongs_to_a_picture_stays(ending: str, tmp_path: Path) -> None:
    if f".{ending}" not in FORMATS:
        pytest.skip("this Pillow has no AVIF")
    exif = Image.Exif()
    exif[ExifTags.Base.Artist], exif[ExifTags.Base.Orientation] = "Nobody", 6
    exif[ExifTags.IFD.Exif] = {ExifTags.Base.ExposureTime: IFDRational(1, 50), 40962: 60, 40963: 40}
    exif[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
    first = saved(tmp_path / "first.jpg", Image.fromarray(smooth()), exif=exif, icc_profile=SRGB, dpi=(300, 300))
    picture = read_picture(first)
    large = np.repeat(picture.pixels, 2, 0)
    path = tmp_path / f"again.{ending}"
    write_pictures(path, [Picture(large, picture.icc, picture.dpi, picture.exif)])
    again = read_picture(path)
    assert again.icc == SRGB
    assert again.exif[ExifTags.Base.Artist] == "Nobody"
    details = again.exif[ExifTags.IFD.Exif]
    assert float(details[ExifTags.Base.ExposureTime]) == pytest.approx(0.02)
    assert (details[40962], details[40963]) == (40, 120)
    assert again.exif[ExifTags.IFD.GPSInfo][ExifTags.GPS.GPSLatitudeRef] == "N"
    with Image.open(path) as image:
        assert image.getexif().get(ExifTags.Base.Orientation, 1) == 1
        assert image.size == (40, 120)
    if ending not in ("webp", "avif"):
        assert again.dpi is not None and np.allclose(again.dpi, 300, atol=0.02)


def test_grey_has_no_profile_of_grey_where_it_becomes_rgb(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a.webp", [Picture(smooth(channels=1), icc=b"grey")])
    assert read_picture(tmp_path / "a.webp").icc is None
    write_pictures(tmp_path / "a.png", [Picture(smooth(channels=1), icc=b"grey")])
    assert read_picture(tmp_path / "a.png").icc == b"grey"


def test_quality_decides_on_the_size(tmp_path: Path) -> None:
    for ending in ("jpg", "webp"):
        sizes = []
        for quality in (10, 95):
            write_pictures(tmp_path / f"a.{ending}", [Picture(noise(64, 64, 3))], quality)
            sizes.append((tmp_path / f"a.{ending}").stat().st_size)
        assert sizes[0] < sizes[1] / 2


# --- Animations and pages ---------------------------------------------------------------------------------------------


def moving(has_alpha: bool = False) -> list[NDArray[np.uint8]]:
    frames = []
    for k in range(4):
        frame = np.zeros((24, 32, 4), np.uint8)
        frame[..., :3] = (0, 80, 160)
        frame[..., 3] = 0 if has_alpha else 255
        y, x = np.mgrid[:24, :32]
        frame[np.hypot(y - 12, x - 8 - 4 * k) < 6] = (255, 200, 0, 255)
        frames.append(frame)
    return frames


@pytest.mark.parametrize("ending", ["gif", "png", "webp"])
@pytest.mark.parametrize("has_alpha", [False, True])
@pytest.mark.parametrize("plays", [0, 1, 3])
def test_animations_come_back(ending: str, has_alpha: bool, plays: int, tmp_path: Path) -> None:
    frames, path = moving(has_alpha), tmp_path / f"a.{ending}"
    durations = (100, 50, 200, 70)
    pictures = [Picture(frame, duration=duration) for frame, duration in zip(frames, durations, strict=True)]
    write_pictures(path, pictures, quality=100, plays=plays)
    with open_picture(path) as file:
        assert file.is_animation and file.frames == 4 and file.plays == plays and file.pixels == 4 * 24 * 32
        found = list(file)
    assert tuple(picture.duration for picture in found) == durations
    for picture, frame in zip(found, frames, strict=True):
        seen = frame[..., 3] > 0
        assert np.array_equal(picture.pixels[..., 3] > 127, seen)
        difference = np.abs(picture.pixels.astype(int) - frame)[seen]
        assert difference.mean() < (8 if ending == "webp" else 0.01)


def test_what_stands_still_in_a_gif_does_not_flicker(tmp_path: Path) -> None:
    frames = [np.concatenate([smooth(), noise(10, 60, 3, seed=k)]) for k in range(3)]
    write_pictures(tmp_path / "a.gif", [Picture(frame, duration=40) for frame in frames])
    with open_picture(tmp_path / "a.gif") as file:
        found = [picture.pixels[:40] for picture in file]
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])


def test_black_is_not_mistaken_for_the_invisible(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:4, :, 3] = 255
    write_pictures(tmp_path / "a.gif", [Picture(pixels)])
    assert np.array_equal(read_picture(tmp_path / "a.gif").pixels[..., -1], pixels[..., 3])


def test_pages_keep_their_sizes_and_depths(tmp_path: Path) -> None:
    pages = [noise(5, 8, 3), noise(9, 4, 1, dtype=np.uint16), noise(6, 6, 4, dtype=np.uint16)]
    write_pictures(tmp_path / "a.tif", [Picture(page) for page in pages])
    with open_picture(tmp_path / "a.tif") as file:
        assert file.frames == 3 and not file.is_animation
        for picture, page in zip(file, pages, strict=True):
            assert np.array_equal(picture.pixels, page)


def test_of_a_photo_with_a_map_of_depth_the_photo_counts(tmp_path: Path) -> None:
    depth = Image.fromarray(noise(8, 8, 3))
    saved(tmp_path / "a.jpg", Image.fromarray(smooth()), format="MPO", save_all=True, append_images=[depth])
    with open_picture(tmp_path / "a.jpg") as file:
        assert file.frames == 1 and file.read().pixels.shape == (40, 60, 3)


def test_what_a_format_cannot_hold_is_said_beforehand() -> None:
    for path, size, frames, is_animation, problem in (
        ("a.webp", (16_384, 4), 1, False, "16,383"),
        ("a.jpg", (70_000, 4), 1, False, "65,500"),
        ("a.jpg", (4, 4), 5, True, "one frame and not 5"),
        ("a.gif", (4, 4), 5, False, "one page and not 5"),
        ("a.tif", (40_000, 40_000), 1, False, "4 GB"),
        ("a.xyz", (4, 4), 1, False, ".png"),
    ):
        with pytest.raises(UserError, match=problem):
            require_writable(Path(path), *size, frames, is_animation)
    require_writable(Path("a.png"), 1_000_000, 4)
    require_writable(Path("a.webp"), 16_383, 4, 9, True)


def test_sixteen_bits_are_rounded_to_eight() -> None:
    assert eight_bits(np.array([[[0], [128], [129], [257], [65535]]], np.uint16)).ravel().tolist() == [0, 0, 1, 1, 255]
