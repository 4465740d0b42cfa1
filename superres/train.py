"""`python -m superres.train`: train a generator that upscales pictures."""

import sys
from dataclasses import replace
from pathlib import Path

from common.cli import run
from superres.config import TrainConfig

PROGRAM = "superres.train"
DEFAULT_MINUTES = 30.0  # where no limit is given


def main(config: TrainConfig) -> None:
    """Train a network that upscales pictures; with no flags, four times, on the photos that come with the packages.

    Samples, curves, checkpoints and a weights folder appear in --out; `python -m superres.upscale --weights DIR` works
    from the first checkpoint on. Training may begin as trained --weights, also with a larger --net. --core gan makes
    trained --weights sharper; call its --out as theirs with -gan behind it, and --sharpness blends the two.
    """
    from common.data.arrays import count_reasons  # torch loads only once the command line is known to be good
    from common.training.runs import conclude, open_run
    from common.training.trainer import Trainer
    from superres.games import prepare

    if config.steps is None and config.images is None and config.minutes is None:
        config = replace(config, minutes=DEFAULT_MINUTES)
    game, data, patches, monitor = prepare(config)
    if data.skipped:
        print(f"{PROGRAM}: skipped {count_reasons(data.skipped, 'pictures')}", file=sys.stderr)
    out = config.out or Path("runs") / f"superres-{data.name}-x{data.scale}-{config.net}-{config.core}"
    open_run(out, config)
    trainer = Trainer(config, out)
    if trainer.accelerator.is_main_process:
        counts = f"{len(data.train):,} pictures to train on, {len(data.validation):,} for validation"
        print(f"{PROGRAM}: {counts}; writing to {out}", file=sys.stderr)
    progress = trainer.fit(game, patches, monitor)
    if trainer.accelerator.is_main_process:
        conclude(config, out, progress, "patches", "crops", f"superres.upscale --weights {out} PICTURE")


if __name__ == "__main__":
    run(main, PROGRAM)
