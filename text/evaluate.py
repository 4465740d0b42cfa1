"""`python -m text.evaluate`: measure a trained writer against held-out texts."""

from common.cli import run
from text.config import EvaluateConfig

PROGRAM = "text.evaluate"


def main(config: EvaluateConfig) -> None:
    """Measure a trained writer against held-out texts, every figure beside what real text gives.

    Writes evaluation.json and report.html, a page with unpicked samples, reconstructions and interpolations.
    """
    from common.report import carry_out, results_folder  # torch loads only once the command line is known to be good
    from text.evaluation import evaluate

    out = results_folder(config.out, config.weights, "text")
    carry_out(lambda folder: evaluate(config, folder), out)


if __name__ == "__main__":
    run(main, PROGRAM)
