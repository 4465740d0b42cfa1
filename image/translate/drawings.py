"""Line drawings: found in pictures, as people draw and scan them, and cleaned of what paper adds.

Drawings are float (N, 1, H, W) in [-1, 1], dark on white; ink is (N, 1, H, W) from 0 (paper) to 1 (a full stroke).
"""

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from common.randomness import Draw

NARROW, WIDE = 1.0, 1.6  # deviations, in pixels, of the two blurs whose difference finds lines
FAINTEST, USUAL, BOLDEST = 0.008, 0.02, 0.04  # differences from which on there is a line
SLOPE = 60.0  # how sharply lines begin

CLEAN = 0.4  # share of the drawings to learn from that are lines and nothing else
THINNEST, THICKEST = -0.6, 1.6  # strokes are wider by twice as many pixels; below 0 they fade from their borders
TREMOR = 0.012  # deviation of strokes from where they belong at most, as a share of the side
GAPS = 0.3  # largest share of strokes that is missing
FAINT = 0.4  # of a full stroke, what a hard pencil leaves
GRAIN = 0.6  # at most, share of the ink that the tooth of the paper keeps off
DARKEST, SHADE, NOISE = 0.7, 0.25, 0.04  # tone of the darkest paper, fall of light across it, deviation of noise

COARSE = 4  # paper is sought at this part of the resolution
WINDOW = 5  # and in windows of this part of the side; the widest stroke covers less
LIGHTEST = 0.08  # ink that counts as paper
BLACK = 0.05  # light of the darkest paper
FULL = 0.25  # the least darkness that is made black


def lines(pictures: Tensor, threshold: Tensor | float = USUAL) -> Tensor:
    """Draw the lines of pictures: dark on light, where a picture is darker than around (Winnemöller et al. 2012: XDoG).

    A dark stroke is one line, and the border between two areas a line on its darker side, in whichever of the colour
    channels it is clearest. Flat areas are white however dark they are.

    Args:
        pictures: (N, C, H, W) in [-1, 1].
        threshold: of each picture, (N, 1, 1, 1): how much darker, in [0, 1].

    Returns:
        (N, 1, H, W) in [-1, 1].
    """
    shades = (pictures + 1) / 2
    darker = (_blurred(shades, NARROW) - _blurred(shades, WIDE)).amin(1, keepdim=True)
    return 1 + 2 * torch.tanh(SLOPE * (darker + threshold).clamp(max=0))


def _blurred(images: Tensor, deviation: float) -> Tensor:
    """Convolve with a Gaussian, repeating the border; (N, C, H, W)."""
    down, along = (_blur(side, deviation, images.device) for side in images.shape[2:])
    return down @ images.float() @ along.T


def _blur(side: int, deviation: float, device: torch.device) -> Tensor:
    """The matrix (side, side) that blurs a column: on sides so short far faster than a convolution of one channel."""
    reach = int(3 * deviation + 0.5)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=device) / deviation) ** 2)
    rows = F.pad(torch.eye(side, device=device)[:, None], (reach, reach), mode="replicate")
    return F.conv1d(rows, (kernel / kernel.sum())[None, None])[:, 0].T


# --- as people draw and scan


def sketches(pictures: Tensor, draw: Draw) -> Tensor:
    """Draw the lines of pictures as people might, scan them, and clean what was scanned; some are left as they are.

    Strokes are thin or thick, tremble, have gaps and are of pencil or ink; paper is darker than white and unevenly lit,
    and the scanner blurs and adds noise. All of it is by chance, and of each picture.

    Args:
        pictures: (N, C, H, W) in [-1, 1].

    Returns:
        (N, 1, H, W) in [-1, 1].
    """
    found = lines(pictures, FAINTEST * (BOLDEST / FAINTEST) ** draw.uniform(1, 1, 1))
    drawn = cleaned(_scanned(_by_hand((1 - found) / 2, draw), draw))
    return torch.where(draw.uniform(1, 1, 1) < CLEAN, found, drawn)


