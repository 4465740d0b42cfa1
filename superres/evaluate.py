"""`python -m superres.evaluate`: measure a trained generator on true pictures."""

from common.cli import run
from superres.config import EvaluateConfig

PROGRAM = "superres.evaluate"


def main(config: EvaluateConfig) -> None:
    """Make true pictures small, upscale them and compare, every figure beside what bicubic upscaling gives.

    Writes evaluation.json, report.html and crops.png, where the pictures lie side by side.
    """
    from rich.console import Console

    from common.files import folder_for_results
    from common.report import print_tables
    from superres.evaluation import (
        evaluate,
        output_folder,
    )  # torch loads only once the command line is known to be good

    out = output_folder(config)
    with folder_for_results(out):
        evaluation = evaluate(config, out)
    print_tables(evaluation, Console(markup=False, highlight=False, emoji=False))
    print(f"wrote {out / 'evaluation.json'}, {out / 'report.html'} and {out / 'crops.png'}")


if __name__ == "__main__":
    run(main, PROGRAM)
