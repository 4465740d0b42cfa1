"""`python -m image.translate.evaluate`: measure a trained translator against held-out pictures."""

from common.cli import run
from image.translate.config import EvaluateConfig

PROGRAM = "image.translate.evaluate"


def main(config: EvaluateConfig) -> None:
    """Translate held-out pictures and compare them with the true ones, every figure beside that of a baseline.

    Writes evaluation.json, report.html and pictures.png, where the pictures lie side by side.
    """
    from common.evaluation.report import carry_out  # torch loads only once the command line is known to be good
    from image.translate.evaluation import evaluate

    carry_out(evaluate, config, "image", ["pictures.png"])


if __name__ == "__main__":
    run(main, PROGRAM)
