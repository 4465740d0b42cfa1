"""PNGs by the standard: transparency of grey of few bits, and what they say of their colours."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.data.folders import File
from common.errors import UserError
from common.pictures.conversion import convert_picture
from common.pictures.photos import decode
from common.pictures.png_colours import Chunks, colour_chunks, is_srgb
from common.pictures.reading import Picture, open_picture, read_picture
from common.pictures.writing import write_pictures

LINEAR, USUAL = (b"gAMA", struct.pack(">I", 100_000)), (b"gAMA", struct.pack(">I", 45_455))
HDR = (b"cICP", bytes([9, 16, 0, 1]))
WIDE = (b"cHRM", struct.pack(">8I", 31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(rows: list[bytes], width: int, bits: int, colour: int, chunks: Chunks) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), bits, colour, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    more = b"".join(chunk(*one) for one in chunks)
    return b"\x89PNG\r\n\x1a\n" + header + more + data + chunk(b"IEND", b"")


def colourful(path: Path, *chunks: tuple[bytes, bytes]) -> Path:
    path.write_bytes(png([bytes(range(48))] * 16, 16, 8, 2, chunks))
    return path


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_of_any_bits_may_mean_invisible(bits: int, tmp_path: Path) -> None:
    top, path = 2**bits - 1, tmp_path / "a.png"
    for key in {0, top // 2, top}:
        values = np.array([key, 0, top, (key + 1) % (top + 1)] * 4)
        digits = ((values[:, None] >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8)
        path.write_bytes(png([np.packbits(digits).tobytes()], 16, bits, 0, ((b"tRNS", struct.pack(">H", key)),)))
        pixels = read_picture(path).pixels
        white = np.iinfo(pixels.dtype).max
        assert np.array_equal(pixels[0, :, 0], values * (white // top))
        assert np.array_equal(pixels[0, :, 1], np.where(values == key, 0, white))
        if bits < 16:
            assert np.array_equal(decode(File(path))[0, :, 0], np.where(values == key, 255, values * (255 // top)))


@pytest.mark.parametrize("chunks", [(LINEAR,), (HDR,), (USUAL, WIDE), (LINEAR, HDR)])
def test_what_a_png_says_of_its_colours_stays_or_is_refused(chunks: Chunks, tmp_path: Path) -> None:
    source, target = colourful(tmp_path / "a.png", *chunks), tmp_path / "b.png"
    convert_picture(source, target, lambda picture, _: picture)
    assert sorted(colour_chunks(target)) == sorted(chunks) and not is_srgb(chunks)
    with Image.open(target) as image:
        assert ("gamma" in image.info) == (LINEAR in chunks or USUAL in chunks)
    with pytest.raises(UserError, match="JPEG cannot say"):
        convert_picture(source, tmp_path / "b.jpg", lambda picture, _: picture)
    assert not (tmp_path / "b.jpg").exists()


def test_usual_colours_need_no_chunks(tmp_path: Path) -> None:
    source = colourful(tmp_path / "a.png", (b"sRGB", b"\0"), USUAL)
    convert_picture(source, tmp_path / "b.jpg", lambda picture, _: picture)
    assert is_srgb(()) and is_srgb(((b"cICP", bytes([1, 13, 0, 1])),)) and not is_srgb((WIDE,))
    write_pictures(tmp_path / "c.png", [Picture(np.zeros((2, 2, 3), np.uint8), b"profile", chunks=((b"sRGB", b"\0"),))])
    assert colour_chunks(tmp_path / "c.png") == ()  # which has a profile


def test_animations_keep_their_colours_fallback_and_times(tmp_path: Path) -> None:
    frames = [np.full((8, 8, 4), (20 * k, 0, 0, 255), np.uint8) for k in range(5)]
    pictures = [Picture(frame, duration=100 / 3, chunks=(HDR,)) for frame in frames]
    write_pictures(tmp_path / "a.png", pictures, plays=2, has_fallback=True)
    assert colour_chunks(tmp_path / "a.png") == (HDR,)
    convert_picture(tmp_path / "a.png", tmp_path / "b.png", lambda picture, _: picture)
    with open_picture(tmp_path / "b.png") as file:
        assert file.has_fallback and file.frames == 5 and file.plays == 2
        found = list(file)
    assert [picture.pixels[0, 0, 0] for picture in found] == [0, 20, 40, 60, 80]
    assert sum(picture.duration for picture in found[1:]) == pytest.approx(400 / 3, abs=0.1)
    content = (tmp_path / "b.png").read_bytes()  # by the standard: four frames, twice, and pixels without a frame
    assert struct.unpack(">II", content.split(b"acTL")[1][:8]) == (4, 2)
    assert content.index(b"IDAT") < content.index(b"fcTL")


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_times_that_a_format_has_not_do_not_add_up(ending: str, tmp_path: Path) -> None:
    frames = [np.full((8, 8, 4), (20 * k, 0, 0, 255), np.uint8) for k in range(10)]
    path = tmp_path / f"a.{ending}"
    write_pictures(path, [Picture(frame, duration=1000 / 30) for frame in frames], has_fallback=False)
    with open_picture(path) as file:
        durations = [picture.duration for picture in file]
    assert len(durations) == 10 and abs(sum(durations) - 333) <= 7
