"""`python -m text.evaluate`: measure a trained writer against held-out texts."""

from dataclasses import replace

from common.cli import run
from text.config import EvaluateConfig

PROGRAM = "text.evaluate"


def main(config: EvaluateConfig) -> None:
    """Measure a trained writer against held-out texts, every figure beside what real text gives.

    Writes evaluation.json and report.html, a page with unpicked samples, reconstructions and interpolations.
    With --samples, any two files, folders or .zips of texts are held against each other, and no weights are needed.
    """
    from common.evaluation.report import carry_out  # torch loads only once the command line is known to be good
    from common.evaluation.sets import folder_of
    from text.comparison import compare
    from text.evaluation import evaluate

    if config.samples is None:
        carry_out(evaluate, config, "text")
    else:
        carry_out(compare, replace(config, out=folder_of(config.out, config.samples)), "text")


if __name__ == "__main__":
    run(main, PROGRAM)
