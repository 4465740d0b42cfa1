"""The settings of the command that looks at a data set; nothing here imports torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from common.config import DeviceConfig, require
from common.inputs import ShardsName
from image.config import DATA_SETS, Fit, Size, height_and_width


@dataclass(frozen=True, kw_only=True)
class DataConfig(DeviceConfig):
    """Settings of `python -m image.data`."""

    data: Positional[
        Annotated[str, ShardsName(DATA_SETS), arg(metavar="DATA")]
    ]  # a folder, .zip or shards, or a built-in name
    size: Size | None = None  # to train at, such as 64 or 96x64; default: what the pictures are good for, 64 at most
    fit: Fit = "crop"  # how pictures come to that shape; squares: nine parts of each, of photos of scenes
    grey: bool | None = None  # one channel or three; default: one if no picture has colour
    minutes: float = 60.0  # that you have for the training
    out: Path | None = None  # folder of the contact sheet and of data.json; default: runs/<data>-data

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is not None:
            height_and_width(self.size)
        require(self.minutes > 0, "minutes", f"must be above 0, not {self.minutes}")
