"""`python -m image.data`: look at a data set before hours go into it."""

import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from common.cli import command, run
from image.config import TrainConfig
from image.data.config import DataConfig

if TYPE_CHECKING:
    from image.data.loading import ImageData

PROGRAM = "image.data"
TRIAL = 1.0  # minutes of one, at most


def main(config: DataConfig) -> None:
    """Look at a data set before hours go into it: what is in it, what to train on it, and how long that will take.

    How long is told by the first steps of such a training, which are played and thrown away. A contact sheet of
    training pictures and data.json, which names all files in question, appear in --out.
    """
    from common.files import folder_for_results, write_json  # torch loads only once the command line is known good
    from common.pictures.sheets import save_picture
    from common.training.devices import peak_memory, pick_device
    from common.training.forecast import forecast
    from image.data.advice import choose_size, milestones
    from image.data.inspection import as_json, contact_sheet, describe, read_headers
    from image.data.likeness import find_alike
    from image.data.loading import load_images

    headers = read_headers(config.data)
    size, why = choose_size(config.size, [min(header.width, header.height) for header in headers] or [0])
    data = load_images(config.data, size, config.fit, config.grey)
    likeness = find_alike(data)
    out = config.out or Path("runs") / f"{data.name}-data"
    with folder_for_results(out):
        save_picture(contact_sheet(data), out / "contact-sheet.png")
        write_json(out / "data.json", as_json(data, headers, likeness))
    _tell(describe(data, headers, likeness))
    print(f"{PROGRAM}: playing the first steps of a training, to time them", file=sys.stderr)
    train, rate, reasons = recommend(config, data)
    _tell([("size", f"--size {size}: {why}"), *reasons])
    memory = peak_memory(pick_device(config.device))
    _tell([("time", forecast(rate, "images", milestones(train.core, len(data.train), size)))])
    _tell([("memory", f"{memory / 1e9:.1f} GB at most up to here")] if memory else [])
    print(f"wrote {out / 'contact-sheet.png'} and {out / 'data.json'}; then try:\n{command('image.train', train)}")


def recommend(config: DataConfig, data: "ImageData") -> tuple[TrainConfig, float, list[tuple[str, str]]]:
    """The training to begin with, the images a second that it sees here, and why, under headings."""
    from image.data.advice import choose_augmentation, choose_core

    gan = TrainConfig(
        data=config.data,
        size=data.spec.size,
        fit=config.fit,
        grey=config.grey,
        core="cgan" if data.spec.classes else "gan",
        minutes=int(config.minutes) if config.minutes.is_integer() else config.minutes,
        device=config.device,
        threads=config.threads,
    )
    rate = images_per_second(gan, data)
    core, why_core = choose_core(bool(data.spec.classes), config.minutes, rate)
    augment, why_augment = choose_augmentation(core, len(data.train))
    train = replace(gan, core=core, augment=augment)
    asked = f"--augment {' '.join(augment)}: " if augment else ""
    reasons = [("core", f"--core {core}: {why_core}"), ("augmentation", asked + why_augment)]
    return train, rate if train == gan else images_per_second(train, data), reasons


def images_per_second(config: TrainConfig, data: "ImageData") -> float:
    """How fast a training goes here, by the first steps of it, of which nothing is kept."""
    from common.training.trainer import Trainer
    from image.games import build_game, network_config

    with TemporaryDirectory() as folder:
        trainer = Trainer(replace(config, minutes=TRIAL), Path(folder))
        return trainer.measure(build_game(config, network_config(config, data.spec)), data.train)


def _tell(lines: list[tuple[str, str]]) -> None:
    for heading, text in lines:
        print(f"{heading:<13} {text}")


if __name__ == "__main__":
    run(main, PROGRAM)
