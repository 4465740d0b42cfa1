"""`python -m image.translate.train`: train a network that makes pictures of pictures."""

from common.cli import run
from common.config import with_limits
from image.translate.config import TrainConfig

PROGRAM = "image.translate.train"
DEFAULT_LIMITS = (None, 30.0)  # examples and minutes where none is given


def main(config: TrainConfig) -> None:
    """Train a network that makes pictures of pictures; with no flags, colours of grey, on photos in the packages.

    Sheets, curves, checkpoints and a weights folder appear in --out; `python -m image.translate IMAGE --weights DIR`
    works from the first checkpoint on.
    """
    from common.training.launch import carry_out  # torch loads only once the command line is known to be good
    from image.translate.games import prepare

    carry_out(prepare(with_limits(config, *DEFAULT_LIMITS)))


if __name__ == "__main__":
    run(main, PROGRAM)
