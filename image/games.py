"""From settings to a game: image networks joined with a core."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast, get_args

import torch
from torch import Tensor

from common.config import AugmentConfig, Optimizer, RunConfig, Transformation
from common.cores.augment import Augmentation
from common.cores.conditions import DroppableCondition, dropping
from common.cores.game import Batch, Game
from common.cores.gan import Content, GanGame, pixel_loss
from common.cores.vae import VAE, vae_game
from common.cores.vae import Content as Perceived
from common.cores.vaegan import VaeGan
from common.data.arrays import Arrays, FamilyArrays, MirroredArrays, count_reasons
from common.errors import UserError
from common.pictures.perceptual import MIN_SIDE, PHASES, Features, load_features, load_squeezenet, perceptual_loss
from common.randomness import Draw, mix
from common.training.beginning import begin_with, critic_beside, has_critic
from common.training.devices import pick_device
from common.training.launch import Run
from common.training.runs import SETTINGS, decided, folder_of, recorded
from image.config import VAES, WIDTHS, Core, TrainConfig, height_and_width
from image.data.advice import choose_core, images_within, milestones
from image.data.loading import ImageData, described, load_images, to_batch_images
from image.data.prompts import PromptTokenizer
from image.models import ImageModel, load_image_model
from image.monitor import JUDGED, ImageMonitor
from image.networks import (
    NetworkConfig,
    ResidualGenerator,
    build_aide,
    build_critic,
    build_generator,
    build_vae,
    of_decoder,
    stages,
    without_classes,
)

HEAD_START = 16_000  # images from which a new critic learns what trained weights still lack
PERCEIVED = MIN_SIDE + PHASES  # pixels a side from which on trained features can be compared
SPARSE = 10  # training pictures to a dimension of the latent below which a mixture of them says little
FEW = 10_000  # training pictures below which those that a critic sees are augmented
PERCEPTUAL = 5.0  # weight of trained features beside a VAE's nats a value
MUON_LR = 3e-3  # of VAEs that learn by them
SMALLEST_AIDED = 48  # pixels a side from which on trained features say enough
UNMIRRORED = ("digits", "mnist", "fashion-mnist", "emoji")  # mirrored writing, flags and shoes are none
AUGMENTED: tuple[Transformation, ...] = ("translation", "colour", "cutout")  # Zhao et al. 2020: DiffAugment
SHIFTED = AugmentConfig(augment=("translation", "colour"))  # what a second critic sees
# Of runs that do not tell:
BEFORE = {
    "batch": 64, "critic": "plain", "augment": (), "mirror": False, "finish": "shuffle", "neighbours": False,
}  # fmt: skip
UNLABELLED: dict[Core, Core] = {"cgan": "gan", "cvae": "vae"}  # the cores of data without classes


def prepare(config: TrainConfig) -> Run:
    """What `image.train` carries out.

    Raises:
        UserError: the data or the --weights are of no use, or no network has the side asked for.
    """
    if config.size is not None:
        stages(config.size)  # refuses a side of which no network is, before thousands of pictures are decoded to it
    data = load_images(config.data, config.size, config.fit, config.grey, config.cache_size)
    begun = load_image_model(config.weights) if config.weights else None
    tokenizer = None
    if config.core == "tgan":
        data, tokenizer = _described(config, data, begun)
    core, why = chosen_core(config, data, begun)
    config, name = replace(config, core=core), run_name(data, core)
    trained = _as_generator(begun) if begun else None
    config = settled(decided(config, folder_of(config, name)), data, name, trained)
    network = network_config(config, data, tokenizer, trained)
    game, asked = build_game(config, network), ' --text "..."' if tokenizer else ""
    said = begin(game, begun, critic_beside(config.weights, "image")) if begun and config.weights else ""
    return Run(
        "image.train",
        config,
        name,
        game,
        MirroredArrays(data.train) if config.mirror else data.train,
        ImageMonitor(config, data, network, pick_device(config.device), tokenizer),
        examples="images",
        sheets="sheets",
        training=len(data.train),
        held_out=len(data.test),
        then=lambda out: f"try: python -m image.generate --weights {out}{asked} --out sheet.png",
        skipped=count_reasons(data.skipped) if data.skipped else "",
        chosen=why,
        begun=said,
        milestones=milestones(core, len(data.train), max(height_and_width(data.spec.size)), config.critic_after),
        beside=tokenizer.pieces.files if tokenizer else {},
    )


def run_name(data: ImageData, core: Core) -> str:
    """The folder of a run in runs/ where --out names none."""
    return f"image-{data.name}-{core}"


def chosen_core(config: TrainConfig, data: ImageData, begun: ImageModel | None) -> tuple[Core, str]:
    """What is trained: what is named, or what suits the run to resume, the trained weights, or data and time; and why.

    The reason is told where data or time decided for a VAE.
    """
    is_labelled, named = bool(data.spec.classes), config.core or _resumed_core(config, data)
    if named is None and begun is not None and (config.named_core is None or config.critic is not None):
        named = "cvae" if isinstance(begun.network, VAE) else "cgan"  # either may have critics
    named = named or config.named_core
    if named is None and is_large(data):
        seen = images_within(config, pick_device(config.device).type == "cpu")
        core, why = choose_core(is_labelled, seen, not is_labelled and are_few(len(data.train), config.latent))
        return core, f"--core {core}: {why}" if core in VAES else ""
    named = named or "cgan"
    return (named if is_labelled else UNLABELLED.get(named, named)), ""


def is_large(data: ImageData) -> bool:
    """Whether trained features say enough of its pictures."""
    return min(height_and_width(data.spec.size)) >= SMALLEST_AIDED


def are_few(training: int, latent: int) -> bool:
    """Whether so many training pictures are too few for a mixture of a latent's length to say where they lie.

    And few enough for a latent of each, as no look fits more.
    """
    return training < min(SPARSE * latent, JUDGED)


def _resumed_core(config: TrainConfig, data: ImageData) -> Core | None:
    """The core of the run that --resume goes on with, the last of several that may be meant; None without one."""
    folders = {folder_of(config, run_name(data, core)) / SETTINGS for core in get_args(Core)}
    begun = sorted(
        (path for path in folders if config.resume and path.is_file()), key=lambda path: path.stat().st_mtime
    )
    return recorded(begun[-1].parent)["core"] if begun else None


def settled(config: TrainConfig, data: ImageData, name: str, begun: NetworkConfig | None = None) -> TrainConfig:
    """The settings with those that are left to the data decided or, of a run that goes on, as it began with.

    Args:
        name: of the folder of the run where --out names none.
        begun: of the trained networks with which the run begins.
    """
    adversarial = config.critic is not None if config.is_vae else config.adversarial > 0
    large = is_large(data)
    net = begun.net if begun else config.net
    few = adversarial and len(data.train) < FEW
    perceives = config.is_vae and large and config.perceptual != 0 and load_squeezenet() is not None
    hurried = (adversarial or perceives) and large and pick_device(config.device).type == "cpu"
    chosen: dict[str, Any] = {
        "batch": 16 if hurried else RunConfig.batch,
        "critic": "aided" if large and net == "residual" else "plain",
        "augment": AUGMENTED if few else (),
        "mirror": config.data not in UNMIRRORED,
        "finish": "smooth",
        "perceptual": PERCEPTUAL if perceives else 0.0,
        "optimizer": None,  # the networks' own; runs that named one go on by it
        "neighbours": are_few(len(data.train), (begun or config).latent),
        "lr": MUON_LR if perceives and config.optimizer != "adam" else None,
    }
    if config.resume:
        chosen = {key: value for key, value in (BEFORE | recorded(folder_of(config, name))).items() if key in chosen}
        chosen["augment"] = tuple(chosen["augment"] or ())
    if not adversarial:
        del chosen["critic"], chosen["augment"]  # and a VAE has none unless it is named
    if config.core != "vae":
        del chosen["neighbours"]
    if not (config.is_vae or config.core == "tgan"):
        chosen.pop("perceptual", None)
    if begun:
        del chosen["finish"]  # it is theirs
    left = {key: value for key, value in chosen.items() if getattr(config, key) == getattr(TrainConfig, key)}
    return replace(config, **left)


def _described(config: TrainConfig, data: ImageData, begun: ImageModel | None) -> tuple[ImageData, PromptTokenizer]:
    """The pictures with their descriptions in pieces, and the vocabulary, which is that of the trained model if any.

    Raises:
        UserError: the data have no descriptions, or the model reads none.
    """
    data, captions, _ = described(data)
    if begun is None:
        tokenizer = PromptTokenizer.learn(captions, config.vocabulary, config.longest)
    elif begun.tokenizer is None:
        raise UserError(f"--weights {config.weights} take no descriptions; name weights of --core tgan")
    else:
        tokenizer = begun.tokenizer.knowing(captions)
    tensors = data.train.tensors | {"text": tokenizer.all_tokens(captions)}
    train = FamilyArrays(tensors, captions.families) if config.families else Arrays(tensors)
    return replace(data, train=train), tokenizer


def network_config(
    config: TrainConfig,
    data: ImageData,
    tokenizer: PromptTokenizer | None = None,
    begun: NetworkConfig | None = None,
) -> NetworkConfig:
    """The networks that a run's settings and its data ask for.

    Args:
        tokenizer: of descriptions, if these are the condition.
        begun: of the trained networks with which the run begins, in place of the settings.
    """
    of_data: dict[str, Any] = {
        "side": data.spec.size,
        "channels": data.spec.channels,
        "points": min(len(data.train), JUDGED) if config.neighbours else 0,
        "classes": len(data.spec.classes) if config.core in ("cgan", "cvae") else 0,
        "pieces": len(tokenizer.pieces) if tokenizer else 0,
        "longest": tokenizer.longest if tokenizer else 0,
    }
    if begun is not None:
        return replace(begun, **of_data)
    return NetworkConfig(
        **of_data,
        net=config.net,
        width=WIDTHS[config.net_size],
        latent=config.latent,
        spectral_norm=config.spectral_norm,
        likelihood=config.likelihood,
        output=config.output,
        finish=config.finish or "smooth",
    )


def build_game(config: TrainConfig, network: NetworkConfig) -> Game:
    """The game of the run's core, its networks initialised from the seed.

    Raises:
        UserError: no network has that side.
    """
    torch.manual_seed(mix(config.seed, 0))
    if config.is_vae:
        return _vae_game(config, network)
    generator = build_generator(network)
    condition = cast(DroppableCondition | None, generator.condition)
    return GanGame(
        generator,
        **_critics(config, network),
        config=config,
        prepare=to_batch_images,
        read_condition=None if condition is None else dropping(condition, config.condition_dropout),
        latent=network.latent,
        adversarial=config.adversarial,
        content=_content(config, network) if config.pixel or config.perceptual else None,
        swap=condition.swap if condition is not None and network.pieces else None,
        mismatch=config.mismatch,
        head_start=HEAD_START
        if config.weights and config.adversarial and not has_critic(config.weights, "image")
        else 0,
        keeps_critic=True,
    ).game()


def _vae_game(config: TrainConfig, network: NetworkConfig) -> Game:
    """The game of a VAE, alone or with critics.

    Raises:
        UserError: as `_features`.
    """
    vae, content = build_vae(network), _perceived(config, network)
    optimizer: Optimizer = "muon" if config.perceptual else "adam"
    if config.critic is None:
        return vae_game(vae, config, to_batch_images, network.latent, content, optimizer)
    judges = GanGame(vae, **_critics(config, network), config=replace(config, lr=None), prepare=to_batch_images)
    weight, joins = config.adversarial * _values(network), config.critic_after
    return VaeGan(vae, config, judges, to_batch_images, network.latent, weight, joins, content, optimizer).game()


def _critics(config: TrainConfig, network: NetworkConfig) -> dict[str, Any]:
    """Who judges what is drawn, and what they see, by the names of `GanGame`; nobody with --adversarial 0."""
    critic = build_critic(network)
    aide = build_aide(network, config.aid) if config.critic == "aided" else None
    return {
        "critic": critic if config.adversarial else None,
        "augmentation": Augmentation(config, config.batch) if config.augment else None,
        "aide": aide,
        "aide_augmentation": None if aide is None else Augmentation(SHIFTED, config.batch),
    }


def _values(network: NetworkConfig) -> int:
    """How many values a picture has."""
    return network.channels * math.prod(network.shape)


def _perceived(config: TrainConfig, network: NetworkConfig) -> Perceived | None:
    """How far what a VAE makes of a picture is from it in trained features: of each value so many nats.

    Raises:
        UserError: as `_features`.
    """
    features, values = _features(config, network), _values(network)
    if features is None:
        return None

    def perceived(made: Tensor, real: Tensor, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        distance = _distance(features, made, real, draw)
        return (config.perceptual or 0) * values * distance, {"perceptual": distance}

    return perceived


def _content(config: TrainConfig, network: NetworkConfig) -> Content:
    """How far what is made of a description is from the very picture described (by pixels alone: blurred).

    Raises:
        UserError: as `_features`.
    """
    features = _features(config, network)

    def content(made: Tensor, batch: Batch, draw: Draw, raw: Any) -> tuple[Tensor, dict[str, Tensor]]:
        real, figures = to_batch_images(batch), dict[str, Tensor]()
        if config.pixel:
            figures["pixel"] = pixel_loss(made, real)
        if features is not None:
            figures["perceptual"] = _distance(features, made, real, draw)
        weighted = [getattr(config, name) * figure for name, figure in figures.items()]
        return torch.stack(weighted).sum(), figures

    return content


def _features(config: TrainConfig, network: NetworkConfig) -> Features | None:
    """What --perceptual compares, or None without it.

    Raises:
        UserError: the pictures are too small for trained features, or these cannot be had.
    """
    if config.perceptual and min(network.shape) < PERCEIVED:
        raise UserError(f"--perceptual needs pictures of {PERCEIVED} pixels a side or more; leave it out")
    squeezenet = load_features(config.perceptual or 0, pick_device(config.device))
    return None if squeezenet is None else squeezenet.unrectified


def _distance(features: Features, made: Tensor, real: Tensor, draw: Draw) -> Tensor:
    """`perceptual_loss` of pictures (N, 1 or 3, H, W) in [-1, 1]."""
    drawn, true = (side.expand(-1, 3, -1, -1) for side in (made, real))
    return perceptual_loss(features, drawn, true, None, draw)


def _as_generator(begun: ImageModel) -> NetworkConfig:
    """What a generator is built from that is to begin as a trained model: most VAEs' decoders bound nothing."""
    is_unbounded = isinstance(begun.network, VAE) and begun.config.likelihood != "bernoulli"
    return replace(begun.config, output="linear") if is_unbounded else begun.config


def begin(game: Game, model: ImageModel, critic: Mapping[str, Tensor] | None = None) -> str:
    """Let the product of a game begin with what fits of a trained model, and say in one line how much that is.

    Args:
        critic: the tensors of the one against which it learned, with which the game's begins as far as they fit.

    Raises:
        UserError: nothing fits.
    """
    product, trained = game.players[game.product].network, model.network
    tensors = trained.state_dict()
    if isinstance(trained, VAE) and not isinstance(product, VAE):
        tensors = of_decoder(trained)
    if (
        isinstance(trained, (ResidualGenerator, VAE))
        and isinstance(product, ResidualGenerator)
        and product.condition is None
    ):
        tensors = without_classes(tensors)
    return begin_with(game, model.name, tensors, critic)
