"""`python -m superres.evaluate`: measure a trained generator on true pictures."""

from common.cli import run
from superres.config import EvaluateConfig

PROGRAM = "superres.evaluate"


def main(config: EvaluateConfig) -> None:
    """Make true pictures small, upscale them and compare, every figure beside what bicubic upscaling gives.

    Writes evaluation.json, report.html and crops.png, where the pictures lie side by side.
    """
    from common.evaluation.report import carry_out  # torch loads only once the command line is known to be good
    from superres.evaluation import evaluate

    carry_out(evaluate, config, "superres", ["crops.png"])


if __name__ == "__main__":
    run(main, PROGRAM)
