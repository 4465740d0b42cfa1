"""`python -m music.evaluate`: measure a trained composer against held-out tunes."""

from dataclasses import replace

from common.cli import run
from music.config import EvaluateConfig

PROGRAM = "music.evaluate"


def main(config: EvaluateConfig) -> None:
    """Measure a trained composer against held-out tunes, every figure beside what real music gives.

    Writes evaluation.json and report.html, a page with piano rolls beside real ones. With --samples, any two
    folders or .zips of music are held against each other, and no weights are needed.
    """
    from common.evaluation.report import carry_out  # torch loads only once the command line is known to be good
    from common.evaluation.sets import folder_of
    from music.comparison import compare
    from music.evaluation import evaluate

    if config.samples is None:
        carry_out(evaluate, config, "music")
    else:
        carry_out(compare, replace(config, out=folder_of(config.out, config.samples)), "music")


if __name__ == "__main__":
    run(main, PROGRAM)
