"""TIFFs of grey or RGB numbers, of any bits and in any order.

Pillow reads some of these only, cuts others down to 8 bits, shows 12 bits too dark, and 16 bits of which 0 is white as
a negative. TIFFs of other kinds (palettes, CMYK, YCbCr, JPEG, fax) are Pillow's.
"""

from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image, ImageFile

BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # of both byte orders, and of files beyond 4 GB
WHITE_IS_0, BLACK_IS_0, RGB = 0, 1, 2  # photometric interpretations
LOSSLESS = (1, 5, 8, 32773, 32946, 34925, 50000)  # compressions: none, LZW, deflate, PackBits, deflate, LZMA, Zstandard
MULTIPLIED, SEPARATE = 1, 2  # what a further channel is: alpha with which colours are multiplied, or alpha
INCH = {None: 1.0, 2: 1.0, 3: 2.54}  # in units of the resolution; those that are missing have no absolute unit
WHITE = 65535  # in 16 bits

Pixels = NDArray[Any]


def is_tiff(file: Path | IO[bytes]) -> bool:
    """Whether a file begins as a TIFF does; one that is open is then at its beginning."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return opened.read(4) in BEGINNINGS
    beginning = file.read(4)
    file.seek(0)
    return beginning in BEGINNINGS


class PlainTiff(ImageFile.ImageFile):
    """A page of a TIFF of grey or RGB numbers; `load` makes 8 bits of them, as Pillow's other files do.

    Args:
        file: as in `common.pictures.opening.open_image`.
        frame: the page's number.

    Raises:
        SyntaxError: it is a TIFF of another kind, or damaged.
        Image.DecompressionBombError: it claims more pixels than Pillow takes for sane.
    """

    format, format_description = "TIFF", "TIFF of grey or RGB numbers"

    def __init__(self, file: Path | IO[bytes], frame: int) -> None:
        self.frame = frame
        super().__init__(file)

    def _open(self) -> None:
        """Read the header, as Pillow asks of its files."""
        from tifffile import TiffFile  # slow to import, and needed here only

        assert self.fp is not None
        try:
            pages = TiffFile(self.fp).pages
            page: Any = pages[self.frame]
            self.n_frames = len(pages)
        except ValueError as error:
            raise SyntaxError(str(error)) from error
        self.page, self.colours = page, 3 if page.photometric == RGB else 1
        is_plain = page.photometric in (WHITE_IS_0, BLACK_IS_0, RGB) and page.compression in LOSSLESS
        if not is_plain or page.dtype is None or page.samplesperpixel < self.colours or page.imagedepth > 1:
            raise SyntaxError("a TIFF of another kind")
        self._size = page.imagewidth, page.imagelength
        self._mode = ("L" if self.colours == 1 else "RGB") + ("" if self.alpha is None else "A")
        if Image.MAX_IMAGE_PIXELS and self.width * self.height > 2 * Image.MAX_IMAGE_PIXELS:
            raise Image.DecompressionBombError
        self._read_info()

    def _read_info(self) -> None:
        exif = self.getexif()
        across, down = (float(exif.get(tag, 1)) for tag in (282, 283))
        if (unit := INCH.get(exif.get(296))) and across > 0 and down > 0:
            self.info["dpi"] = (across * unit, down * unit)
        if profile := exif.get(34675):
            self.info["icc_profile"] = profile
        if packet := exif.get(700):
            self.info["xmp"] = packet

    @property
    def alpha(self) -> int | None:
        """The channel that is alpha; further ones that are of unknown use are not looked at."""
        kinds = enumerate(self.page.extrasamples, self.page.samplesperpixel - len(self.page.extrasamples))
        return next((channel for channel, kind in kinds if kind in (MULTIPLIED, SEPARATE)), None)

    @cached_property
    def tags(self) -> Image.Exif:
        """Those of the page, and what they point to."""
        assert self.fp is not None
        tags, parent = Image.Exif(), self.page.parent
        tags.endian, tags.bigtiff = parent.byteorder, parent.is_bigtiff
        tags.load_from_fp(self.fp, self.page.offset)
        return tags

    def getexif(self) -> Image.Exif:
        """As Pillow's."""
        return self.tags

    def load(self) -> Any:
        """As Pillow's: the pixels, in 8 bits."""
        if self._im is None:
            pixels = eight_bits(self.decode())
            self.im = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).im
        return Image.Image.load(self)

    def decode(self) -> Pixels:
        """The numbers, uint8 up to 8 bits and else uint16, (H, W, C): grey, grey and alpha, RGB or RGBA.

        Raises:
            OSError, ValueError, RuntimeError: they are damaged, or none that stand for colours.
        """
        page = self.page
        size = page.parent.filehandle.size
        if any(start + count > size for start, count in zip(page.dataoffsets, page.databytecounts, strict=True)):
            raise OSError("image file is truncated")
        values = page.asarray().reshape(page.shaped)  # planes, depth, height, width, channels
        values = rearrange(values, "s 1 h w c -> h w (s c)")
        channels = [*range(self.colours), *([] if self.alpha is None else [self.alpha])]
        pixels = _in_range(values[..., channels], page.bitspersample)
        if page.photometric == WHITE_IS_0:
            pixels[..., 0] = np.iinfo(pixels.dtype).max - pixels[..., 0]
        is_multiplied = self.alpha is not None and MULTIPLIED in page.extrasamples
        return _divided(pixels) if is_multiplied else pixels


def eight_bits(pixels: Pixels) -> NDArray[np.uint8]:
    """Pixels, (H, W, C), as uint8, rounded."""
    if pixels.dtype == np.uint8:
        return pixels
    return np.concatenate([((rows + np.uint32(128)) // 257).astype(np.uint8) for rows in np.array_split(pixels, 16)])


def whole_numbers(values: Pixels) -> NDArray[np.uint16]:
    """Numbers as uint16: whole ones up to 65535, or fractions from 0 to 1.

    Raises:
        ValueError: they are neither.
    """
    if values.dtype.kind == "f":
        values = np.rint(values * np.float32(WHITE))
    if not 0 <= values.min() <= values.max() <= WHITE:
        raise ValueError("its numbers are neither whole ones from 0 to 65535 nor fractions from 0 to 1")
    return values.astype(np.uint16)


def _in_range(values: Pixels, bits: int) -> Pixels:
    """Numbers of so many bits as uint8 or uint16, of which white is the largest."""
    if values.dtype.kind in "if" or bits > 16:
        return whole_numbers(values)
    kind, top = (np.uint8, 255) if bits <= 8 else (np.uint16, WHITE)
    if bits in (8, 16):
        return values.astype(kind)
    return np.rint(np.arange(2**bits) * top / (2**bits - 1)).astype(kind)[values.astype(np.uint16)]


def _divided(pixels: Pixels) -> Pixels:
    """Colours that alpha, the last channel, is no longer multiplied with."""
    top = np.iinfo(pixels.dtype).max
    colours, alpha = np.split(pixels.astype(np.float64), [pixels.shape[2] - 1], 2)
    colours = np.rint(colours * top / np.maximum(alpha, 1)).clip(0, top)
    return np.concatenate([colours.astype(pixels.dtype), pixels[..., -1:]], 2)
