"""`python -m image.train`: train a generative model of images."""

from common.cli import run
from common.config import with_limits
from image.config import TrainConfig

PROGRAM = "image.train"
DEFAULT_LIMITS = (200_000, 8.0)  # examples and minutes where none is given: whichever comes first


def main(config: TrainConfig) -> None:
    """Train a generative model of images; with no flags, a class-conditional GAN of digits.

    Sheets, curves, checkpoints and a weights folder appear in --out; `python -m image.generate --weights DIR` works
    from the first checkpoint on.
    """
    from common.training.launch import carry_out  # torch loads only once the command line is known to be good
    from image.games import prepare

    carry_out(prepare(with_limits(config, *DEFAULT_LIMITS)))


if __name__ == "__main__":
    run(main, PROGRAM)
