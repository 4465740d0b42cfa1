"""`python -m image.judges.scorer`: train the judge of whether pictures and descriptions belong together."""

from dataclasses import replace
from pathlib import Path

from common.cli import run
from image.judges.config import ScorerConfig

PROGRAM = "image.judges.scorer"


def main(config: ScorerConfig) -> None:
    """Train a small network that says which description belongs to which picture, to judge models of words."""
    from common.data.arrays import Arrays  # torch loads only once the command line is known to be good
    from common.training.runs import check_batch, introduce, open_run
    from common.training.trainer import Trainer
    from image.data.loading import described, load_images
    from image.judges.scorer_training import ScorerMonitor, scorer_game
    from image.judges.text_scorer import CHOICES
    from image.prompts import PromptTokenizer

    data, captions, _ = described(load_images(config.data, config.size))
    tokenizer = PromptTokenizer.learn(captions, config.vocabulary, config.longest)
    data = replace(data, train=Arrays(data.train.tensors | {"text": tokenizer.all_tokens(captions)}))
    out = config.out or Path("runs") / f"image-{data.name}-scorer"
    check_batch(config, len(data.train))
    open_run(out, config)
    introduce(PROGRAM, out, len(data.train), len(data.test))
    monitor, trainer = ScorerMonitor(config, data, tokenizer), Trainer(config, out)
    if trainer.accelerator.is_main_process:
        tokenizer.pieces.save(out)
    trainer.fit(scorer_game(monitor.network, config.lr), data.train, monitor)
    if trainer.accelerator.is_main_process:
        found, chance = monitor.held_out()
        print(
            f"wrote {out}: finds the right one of {CHOICES} descriptions in {found:.3f} of cases (chance {chance:.3f})"
        )


if __name__ == "__main__":
    run(main, PROGRAM)
