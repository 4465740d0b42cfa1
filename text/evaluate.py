"""`python -m text.evaluate`: measure a trained writer against held-out texts."""

from common.cli import run
from text.config import EvaluateConfig

PROGRAM = "text.evaluate"


def main(config: EvaluateConfig) -> None:
    """Measure a trained writer against held-out texts, every figure beside what real text gives.

    Writes evaluation.json and report.html, a page with unpicked samples, reconstructions and interpolations.
    """
    from common.evaluation.report import carry_out  # torch loads only once the command line is known to be good
    from text.evaluation import evaluate

    carry_out(evaluate, config, "text")


if __name__ == "__main__":
    run(main, PROGRAM)
