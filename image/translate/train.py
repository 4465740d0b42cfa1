"""`python -m image.translate.train`: train a network that makes pictures of pictures."""

import sys
from dataclasses import replace
from pathlib import Path

from common.cli import run
from image.translate.config import DEFAULT_DATA, TrainConfig

PROGRAM = "image.translate.train"
DEFAULT_MINUTES = 30.0  # where no limit is given


def main(config: TrainConfig) -> None:
    """Train a network that makes pictures of pictures; with no flags, colours of grey, on photos in the packages.

    Sheets, curves, checkpoints and a weights folder appear in --out; `python -m image.translate --weights DIR` works
    from the first checkpoint on.
    """
    from common.data.arrays import count_reasons  # torch loads only once the command line is known to be good
    from common.training.runs import conclude, introduce, open_run
    from common.training.trainer import Trainer
    from image.translate.data import load_pairs
    from image.translate.games import build_translation_game, translator_config
    from image.translate.monitor import TranslationMonitor
    from image.translate.patches import Crops

    if config.steps is None and config.images is None and config.minutes is None:
        config = replace(config, minutes=DEFAULT_MINUTES)
    data = load_pairs(config.data or DEFAULT_DATA[config.task], config.task, config.patch, config.reverse)
    if data.skipped:
        print(f"{PROGRAM}: skipped {count_reasons(data.skipped)}", file=sys.stderr)
    out = config.out or Path("runs") / f"image-{data.name}-{config.task}"
    open_run(out, config)
    introduce(PROGRAM, out, data.training, len(data.validation) + len(data.test))
    trainer = Trainer(config, out)
    monitor = TranslationMonitor(config, data, translator_config(config), trainer.device)
    progress = trainer.fit(build_translation_game(config), Crops(data.train, config.patch), monitor)
    if trainer.accelerator.is_main_process:
        conclude(config, out, progress, "patches", "sheets", f"image.translate --weights {out} PICTURE")


if __name__ == "__main__":
    run(main, PROGRAM)
