"""A scanned drawing of any size, brought to what a network knows, and what was painted brought back into its lines."""

from dataclasses import dataclass
from typing import Self

from torch import Tensor
from torch.nn import functional as F

from image.translate.drawings import on_white, paper
from image.translate.guided import guided

REACH = 1  # of the windows in which colours follow strokes, in pixels of what was painted
SOFT = 1e-2  # variance of drawings below which such a window has one colour
LARGER = 10  # times the known side, from which on a drawing is far larger
NO_LINES, ALL_LINES = 0.003, 0.3  # shares of the page that strokes cover, beyond which it is no line drawing
HALF, TONES = 0.6, 0.15  # a drawing within +-HALF is neither paper nor stroke, and more than this share of it a photo
DIM = 0.35  # light of paper that is hardly paper


@dataclass(frozen=True)
class Page:
    """A drawing, as it is and as a network is given it.

    Attributes:
        light: as it is, (1, 1, H, W) from 0 to 1.
        drawing: cleaned, (1, 1, h, w) in [-1, 1]; the longer side is what the network knows.
        white: the light of its paper, (1, 1, h, w).
        darkest: how dark strokes are on it, (1, 1, 1, 1).
    """

    light: Tensor
    drawing: Tensor
    white: Tensor
    darkest: Tensor

    @classmethod
    def of(cls, light: Tensor, side: int) -> Self:
        """The page of a scan, for a network that knows drawings of `side` pixels."""
        shrink = side / max(light.shape[2:])
        height, width = (max(1, round(length * shrink)) for length in light.shape[2:])
        small = _resized(light, height, width)
        white, darkest = paper(small)
        return cls(light, on_white(small, white, darkest), white, darkest)

    def enlarged(self, painted: Tensor) -> Tensor:
        """What was painted, (1, C, h, w), at the size of the scan, (1, C, H, W), by its strokes.

        Colours end where the strokes of the scan are, which are sharper.
        """
        height, width = self.light.shape[2:]
        if painted.shape[2:] == (height, width):
            return painted
        drawing = on_white(self.light, _resized(self.white, height, width), self.darkest)
        return guided(painted, self.drawing, drawing, REACH, SOFT)

    def doubts(self) -> list[str]:
        """Why it may be beyond what a network has learned, in words."""
        found, (height, width), side = list[str](), self.light.shape[2:], max(self.drawing.shape[2:])
        covered, between = (_share(self.drawing < 0), _share(self.drawing.abs() < HALF))
        if between > TONES or covered > ALL_LINES:
            found.append("this looks like a photo and not like a line drawing; its colours will be wild")
        elif self.white.mean() < DIM:
            found.append("the page is dark, and a drawing has dark strokes on light paper; invert it, or scan it anew")
        elif covered < NO_LINES:
            found.append("the drawing shows no lines; they are dark strokes on light paper")
        if max(height, width) > LARGER * side:
            size = f"{width:,} x {height:,} pixels, and such are painted at {side}"
            found.append(f"the drawing is far larger than what was learned from ({size}); details get lost")
        return found


def _share(flags: Tensor) -> float:
    return flags.float().mean().item()


def _resized(images: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(images, (height, width), mode="bilinear", align_corners=False, antialias=True)
