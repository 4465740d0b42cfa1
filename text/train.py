"""`python -m text.train`: train a writer."""

import sys
from dataclasses import replace
from pathlib import Path

from common.cli import run
from text.config import TrainConfig

PROGRAM = "text.train"
DEFAULT_LIMITS = {  # where none is given: whichever comes first
    "vae": {"images": 400_000, "minutes": 10.0},
    "gan": {"images": 1_000_000, "minutes": 5.0},
}


def main(config: TrainConfig) -> None:
    """Train a VAE that writes texts; with no flags, verses in the manner of the Bible's books.

    Samples, curves, checkpoints and a weights folder appear in --out; `python -m text.generate --weights DIR` works
    from the first checkpoint on. --core gan then learns to draw latents of the trained --weights.
    """
    from common.data.arrays import count_reasons  # torch loads only once the command line is known to be good
    from common.training.runs import check_batch, conclude, introduce, open_run
    from common.training.trainer import Trainer
    from text.games import prepare

    if config.steps is None and config.images is None and config.minutes is None:
        config = replace(config, **DEFAULT_LIMITS[config.core])
    game, data, arrays, monitor = prepare(config)
    if data.skipped:
        print(f"{PROGRAM}: skipped {count_reasons(data.skipped, 'texts')}", file=sys.stderr)
    out = config.out or Path("runs") / f"text-{data.name}-{config.core}"
    check_batch(config, len(arrays))
    open_run(out, config)
    introduce(PROGRAM, out, len(arrays), len(data.test))
    trainer = Trainer(config, out)
    if trainer.accelerator.is_main_process:
        data.tokenizer.save(out)
    progress = trainer.fit(game, arrays, monitor)
    if trainer.accelerator.is_main_process:
        sampler = " --sampler gan" if config.core == "gan" else ""
        conclude(config, out, progress, "texts", "texts", f"text.generate --weights {out}{sampler}")


if __name__ == "__main__":
    run(main, PROGRAM)
