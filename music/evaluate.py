"""`python -m music.evaluate`: measure a trained composer against held-out tunes."""

from common.cli import run
from music.config import EvaluateConfig

PROGRAM = "music.evaluate"


def main(config: EvaluateConfig) -> None:
    """Measure a trained composer against held-out tunes, every figure beside what real music gives.

    Writes evaluation.json and report.html, a page with piano rolls beside real ones.
    """
    from rich.console import Console

    from common.files import folder_for_results
    from common.report import print_tables
    from music.evaluation import evaluate, output_folder  # torch loads only once the command line is known to be good

    out = output_folder(config)
    with folder_for_results(out):
        evaluation = evaluate(config, out)
    print_tables(evaluation, Console(markup=False, highlight=False, emoji=False))
    print(f"wrote {out / 'evaluation.json'} and {out / 'report.html'}")


if __name__ == "__main__":
    run(main, PROGRAM)
