"""`python -m music.data`: look at a collection of music before hours go into it."""

import sys
from dataclasses import replace
from pathlib import Path

from common.cli import command, run, tell
from music.config import TrainConfig
from music.data.config import DataConfig

PROGRAM = "music.data"
FEWEST = 32  # training windows of which a batch and a judgement can be made


def main(config: DataConfig) -> None:
    """Look at a collection of music before hours go into it: its tunes, what is skipped and why, and how long it takes.

    A table says of each style how many tunes, bars and voices it has, its metres, and how many notes the grid moved.
    How long is told by the first steps of a training, which are played and thrown away. A sheet of piano rolls and
    data.json, which names all tunes, appear in --out. What was parsed stays in the cache, for the training.
    """
    from common.files import folder_for_results, write_json  # torch loads only once the command line is known good
    from common.pictures.sheets import save_picture
    from music.data.inspection import as_json, describe, sheet, table
    from music.data.loading import load_music, suited

    data = load_music(config.data, config.bars)
    out = config.out or Path("runs") / f"{data.name}-data"
    with folder_for_results(out):
        tell(describe(data))
        print(table(data))
        save_picture(sheet(data), out / "rolls.png")
        write_json(out / "data.json", as_json(data))
        train = TrainConfig(
            data=config.data,
            bars=config.bars,
            minutes=config.minutes,
            device=config.device,
            threads=config.threads,
        )
        tell([("time", timed(train, len(data.train)))])
    train = replace(train, grid=suited(data.tunes))
    print(f"wrote {out / 'rolls.png'} and {out / 'data.json'}; then try:\n{command('music.train', train)}")


def timed(train: TrainConfig, windows: int) -> str:
    """What is to be seen of a training when, by its first steps, of which nothing is kept."""
    from common.training.forecast import forecast
    from common.training.launch import trial
    from music.games import prepare

    if windows < FEWEST:
        return f"not told: {windows} windows are too few to train on; with {FEWEST} or more it is"
    print(f"{PROGRAM}: playing the first steps of a training, to time them", file=sys.stderr)
    planned = prepare(train)
    return forecast(trial(planned), planned.examples, planned.milestones)


if __name__ == "__main__":
    run(main, PROGRAM)
