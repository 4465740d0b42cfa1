"""`python -m image.scorer`: train the judge of whether pictures and descriptions belong together."""

from dataclasses import dataclass, replace
from pathlib import Path

from common.cli import run
from common.config import RunConfig, require
from image.config import VocabularyConfig

PROGRAM = "image.scorer"


@dataclass(frozen=True, kw_only=True)
class ScorerConfig(VocabularyConfig, RunConfig):
    """Settings of the scorer."""

    data: str = "emoji"  # a data set with descriptions
    size: int | None = None  # side of the square images in pixels; default: the data's own, or 64
    width: int = 32  # channels of the first layer
    lr: float = 1e-3  # Adam's learning rate
    images: int | None = 200_000  # stop after so many training pictures
    batch: int = 128  # pictures a step, over all processes together
    snapshot: int = 50_000  # pictures between two checkpoints
    final_lr: float = 0.0  # the learning rate at the end, as a share of that at the start
    seed: int = 1  # of weights, data order and noise; another than models have that it judges

    def __post_init__(self) -> None:
        super().__post_init__()
        require(4 <= self.width <= 512, "width", f"must be 4 to 512, not {self.width}")


def main(config: ScorerConfig) -> None:
    """Train a small network that says which description belongs to which picture, to judge models of words."""
    from common.data.arrays import Arrays  # torch loads only once the command line is known to be good
    from common.training.runs import check_batch, introduce, open_run
    from common.training.trainer import Trainer
    from image.data import described, load_images
    from image.scoring import CHOICES, ScorerStudio, scorer_game
    from image.wording import Wording

    data, captions, _ = described(load_images(config.data, config.size))
    wording = Wording.learn(captions, config.vocabulary, config.longest)
    data = replace(data, train=Arrays(data.train.tensors | {"text": wording.all_tokens(captions)}))
    out = config.out or Path("runs") / f"image-{data.name}-scorer"
    check_batch(config, len(data.train))
    open_run(out, config)
    introduce(PROGRAM, out, len(data.train), len(data.test))
    studio, trainer = ScorerStudio(config, data, wording), Trainer(config, out)
    if trainer.accelerator.is_main_process:
        wording.pieces.save(out)
    trainer.fit(scorer_game(studio.network, config.lr), data.train, studio)
    if trainer.accelerator.is_main_process:
        found, chance = studio.held_out()
        print(
            f"wrote {out}: finds the right one of {CHOICES} descriptions in {found:.3f} of cases (chance {chance:.3f})"
        )


if __name__ == "__main__":
    run(main, PROGRAM)
