"""The settings of the command that looks at a data set; nothing here imports torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from common.config import DeviceConfig, require
from common.inputs import ShardsName
from music.config import BARS_AT_A_TIME, DATA_SETS


@dataclass(frozen=True, kw_only=True)
class DataConfig(DeviceConfig):
    """Settings of `python -m music.data`."""

    # A folder or .zip of MIDI, MusicXML or ABC files, POP909, or a built-in name.
    data: Positional[Annotated[str, ShardsName(DATA_SETS), arg(metavar="DATA")]]
    bars: int = BARS_AT_A_TIME  # that the network would compose at a time
    minutes: float = 60.0  # that you have for the training
    out: Path | None = None  # folder of the sheet and of data.json; default: runs/<data>-data

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.minutes > 0, "minutes", f"must be above 0, not {self.minutes}")
