"""`python -m music.sound.evaluate`: measure a trained maker of sounds against held-out ones."""

from common.cli import run
from music.sound.config import EvaluateConfig

PROGRAM = "music.sound.evaluate"


def main(config: EvaluateConfig) -> None:
    """Measure a trained maker of sounds against held-out ones, every figure beside what real sounds give.

    Writes evaluation.json and report.html, a page with spectrograms.
    """
    from common.evaluation.report import carry_out  # torch loads only once the command line is known to be good
    from music.sound.evaluation import evaluate

    carry_out(evaluate, config, "music")


if __name__ == "__main__":
    run(main, PROGRAM)
