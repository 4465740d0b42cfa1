"""PNG and TIFF, written row by row in 8 or 16 bits: Pillow writes no colours of 16 bits, and holds all of a picture.

Pixels are uint8 or uint16, (H, W, C): grey, grey and alpha, RGB, RGBA. They may be memory-mapped: some rows at a time
are read.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin, TiffTags

from common.pictures.png_colours import Chunks

AT_A_TIME = 1 << 20  # bytes of a picture that are compressed together
LEVEL = 5  # of compression
METRE = 0.0254  # inches in it are 1 / METRE
PNG_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels
TIFF_HEADER = b"II*\0\0\0\0\0"  # little-endian; the last four bytes will point to the first page

Pixels = NDArray[Any]


def write_png(
    file: IO[bytes],
    pixels: Pixels,
    icc: bytes | None,
    dpi: tuple[float, float] | None,
    exif: bytes,
    chunks: Chunks = (),
) -> None:
    """Write a PNG (ISO/IEC 15948).

    Args:
        exif: a TIFF structure; b"" for none.
        chunks: further ones that belong before the pixels.
    """
    height, width, channels = pixels.shape
    file.write(b"\x89PNG\r\n\x1a\n")
    depth = 8 * pixels.dtype.itemsize
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, depth, PNG_COLOURS[channels], 0, 0, 0))
    for kind, content in chunks:
        _chunk(file, kind, content)
    if icc:
        _chunk(file, b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    if dpi:
        _chunk(file, b"pHYs", struct.pack(">IIB", *(round(value / METRE) for value in dpi), 1))
    if exif:
        _chunk(file, b"eXIf", exif)
    compressor = zlib.compressobj(LEVEL)
    above = np.zeros((1, width * channels * pixels.dtype.itemsize), np.uint8)
    for strip in _strips(pixels):
        rows = strip.astype(strip.dtype.newbyteorder(">")).view(np.uint8).reshape(len(strip), -1)
        packed = compressor.compress(_filtered(np.concatenate([above, rows]), channels * pixels.dtype.itemsize))
        above = rows[-1:]
        if packed:
            _chunk(file, b"IDAT", packed)
    _chunk(file, b"IDAT", compressor.flush())
    _chunk(file, b"IEND", b"")


def write_tiff(path: Path, pages: Sequence[tuple[Pixels, Mapping[int, Any]]]) -> None:
    """Write a TIFF 6.0 of one or more pages, deflated with horizontal differences (Adobe's Technical Notes).

    Args:
        pages: pixels, and tags beside those that tell how the pixels are stored.
    """
    with path.open("wb+") as file:
        file.write(TIFF_HEADER)
        pointer = 4  # to the page that is written next
        for pixels, tags in pages:
            pointer = _write_page(file, pointer, pixels, tags)


def _write_page(file: IO[bytes], pointer: int, pixels: Pixels, tags: Mapping[int, Any]) -> int:
    """Append a page, and return where the pointer to one after it belongs."""
    height, width, channels = pixels.shape
    colours = channels - 1 if channels in (2, 4) else channels
    rows = _rows_at_a_time(pixels)
    directory = TiffImagePlugin.ImageFileDirectory_v2(TIFF_HEADER)
    for tag, value in tags.items():
        directory[tag] = value
    directory[TiffImagePlugin.IMAGEWIDTH], directory[TiffImagePlugin.IMAGELENGTH] = width, height
    directory[TiffImagePlugin.BITSPERSAMPLE] = (8 * pixels.dtype.itemsize,) * channels
    directory[TiffImagePlugin.COMPRESSION], directory[TiffImagePlugin.PREDICTOR] = 8, 2
    directory[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = 1 if colours == 1 else 2
    directory[TiffImagePlugin.SAMPLESPERPIXEL] = channels
    directory[TiffImagePlugin.ROWSPERSTRIP] = rows
    if channels != colours:
        directory[TiffImagePlugin.EXTRASAMPLES] = 2  # alpha, with which colours are not multiplied
    start, nothing = file.tell(), [0] * -(-height // rows)
    size = len(_with_strips(directory, nothing, nothing).tobytes(start))  # it is as long with other numbers in it
    file.seek(start + size)
    offsets, counts = [], []
    for strip in _strips(pixels):
        offsets.append(file.tell() - start - size)  # Pillow adds where the directory ends
        counts.append(file.write(zlib.compress(_differences(strip), LEVEL)))
    end = file.tell() + file.tell() % 2
    file.seek(start)
    file.write(_with_strips(directory, offsets, counts).tobytes(start))
    file.seek(pointer)
    file.write(struct.pack("<I", start))
    file.seek(end)
    return start + 2 + 12 * len(directory)


def _with_strips(
    directory: TiffImagePlugin.ImageFileDirectory_v2, offsets: list[int], counts: list[int]
) -> TiffImagePlugin.ImageFileDirectory_v2:
    for tag, values in ((TiffImagePlugin.STRIPOFFSETS, offsets), (TiffImagePlugin.STRIPBYTECOUNTS, counts)):
        directory.tagtype[tag] = TiffTags.LONG
        directory[tag] = tuple(values)
    return directory


def _rows_at_a_time(pixels: Pixels) -> int:
    return min(len(pixels), max(1, AT_A_TIME // pixels[:1].nbytes))


def _strips(pixels: Pixels) -> Iterator[Pixels]:
    rows = _rows_at_a_time(pixels)
    return (np.ascontiguousarray(pixels[start : start + rows]) for start in range(0, len(pixels), rows))


def _chunk(file: IO[bytes], kind: bytes, content: bytes) -> None:
    file.write(struct.pack(">I", len(content)) + kind)
    file.write(content)
    file.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))))


def _filtered(rows: NDArray[np.uint8], step: int) -> bytes:
    """Each row by the filter that leaves the smallest differences, as the standard advises, with the filter's number.

    Args:
        rows: bytes, (1 + N, L), of which the first row is only looked at from the second.
        step: bytes of a pixel.
    """
    now, up = rows[1:], rows[:-1]
    left, corner = (np.pad(part, ((0, 0), (step, 0)))[:, :-step] for part in (now, up))
    candidates = {1: now - left, 2: now - up, 4: now - _paeth(left, up, corner)}
    sizes = np.stack([np.abs(found.view(np.int8)).sum(1, dtype=np.int64) for found in candidates.values()])
    chosen = np.array(list(candidates), np.uint8)[sizes.argmin(0)]
    filtered = np.empty((len(now), 1 + now.shape[1]), np.uint8)
    filtered[:, 0] = chosen
    for number, found in candidates.items():
        filtered[chosen == number, 1:] = found[chosen == number]
    return filtered.tobytes()


def _paeth(left: NDArray[np.uint8], up: NDArray[np.uint8], corner: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Of three neighbours the one that is nearest to left + up - corner."""
    beyond_up, beyond_left = left.astype(np.int16) - corner, up.astype(np.int16) - corner
    to_left, to_up, to_corner = np.abs(beyond_left), np.abs(beyond_up), np.abs(beyond_left + beyond_up)
    rest = np.where(to_up <= to_corner, up, corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, rest)


def _differences(strip: Pixels) -> bytes:
    """Each pixel less its left neighbour."""
    found = strip.copy()
    found[:, 1:] -= strip[:, :-1]
    return found.astype(found.dtype.newbyteorder("<")).tobytes()
