"""From settings to the game of a translator: adversarial and pixel losses (Isola et al. 2017: pix2pix)."""

import torch
from torch import Tensor

from common.cores.game import Batch, Game, OptimizerConfig, Player
from common.cores.gan import GanGame, Translating
from common.randomness import Draw, mix
from image.translate.config import WIDTHS, TrainConfig
from image.translate.networks import PatchCritic, Translator, TranslatorConfig
from image.translate.tasks import TASKS

LR = 2e-4


def translator_config(config: TrainConfig) -> TranslatorConfig:
    """The translator that a run's settings ask for."""
    return TranslatorConfig(config.task, WIDTHS[config.net_size])


def build_translation_game(config: TrainConfig) -> Game:
    """The game of a translator and a critic of patches, or of the translator alone; initialised from the seed."""
    torch.manual_seed(mix(config.seed, 0))
    translator = Translator(translator_config(config))
    game = TranslationGame(translator, PatchCritic(config.task, config.critic_width), config)
    return game.game() if config.adversarial else game.game_of_pixels()


class TranslationGame(GanGame):
    """The GAN core about translated pictures, each judged beside its source.

    Args:
        network: the generator, whose condition is the source.
    """

    config: TrainConfig

    def __init__(self, network: Translator, critic: PatchCritic, config: TrainConfig) -> None:
        task = TASKS[config.task]
        super().__init__(
            Translating(network), critic, config, lambda batch: _channels_last(task.target(batch)),
            read_condition=lambda batch, draw: _channels_last(task.source(batch, draw, True)),
        )  # fmt: skip
        self.network, self.task = network, task

    def game(self) -> Game:
        """As the core's, with the network itself as the product."""
        game = super().game()
        game.players["critic"].optimizer = self._adam(self.config.critic_lr)
        game.players["generator"].network = self.network
        game.players["generator"].optimizer = self._adam()
        return game

    def game_of_pixels(self) -> Game:
        """The translator alone, who learns to come as close as can be."""
        player = Player(self.network, self.pixel_loss, self._adam(), self.config.average, compile=True)
        return Game({"generator": player}, product="generator")

    def generator_loss(self, batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of the adversarial loss and the difference from the truth."""
        source, target = self._condition(batch, draw), self.prepare(batch)
        output = self.network(source)
        figures = {
            "generator": self._fooling(output, batch, draw, source),
            "pixel": self.difference(output, source, target),
        }
        return self.config.adversarial * figures["generator"] + self.config.pixel * figures["pixel"], figures

    def pixel_loss(self, batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        """The difference from the truth alone."""
        source, target = self._condition(batch, draw), self.prepare(batch)
        loss = self.difference(self.network(source), source, target)
        return loss, {"generator": loss}

    def difference(self, output: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Mean absolute difference, a scalar; where the task weighs places, the weighted mean of each picture's."""
        apart = (output.float() - target).abs()
        weight = self.task.weight(source, target, self.config.saturation)
        if weight is None:
            return apart.mean()
        return ((apart * weight).mean((1, 2, 3)) / weight.mean((1, 2, 3)).clamp(min=1e-6)).mean()

    def _adam(self, lr: float | None = None) -> OptimizerConfig:
        return OptimizerConfig(lr or self.config.lr or LR, self.config.betas)


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)
