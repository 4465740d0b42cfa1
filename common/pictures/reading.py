"""Pictures from files: pixels, upright, and what belongs to them (colour profile, resolution, EXIF); animations.

PNG, JPEG, WebP, TIFF, GIF, AVIF, BMP and PBM, PGM, PPM are read. Grey stays grey, 16 bits stay 16 bits, transparency
becomes alpha, palettes become the colours that they stand for, and CMYK becomes RGB by its profile.
"""

import io
import re
import struct
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from einops import rearrange
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageFile, UnidentifiedImageError

from common.data import folders
from common.errors import UserError
from common.pictures.opening import ORIENTATION, READ, open_image, raw_mode, upright_size
from common.pictures.png_colours import Chunks, colour_chunks
from common.pictures.tiff_reading import PlainTiff, whole_numbers

ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")  # TIFF has pages
MOST_DPI = 65_535  # of a JPEG; and 1 is what Pillow says of TIFFs that say nothing
# What Pillow raises of broken files, too.
UNREADABLE = (*folders.UNREADABLE, Image.DecompressionBombError, LookupError, TypeError, ArithmeticError)
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, OSError, SyntaxError, struct.error)

# Tags that describe the picture and not the file that it was in.
DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 316, 18246, 33432, 40091, 40092, 40093, 40094, 40095)
DETAILS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
# Numbers of 16 bits that Pillow would cut down to 8, by its names.
DEEP = ("LA;16B", *(f"{mode};16{order}" for mode in ("RGB", "RGBA") for order in "BLN"))

Pixels = NDArray[Any]


@dataclass(frozen=True)
class Picture:
    """A decoded picture, or a frame of an animation.

    Attributes:
        pixels: uint8 or uint16, (H, W, C): grey, grey and alpha, RGB or RGBA.
        icc: colour profile.
        dpi: pixels an inch across and down.
        exif: values by tag, some of them again dicts of such.
        xmp: a packet.
        duration: milliseconds for which a frame is shown.
        chunks: of a PNG, what says which colours its numbers are, kind and content of each.
    """

    pixels: Pixels
    icc: bytes | None = None
    dpi: tuple[float, float] | None = None
    exif: Mapping[int, Any] = field(default_factory=dict)
    xmp: bytes | None = None
    duration: float = 0
    chunks: Chunks = ()

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.pixels.shape[2] in (2, 4)

    @property
    def is_grey(self) -> bool:
        """Whether there are no colours."""
        return self.pixels.shape[2] <= 2


