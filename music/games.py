"""From settings to a game: music networks joined with a core."""

import torch
from torch import Tensor

from common.cores.game import Batch, Game, OptimizerConfig, Player
from common.cores.gan import GanGame
from common.cores.vae import DEFAULT_LR as VAE_LR
from common.cores.vae import vae_loss, warm_up
from common.data.arrays import count_reasons
from common.randomness import Draw, mix
from common.training.beginning import begin_with
from common.training.devices import pick_device
from common.training.forecast import Milestone
from common.training.launch import Run
from music.config import WIDTHS, TrainConfig
from music.data.loading import load_music
from music.models import load_music_model
from music.monitor import MusicMonitor
from music.networks import Composer, MusicCritic
from music.rolls import MusicContext, MusicSpec, NetworkConfig, read_condition, rolls

DEFAULT_LR = 3e-4  # of the composer
HEAD_START = 10_000  # windows from which a new critic learns what trained weights still lack


def prepare(config: TrainConfig) -> Run:
    """What `music.train` carries out.

    Raises:
        UserError: the data are of no use.
    """
    begun = load_music_model(config.weights) if config.weights else None
    sizes = begun.config if begun else config
    data = load_music(config.data, sizes.bars, sizes.grid)
    network = network_config(config, data.spec, begun.config if begun else None)
    game = build_game(config, network)
    said = begin_with(game, begun.name, begun.network.state_dict()) if begun else ""
    return Run(
        "music.train",
        config,
        f"music-{data.name}-{config.core}",
        game,
        data.train,
        MusicMonitor(config, data, network, pick_device(config.device)),
        examples="windows",
        sheets="rolls",
        training=len(data.train),
        held_out=len(data.test),
        then=lambda out: f"try: python -m music.generate --weights {out} --out song.mid",
        skipped=count_reasons(data.skipped, "tunes") if data.skipped else "",
        begun=said,
        milestones=[Milestone("notes in the scale and chords", 10_000, 10_000)],
    )


def network_config(config: TrainConfig, spec: MusicSpec, begun: NetworkConfig | None = None) -> NetworkConfig:
    """The networks that a run's settings and its music ask for.

    Args:
        begun: of the trained networks with which the run begins, whose sizes take the place of the settings'.
    """
    if begun is not None:
        return NetworkConfig(**vars(spec), width=begun.width, latent=begun.latent, bar_latent=begun.bar_latent)
    width = WIDTHS[config.net_size]
    return NetworkConfig(**vars(spec), width=width, latent=config.latent, bar_latent=config.bar_latent)


def build_game(config: TrainConfig, network: NetworkConfig) -> Game:
    """The game of the run's core, its networks initialised from the seed."""
    torch.manual_seed(mix(config.seed, 0))
    read, composer = read_condition(network, config.condition_dropout), Composer(network)
    vae, notation, cells = composer.vae, composer.notation, len(network.tracks) * network.steps

    def content(batch: Batch, draw: Draw, condition: MusicContext) -> tuple[Tensor, dict[str, Tensor]]:
        """The VAE's loss, by nats a track and step, and the parallels in what it makes of real windows."""
        real = rolls(batch)
        posterior = vae.encode(real, condition)
        output = vae.decode(posterior.sample(draw.normal(network.latents)), condition)
        beta = config.beta * warm_up(draw.images, config.beta_warm_up)
        bound, figures = vae_loss(vae.likelihood.nll(output, real), posterior.kl(), beta, config.free_bits)
        ours, theirs = (notation.parallels(roll, condition) for roll in (vae.likelihood.mean(output), real))
        figures["parallels"] = (ours - theirs).relu().mean()
        return bound / cells + config.parallels * figures["parallels"], figures

    if config.core == "vae":
        adam = OptimizerConfig(config.lr or VAE_LR)

        def loss(batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
            return content(batch, draw, read(batch, draw))

        player = Player(composer, loss, adam, config.average, config.average_ramp)
        return Game({"vae": player}, product="vae")

    def extra(made: Tensor, batch: Batch, draw: Draw, condition: MusicContext) -> tuple[Tensor, dict[str, Tensor]]:
        loss = config.content * content(batch, draw, condition)[0]
        return loss, {"content": loss}

    return GanGame(
        composer,
        MusicCritic(network),
        config,
        rolls,
        read,
        latent=network.latents,
        content=extra,
        default_lr=DEFAULT_LR,
        head_start=HEAD_START if config.weights else 0,
    ).game()
