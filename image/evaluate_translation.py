"""`python -m image.evaluate_translation`: measure a trained translator against held-out pictures."""

from common.cli import run
from image.translation_config import EvaluateConfig

PROGRAM = "image.evaluate_translation"


def main(config: EvaluateConfig) -> None:
    """Translate held-out pictures and compare them with the true ones, every figure beside that of a baseline.

    Writes evaluation.json, report.html and pictures.png, where the pictures lie side by side.
    """
    from common.report import (  # torch loads only once the command line is known to be good
        FILES,
        carry_out,
        results_folder,
    )
    from image.translation_evaluation import evaluate

    out = results_folder(config.out, config.weights, "image")
    carry_out(lambda folder: evaluate(config, folder), out, (*FILES, "pictures.png"))


if __name__ == "__main__":
    run(main, PROGRAM)
