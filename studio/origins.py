"""What the tab of provenance tells: how a file was made."""

from pathlib import Path

from common.provenance.__main__ import ProvenanceConfig
from studio.shop import Result, Shop, shown_command, take


def origin(_: Shop, folder: Path, upload: str | None) -> Result:
    """Tell how a file was made, and whether it is as it was."""
    from common.provenance.reading import read_record

    config = ProvenanceConfig(file=take(upload, folder, "file"))
    config.check_inputs()
    told = "\n".join(read_record(config.file).lines)
    return Result((told,), (), shown_command("common.provenance", config, folder, given=(config.file,)))
