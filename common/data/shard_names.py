"""How --data names shards, tars and Parquet files: by a range in braces, a path or a URL; nothing here is heavy."""

import os
import re

from common.errors import UserError

ENDINGS = (".tar", ".parquet")
RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}", re.ASCII)
MOST = 1_000_000  # shards; more are a mistyped range


def are_shards(data: str) -> bool:
    """Whether a name is that of one or more shards, by its ending."""
    return data.lower().endswith(ENDINGS)


def is_parquet(shard: str) -> bool:
    """Whether a shard is a Parquet file, and no tar."""
    return shard.lower().endswith(".parquet")


def is_remote(name: str) -> bool:
    """Whether a name is a URL."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", name) is not None


def spelt_out(data: str) -> list[str]:
    """The shards that a name with ranges stands for: a{08..10}.tar -> a08.tar, a09.tar, a10.tar.

    Numbers are as long as the first one. What is there by the very name is itself.

    Raises:
        UserError: a range that goes backwards, or one of more than a million.
    """
    found = RANGE.search(data)
    if found is None or os.path.exists(os.path.expanduser(data)):
        return [data]
    first, last = int(found[1]), int(found[2])
    if not 0 <= last - first < MOST:
        raise UserError(f"--data {data}: {found[0]} is no range of up to 1,000,000; give the smaller number first")
    rest = spelt_out(data[found.end() :])
    head = data[: found.start()]
    return [f"{head}{number:0{len(found[1])}}{tail}" for number in range(first, last + 1) for tail in rest]
