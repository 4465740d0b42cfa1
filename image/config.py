"""The settings of the image commands; nothing here imports torch."""

from dataclasses import dataclass
from typing import Literal

from common.config import Checked, GanConfig, RunConfig, VaeConfig, require

Core = Literal["cgan", "gan", "cvae", "vae"]
Net = Literal["residual", "dcgan"]
NetSize = Literal["debug", "small", "base", "large"]
Sampler = Literal["prior", "mixture"]

WIDTHS: dict[NetSize, int] = {"debug": 4, "small": 16, "base": 32, "large": 64}  # see `image.networks`


@dataclass(frozen=True, kw_only=True)
class TrainConfig(RunConfig, GanConfig, VaeConfig):
    """Settings of `python -m image.train`."""

    data: str = "digits"  # digits, fashion-mnist, mnist, cifar10, celeba, emoji, or a folder or .zip of pictures
    size: int | None = None  # side of the square images in pixels; default: the data's own, or 64
    fit: Literal["crop", "pad"] = "crop"  # how pictures become square
    grey: bool | None = None  # one channel or three; default: one if no picture has colour
    core: Core = "cgan"  # c: conditional on the class; falls back to gan or vae when the data has no labels
    net: Net = "residual"  # residual: modern, no normalisation; dcgan: the paper's (GANs only)
    net_size: NetSize = "small"  # width of the networks: 4, 16, 32 or 64 channels at full resolution
    spectral_norm: bool = False  # on every layer of the critic

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.size is None or self.size > 0, "size", f"must be above 0, not {self.size}")
        vae = self.core in ("vae", "cvae")
        require(not (vae and self.net == "dcgan"), "net", "dcgan has no VAE; use --net residual")
        require(self.batch >= 2, "batch", "must be 2 or more")
