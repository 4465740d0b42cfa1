"""`python -m image.judges.classifier`: train the small CNN behind our distances, or an independent judge of labels."""

from pathlib import Path

from common.cli import run
from common.errors import UserError
from image.judges.config import ClassifierConfig

PROGRAM = "image.judges.classifier"


def main(config: ClassifierConfig) -> None:
    """Train a small image classifier; its features serve Fréchet distances, its labels judge conditional models."""
    from common.training.runs import open_run  # torch loads only once the command line is known to be good
    from common.training.trainer import Trainer
    from image.judges.classifier_training import ClassifierMonitor, classifier_game, join

    names = tuple(Path(name).stem for name in config.data)
    out = config.out or Path("runs") / f"image-{'-'.join(names)}-classifier"
    if not config.data:
        raise UserError("--data names no data set; give one or more")
    data = join(config.data)
    open_run(out, config)
    monitor = ClassifierMonitor(config, data)
    Trainer(config, out).fit(classifier_game(monitor.network, config.lr), data.train, monitor)
    print(f"wrote {out}: test accuracy {monitor.accuracy():.4f} on {len(data.test):,} held-out images")


if __name__ == "__main__":
    run(main, PROGRAM)
