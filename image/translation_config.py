"""The settings of the commands that translate pictures into pictures; nothing here imports torch."""

from dataclasses import dataclass
from typing import Literal

from tyro.conf import Suppress

from common.config import GanConfig, LossName, RunConfig, require

TaskName = Literal["colorize", "edges", "inpaint", "pairs"]
NetSize = Literal["debug", "small", "base", "large"]

WIDTHS: dict[NetSize, int] = {"debug": 4, "small": 32, "base": 64, "large": 96}  # see `image.translators`
DEFAULT_DATA: dict[TaskName, str] = {"colorize": "photos", "edges": "emoji", "inpaint": "photos"}
STRIDE = 32  # patches are multiples of it


@dataclass(frozen=True, kw_only=True)
class TrainConfig(GanConfig, RunConfig):
    """Settings of `python -m image.train_translation`; --help lists the last base's first."""

    task: TaskName = "colorize"  # colorize, edges (drawings to pictures), inpaint, or pairs: your own before and after
    data: str | None = None  # photos, a set of image.train, or a folder or .zip; default: photos, or emoji for edges
    reverse: bool = False  # pairs: from B to A
    patch: int = 128  # side of what is learned from at a time, in pixels
    net_size: NetSize = "small"  # width of the network: 4, 32, 64 or 96 channels at half the resolution
    critic_width: int = 64  # channels of the critic at half the resolution
    pixel: float = 30.0  # weight of the mean absolute difference
    adversarial: float = 1.0  # weight of what the critic says; 0 does without it
    saturation: float = 0.0  # colorize: how much more a difference counts where the true colours are strong
    loss: LossName = "hinge"  # adversarial loss
    lr: float | None = None  # learning rate; default 2e-4
    penalty: float = 0.0  # weight of R1 + R2 beside the critic's spectral norm
    betas: tuple[float, float] = (0.5, 0.99)  # of Adam
    batch: int = 16  # patches a step, over all processes together
    warm_up: int = 4_000  # patches over which the learning rate rises from 0
    latent: Suppress[int] = 1  # of GanConfig; a translator draws no latents
    condition_dropout: Suppress[float] = 0.0  # of GanConfig; nothing is hidden

    def __post_init__(self) -> None:
        super().__post_init__()
        fits = self.patch % STRIDE == 0 and 32 <= self.patch <= 1024
        require(fits, "patch", f"must be a multiple of {STRIDE} up to 1024, not {self.patch}")
        require(4 <= self.critic_width <= 512, "critic_width", f"must be 4 to 512, not {self.critic_width}")
        for name in ("pixel", "adversarial", "saturation"):
            require(getattr(self, name) >= 0, name, f"must be 0 or more, not {getattr(self, name)}")
        require(self.pixel + self.adversarial > 0, "pixel", "and --adversarial cannot both be 0")
        require(self.data is not None or self.task != "pairs", "data", "names the pairs; there are none built in")
        for name, task in (("saturation", "colorize"), ("reverse", "pairs")):
            unset = self.task == task or getattr(self, name) == getattr(type(self), name)
            require(unset, name, f"means nothing with --task {self.task}; leave it out")
