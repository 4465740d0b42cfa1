"""`python -m music.sound.train`: train a maker of notes of instruments, or of one's own sounds."""

from common.cli import run
from common.config import with_limits
from music.sound.config import TrainConfig

PROGRAM = "music.sound.train"
DEFAULT_LIMITS = (None, 60.0)  # examples and minutes where none is given


def main(config: TrainConfig) -> None:
    """Train a maker of notes of instruments, or of one's own short sounds.

    Notes are made by a VAE that plays harmonics and noise, sounds without a known pitch by a GAN of spectrograms.

    Spectrograms, curves, checkpoints and a weights folder appear in --out; `python -m music.sound.generate --weights
    DIR` works from the first checkpoint on. The first run with some data also makes a small classifier to judge by.
    """
    from common.training.launch import carry_out  # torch loads only once the command line is known to be good
    from music.sound.games import prepare

    carry_out(prepare(with_limits(config, *DEFAULT_LIMITS)))


if __name__ == "__main__":
    run(main, PROGRAM)
