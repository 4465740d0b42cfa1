"""`python -m image.evaluate`: measure a trained model against held-out pictures."""

from common.cli import run
from image.config import EvaluateConfig

PROGRAM = "image.evaluate"


def main(config: EvaluateConfig) -> None:
    """Measure a trained model against held-out pictures, every figure beside what real pictures give.

    Writes evaluation.json and report.html, a page with samples, their nearest training pictures, and curves.
    """
    from rich.console import Console

    from common.errors import UserError
    from common.report import print_tables
    from image.evaluation import evaluate, output_folder  # torch loads only once the command line is known to be good

    out = output_folder(config)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror}; name a folder that can be written") from error
    print_tables(evaluate(config, out), Console(markup=False, highlight=False, emoji=False))
    print(f"wrote {out / 'evaluation.json'} and {out / 'report.html'}")


if __name__ == "__main__":
    run(main, PROGRAM)
