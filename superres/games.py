"""From settings to a game: a generator that learns from pixels alone, or against a critic too."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from common.cores.game import Batch, Game
from common.cores.gan import Content, GanGame
from common.data.arrays import count_reasons
from common.errors import UserError
from common.pictures.perceptual import Features, feature_distance, load_squeezenet, window
from common.randomness import Draw, mix
from common.training.devices import pick_device
from common.training.forecast import Milestone
from common.training.launch import Run
from superres.config import TrainConfig
from superres.critic import UNetCritic
from superres.data.loading import load_photos, with_shrunk
from superres.data.patches import Patches
from superres.data.second_order import degrade_twice
from superres.losses import consistency_loss, fidelity_loss, grid_loss
from superres.models import load_generator, load_superres_model
from superres.monitor import PhotoMonitor, SharpMonitor
from superres.networks import ATTENTIVE, SIZES, Generator, NetworkConfig, branched, build_generator, grown

PIXEL_LR, GAN_LR = 1e-3, 2e-4
CLIP = 0.02  # largest norm of the gradient of a pixel-trained generator, twice the usual one; some leap


def prepare(config: TrainConfig) -> Run:
    """What `superres.train` carries out.

    Raises:
        UserError: the data or the --weights are of no use.
    """
    begun = load_generator(config.weights)[0] if config.core == "gan" and config.weights else None
    network = network_config(config) if begun is None else begun.config
    data = load_photos(config.data, network.scale, config.degradation, config.patch)
    if begun is None:
        game, monitor = build_pixel_game(config), PhotoMonitor(config, data, network)
    else:
        features = load_squeezenet(pick_device(config.device))
        game, monitor = build_gan_game(config, begun, features), SharpMonitor(config, data, network, features)
    pairs = with_shrunk(data.train, config.shrunk, data, config.patch) if config.shrunk < 1 else data.train

    is_anew = data.degradation == "second-order"

    def degrade(high: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
        return degrade_twice(high, network.scale, mix(config.seed, number))

    return Run(
        "superres.train",
        config,
        f"superres-{data.name}-x{data.scale}-{config.net}-{config.core}",
        game,
        Patches(pairs, config.patch, data.scale, config.detail, degrade if is_anew else None),
        monitor,
        examples="patches",
        sheets="crops",
        sources="pictures",
        training=len(data.train),
        held_out=len(data.validation),
        then=lambda out: f"try: python -m superres.upscale --weights {out} PICTURE",
        skipped=count_reasons(data.skipped, "pictures") if data.skipped else "",
        begun=f"begins as {config.weights}" if config.weights and begun is None else "",  # twins are to differ
        milestones=[Milestone("better than bicubic", 2_000, 2_000)] if config.weights is None else [],
    )


def network_config(config: TrainConfig) -> NetworkConfig:
    """The generator that a run's settings ask for."""
    depth, width = SIZES[config.net]
    attention = config.net in ATTENTIVE
    return NetworkConfig(config.net, config.scale, config.depth or depth, config.width or width, attention)


def build_pixel_game(config: TrainConfig) -> Game:
    """The game of one player, who learns to come as close as can be; the network is initialised from the seed.

    Raises:
        UserError: the --weights are of no use.
    """
    torch.manual_seed(mix(config.seed, 0))
    network = network_config(config)
    generator = build_generator(network) if config.weights is None else _begun(config.weights, network)
    teach = None if config.teacher is None else _teacher(config.teacher, network.scale)

    def content(made: Tensor, batch: Batch, draw: Draw, low: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        loss, figures = fidelity_loss(made.float(), to_float(batch["high"]), config.frequency)
        if teach is None:
            return loss, figures
        figures["taught"] = fidelity_loss(made.float(), teach(low), config.frequency)[0]
        return loss.lerp(figures["taught"], config.taught), figures

    return _game(config, generator, None, content)


def _teacher(weights: str, scale: int) -> Callable[[Tensor], Tensor]:
    """What trained weights make of small pictures, in [0, 1], to learn from (Hinton et al. 2015).

    Raises:
        UserError: they are of another scale.
    """
    model = load_superres_model(weights)
    if model.scale != scale:
        raise UserError(f"--teacher {weights} upscales {model.scale} times; choose that --scale, or other weights")

    @torch.no_grad()
    def teach(low: Tensor) -> Tensor:
        return model.network.to(low.device)(low).float().clamp(0, 1)

    return teach


def _begun(weights: str, network: NetworkConfig) -> Generator:
    """A generator that computes as yet what trained weights do, which may be smaller if they are without attention."""
    generator, *_ = load_generator(weights)
    small = generator.config
    if small.scale != network.scale:
        raise UserError(f"--weights {weights} upscale {small.scale} times; choose that --scale, or other weights")
    if small.attention or network.attention:
        if (small.depth, small.width, small.attention) != (network.depth, network.width, network.attention):
            raise UserError(f"--weights {weights} are of another network; choose its --net, --width and --depth")
        return branched(generator)
    if small.width > network.width or small.depth > network.depth:
        sizes = f"{small.width} channels and {small.depth} convolutions, more than {network.width} and {network.depth}"
        raise UserError(f"--weights {weights} have {sizes}; choose another --net, --width or --depth")
    return grown(generator, network)


def build_gan_game(config: TrainConfig, generator: Generator, features: Features | None) -> Game:
    """The game of two players about pictures; the critic is initialised from the seed.

    Beside the critic stands what keeps upscaled pictures true to the original (Ledig et al. 2017: SRGAN): perceptual,
    fidelity, consistency and grid losses.

    Args:
        generator: trained on pixels.
        features: what the perceptual loss compares; None for what the critic finds.
    """
    torch.manual_seed(mix(config.seed, 0))
    critic = UNetCritic(config.critic_width)
    compared = critic.features if features is None else features

    def content(made: Tensor, batch: Batch, draw: Draw, low: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        upscaled, true, seen = made.float(), to_float(batch["high"]), window(draw)
        with torch.no_grad():
            wanted = compared(true[seen])
        figures = {
            "perceptual": feature_distance(compared(upscaled[seen]), wanted).mean(),
            "consistency": consistency_loss(upscaled, low),
            "grid": grid_loss(upscaled, true, generator.config.scale),
            "fidelity": fidelity_loss(upscaled, true, config.frequency)[0],
        }
        total = (
            config.perceptual * figures["perceptual"]
            + config.consistency * figures["consistency"]
            + config.grid * figures["grid"]
            + config.pixel * figures["fidelity"]
        )
        return total, figures

    return _game(config, generator, critic, content)


def _game(config: TrainConfig, generator: Generator, critic: UNetCritic | None, content: Content) -> Game:
    """The core's game; the condition, and all that the generator gets, is the small picture."""
    return GanGame(
        generator,
        critic,
        config,
        lambda batch: to_float(batch["high"]),
        read_condition=lambda batch, draw: to_float(batch["low"]),
        latent=0,
        adversarial=config.adversarial,
        content=content,
        default_lr=PIXEL_LR if critic is None else GAN_LR,
        clip=CLIP if critic is None else None,
        optimizer="muon" if critic is None else "adam",
    ).game()


def to_float(images: Tensor) -> Tensor:
    """uint8 -> float32 in [0, 1]."""
    return images.float() / 255
