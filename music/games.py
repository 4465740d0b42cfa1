"""From settings to a game: music networks joined with a core."""

import torch
from torch import Tensor

from common.game import Batch, Draw, Game, mix
from common.gan import GanGame
from music.config import WIDTHS, TrainConfig
from music.data import MusicSpec
from music.networks import Composer, MusicCritic, NetworkConfig, read_condition, rolls


def network_config(config: TrainConfig, spec: MusicSpec) -> NetworkConfig:
    """The networks that a run's settings and its music ask for."""
    return NetworkConfig(
        tracks=spec.tracks,
        low=spec.low,
        high=spec.high,
        bars=spec.bars,
        bar_steps=spec.bar_steps,
        metres=spec.metres,
        styles=spec.styles,
        width=WIDTHS[config.net_size],
        latent=config.latent,
        bar_latent=config.bar_latent,
    )


def build_game(config: TrainConfig, network: NetworkConfig) -> Game:
    """The game of two players, their networks initialised from the seed."""
    torch.manual_seed(mix(config.seed, 0))
    read, composer = read_condition(network, config.condition_dropout), Composer(network)

    def content(batch: Batch, draw: Draw) -> Tensor:
        z = draw.normal(network.latents)
        return config.content * composer.surprise(z, read(batch, draw), rolls(batch))

    extra = content if config.content else None
    critic = MusicCritic(network)
    return GanGame(composer, critic, config, rolls, read, latent=network.latents, content=extra).game()
