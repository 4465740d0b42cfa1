"""From settings to a game: image networks joined with a core."""

import torch

from common.augment import Augmentation
from common.cgan import dropping
from common.game import Game, mix
from common.gan import GanGame
from common.vae import vae_game
from image.config import WIDTHS, TrainConfig
from image.data import ImageSpec
from image.networks import NetworkConfig, build_critic, build_generator, build_vae
from image.studio import prepare


def network_config(config: TrainConfig, spec: ImageSpec, pieces: int = 0) -> NetworkConfig:
    """The networks that a run's settings and its images ask for.

    Args:
        pieces: of the vocabulary of descriptions, if these are the condition.
    """
    return NetworkConfig(
        net=config.net,
        side=spec.size,
        channels=spec.channels,
        width=WIDTHS[config.net_size],
        latent=config.latent,
        classes=len(spec.classes) if config.core.startswith("c") else 0,
        pieces=pieces,
        longest=config.longest if pieces else 0,
        spectral_norm=config.spectral_norm,
        likelihood=config.likelihood,
        output=config.output,
    )


def build_game(config: TrainConfig, network: NetworkConfig) -> Game:
    """The game of the run's core, its networks initialised from the seed.

    Raises:
        UserError: no network has that side.
    """
    torch.manual_seed(mix(config.seed, 0))
    if config.core in ("vae", "cvae"):
        return vae_game(build_vae(network), config, prepare)
    generator, critic = build_generator(network), build_critic(network)
    augmentation = Augmentation(config, config.batch) if config.augment else None
    condition = generator.condition
    read = None if condition is None else dropping(condition, config.condition_dropout)
    swap = condition.swap if network.pieces else None
    return GanGame(generator, critic, config, prepare, read, augmentation, swap=swap, mismatch=config.mismatch).game()
