"""`python -m superres.train`: train a generator that upscales pictures."""

from common.cli import run
from common.config import with_limits
from superres.config import TrainConfig

PROGRAM = "superres.train"
DEFAULT_LIMITS = (None, 30.0)  # examples and minutes where none is given


def main(config: TrainConfig) -> None:
    """Train a network that upscales pictures; with no flags, four times, on the photos that come with the packages.

    Samples, curves, checkpoints and a weights folder appear in --out; `python -m superres.upscale IMAGE --weights DIR`
    works from the first checkpoint on. Training may begin as trained --weights, also with a larger --net. --core gan
    makes trained --weights sharper; call its --out as theirs with -gan behind it, and --sharpness blends the two.
    """
    from common.training.launch import carry_out  # torch loads only once the command line is known to be good
    from superres.games import prepare

    carry_out(prepare(with_limits(config, *DEFAULT_LIMITS)))


if __name__ == "__main__":
    run(main, PROGRAM)
