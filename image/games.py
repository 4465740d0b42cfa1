"""From settings to a game: image networks joined with a core."""

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from common.config import AugmentConfig, RunConfig, Transformation
from common.cores.augment import Augmentation
from common.cores.conditions import DroppableCondition, dropping
from common.cores.game import Batch, Game
from common.cores.gan import Content, GanGame, pixel_loss
from common.cores.vae import vae_game
from common.data.arrays import Arrays, FamilyArrays, MirroredArrays, count_reasons
from common.errors import UserError
from common.randomness import Draw, mix
from common.training.devices import pick_device
from common.training.launch import Run
from common.training.runs import folder_of, recorded
from image.config import WIDTHS, Core, TrainConfig, height_and_width
from image.data.loading import Captions, ImageData, ImageSpec, described, load_images, to_batch_images
from image.data.prompts import PromptTokenizer
from image.models import ImageModel, load_image_model
from image.monitor import ImageMonitor
from image.networks import NetworkConfig, build_aide, build_critic, build_generator, build_vae, stages

FEW = 10_000  # training pictures below which those that a critic sees are augmented
SMALLEST_AIDED = 48  # pixels a side from which on trained features say enough
UNMIRRORED = ("digits", "mnist", "fashion-mnist", "emoji")  # mirrored writing, flags and shoes are none
AUGMENTED: tuple[Transformation, ...] = ("translation", "colour", "cutout")  # Zhao et al. 2020: DiffAugment
SHIFTED = AugmentConfig(augment=("translation", "colour"))  # what a second critic sees
BEFORE = {
    "batch": 64,
    "critic": "plain",
    "augment": (),
    "mirror": False,
    "finish": "shuffle",
}  # of runs that do not tell
UNLABELLED: dict[Core, Core] = {"cgan": "gan", "cvae": "vae"}  # the cores of data without classes


def prepare(config: TrainConfig) -> Run:
    """What `image.train` carries out.

    Raises:
        UserError: the data or the --weights are of no use, or no network has the side asked for.
    """
    if config.size is not None:
        stages(config.size)  # refuses a side of which no network is, before thousands of pictures are decoded to it
    data = load_images(config.data, config.size, config.fit, config.grey)
    tokenizer = begun = None
    if config.core == "tgan":
        data, tokenizer, begun = _described(config, data)
    elif not data.spec.classes:
        config = replace(config, core=UNLABELLED.get(config.core, config.core))
    name = f"image-{data.name}-{config.core}"
    config = settled(config, data, name)
    network = begun.config if begun else network_config(config, data.spec, len(tokenizer.pieces) if tokenizer else 0)
    asked = ' --text "..."' if tokenizer else ""
    return Run(
        "image.train",
        config,
        name,
        build_game(config, network, begun.network if begun else None),
        MirroredArrays(data.train) if config.mirror else data.train,
        ImageMonitor(config, data, network, pick_device(config.device), tokenizer),
        examples="images",
        sheets="sheets",
        training=len(data.train),
        held_out=len(data.test),
        then=lambda out: f"try: python -m image.generate --weights {out}{asked} --out sheet.png",
        skipped=count_reasons(data.skipped) if data.skipped else "",
        save=tokenizer.pieces.save if tokenizer else None,
    )


def settled(config: TrainConfig, data: ImageData, name: str) -> TrainConfig:
    """The settings with those that are left to the data decided or, of a run that goes on, as it began with.

    Args:
        name: of the folder of the run where --out names none.
    """
    adversarial = config.core.endswith("gan") and config.adversarial > 0
    aided = config.net == "residual" and min(height_and_width(data.spec.size)) >= SMALLEST_AIDED
    few = adversarial and len(data.train) < FEW
    hurried = adversarial and data.spec.size >= SMALLEST_AIDED and pick_device(config.device).type == "cpu"
    chosen: dict[str, Any] = {
        "batch": 16 if hurried else RunConfig.batch,
        "critic": "aided" if aided else "plain",
        "augment": AUGMENTED if few else (),
        "mirror": config.data not in UNMIRRORED,
        "finish": "block",
    }
    if config.resume:
        chosen = {key: value for key, value in (BEFORE | recorded(folder_of(config, name))).items() if key in chosen}
        chosen["augment"] = tuple(chosen["augment"] or ())
    if not adversarial:
        del chosen["critic"], chosen["augment"]
    left = {key: value for key, value in chosen.items() if getattr(config, key) == getattr(TrainConfig, key)}
    return replace(config, **left)


def _described(config: TrainConfig, data: ImageData) -> tuple[ImageData, PromptTokenizer, ImageModel | None]:
    """The pictures with their descriptions in pieces, the vocabulary, and the model that the run begins as."""
    data, captions, _ = described(data)
    if config.weights is None:
        begun, tokenizer = None, PromptTokenizer.learn(captions, config.vocabulary, config.longest)
    else:
        begun, tokenizer = begin(config.weights, data.spec, captions)
    tensors = data.train.tensors | {"text": tokenizer.all_tokens(captions)}
    train = FamilyArrays(tensors, captions.families) if config.families else Arrays(tensors)
    return replace(data, train=train), tokenizer, begun


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
        finish=config.finish or "block",
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
    aide = build_aide(network, config.aid) if config.critic == "aided" else None
    condition = cast(DroppableCondition | None, generator.condition)
    return GanGame(
        generator,
        critic if config.adversarial else None,
        config,
        to_batch_images,
        read_condition=None if condition is None else dropping(condition, config.condition_dropout),
        augmentation=Augmentation(config, config.batch) if config.augment else None,
        aide=aide,
        aide_augmentation=None if aide is None else Augmentation(SHIFTED, config.batch),
        latent=network.latent,
        adversarial=config.adversarial,
        content=_pixel_content(config.pixel) if config.pixel else None,
        swap=condition.swap if condition is not None and network.pieces else None,
        mismatch=config.mismatch,
    ).game()


def _pixel_content(weight: float) -> Content:
    """How far what is made of a description is from the very picture described (without a critic: blurred)."""

    def content(made: Tensor, batch: Batch, draw: Draw, raw: Any) -> tuple[Tensor, dict[str, Tensor]]:
        pixel = pixel_loss(made, to_batch_images(batch))
        return weight * pixel, {"pixel": pixel}

    return content


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
