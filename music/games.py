"""From settings to a game: music networks joined with a core."""

from dataclasses import replace

import torch
from torch import Tensor

from common.game import Batch, Draw, Game, mix
from common.gan import GanGame
from common.vae import vae_game, vae_loss, warm_up
from music.config import WIDTHS, TrainConfig
from music.data import MusicSpec
from music.networks import Composer, MusicCritic
from music.rolls import Condition, NetworkConfig, read_condition, rolls

DEFAULT_LR = 3e-4  # of the composer


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
    """The game of the run's core, its networks initialised from the seed."""
    torch.manual_seed(mix(config.seed, 0))
    read, composer = read_condition(network, config.condition_dropout), Composer(network)
    vae, notation, cells = composer.vae, composer.notation, len(network.tracks) * network.steps
    if config.core == "vae":
        game = vae_game(vae, replace(config, latent=network.latents), rolls, read)
        game.players["vae"].network = composer  # the product, as a GAN's
        return game

    def content(batch: Batch, draw: Draw, fake: Tensor, condition: Condition) -> Tensor:
        real = rolls(batch)
        nll, kl = vae(real, draw.normal(network.latents), condition)
        bound, _ = vae_loss(nll, kl, config.beta * warm_up(draw.images, config.beta_warm_up), config.free_bits)
        ours, theirs = (notation.parallels(roll, condition) for roll in (fake, real))
        return config.content / cells * bound + config.parallels * (ours - theirs).relu().mean()

    critic, settings = MusicCritic(network), replace(config, lr=config.lr or DEFAULT_LR)
    return GanGame(composer, critic, settings, rolls, read, latent=network.latents, content=content).game()
