"""`python -m music.train`: train a composer."""

import sys
from dataclasses import replace
from pathlib import Path

from common.cli import run
from music.config import TrainConfig

PROGRAM = "music.train"
DEFAULT_LIMITS = {"images": 400_000, "minutes": 10.0}  # where none is given: whichever comes first


def main(config: TrainConfig) -> None:
    """Train a composer; with no flags, of four-part chorales.

    One network composes from nothing, harmonises given voices, continues given bars and goes from one piece to another.
    Piano rolls, curves, checkpoints and a weights folder appear in --out; `python -m music.generate --weights DIR`
    works from the first checkpoint on.
    """
    from common.data.arrays import count_reasons  # torch loads only once the command line is known to be good
    from common.training.devices import pick_device
    from common.training.runs import check_batch, conclude, introduce, open_run
    from common.training.trainer import Trainer
    from music.data.loading import load_music
    from music.games import build_game, network_config
    from music.monitor import MusicMonitor

    if config.steps is None and config.images is None and config.minutes is None:
        config = replace(config, **DEFAULT_LIMITS)
    data = load_music(config.data, config.bars)
    if data.skipped:
        print(f"{PROGRAM}: skipped {count_reasons(data.skipped, 'tunes')}", file=sys.stderr)
    network = network_config(config, data.spec)
    game = build_game(config, network)
    out = config.out or Path("runs") / f"music-{data.name}-{config.core}"
    monitor = MusicMonitor(config, data, network, pick_device(config.device))
    check_batch(config, len(data.train))
    open_run(out, config)
    introduce(PROGRAM, out, len(data.train), len(data.test))
    trainer = Trainer(config, out)
    progress = trainer.fit(game, data.train, monitor)
    if trainer.accelerator.is_main_process:
        conclude(config, out, progress, "windows", "rolls", f"music.generate --weights {out} --out song.mid")


if __name__ == "__main__":
    run(main, PROGRAM)
