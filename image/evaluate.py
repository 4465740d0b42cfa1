"""`python -m image.evaluate`: measure a trained model against held-out pictures."""

from dataclasses import replace

from common.cli import run
from image.config import EvaluateConfig

PROGRAM = "image.evaluate"


def main(config: EvaluateConfig) -> None:
    """Measure a trained model against held-out pictures, every figure beside what real pictures give.

    Writes evaluation.json and report.html, a page with samples, their nearest training pictures, and curves. With
    --samples, any two folders or .zips of pictures are held against each other, and no weights are needed.
    """
    from common.evaluation.report import carry_out  # torch loads only once the command line is known to be good
    from common.evaluation.sets import folder_of
    from image.comparison import compare
    from image.evaluation import evaluate

    if config.samples is None:
        carry_out(evaluate, config, "image")
    else:
        carry_out(compare, replace(config, out=folder_of(config.out, config.samples)), "image")


if __name__ == "__main__":
    run(main, PROGRAM)
