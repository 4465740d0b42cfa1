"""`python -m music.train`: train a composer."""

from common.cli import run
from common.config import with_limits
from music.config import TrainConfig

PROGRAM = "music.train"
DEFAULT_LIMITS = (400_000, 10.0)  # examples and minutes where none is given: whichever comes first


def main(config: TrainConfig) -> None:
    """Train a composer; with no flags, of four-part chorales.

    One network composes from nothing, harmonises given voices, continues given bars and goes from one piece to another.
    Piano rolls, curves, checkpoints and a weights folder appear in --out; `python -m music.generate --weights DIR`
    works from the first checkpoint on.
    """
    from common.training.launch import carry_out  # torch loads only once the command line is known to be good
    from music.games import prepare

    carry_out(prepare(with_limits(config, *DEFAULT_LIMITS)))


if __name__ == "__main__":
    run(main, PROGRAM)
