"""Pictures into files: in the format of the ending, with the profile, resolution, EXIF and XMP that belong to them.

16 bits stay 16 bits in PNG and TIFF, which are also written row by row, in memory that does not depend on the size (of
PNG, unless it is animated). The other formats have 8 bits, and to write one takes memory for the whole picture, and for
all frames of a GIF.
"""

from collections.abc import Sequence
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, PngImagePlugin, features

from common.errors import UserError
from common.pictures.formats import FORMATS
from common.pictures.png_colours import Chunks, is_srgb
from common.pictures.png_tiff import write_png, write_tiff
from common.pictures.reading import ANIMATED, Picture, Pixels, packed_exif
from common.pictures.tiff_reading import eight_bits
from common.provenance.marking import save_marked, xmp_of

LONGEST_SIDE = {"JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535, "AVIF": 32_768}
MOST_BYTES = 4_000_000_000  # of a TIFF, whose offsets have 32 bits
LONGEST_EXIF = 65_500  # bytes in a JPEG
WIDTH_TAG, HEIGHT_TAG = 40962, 40963  # among the details of EXIF
XMP_TAG = 700  # of a TIFF
FULL_COLOUR = 90  # quality from which colours are stored as finely as light is
OPAQUE = 128  # alpha from which a pixel of a GIF is visible
COLOURS = 255  # of a GIF's 256; one is left for what is invisible
DURATIONS = {"GIF": 10, "AVIF": 1}  # milliseconds in whose multiples frames are shown
SAMPLE = 128  # side of what is looked at of a frame to choose a palette


def require_writable(
    path: Path, width: int, height: int, frames: int = 1, is_animation: bool = False, chunks: Chunks = ()
) -> None:
    """Refuse what a format cannot hold, before it is computed.

    Args:
        chunks: as `Picture.chunks`.

    Raises:
        UserError: pictures are too large or too many for it or have colours that it cannot tell, or its ending is
            unknown.
    """
    kind, others = _format(path), "choose png by --format"
    longest = LONGEST_SIDE.get(kind, 1 << 31)
    if max(width, height) > longest:
        raise UserError(f"{path}: {kind} holds at most {longest:,} pixels a side and not {width} x {height}; {others}")
    if kind == "TIFF" and width * height * frames * 8 > MOST_BYTES:
        raise UserError(f"{path}: {width} x {height} pixels may be too many for the 4 GB of a TIFF; {others}")
    if kind != "PNG" and not is_srgb(chunks):
        raise UserError(f"{path}: {kind} cannot say that the colours are no usual ones (gAMA, cHRM or cICP); {others}")
    if frames > 1 and is_animation and kind not in ANIMATED:
        raise UserError(f"{path}: {kind} holds one frame and not {frames}; choose gif, webp or png by --format")
    if frames > 1 and not is_animation and kind != "TIFF":
        raise UserError(f"{path}: {kind} holds one page and not {frames}; choose tif by --format")


def write_pictures(
    path: Path, pictures: Sequence[Picture], quality: int = 95, plays: int = 1, has_fallback: bool = False
) -> None:
    """Write a picture, or several as an animation or as the pages of a TIFF, in the format of the ending of `path`.

    What a format does not have is left out: transparency shows white in JPEG and BMP, profiles are not in GIF. Write to
    a temporary file (`common.files.replacing`): errors leave half of one.

    Args:
        pictures: as many as the format holds, see `require_writable`; pixels may be memory-mapped.
        quality: 1 to 100, of JPEG, WebP and AVIF; from 90 on colours are as fine as light.
        plays: how often an animation is shown; 0: for ever.
        has_fallback: the first picture is for readers that show no animations; left out where that cannot be.

    Raises:
        UserError: the encoder refuses them.
        OSError: the disk is full.
    """
    kind, first = _format(path), pictures[0]
    if kind == "TIFF":
        pages = [_tiff_page(picture) for picture in pictures]
        pages[0][1].update({XMP_TAG: packet} if (packet := xmp_of(pictures)) else {})
        write_tiff(path, pages)
    elif kind == "PNG" and len(pictures) == 1:
        with path.open("wb") as file:
            exif = _exif_bytes(first).removeprefix(b"Exif\0\0")
            told = ((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),) if (xmp := xmp_of(pictures)) else ()
            write_png(file, first.pixels, first.icc, first.dpi, exif, (*_chunks(first), *told))
    else:
        try:
            _write_by_pillow(path, kind, pictures, quality, plays, has_fallback)
        except (ValueError, RuntimeError) as error:
            raise UserError(f"{path.name} cannot be written as {kind}: {error}; choose png by --format") from error


def _format(path: Path) -> str:
    ending = path.suffix.lower()
    if ending not in FORMATS or (ending == ".avif" and not features.check("avif")):
        raise UserError(f"{path}: pictures are written with the endings {' '.join(FORMATS)}")
    return FORMATS[ending]


def _tags(picture: Picture) -> dict[int, Any]:
    """EXIF for pixels of this size."""
    height, width = picture.pixels.shape[:2]
    tags = dict(picture.exif)
    if details := tags.get(ExifTags.IFD.Exif):
        tags[ExifTags.IFD.Exif] = details | {WIDTH_TAG: width, HEIGHT_TAG: height}
    return tags


def _exif_bytes(picture: Picture) -> bytes:
    """b"" if there is nothing to say."""
    return packed_exif(_tags(picture)) if picture.exif else b""


def _tiff_page(picture: Picture) -> tuple[Pixels, dict[int, Any]]:
    tags, pixels = _tags(picture), picture.pixels
    if pixels.shape[2] == 2 and pixels.dtype == np.uint16:  # Pillow, for one, could not read it
        pixels = pixels[..., [0, 0, 0, 1]]
    if picture.icc and not (picture.is_grey and pixels.shape[2] == 4):
        tags[ExifTags.Base.InterColorProfile] = picture.icc
    if picture.dpi:
        tags |= {282: picture.dpi[0], 283: picture.dpi[1], 296: 2}  # resolution, in inches
    return pixels, tags


def _write_by_pillow(
    path: Path, kind: str, pictures: Sequence[Picture], quality: int, plays: int, has_fallback: bool
) -> None:
    settings = _settings(kind, pictures[0], quality)
    if has_fallback and kind == "PNG":
        settings["default_image"] = True
    elif has_fallback:
        pictures = pictures[1:]
    if kind == "GIF":
        images = _gif_frames(pictures)
        settings["optimize"] = False  # it would give each frame a palette of its own
        if "transparency" in images[0].info:
            settings["disposal"] = 2  # a frame vanishes before the next, which may show less
    else:
        images = [_image(picture, is_opaque=kind in ("JPEG", "BMP")) for picture in pictures]
    if len(pictures) > 1:
        settings |= {"save_all": True, "append_images": images[1:]}
        settings["duration"] = _durations(kind, pictures[1:] if "default_image" in settings else pictures)
        if kind != "GIF":
            settings["loop"] = plays
        elif plays != 1:
            settings["loop"] = max(0, plays - 1)  # repetitions; 0: for ever
    info = settings.get("pnginfo")
    save_marked(path, kind, partial(images[0].save, path, kind, **settings), pictures[0].xmp, info)


def _durations(kind: str, pictures: Sequence[Picture]) -> list[float]:
    """How long each is shown, in milliseconds as the format can tell them, so that no delay adds up."""
    if (step := DURATIONS.get(kind)) is None:
        return [picture.duration for picture in pictures]
    ends = [step * round(end / step) for end in accumulate((picture.duration for picture in pictures), initial=0.0)]
    return [after - before for before, after in pairwise(ends)]


def _chunks(picture: Picture) -> Chunks:
    """What a PNG says of its colours; beside a profile it must not say that they are sRGB."""
    return tuple(chunk for chunk in picture.chunks if not (picture.icc and chunk[0] == b"sRGB"))


def _settings(kind: str, picture: Picture, quality: int) -> dict[str, Any]:
    """What a file begins with, and how it is packed."""
    settings: dict[str, Any] = {"quality": quality}
    if kind in ("JPEG", "AVIF"):
        settings["subsampling"] = "4:4:4" if quality >= FULL_COLOUR else "4:2:0"
    if picture.icc and kind in (("JPEG", "PNG") if picture.is_grey else ("JPEG", "PNG", "WEBP", "AVIF")):
        settings["icc_profile"] = picture.icc
    exif = _exif_bytes(picture)
    if exif and kind in ("JPEG", "PNG", "WEBP", "AVIF") and not (kind == "JPEG" and len(exif) > LONGEST_EXIF):
        settings["exif"] = exif
    if picture.chunks and kind == "PNG":
        settings["pnginfo"] = PngImagePlugin.PngInfo()
        for name, content in _chunks(picture):
            settings["pnginfo"].add(name, content)
    if picture.dpi and kind in ("JPEG", "PNG", "BMP"):
        settings["dpi"] = picture.dpi
    return settings


def _image(picture: Picture, is_opaque: bool = False) -> Image.Image:
    """For Pillow, of 8 bits; RGBA shares its memory with the pixels.

    Args:
        is_opaque: put it on white if it is transparent.
    """
    pixels = eight_bits(picture.pixels)
    height, width, channels = pixels.shape
    if channels == 4 and pixels.flags.c_contiguous and not is_opaque:
        return Image.frombuffer("RGBA", (width, height), pixels, "raw", "RGBA", 0, 1)
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    if not (is_opaque and picture.has_alpha):
        return image
    white = Image.new(image.mode[:-1], image.size, "white")
    white.paste(image.convert(white.mode), mask=image.getchannel("A"))
    return white


def _gif_frames(pictures: Sequence[Picture]) -> list[Image.Image]:
    """With one palette for all, so that what stands still does not flicker, and for the same reason not dithered."""
    if len(pictures) == 1 and pictures[0].pixels.shape[2] == 1:
        return [_image(pictures[0])]
    palette, is_still = _shared_palette(pictures), len(pictures) == 1
    dither = Image.Dither.FLOYDSTEINBERG if is_still else Image.Dither.NONE
    masks = [_hidden(picture) for picture in pictures]
    is_transparent = any(mask.any() for mask in masks)
    frames = []
    for picture, mask in zip(pictures, masks, strict=True):
        frame = _image(picture).convert("RGB").quantize(palette=palette, dither=dither)
        if is_transparent:
            frame.paste(COLOURS, mask=Image.fromarray(mask))
            frame.info["transparency"] = COLOURS
        frames.append(frame)
    return frames


def _hidden(picture: Picture) -> NDArray[np.bool_]:
    """Which pixels are rather invisible than not, (H, W)."""
    return (
        eight_bits(picture.pixels[..., -1:])[..., 0] < OPAQUE
        if picture.has_alpha
        else np.zeros(picture.pixels.shape[:2], bool)
    )


def _shared_palette(pictures: Sequence[Picture]) -> Image.Image:
    """Of at most `COLOURS` colours and one for what is invisible, from pixels of all pictures."""
    seen = []
    for picture in pictures:
        height, width = picture.pixels.shape[:2]
        rows, columns = (np.linspace(0, side - 1, min(side, SAMPLE)).astype(int) for side in (height, width))
        sample = Picture(picture.pixels[rows[:, None], columns])
        colours = eight_bits(sample.pixels[..., :-1] if picture.has_alpha else sample.pixels)[~_hidden(sample)]
        seen.append(np.broadcast_to(colours, (len(colours), 3)))
    row = np.concatenate([np.zeros((1, 3), np.uint8), *seen])[None]
    palette = Image.fromarray(row).quantize(COLOURS, Image.Quantize.MEDIANCUT)
    values = (palette.getpalette("RGB") or [])[: 3 * COLOURS]
    palette.putpalette(values + values[:3] * (COLOURS + 1 - len(values) // 3))  # the first of equal colours is taken
    return palette
