"""From settings to a game: a generator that learns from pixels alone, or against a critic too."""

from dataclasses import replace

import torch
from torch import Tensor

from common.cores.game import Batch, Game, OptimizerConfig, Player
from common.cores.gan import GanGame, Translating
from common.errors import UserError
from common.randomness import Draw, mix
from common.training.devices import pick_device
from superres.config import TrainConfig
from superres.critic import UNetCritic
from superres.data.loading import PhotoData, load_photos, with_shrunk
from superres.data.patches import Patches
from superres.losses import consistency_loss, fidelity_loss, grid_loss
from superres.models import load_generator
from superres.monitor import PhotoMonitor, SharpMonitor
from superres.networks import SIZES, Generator, NetworkConfig, build_generator, grown
from superres.perceptual import Features, feature_distance, load_squeezenet

PIXEL_LR, GAN_LR = 8e-4, 2e-4
PHASES = 8  # pixels that the window of features moves by
CLIP = 0.02  # largest norm of the gradient of a pixel-trained generator, twice the usual one; some leap


def prepare(config: TrainConfig) -> tuple[Game, PhotoData, Patches, PhotoMonitor]:
    """What a run plays: the game of its core, the pictures, what of them batches are made of, and the monitor.

    Raises:
        UserError: the data or the --weights are of no use.
    """
    if config.core == "pixel":
        network = network_config(config)
        data = load_photos(config.data, network.scale, config.degradation, config.patch)
        game, monitor = build_pixel_game(config), PhotoMonitor(config, data, network)
        return game, data, _patches(config, data), monitor
    assert config.weights is not None
    generator, *_ = load_generator(config.weights)
    network = generator.config
    data = load_photos(config.data, network.scale, config.degradation, config.patch)
    features = load_squeezenet(pick_device(config.device))
    monitor = SharpMonitor(config, data, network, features)
    return build_gan_game(config, generator, features), data, _patches(config, data), monitor


def _patches(config: TrainConfig, data: PhotoData) -> Patches:
    pairs = with_shrunk(data.train, config.shrunk, data, config.patch) if config.shrunk < 1 else data.train
    return Patches(pairs, config.patch, data.scale)


def network_config(config: TrainConfig) -> NetworkConfig:
    """The generator that a run's settings ask for."""
    depth, width = SIZES[config.net]
    return NetworkConfig(config.net, config.scale, config.depth or depth, config.width or width)


def build_pixel_game(config: TrainConfig) -> Game:
    """The game of one player, who learns to come as close as can be; the network is initialised from the seed.

    Raises:
        UserError: the --weights are of no use.
    """
    torch.manual_seed(mix(config.seed, 0))
    network = network_config(config)
    generator = build_generator(network) if config.weights is None else _begun(config.weights, network)

    def loss(batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        return fidelity_loss(generator(to_float(batch["low"])).float(), to_float(batch["high"]), config.frequency)

    adam = OptimizerConfig(config.lr or PIXEL_LR, config.betas, clip=CLIP)
    return Game({"generator": Player(generator, loss, adam, config.average, compile=True)}, product="generator")


def _begun(weights: str, network: NetworkConfig) -> Generator:
    """A generator that computes as yet what smaller trained weights do."""
    generator, *_ = load_generator(weights)
    small = generator.config
    if small.scale != network.scale:
        raise UserError(f"--weights {weights} upscale {small.scale} times; choose that --scale, or other weights")
    if small.width > network.width or small.depth > network.depth:
        sizes = f"{small.width} channels and {small.depth} convolutions, more than {network.width} and {network.depth}"
        raise UserError(f"--weights {weights} have {sizes}; choose another --net, --width or --depth")
    return grown(generator, network)


def build_gan_game(config: TrainConfig, generator: Generator, features: Features | None) -> Game:
    """The game of two players about pictures; the critic is initialised from the seed.

    Args:
        generator: trained on pixels.
        features: what the perceptual loss compares; None for what the critic finds.
    """
    torch.manual_seed(mix(config.seed, 0))
    settings = replace(config, lr=config.lr or GAN_LR)
    return UpscalingGame(generator, UNetCritic(config.critic_width), settings, features).game()


class UpscalingGame(GanGame):
    """The GAN core about upscaled pictures, with what keeps them true to the original (Ledig et al. 2017: SRGAN).

    Args:
        network: the generator, whose "latent" is the small picture.
        features: as in `build_gan_game`.
    """

    config: TrainConfig

    def __init__(self, network: Generator, critic: UNetCritic, config: TrainConfig, features: Features | None) -> None:
        super().__init__(
            Translating(network), critic, config, lambda batch: to_float(batch["high"]),
            read_condition=lambda batch, draw: to_float(batch["low"]),
        )  # fmt: skip
        self.network = network
        self.features = critic.features if features is None else features

    def game(self) -> Game:
        """As the core's, with the network itself as the product."""
        game = super().game()
        game.players["generator"].network = self.network
        return game

    def generator_loss(self, batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of adversarial, perceptual, fidelity, consistency and grid losses."""
        config, low, true = self.config, to_float(batch["low"]), self.prepare(batch)
        upscaled = self.network(low).float()
        real_logits = torch.zeros(())
        seen = window(draw)
        with torch.no_grad():
            if self.adversarial.pairs:
                real_logits = self.critic(true).float()
            wanted = self.features(true[seen])
        figures = {
            "generator": self.adversarial.generator(real_logits, self.critic(upscaled).float()),
            "perceptual": feature_distance(self.features(upscaled[seen]), wanted).mean(),
            "consistency": consistency_loss(upscaled, low),
            "grid": grid_loss(upscaled, true, self.network.config.scale),
        }
        fidelity, _ = fidelity_loss(upscaled, true, config.frequency)
        total = (
            config.adversarial * figures["generator"]
            + config.perceptual * figures["perceptual"]
            + config.consistency * figures["consistency"]
            + config.grid * figures["grid"]
            + config.pixel * fidelity
        )
        return total, figures | {"fidelity": fidelity}


def window(draw: Draw) -> tuple[slice, ...]:
    """What features are taken of: 8 rows and columns less than there are, from anywhere in the first 8 on.

    Strided layers are blind to some patterns at some places. The pixels that are made of one would otherwise always
    be at the same places, and such a pattern would grow.
    """
    above, before = divmod(mix(draw.seed, draw.step) % PHASES**2, PHASES)
    return ..., slice(above, above - PHASES), slice(before, before - PHASES)


def to_float(images: Tensor) -> Tensor:
    """uint8 -> float32 in [0, 1]."""
    return images.float() / 255
