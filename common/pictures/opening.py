"""Files of pictures as Pillow opens them, and with the numbers that are in them where Pillow would find others."""

from contextlib import suppress
from pathlib import Path
from typing import IO

from PIL import ExifTags, Image, ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from common.pictures.tiff_reading import PlainTiff, is_tiff

# Pillow's decoders, no more than are needed; JPEG's also reads MPO, what some cameras call .jpg.
READ = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "PPM")
ORIENTATION = ExifTags.Base.Orientation
LARGEST = {"1": 1, "L;2": 3, "L;4": 15}  # number of grey of few bits in PNGs, by Pillow's names


def open_image(file: Path | IO[bytes], frame: int = 0) -> ImageFile.ImageFile:
    """Open a picture without decoding it.

    Args:
        file: a path, or a file that stays open until the picture is decoded.
        frame: the number of the page, or of the frame of an animation.

    Raises:
        OSError, ValueError, SyntaxError, Image.DecompressionBombError: it is no picture that can be read.
    """
    if is_tiff(file):
        with suppress(SyntaxError):
            return PlainTiff(file, frame)
    image = Image.open(file, formats=READ)
    if frame:
        image.seek(frame)
    key, top = image.info.get("transparency"), LARGEST.get(raw_mode(image), 0)
    if image.format == "PNG" and top and isinstance(key, int) and key <= top:
        image.info["transparency"] = key * 255 // top  # Pillow enlarges the pixels only, unless there is 1 bit
    return image


def upright_size(image: ImageFile.ImageFile) -> tuple[int, int]:
    """Height and width of a picture that is not decoded yet, when it is turned as its EXIF says."""
    width, height = image.size
    is_lying = image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
    return (width, height) if is_lying and not isinstance(image, TiffImageFile) else (height, width)  # which says so


def raw_mode(image: ImageFile.ImageFile) -> str:
    """How the file's numbers are stored, in Pillow's words."""
    args = image.tile[0].args if image.tile else None
    return args[0] if isinstance(args, tuple) else args or ""
