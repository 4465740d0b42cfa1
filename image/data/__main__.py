"""`python -m image.data`: look at a data set before hours go into it."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from common.cli import command, run, tell
from image.config import TrainConfig
from image.data.config import DataConfig

if TYPE_CHECKING:
    from image.data.loading import ImageData

PROGRAM = "image.data"


def main(config: DataConfig) -> None:
    """Look at a data set before hours go into it: what is in it, what to train on it, and how long that will take.

    How long is told by the first steps of such a training, which are played and thrown away. A contact sheet of
    training pictures and data.json, which names all files in question, appear in --out.
    """
    from common.files import folder_for_results, write_json  # torch loads only once the command line is known good
    from common.pictures.sheets import save_picture
    from common.training.devices import peak_memory, pick_device
    from image.data.advice import choose_size
    from image.data.inspection import as_json, contact_sheet, describe, read_headers
    from image.data.likeness import find_alike
    from image.data.loading import load_images

    headers = read_headers(config.data)
    size, why = choose_size(config.size, [min(header.width, header.height) for header in headers] or [0])
    data = load_images(config.data, size, config.fit, config.grey)
    likeness = find_alike(data)
    out = config.out or Path("runs") / f"{data.name}-data"
    with folder_for_results(out):
        tell(describe(data, headers, likeness))
        print(f"{PROGRAM}: playing the first steps of a training, to time them", file=sys.stderr)
        train, told, reasons = recommend(config, data)
        tell([("size", f"--size {size}: {why}"), *reasons, ("time", told)])
        memory = peak_memory(pick_device(config.device))
        tell([("memory", f"{memory / 1e9:.1f} GB at most up to here")] if memory else [])
        save_picture(contact_sheet(data), out / "contact-sheet.png")
        write_json(out / "data.json", as_json(data, headers, likeness))
    print(f"wrote {out / 'contact-sheet.png'} and {out / 'data.json'}; then try:\n{command('image.train', train)}")


def recommend(config: DataConfig, data: "ImageData") -> tuple[TrainConfig, str, list[tuple[str, str]]]:
    """The training to begin with, what is to be seen of it when, and why it is the one, under headings."""
    from common.training.forecast import forecast
    from common.training.launch import trial
    from image.data.advice import choose_core, told_augmentation, told_mirror
    from image.games import are_few, is_large, prepare

    few = is_large(data) and not data.spec.classes and are_few(len(data.train), TrainConfig.latent)
    train = TrainConfig(
        data=config.data,
        size=data.spec.size,
        fit=config.fit,
        grey=config.grey,
        core="cgan" if data.spec.classes else "vae" if few else "gan",
        minutes=config.minutes,
        device=config.device,
        threads=config.threads,
    )
    run = prepare(train)
    rate = trial(run)
    core, why = choose_core(bool(data.spec.classes), 60 * config.minutes * rate, few)
    if core != train.core:
        train = replace(train, core=core)
        run = prepare(train)
        rate = trial(run)
    assert isinstance(run.config, TrainConfig)
    reasons = [
        ("core", f"--core {core}: {why}"),
        ("augmentation", told_augmentation(run.config.augment, len(data.train))),
        ("mirroring", told_mirror(run.config.mirror)),
    ]
    return train, forecast(rate, run.examples, run.milestones), reasons


if __name__ == "__main__":
    run(main, PROGRAM)
