"""`python -m image.evaluate`: measure a trained model against held-out pictures."""

from common.cli import run
from image.config import EvaluateConfig

PROGRAM = "image.evaluate"


def main(config: EvaluateConfig) -> None:
    """Measure a trained model against held-out pictures, every figure beside what real pictures give.

    Writes evaluation.json and report.html, a page with samples, their nearest training pictures, and curves.
    """
    from rich.console import Console

    from common.files import folder_for_results
    from common.report import print_tables
    from image.evaluation import evaluate, output_folder  # torch loads only once the command line is known to be good

    out = output_folder(config)
    with folder_for_results(out):
        evaluation = evaluate(config, out)
    print_tables(evaluation, Console(markup=False, highlight=False, emoji=False))
    print(f"wrote {out / 'evaluation.json'} and {out / 'report.html'}")


if __name__ == "__main__":
    run(main, PROGRAM)
