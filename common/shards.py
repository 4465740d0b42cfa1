"""`python -m common.shards`: turn a folder of pictures into shards, for `--data` of the image commands."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from common.cli import run
from common.config import Checked, require
from common.errors import UserError
from common.inputs import ShardsName

PROGRAM = "common.shards"


@dataclass(frozen=True, kw_only=True)
class ShardsConfig(Checked):
    """Settings of `python -m common.shards`."""

    data: Positional[Annotated[str, ShardsName(()), arg(metavar="DATA")]]  # a folder or .zip of pictures, or shards
    out: Path  # folder of the shards, which is made; 000000.tar and so on appear there when all are written
    size: int = 1_000  # pictures in a shard

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.size <= 1_000_000, "size", f"must be 1 to 1,000,000, not {self.size}")

    def check_inputs(self) -> None:
        super().check_inputs()
        if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise UserError(f"--out {self.out} is there already; name a new or empty folder")


def main(config: ShardsConfig) -> None:
    """Write WebDataset's tars of a folder or .zip of pictures: as they are, with .cls and .txt beside them.

    Sub-folders are classes, and descriptions are those that image.train reads: metadata.jsonl, metadata.csv or a .txt
    beside each picture. Pictures are in order of their names; image.train draws them in an order of its own. Parquet
    files become tars likewise.
    """
    from common.data.arrays import count_reasons  # torch loads only once the command line is known good
    from common.data.shard_writing import find_examples, write_shards

    examples, skipped = find_examples(config.data)
    names = write_shards(examples, config.out, config.size)
    if skipped:
        print(f"{PROGRAM}: left out {count_reasons(skipped)}", file=sys.stderr)
    print(f"wrote {config.out}: {len(examples):,} pictures in {len(names):,} shards, {names[0]} to {names[-1]}")


if __name__ == "__main__":
    run(main, PROGRAM)