@dataclass(frozen=True)
class PictureFile:
    """An open picture file: its frames, and what belongs to all of them.

    Attributes:
        path: of it.
        image: its header, and its pixels once they are read.
        frames: pictures in it.
        plays: how often an animation is shown; 0: for ever.
        chunks: as `Picture.chunks`.
    """

    path: Path
    image: ImageFile.ImageFile
    frames: int
    plays: int
    chunks: Chunks = ()

    @property
    def is_animation(self) -> bool:
        """Whether its pictures follow each other in time."""
        return self.frames > 1 and self.image.format in ANIMATED

    @property
    def has_fallback(self) -> bool:
        """Whether the first picture is none of the animation, but for readers that show no animations."""
        return bool(self.image.info.get("default_image"))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the first picture, upright; of PNGs, which may say it behind the pixels, once decoded.

        Raises:
            UserError: it is damaged.
        """
        with naming(self.path):
            return self.image.size[::-1] if self.is_animation else upright_size(self.image)

    @property
    def pixels(self) -> int:
        """How many pixels all its pictures have, if they are as large as the first."""
        return self.image.width * self.image.height * self.frames

    def read(self, frame: int = 0) -> Picture:
        """Decode a picture; of animations, as RGBA, what is to be seen and not what differs from the frame before.

        Raises:
            UserError: it is damaged or of an unknown kind.
        """
        with naming(self.path):
            if self.is_animation:
                self.image.seek(frame)
                seen = np.asarray(self.image.convert("RGBA"))
                return Picture(seen, chunks=self.chunks, **_belongings(self.image))
            with self._opened(frame) as image:
                pixels = self._deep_pixels(image, frame)
                if pixels is None:
                    pixels = _pixels(image)
                orientation = image.getexif().get(ORIENTATION, 1)
                return Picture(upright(pixels, orientation), chunks=self.chunks, **_belongings(image))

    def __iter__(self) -> Iterator[Picture]:
        return map(self.read, range(self.frames))

    @contextmanager
    def _opened(self, frame: int) -> Iterator[ImageFile.ImageFile]:
        with open_image(self.path, frame) as image:
            yield image

    def _deep_pixels(self, image: ImageFile.ImageFile, frame: int) -> Pixels | None:
        """Those of a TIFF of grey or RGB, and several channels of more than 8 bits; None of other pictures.

        Of PNGs Pillow decodes only the upper bytes of such numbers. Told that the bytes are swapped, it decodes the
        lower ones.
        """
        if isinstance(image, PlainTiff):
            return image.decode()
        if image.format == "PPM" and image.mode == "RGB":
            return _ppm_colours(image)
        if (raw := raw_mode(image)) not in DEEP:
            return None
        if raw == "LA;16B":  # is to Pillow RGBA, of which it finds four bytes if it is told of no 16 bits
            halves = _decoded(image, "RGBA")
            return _joined(halves[..., ::2], halves[..., 1::2])
        is_little_endian = raw.endswith("L") or (raw.endswith("N") and sys.byteorder == "little")
        with self._opened(frame) as other:
            pixels = _joined(np.asarray(image), _decoded(other, raw[:-1] + ("B" if is_little_endian else "L")))
        return _with_key(pixels, image.info.get("transparency"))


@contextmanager
def open_picture(path: Path) -> Iterator[PictureFile]:
    """Open a file and read its header.

    Raises:
        UserError: it cannot be read, is empty or no picture, or claims more pixels than Pillow takes for sane.
    """
    with naming(path):
        if path.stat().st_size == 0:
            raise UserError(f"{path} is empty; try another copy of it")
        image = open_image(path)
    with image:
        with naming(path):
            has_frames = image.format in (*ANIMATED, "TIFF")  # the second of two JPEGs is a map of depth or the like
            frames = getattr(image, "n_frames", 1) if has_frames else 1
            chunks = colour_chunks(path) if image.format == "PNG" else ()
        yield PictureFile(path, image, frames, _plays(image), chunks)


def read_picture(path: Path) -> Picture:
    """The first or only picture of a file; as `open_picture` and `PictureFile.read`."""
    with open_picture(path) as file:
        return file.read()


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels, (H, W, C), turned as the EXIF tag of that value says (2 to 8; others: not at all)."""
    if orientation in (5, 6, 7, 8):
        pixels = rearrange(pixels, "h w c -> w h c")
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels


def packed_exif(tags: Mapping[int, Any]) -> bytes:
    """EXIF as JPEG wants it: "Exif", two zeros and a TIFF structure."""
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = value
    return exif.tobytes()


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a file is read into one line that names it."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of what is odd but readable
            yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is not a picture, or none in a format that can be read ({', '.join(READ)})") from error
    except Image.DecompressionBombError as error:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise UserError(f"{path} claims to have more than {most:,} pixels, which are too many; cut it up") from error
    except UNREADABLE as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} cannot be read: {reason}; try another copy of it") from error


def _plays(image: Image.Image) -> int:
    loop = image.info.get("loop")
    if image.format == "GIF":  # tells how often it is repeated, and nothing if it is not
        return 1 if loop is None else loop + 1 if loop else 0
    return loop or 0


