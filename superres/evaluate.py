"""`python -m superres.evaluate`: measure a trained generator on true pictures."""

from common.cli import run
from superres.config import EvaluateConfig

PROGRAM = "superres.evaluate"


def main(config: EvaluateConfig) -> None:
    """Make true pictures small, upscale them and compare, every figure beside what bicubic upscaling gives.

    Writes evaluation.json, report.html and crops.png, where the pictures lie side by side.
    """
    from common.report import (  # torch loads only once the command line is known to be good
        FILES,
        carry_out,
        results_folder,
    )
    from superres.evaluation import evaluate

    out = results_folder(config.out, config.weights, "superres")
    carry_out(lambda folder: evaluate(config, folder), out, (*FILES, "crops.png"))


if __name__ == "__main__":
    run(main, PROGRAM)
