"""`python -m image.evaluate`: measure a trained model against held-out pictures."""

from common.cli import run
from image.config import EvaluateConfig

PROGRAM = "image.evaluate"


def main(config: EvaluateConfig) -> None:
    """Measure a trained model against held-out pictures, every figure beside what real pictures give.

    Writes evaluation.json and report.html, a page with samples, their nearest training pictures, and curves.
    """
    from common.evaluation.report import carry_out  # torch loads only once the command line is known to be good
    from image.evaluation import evaluate

    carry_out(evaluate, config, "image")


if __name__ == "__main__":
    run(main, PROGRAM)
