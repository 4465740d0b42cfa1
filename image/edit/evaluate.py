"""`python -m image.edit.evaluate`: measure how well held-out pictures can be found in a latent space and edited."""

from common.cli import run
from image.edit.config import EvaluateConfig

PROGRAM = "image.edit.evaluate"


def main(config: EvaluateConfig) -> None:
    """Find held-out pictures of labelled data in a latent space, edit each to another class, and judge what comes out.

    Writes evaluation.json, report.html and pictures.png, where pictures, reconstructions and edits lie side by side.
    """
    from common.evaluation.report import carry_out  # torch loads only once the command line is known to be good
    from image.edit.evaluation import evaluate

    carry_out(evaluate, config, "image", ["pictures.png"])


if __name__ == "__main__":
    run(main, PROGRAM)
