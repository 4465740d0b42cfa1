"""`python -m image.classifier`: train the small CNN behind our distances, or an independent judge of labels."""

from dataclasses import dataclass
from pathlib import Path

from common.cli import run
from common.config import RunConfig
from common.errors import UserError

PROGRAM = "image.classifier"


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig(RunConfig):
    """Settings of the classifier."""

    data: tuple[str, ...] = ("fashion-mnist",)  # labelled data sets; several are told apart in one softmax
    width: int = 64  # channels of the first layer; the features are twice as long
    lr: float = 3e-3  # Adam's learning rate
    images: int | None = 400_000  # stop after so many training examples
    batch: int = 128  # examples a step, over all processes together
    snapshot: int = 100_000  # examples between two checkpoints
    final_lr: float = 0.0  # the learning rate at the end, as a share of that at the start


def main(config: ClassifierConfig) -> None:
    """Train a small image classifier; its features serve Fréchet distances, its labels judge conditional models."""
    from common.training.runs import open_run  # torch loads only once the command line is known to be good
    from common.training.trainer import Trainer
    from image.classification import ClassifierStudio, classifier_game, join

    names = tuple(Path(name).stem for name in config.data)
    out = config.out or Path("runs") / f"image-{'-'.join(names)}-classifier"
    if not config.data:
        raise UserError("--data names no data set; give one or more")
    data = join(config.data)
    open_run(out, config)
    studio = ClassifierStudio(config, data)
    Trainer(config, out).fit(classifier_game(studio.network, config.lr), data.train, studio)
    print(f"wrote {out}: test accuracy {studio.accuracy():.4f} on {len(data.test):,} held-out images")


if __name__ == "__main__":
    run(main, PROGRAM)
