"""CIE L*a*b* (CIE 15:2004, white D65) of sRGB pictures (IEC 61966-2-1), and the chroma that an a and b are.

L* is how light a place is, 0 to 100; a* and b* are its colour, green to red and blue to yellow, about -110 to 110.
"""

import torch
from torch import Tensor

from image.translate.chroma import chroma

TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
WHITE = (0.95047, 1.0, 1.08883)  # X, Y and Z of D65
CUBE = 0.008856  # above it L*a*b* follows a cube root, below it a straight line
SLOPE, OFFSET = 7.787, 16 / 116


def ab_of(pictures: Tensor) -> Tensor:
    """(N, 3, H, W) in [-1, 1] -> (N, 2, H, W): a* and b*."""
    x, y, z = _bent(_mixed(_linear((pictures.float() + 1) / 2), _relative())).unbind(1)
    return torch.stack([500 * (x - y), 200 * (y - z)], 1)


def chroma_at(grey: Tensor, colours: Tensor) -> Tensor:
    """The chroma of these colours where they are as light as a grey.

    Args:
        grey: luma, (N, 1, H, W) in [-1, 1].
        colours: a* and b*, (N, 2, H, W).

    Returns:
        Cb and Cr, (N, 2, H, W), as `image.translate.chroma` has them. What no screen shows may be beyond [-1, 1].
    """
    a, b = colours.float().unbind(1)
    y = _bent(_linear((grey[:, 0].float() + 1) / 2))
    light = _unbent(torch.stack([y + a / 500, y, y - b / 200], 1))
    return chroma(2 * _encoded(_mixed(light, torch.linalg.inv(_relative()))) - 1)


def _relative() -> Tensor:
    """From linear RGB to X, Y and Z as shares of the white's."""
    return torch.tensor(TO_XYZ) / torch.tensor(WHITE)[:, None]


def _mixed(pictures: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("ij,njhw->nihw", matrix.to(pictures), pictures)


def _linear(shades: Tensor) -> Tensor:
    """Shades of sRGB in [0, 1] -> light in [0, 1]."""
    return torch.where(shades > 0.04045, ((shades.clamp(min=0.04) + 0.055) / 1.055) ** 2.4, shades / 12.92)


def _encoded(light: Tensor) -> Tensor:
    """Light -> shades of sRGB; there is no less than none."""
    light = light.clamp(min=0)
    return torch.where(light > 0.0031308, 1.055 * light.clamp(min=0.003) ** (1 / 2.4) - 0.055, 12.92 * light)


def _bent(shares: Tensor) -> Tensor:
    return torch.where(shares > CUBE, shares.clamp(min=CUBE) ** (1 / 3), SLOPE * shares + OFFSET)


def _unbent(values: Tensor) -> Tensor:
    return torch.where(values > CUBE ** (1 / 3), values**3, (values - OFFSET) / SLOPE)
