"""From settings to a game: networks of text joined with a core."""

import torch
from torch import Tensor

from common.cores.conditions import dropping
from common.cores.game import Batch, Game, OptimizerConfig, Player
from common.cores.gan import GanGame
from common.cores.vae import DEFAULT_LR, vae_loss, warm_up
from common.data.arrays import Arrays, count_reasons
from common.data.batches import Batches
from common.data.pieces import END, UNKNOWN
from common.errors import UserError
from common.randomness import Draw, mix
from common.training.beginning import begin_with
from common.training.devices import pick_device
from common.training.forecast import Milestone
from common.training.launch import Run
from text.config import LAYERS, WIDTHS, TrainConfig
from text.data.loading import TextData, load_texts
from text.models import TextModel, load_fitting, load_text_model
from text.monitor import LatentMonitor, TextMonitor, codes
from text.networks import LatentCritic, NetworkConfig, Writer, dropped

CODES = 100_000  # training texts whose latents are learned
CLIP = 100.0  # largest norm of the gradient of nats a text: that of recurrent networks leaps now and then


def prepare(config: TrainConfig) -> Run:
    """What `text.train` carries out.

    Raises:
        UserError: the data or the --weights are of no use.
    """
    begun = load_text_model(config.weights, pick_device(config.device)) if config.weights else None
    if config.core == "vae":
        game, data, arrays, monitor = _texts(config, begun)
    else:
        game, data, arrays, monitor = _latents(config, begun)
    said = _begin(game, begun) if begun and config.core == "vae" else ""
    sampler = " --sampler gan" if config.core == "gan" else ""
    return Run(
        "text.train",
        config,
        f"text-{data.name}-{config.core}",
        game,
        arrays,
        monitor,
        examples="texts",
        sheets="texts",
        training=len(arrays),
        held_out=len(data.test),
        then=lambda out: f"try: python -m text.generate --weights {out}{sampler}",
        skipped=count_reasons(data.skipped, "texts") if data.skipped else "",
        begun=said,
        milestones=[] if config.core == "gan" else [Milestone("words and turns of the texts", 15_000, 15_000)],
        beside=data.tokenizer.files,
        origin=data.train,
    )


def _texts(config: TrainConfig, begun: TextModel | None) -> tuple[Game, TextData, Batches, TextMonitor]:
    """The game of a VAE, the texts, which are also what batches are made of, and the monitor."""
    data = load_texts(config.data, config.vocabulary, config.longest, begun.tokenizer if begun else None)
    if begun and len(data.styles) > len(begun.config.starts):
        few = f"--weights {config.weights} know {len(begun.config.starts)} styles"
        raise UserError(
            f"{few}, and --data {data.name} has {len(data.styles)}; choose other weights, or leave them out"
        )
    network = network_config(config, data)
    monitor = TextMonitor(config, data, network, begun.known if begun else frozenset())
    return build_vae_game(config, network), data, data.train, monitor


def _begin(game: Game, begun: TextModel) -> str:
    """Let a VAE begin with a trained one; the GAN of that one's latents knows nothing of those that it will have."""
    said = begin_with(game, begun.name, begun.network.state_dict())
    writer = game.players[game.product].network
    assert isinstance(writer, Writer)
    writer.has_generator.fill_(False)
    return said


def _latents(config: TrainConfig, model: TextModel | None) -> tuple[Game, TextData, Batches, LatentMonitor]:
    """The game of a GAN of latents, the texts, their latents, of which batches are made, and the monitor."""
    assert model is not None
    data = load_fitting(config.data, model)
    code, label = codes(model.network, data.train, CODES)
    game = build_latent_game(config, model.config, model.network)
    return game, data, Arrays({"code": code, "label": label}), LatentMonitor(config, data, model.config, model.known)


def network_config(config: TrainConfig, data: TextData) -> NetworkConfig:
    """The networks that a run's settings and its texts ask for."""
    return NetworkConfig(
        vocabulary=len(data.tokenizer),
        starts=tuple(data.tokenizer.style(number) for number in range(len(data.styles))) or (END,),
        styles=data.styles,
        decoder=config.decoder,
        width=WIDTHS[config.net_size],
        layers=LAYERS[config.net_size],
        latent=config.latent,
        longest=config.longest,
        dropout=config.dropout,
        normalised=config.normalised,
    )


def build_vae_game(config: TrainConfig, network: NetworkConfig) -> Game:
    """The game of one player, who learns to encode and to write texts; the networks are initialised from the seed."""
    torch.manual_seed(mix(config.seed, 0))
    writer = Writer(network)
    writer.generator.requires_grad_(False)
    vae = writer.vae

    def without(share: float, tokens: Tensor, draw: Draw) -> Tensor:
        # Noise for the longest text, so that it does not depend on how a batch is split over processes.
        return dropped(tokens, draw.uniform(network.longest), share, UNKNOWN) if share else tokens

    def loss(batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        tokens, condition = batch["tokens"], vae.read(batch)
        posterior = vae.encode(without(config.noise, tokens, draw), condition)
        z = posterior.sample(draw.normal(network.latent))
        nll = vae.nll(tokens, z, condition, heard=without(config.word_dropout, tokens, draw))
        beta = config.beta * warm_up(draw.images, config.beta_warm_up)
        total, figures = vae_loss(nll, posterior.kl(), beta, 0.0 if config.normalised else config.free_bits)
        if not config.bag:
            return total, figures
        bag = vae.bag_nll(tokens, z).mean()
        return total + config.bag * bag, figures | {"bag": bag}

    adam = OptimizerConfig(config.lr or DEFAULT_LR, clip=CLIP)
    return Game({"vae": Player(writer, loss, adam, config.average, config.average_ramp)}, product="vae")


def build_latent_game(config: TrainConfig, network: NetworkConfig, writer: Writer) -> Game:
    """The game of two players over the latents of a trained VAE (Zhao et al. 2018, ARAE; here the VAE stays as it is).

    Batches hold "code", samples of the posteriors of texts (N, D), and "label".
    """
    torch.manual_seed(mix(config.seed, 0))
    writer.requires_grad_(False)
    writer.generator.requires_grad_(True)
    condition = writer.generator.condition
    read = None if condition is None else dropping(condition, config.condition_dropout)
    critic = LatentCritic(network)
    return GanGame(writer, critic, config, lambda batch: batch["code"], read, latent=network.latent).game()