def _ppm_colours(image: ImageFile.ImageFile) -> Pixels | None:
    """RGB of more than 8 bits from a PPM, as uint16, which Pillow cuts down; None of other ones."""
    kind, place, args = image.tile[0].codec_name, image.tile[0].offset, image.tile[0].args
    if kind not in ("ppm", "ppm_plain") or not isinstance(args, tuple) or args[1] <= 255:
        return None
    assert image.fp is not None
    image.fp.seek(place)
    content, count = image.fp.read(), image.width * image.height * 3
    if kind == "ppm":
        values = np.frombuffer(content, ">u2", count)
    else:
        values = np.array(re.sub(rb"#[^\n]*", b"", content).split()[:count], np.int64)
    if values.max() > args[1]:
        raise ValueError(f"it has numbers above its largest, {args[1]}")
    return np.rint(values * (65535 / args[1])).astype(np.uint16).reshape(image.height, image.width, 3)


def _decoded(image: ImageFile.ImageFile, raw_mode: str) -> Pixels:
    """Decode the file as if its numbers were stored otherwise."""
    image.tile = [
        tile._replace(args=(raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode)
        for tile in image.tile
    ]
    return np.asarray(image)


def _joined(high: Pixels, low: Pixels) -> Pixels:
    joined = high.astype(np.uint16)
    joined <<= 8
    joined |= low
    return joined


def _pixels(image: Image.Image) -> Pixels:
    """Of any mode: uint8 or uint16, (H, W, C), as they lie in the file."""
    image.load()
    if image.mode[0] in "IF":
        return _with_key(whole_numbers(np.asarray(image))[..., None], image.info.get("transparency"))
    if image.mode == "CMYK":
        return np.asarray(_from_cmyk(image))
    is_grey = image.mode in ("1", "L", "LA", "La") or (image.mode == "P" and _has_grey_palette(image))
    mode = ("L" if is_grey else "RGB") + ("A" if image.has_transparency_data else "")
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _with_key(pixels: Pixels, key: Any) -> Pixels:
    """Pixels of 16 bits, and alpha if there is a colour that stands for what is invisible."""
    if not isinstance(key, int | tuple):
        return pixels
    is_visible = (pixels != np.array(key, np.uint16)).any(2, keepdims=True)
    return np.concatenate([pixels, is_visible * np.uint16(65535)], 2)


def _has_grey_palette(image: Image.Image) -> bool:
    """Whether a picture with a palette is grey, and has no profile of colours that would not fit grey."""
    red, green, blue = rearrange(np.array(image.getpalette("RGB")), "(colours c) -> c colours", c=3)
    return not image.info.get("icc_profile") and bool(((red == green) & (green == blue)).all())


def _from_cmyk(image: Image.Image) -> Image.Image:
    """To sRGB, by the profile if there is a good one."""
    if icc := image.info.get("icc_profile"):
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(icc)),
                ImageCms.createProfile("sRGB"),
                ImageCms.Intent.RELATIVE_COLORIMETRIC,
                "RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            assert converted is not None
            return converted
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged profile
    return image.convert("RGB")


def _belongings(image: Image.Image) -> dict[str, Any]:
    """All of a `Picture` but its pixels, for a picture that is turned upright."""
    info, exif = image.info, image.getexif()
    dpi = info.get("dpi")
    if dpi is not None:
        dpi = tuple(float(value) for value in (reversed(dpi) if exif.get(ORIENTATION) in (5, 6, 7, 8) else dpi))
    return {
        "icc": None if image.mode == "CMYK" else info.get("icc_profile") or None,
        "dpi": dpi if dpi and min(dpi) > 1 and max(dpi) <= MOST_DPI else None,
        "exif": _descriptive(exif),
        "xmp": info.get("xmp") or None,
        "duration": float(info.get("duration", 0)),
    }


def _descriptive(exif: Image.Exif) -> dict[int, Any]:
    """The tags worth keeping; none of them if they are malformed."""
    try:
        found: dict[int, Any] = {tag: exif[tag] for tag in DESCRIPTIVE if tag in exif}
        found |= {int(tag): details for tag in DETAILS if (details := exif.get_ifd(tag))}
        packed_exif(found)
        return found
    except MALFORMED:
        return {}
