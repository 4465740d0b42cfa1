"""`python -m image.judges.scorer`: train the judge of whether pictures and descriptions belong together."""

from common.cli import run
from image.judges.config import ScorerConfig

PROGRAM = "image.judges.scorer"


def main(config: ScorerConfig) -> None:
    """Train a small network that says which description belongs to which picture, to judge models of words."""
    from common.training.launch import carry_out  # torch loads only once the command line is known to be good
    from image.judges.scorer_training import prepare

    carry_out(prepare(config))


if __name__ == "__main__":
    run(main, PROGRAM)
