"""From settings to the game of a translator: adversarial and pixel losses (Isola et al. 2017: pix2pix)."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from common.cores.game import Batch, Game
from common.cores.gan import GanGame, pixel_loss, psnr_loss
from common.data.arrays import count_reasons
from common.randomness import Draw, mix
from common.training.devices import pick_device
from common.training.launch import Run
from common.training.runs import folder_of, recorded
from image.config import Finish
from image.translate.config import DEFAULT_DATA, WIDTHS, Difference, TaskName, TrainConfig
from image.translate.data import load_pairs
from image.translate.monitor import TranslationMonitor
from image.translate.networks import PatchCritic, Translator, TranslatorConfig
from image.translate.patches import Crops
from image.translate.tasks import TASKS

LR = 2e-4
DIFFERENCES: dict[Difference, Callable[..., Tensor]] = {"absolute": pixel_loss, "psnr": psnr_loss}


def prepare(config: TrainConfig) -> Run:
    """What `image.translate.train` carries out.

    Raises:
        UserError: the data are of no use.
    """
    data = load_pairs(config.data or DEFAULT_DATA[config.task], config.task, config.patch, config.reverse)
    name = f"image-{data.name}-{config.task}"
    config = settled(config, name)
    return Run(
        "image.translate.train",
        config,
        name,
        build_translation_game(config),
        Crops(data.train, config.patch),
        TranslationMonitor(config, data, translator_config(config), pick_device(config.device)),
        examples="patches",
        sheets="sheets",
        sources="pictures",
        training=data.training,
        held_out=len(data.validation) + len(data.test),
        then=lambda out: f"try: python -m image.translate --weights {out} PICTURE",
        skipped=count_reasons(data.skipped) if data.skipped else "",
    )


def settled(config: TrainConfig, name: str) -> TrainConfig:
    """The settings with the last layers decided or, of a run that goes on, as it began with.

    Args:
        name: of the folder of the run where --out names none.
    """
    usual = usual_finish(config.task)
    if config.resume:
        usual = recorded(folder_of(config, name)).get("finish", "shuffle")  # of runs that do not tell
    return replace(config, finish=config.finish or usual)


def usual_finish(task: TaskName) -> Finish:
    """The last layers where --finish names none."""
    return "smooth" if task == "edges" else "shuffle"


def translator_config(config: TrainConfig) -> TranslatorConfig:
    """The translator that a run's settings ask for."""
    return TranslatorConfig(config.task, WIDTHS[config.net_size], finish=config.finish or usual_finish(config.task))


def build_translation_game(config: TrainConfig) -> Game:
    """The game of a translator and a critic of patches, or of the translator alone; initialised from the seed.

    The condition is the source, beside which the critic judges what was made of it.
    """
    torch.manual_seed(mix(config.seed, 0))
    task, translator = TASKS[config.task], Translator(translator_config(config))
    critic = PatchCritic(config.task, config.critic_width)

    def content(made: Tensor, batch: Batch, draw: Draw, source: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        target = _channels_last(task.target(batch))
        pixel = DIFFERENCES[config.difference](made, target, task.weight(source, target, config.saturation))
        return config.pixel * pixel if config.adversarial else pixel, {"pixel": pixel}

    return GanGame(
        translator,
        critic if config.adversarial else None,
        config,
        lambda batch: _channels_last(task.target(batch)),
        read_condition=lambda batch, draw: _channels_last(task.source(batch, draw, True)),
        latent=0,
        adversarial=config.adversarial,
        content=content,
        default_lr=LR,
    ).game()


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)
