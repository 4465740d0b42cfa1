"""From settings to a game: image networks joined with a core."""

import torch
from torch import Tensor, nn

from common.cores.augment import Augmentation
from common.cores.conditions import dropping
from common.cores.game import Batch, Game
from common.cores.gan import GanGame
from common.cores.vae import vae_game
from common.errors import UserError
from common.randomness import Draw, mix
from image.config import WIDTHS, TrainConfig
from image.data.loading import Captions, ImageSpec, to_batch_images
from image.models import ImageModel, load_image_model
from image.networks import NetworkConfig, build_critic, build_generator, build_vae
from image.prompts import PromptTokenizer


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


def build_game(config: TrainConfig, network: NetworkConfig, begun: nn.Module | None = None) -> Game:
    """The game of the run's core, its networks initialised from the seed.

    Args:
        begun: a trained generator of that network to begin as.

    Raises:
        UserError: no network has that side.
    """
    torch.manual_seed(mix(config.seed, 0))
    if config.core in ("vae", "cvae"):
        return vae_game(build_vae(network), config, to_batch_images)
    generator, critic = begun or build_generator(network), build_critic(network)
    augmentation = Augmentation(config, config.batch) if config.augment else None
    condition = generator.condition
    read = None if condition is None else dropping(condition, config.condition_dropout)
    swap = condition.swap if network.pieces else None
    kind = DescribedGame if network.pieces else GanGame
    game = kind(
        generator,
        critic,
        config,
        to_batch_images,
        read,
        augmentation,
        network.latent,
        swap=swap,
        mismatch=config.mismatch,
    )
    return game.game() if config.adversarial else game.game_of_pixels()


class DescribedGame(GanGame):
    """The GAN core about described pictures, which may also be told how far it is from the very picture described.

    Pixels alone (`game_of_pixels`) teach without a critic: more pictures in the same time, but blurred.
    """

    config: TrainConfig

    def game_of_pixels(self) -> Game:
        """The generator alone, who learns to come as close as can be."""
        game = self.game()
        del game.players["critic"]
        return game

    def generator_loss(self, batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of the adversarial loss and the mean absolute difference."""
        raw = self._condition(batch, draw)
        fake = self.generator(draw.normal(self.latent), raw)
        loss, figures = torch.zeros((), device=fake.device), dict[str, Tensor]()
        if self.config.adversarial:
            figures["generator"] = self._fooling(fake, batch, draw, raw)
            loss = loss + self.config.adversarial * figures["generator"]
        if self.config.pixel:
            figures["pixel"] = (fake.float() - self.to_batch_images(batch)).abs().mean()
            loss = loss + self.config.pixel * figures["pixel"]
        return loss, figures


def begin(weights: str, spec: ImageSpec, captions: Captions) -> tuple[ImageModel, PromptTokenizer]:
    """A trained model of described pictures to go on with, and its vocabulary.

    Raises:
        UserError: it is none, or not of such pictures.
    """
    model = load_image_model(weights)
    if model.tokenizer is None:
        raise UserError(f"--weights {weights} take no descriptions; name weights of --core tgan")
    side, channels = model.config.side, model.config.channels
    if (spec.size, spec.channels) != (side, channels):
        told = f"the data have {spec.size} x {spec.size} with {spec.channels}; choose --size {side} or other weights"
        raise UserError(f"--weights {weights} draw {side} x {side} pixels with {channels} channels, {told}")
    return model, model.tokenizer.knowing(captions)