def _by_hand(ink: Tensor, draw: Draw) -> Tensor:
    ink = _trembling(ink, draw)
    ink = _as_wide(ink, THINNEST + (THICKEST - THINNEST) * draw.uniform(1, 1, 1))
    missing = GAPS * draw.uniform(1, 1, 1)
    ink = ink * torch.sigmoid((_cloud(draw, 16, ink) - missing) * 20)
    grain = GRAIN * draw.uniform(1, 1, 1) * draw.uniform(*ink.shape[1:])
    return ink * (1 - grain) * (FAINT + (1 - FAINT) * draw.uniform(1, 1, 1))


def _trembling(ink: Tensor, draw: Draw) -> Tensor:
    """Shifted by a little, and everywhere by another little."""
    noise = torch.cat([_cloud(draw, 12, ink), _cloud(draw, 12, ink)], 1)
    shift = 4 * TREMOR * draw.uniform(1, 1, 1) * (noise - 0.5)
    straight = torch.eye(2, 3, device=ink.device).expand(len(ink), 2, 3)
    grid = F.affine_grid(straight, list(ink.shape), align_corners=False)
    return F.grid_sample(ink, grid + rearrange(shift, "n d h w -> n h w d"), align_corners=False)


def _as_wide(ink: Tensor, extra: Tensor) -> Tensor:
    """Wider by 2 * `extra` pixels, (N, 1, 1, 1), or narrower: between two, a mixture."""
    thinner = -F.max_pool2d(-ink, 3, 1, 1)
    wider = F.max_pool2d(ink, 3, 1, 1)
    widest = F.max_pool2d(wider, 3, 1, 1)
    mixed = torch.lerp(ink, thinner, (-extra).clamp(0, 1))
    mixed = torch.lerp(mixed, wider, extra.clamp(0, 1))
    return torch.lerp(mixed, widest, (extra - 1).clamp(0, 1))


def _scanned(ink: Tensor, draw: Draw) -> Tensor:
    """Light from 0 to 1, (N, 1, H, W)."""
    tone = DARKEST + (1 - DARKEST) * draw.uniform(1, 1, 1)
    shade = SHADE * draw.uniform(1, 1, 1) * _cloud(draw, 3, ink)
    light = (tone - shade) * (1 - ink)
    light = torch.lerp(light, _blurred(light, 1.0), draw.uniform(1, 1, 1))
    return (light + NOISE * draw.uniform(1, 1, 1) * draw.normal(*ink.shape[1:])).clamp(0, 1)


def _cloud(draw: Draw, cells: int, like: Tensor) -> Tensor:
    """Noise in [0, 1) that is smooth between so many places a side, (N, 1, H, W)."""
    return F.interpolate(draw.uniform(1, cells, cells), like.shape[2:], mode="bilinear", align_corners=False)


# --- cleaned


def cleaned(light: Tensor) -> Tensor:
    """Scans, (N, 1, H, W) from 0 to 1, as drawings with white paper and black strokes, (N, 1, H, W) in [-1, 1]."""
    return on_white(light, *paper(light))


def paper(light: Tensor) -> tuple[Tensor, Tensor]:
    """What paper is like under the strokes, (N, 1, H, W), and how dark strokes are on it at most, (N, 1, 1, 1).

    Paper is the closing of the light, which fills in whatever is darker than around and narrower than a window.
    """
    coarse = F.avg_pool2d(light, COARSE, ceil_mode=True)
    window = max(min(coarse.shape[2:]) // WINDOW, 2) | 1  # odd
    reach = window // 2
    closed = -F.max_pool2d(-F.max_pool2d(coarse, window, 1, reach), window, 1, reach)
    smooth = F.avg_pool2d(closed, window, 1, reach, count_include_pad=False)
    white = F.interpolate(smooth, light.shape[2:], mode="bilinear", align_corners=False)
    usual = (light / white.clamp(min=BLACK)).flatten(1).median(1)[0]  # noise has made paper of the lightest places
    white = (white * usual[:, None, None, None]).clamp(min=BLACK)
    darkest = (1 - light / white).flatten(1).quantile(0.99, 1).clamp(min=FULL)
    return white, darkest[:, None, None, None]


def on_white(light: Tensor, white: Tensor, darkest: Tensor) -> Tensor:
    """Light as a drawing, (N, 1, H, W) in [-1, 1], by what `paper` found."""
    ink = (1 - light / white) / darkest
    return 1 - 2 * ((ink - LIGHTEST) / (1 - 2 * LIGHTEST)).clamp(0, 1)
