"""`python -m image.train`: train a generative model of images."""

import sys
from dataclasses import replace
from pathlib import Path

from common.cli import run
from image.config import TrainConfig

PROGRAM = "image.train"
DEFAULT_LIMITS = {"images": 200_000, "minutes": 8.0}  # where none is given: whichever comes first


def main(config: TrainConfig) -> None:
    """Train a generative model of images; with no flags, a class-conditional GAN of digits.

    Sheets, curves, checkpoints and a weights folder appear in --out; `python -m image.generate --weights DIR` works
    from the first checkpoint on.
    """
    # torch loads only once the command line is known to be good
    from common.data.arrays import Arrays, FamilyArrays, count_reasons
    from common.training.runs import check_batch, conclude, introduce, open_run
    from common.training.trainer import Trainer
    from image.data.loading import described, load_images
    from image.games import begin, build_game, network_config
    from image.monitor import ImageMonitor
    from image.networks import stages
    from image.prompts import PromptTokenizer

    if config.size is not None:
        stages(config.size)  # refuses a side of which no network is, before thousands of pictures are decoded to it
    if config.steps is None and config.images is None and config.minutes is None:
        config = replace(config, **DEFAULT_LIMITS)
    data = load_images(config.data, config.size, config.fit, config.grey)
    if data.skipped:
        print(f"{PROGRAM}: skipped {count_reasons(data.skipped)}", file=sys.stderr)
    tokenizer = begun = None
    if config.core == "tgan":
        data, captions, _ = described(data)
        if config.weights is None:
            tokenizer = PromptTokenizer.learn(captions, config.vocabulary, config.longest)
        else:
            begun, tokenizer = begin(config.weights, data.spec, captions)
        tensors = data.train.tensors | {"text": tokenizer.all_tokens(captions)}
        data = replace(data, train=FamilyArrays(tensors, captions.families) if config.families else Arrays(tensors))
    elif not data.spec.classes:
        config = replace(config, core=config.core.removeprefix("c"))
    network = begun.config if begun else network_config(config, data.spec, len(tokenizer.pieces) if tokenizer else 0)
    game = build_game(config, network, begun and begun.network)
    out = config.out or Path("runs") / f"image-{data.name}-{config.core}"
    check_batch(config, len(data.train))
    open_run(out, config)
    introduce(PROGRAM, out, len(data.train), len(data.test))
    trainer = Trainer(config, out)
    if tokenizer and trainer.accelerator.is_main_process:
        tokenizer.pieces.save(out)
    progress = trainer.fit(game, data.train, ImageMonitor(config, data, network, trainer.device, tokenizer))
    if trainer.accelerator.is_main_process:
        asked = ' --text "..."' if tokenizer else ""
        conclude(config, out, progress, "images", "sheets", f"image.generate --weights {out}{asked} --out sheet.png")


if __name__ == "__main__":
    run(main, PROGRAM)
