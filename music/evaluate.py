"""`python -m music.evaluate`: measure a trained composer against held-out tunes."""

from common.cli import run
from music.config import EvaluateConfig

PROGRAM = "music.evaluate"


def main(config: EvaluateConfig) -> None:
    """Measure a trained composer against held-out tunes, every figure beside what real music gives.

    Writes evaluation.json and report.html, a page with piano rolls beside real ones.
    """
    from common.evaluation.report import carry_out  # torch loads only once the command line is known to be good
    from music.evaluation import evaluate

    carry_out(evaluate, config, "music")


if __name__ == "__main__":
    run(main, PROGRAM)
