"""`python -m text.train`: train a writer."""

from common.cli import run
from common.config import with_limits
from text.config import TrainConfig

PROGRAM = "text.train"
DEFAULT_LIMITS = {  # examples and minutes where none is given: whichever comes first
    "vae": (400_000, 10.0),
    "gan": (1_000_000, 5.0),
}


def main(config: TrainConfig) -> None:
    """Train a VAE that writes texts; with no flags, verses in the manner of the Bible's books.

    Samples, curves, checkpoints and a weights folder appear in --out; `python -m text.generate --weights DIR` works
    from the first checkpoint on. --core gan then learns to draw latents of the trained --weights.
    """
    from common.training.launch import carry_out  # torch loads only once the command line is known to be good
    from text.games import prepare

    carry_out(prepare(with_limits(config, *DEFAULT_LIMITS[config.core])))


if __name__ == "__main__":
    run(main, PROGRAM)
