"""From a decoder's frames to RGB, and from RGB to the frames of an encoder, as the tags of a film say.

Films hold luma and two colour differences, of the size of half a picture. How they are made of RGB is told by four
numbers of ITU-T H.273: matrix, range, primaries and transfer; the last two are passed on and need no arithmetic. Films
that say nothing are read as players read them, and what was guessed is written down, since a player would guess
otherwise for the larger picture.
"""

from dataclasses import dataclass
from typing import Any

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from common.pictures.reading import Pixels

HD, SD = 1, 6  # BT.709 and BT.601
MATRICES = {HD: (0.2126, 0.0722), 4: (0.30, 0.11), 5: (0.299, 0.114), SD: (0.299, 0.114), 7: (0.212, 0.087)}
MATRICES[9] = (0.2627, 0.0593)  # BT.2020; by number in H.273, the weights of red and blue in luma
DEEP = 2**16 - 1  # white in 16 bits
HD_SIZE = (1280, 577)  # from this width or height on a film without tags is taken for BT.709, as in mpv
EXACT = (  # of the library that converts: without these it takes the nearest colour, and rounds carelessly
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)


@dataclass(frozen=True)
class Colours:
    """What the numbers of a frame mean.

    Attributes:
        matrix: one of `MATRICES`.
        is_full: whether black and white are the least and the largest number, and not 16 and 235 of 255.
        primaries, transfer: passed on.
        bits: of a number; 10 for all that is deeper than 8, since encoders have no more.
        peak: what the library that reads makes of white.
    """

    matrix: int
    is_full: bool
    primaries: int
    transfer: int
    bits: int
    peak: int

    @property
    def range(self) -> ColorRange:
        """The range as the tag of a frame says it."""
        return ColorRange.JPEG if self.is_full else ColorRange.MPEG

    @property
    def format(self) -> str:
        """The pixel format of the frames that `frame_of` makes."""
        return "yuv420p" if self.bits == 8 else "yuv420p10le"


def colours_of(frame: av.VideoFrame) -> Colours:
    """The colours of a stream, by its tags, and what they leave open by its format and size."""
    pixels, is_tagged = frame.format, frame.colorspace in MATRICES
    bits = max(component.bits for component in pixels.components)
    is_hd = frame.width >= HD_SIZE[0] or frame.height >= HD_SIZE[1]
    is_full = frame.color_range == ColorRange.JPEG or pixels.name.startswith(("yuvj", "gray"))
    return Colours(
        matrix=frame.colorspace if is_tagged else HD if is_hd else SD,
        is_full=is_full and not pixels.is_rgb,
        primaries=frame.color_primaries,
        transfer=frame.color_trc,
        bits=8 if bits <= 8 else 10,
        peak=255 if bits <= 8 else _peak(bits, is_full, pixels.is_rgb),
    )


def picture_of(frame: av.VideoFrame, colours: Colours, reformatter: VideoReformatter) -> Pixels:
    """A frame as RGB, (H, W, 3), clipped; uint8, or uint16 where the frame is deeper, of which white is the largest."""
    if not frame.format.is_rgb:
        frame.colorspace, frame.color_range = colours.matrix, colours.range
    target = "rgb24" if colours.bits == 8 else "rgb48le"
    picture: Pixels = reformatter.reformat(frame, format=target, interpolation=EXACT).to_ndarray()
    if colours.peak == np.iinfo(picture.dtype).max:
        return picture
    return np.rint(picture * np.float32(DEEP / colours.peak)).clip(max=DEEP).astype(np.uint16)


def frame_of(picture: Pixels, colours: Colours, device: torch.device | str = "cpu") -> av.VideoFrame:
    """A frame of RGB pixels, exactly rounded: the inverse of `picture_of`.

    The library that reads would be off by a level or more here. Colour differences lie on every second column and
    between two rows, as is usual in films (H.273, type 0). Odd sizes become even by repeating the last row or column.

    Args:
        picture: (H, W, 3), uint8 or uint16.
        device: what computes.
    """
    pixels = rearrange(torch.from_numpy(picture).to(device), "h w c -> c h w")
    scaled = pixels.float() / np.iinfo(picture.dtype).max
    even = F.pad(scaled, (0, picture.shape[1] % 2, 0, picture.shape[0] % 2), mode="replicate")
    luma, differences = _separated(even, *MATRICES[colours.matrix])
    differences = _halved(differences)
    top, step = 2**colours.bits - 1, 2 ** (colours.bits - 8)
    grey = 128 * step
    if colours.is_full:
        planes = (luma * top, differences * top + grey)
    else:
        planes = (luma * (219 * step) + 16 * step, differences * (224 * step) + grey)
    numbers = torch.cat([plane.round().clamp(0, top).flatten() for plane in planes]).to(torch.int16).cpu().numpy()
    packed: Pixels = numbers.astype(np.uint8 if colours.bits == 8 else np.uint16).reshape(-1, even.shape[2])
    frame = av.VideoFrame.from_ndarray(packed, format=colours.format)
    tag(frame, colours)
    return frame


def tag(target: Any, colours: Colours) -> None:
    """Write the tags, on a frame or an encoder."""
    target.colorspace, target.color_range = colours.matrix, int(colours.range)
    target.color_primaries, target.color_trc = colours.primaries, colours.transfer


def _peak(bits: int, is_full: bool, is_rgb: bool) -> int:
    """What the library that reads makes of white in 16 bits: it shifts numbers instead of stretching them."""
    if is_rgb:
        return DEEP
    return (2**bits - 1) << (16 - bits) if is_full else 255 << 8


def _separated(picture: Tensor, red: float, blue: float) -> tuple[Tensor, Tensor]:
    """Luma (H, W) in [0, 1] and differences (2, H, W) in [-1/2, 1/2]."""
    luma = red * picture[0] + (1 - red - blue) * picture[1] + blue * picture[2]
    return luma, torch.stack([(picture[2] - luma) / (2 - 2 * blue), (picture[0] - luma) / (2 - 2 * red)])


def _halved(planes: Tensor) -> Tensor:
    """(2, H, W) -> (2, H / 2, W / 2): means of two rows, and of a column and half of either neighbour."""
    rows = (planes[:, 0::2] + planes[:, 1::2]) / 2
    padded = F.pad(rows, (1, 0), mode="replicate")
    return (padded[..., :-2:2] + padded[..., 2::2]) / 4 + padded[..., 1::2] / 2
