"""`python -m text.evaluate`: measure a trained writer against held-out texts."""

from common.cli import run
from text.config import EvaluateConfig

PROGRAM = "text.evaluate"


def main(config: EvaluateConfig) -> None:
    """Measure a trained writer against held-out texts, every figure beside what real text gives.

    Writes evaluation.json and report.html, a page with unpicked samples, reconstructions and interpolations.
    """
    from rich.console import Console

    from common.files import folder_for_results
    from common.report import print_tables
    from text.evaluation import evaluate, output_folder  # torch loads only once the command line is known to be good

    out = output_folder(config)
    with folder_for_results(out):
        evaluation = evaluate(config, out)
    print_tables(evaluation, Console(markup=False, highlight=False, emoji=False))
    print(f"wrote {out / 'evaluation.json'} and {out / 'report.html'}")


if __name__ == "__main__":
    run(main, PROGRAM)
