"""`python -m image.judges.classifier`: train the small CNN behind our distances, or an independent judge of labels."""

from common.cli import run
from common.errors import UserError
from image.judges.config import ClassifierConfig

PROGRAM = "image.judges.classifier"


def main(config: ClassifierConfig) -> None:
    """Train a small image classifier; its features serve Fréchet distances, its labels judge conditional models."""
    from common.training.launch import carry_out  # torch loads only once the command line is known to be good
    from image.judges.classifier_training import prepare

    if not config.data:
        raise UserError("--data names no data set; give one or more")
    carry_out(prepare(config))


if __name__ == "__main__":
    run(main, PROGRAM)
