"""The critic of super-resolution, which says of every part of a picture how real it looks."""

from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.blocks import spectrally_normalised


class UNetCritic(nn.Module):
    """Pictures (N, 3, H, W) in [0, 1] -> logits (N, 1, H / 2, W / 2); sides are multiples of 8.

    A U-Net, so that each logit rests on detail and on its surroundings (Schönfeld et al. 2020; Wang et al. 2021:
    Real-ESRGAN), with spectral norm on every layer. It works from half the resolution down, as a shuffle loses nothing.

    Args:
        width: channels at half the resolution.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(12, width, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(width << k, width << k + 1, 4, 2, 1) for k in range(2))
        self.middle = nn.Conv2d(4 * width, 4 * width, 3, padding=1)
        self.up = nn.ModuleList(nn.Conv2d(width << k + 1, width << k, 3, padding=1) for k in (1, 0))
        self.last = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(width, 1, 3, padding=1)
        )
        spectrally_normalised(self)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.last(self.features(images)[-1])

    def features(self, images: Tensor) -> list[Tensor]:
        """Maps (N, C, h, w) after every level, down and up again."""
        x = F.leaky_relu(self.first(F.pixel_unshuffle(2 * images - 1, 2)), 0.2)
        found = [x]
        for layer in self.down:
            found.append(F.leaky_relu(layer(found[-1]), 0.2))
        x = F.leaky_relu(self.middle(found[-1]), 0.2)
        for layer, early in zip(self.up, found[-2::-1], strict=True):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = F.leaky_relu(layer(x), 0.2) + early
            found.append(x)
        return found
