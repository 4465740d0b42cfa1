"""The settings of the studio; nothing here imports torch or Gradio."""

from dataclasses import dataclass
from importlib.util import find_spec

from common.config import DeviceConfig, require
from common.errors import UserError

LOCAL = ("127.0.0.1", "localhost", "::1")  # hosts that nobody else can reach
LARGEST = 256 * 2**20  # bytes of an upload
WAITING = 20  # requests that may wait for their turn
KEPT = 2  # models in memory


@dataclass(frozen=True, kw_only=True)
class StudioConfig(DeviceConfig):
    """Settings of `python -m studio`."""

    host: str = "127.0.0.1"  # address at which the page is served; others than this machine's need a --password
    port: int = 7860  # at which the page is served
    password: str = ""  # asked for before the page opens, with any user name
    no_open: bool = False  # do not open the page in a browser

    def __post_init__(self) -> None:
        super().__post_init__()
        require(1 <= self.port <= 65_535, "port", f"must be 1 to 65535, not {self.port}")
        is_safe = self.host in LOCAL or bool(self.password)
        require(is_safe, "host", f"{self.host} lets others open the page; protect it by a --password")

    def check_inputs(self) -> None:
        super().check_inputs()
        if find_spec("gradio") is None:
            raise UserError("the studio needs Gradio; pip install 'quartet-gen[studio]'")
