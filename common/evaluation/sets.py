"""Two sets of any origin held against each other: which of each, and where the report goes."""

from pathlib import Path

import torch
from torch import Tensor

from common.errors import UserError

LEAST = 16  # samples that figures can be made of


def choose_rows(samples: int, real: int, n: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of N samples, of N real ones, and of all other real ones, of which the first N are the floor.

    N is at most as many samples as there are and half as many as there are real ones.

    Args:
        samples, real: how many there are.
        n: N that is asked for.

    Raises:
        UserError: there are too few.
    """
    count = min(n, samples, real // 2)
    if count < LEAST:
        needed = f"{LEAST} samples and {2 * LEAST} real ones or more"
        raise UserError(f"--samples are {samples:,} and --data are {real:,}; {needed} are needed")
    generator = torch.Generator().manual_seed(seed)
    chosen, order = torch.randperm(samples, generator=generator)[:count], torch.randperm(real, generator=generator)
    return chosen, order[:count], order[count:]


def protocol(n: int, asked: int, seed: int, names: tuple[str, str], what: str) -> str:
    """How two sets were compared, in words.

    Args:
        n, asked: samples that were compared and that were asked for.
        names: of samples and real ones.
        what: such as "pictures".
    """
    least = "" if n == asked else f" ({asked:,} asked for; there are no more, or not twice as many real ones)"
    return (
        f"N = {n:,} {what} of {names[0]}{least}, seed {seed}, against {n:,} of {names[1]}. Real against real: "
        f"{n:,} others of {names[1]} in their place. Nothing is known of what the samples were learned from: if "
        f"that was {names[1]}, copies of it count as good."
    )


def folder_of(out: Path | None, samples: str) -> Path:
    """`out`, or a folder named after the samples."""
    return out or Path("runs") / f"evaluation-{Path(samples).expanduser().resolve().stem}"
