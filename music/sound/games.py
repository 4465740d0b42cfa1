"""From settings to a game: a generator and a critic of notes joined with the GAN core."""

from dataclasses import replace

import torch
from torch import Tensor

from common.config import Transformation
from common.cores.augment import Augmentation
from common.cores.game import Batch, Game
from common.cores.gan import GanGame
from common.cores.vae import vae_game
from common.data.arrays import count_reasons
from common.errors import UserError
from common.randomness import Draw, mix
from common.training.beginning import begin_with, critic_beside, has_critic
from common.training.devices import pick_device
from common.training.launch import Run
from common.training.runs import decided, folder_of, recorded
from music.sound.config import WIDTHS, Core, TrainConfig
from music.sound.data.loading import SoundData, load_sounds
from music.sound.judge import load_judge
from music.sound.models import SoundModel, load_sound_model
from music.sound.monitor import SoundMonitor
from music.sound.networks import Critic, Generator, NetworkConfig, Note
from music.sound.spectrograms import to_float, to_maps
from music.sound.vae import SoundVae

HEAD_START = 4_000  # sounds from which a new critic learns what trained weights still lack
FEW = 2_000  # training sounds without pitches below which what the critic sees is augmented
AUGMENTED: tuple[Transformation, ...] = ("translation", "cutout")  # Zhao et al. 2020, but for colour


def prepare(config: TrainConfig) -> Run:
    """What `music.sound.train` carries out.

    Raises:
        UserError: the data are of no use.
    """
    data, device = load_sounds(config.data, config.seconds), pick_device(config.device)
    name = f"sound-{data.name}"
    begun = load_sound_model(config.weights) if config.weights else None
    config = settled(decided(config, folder_of(config, name)), data, name, begun)
    network, pitch = network_config(config, data, begun), " --pitch A3" if data.pitched else ""
    game, said = build_game(config, network), ""
    if begun and config.weights:
        said = begin_with(game, begun.name, begun.network.state_dict(), critic_beside(config.weights, "music"))
    named = f' --instrument "{data.classes[0]}"' if data.classes else ""
    return Run(
        "music.sound.train",
        config,
        name,
        game,
        data.train,
        SoundMonitor(config, data, network, load_judge(data, device), device),
        examples="sounds",
        sheets="spectrograms",
        training=len(data.train),
        held_out=len(data.test),
        then=lambda out: f"try: python -m music.sound.generate --weights {out}{named}{pitch} --out note.wav",
        skipped=count_reasons(data.skipped) if data.skipped else "",
        begun=said,
    )


def settled(config: TrainConfig, data: SoundData, name: str, begun: SoundModel | None = None) -> TrainConfig:
    """The settings with the core and the augmentation decided, where these are left to the data.

    Args:
        name: of the folder of the run where --out names none.
        begun: with which the run begins.

    Raises:
        UserError: the core does not fit the data or what the run begins with.
    """
    usual: Core = "vae" if data.pitched else "gan"
    if begun is not None:
        usual = begun.config.core
        if config.core not in (None, usual):
            raise UserError(f"--weights {config.weights} are of --core {usual}; leave --core out, or choose others")
    elif config.resume:
        usual = recorded(folder_of(config, name)).get("core", "gan")  # runs of before there was a choice
    config = replace(config, core=config.core or usual)
    if config.core == "vae" and not data.pitched:
        made = f"--weights {config.weights} make" if begun else "--core vae makes"
        raise UserError(f"{made} notes, and the pitches of {data.name} are not known; leave it out")
    if config.core == "vae":
        return config
    few = not data.pitched and len(data.train) < FEW
    return replace(config, augment=(AUGMENTED if few else ())) if config.augment is None else config


def network_config(config: TrainConfig, data: SoundData, begun: SoundModel | None = None) -> NetworkConfig:
    """The networks that a run's settings and its sounds ask for, or the model with which it begins and its sounds."""
    if begun is not None:
        return replace(begun.config, seconds=data.seconds, classes=len(data.classes))
    return NetworkConfig(data.seconds, WIDTHS[config.net_size], config.latent, len(data.classes), config.core or "gan")


def build_game(config: TrainConfig, network: NetworkConfig) -> Game:
    """The game of a run, its networks initialised from the seed."""
    torch.manual_seed(mix(config.seed, 0))
    if network.core == "vae":
        return vae_game(SoundVae(network), config, to_batch_sounds, network.latent)
    generator = Generator(network)

    def read_condition(batch: Batch, draw: Draw) -> Note:
        note = generator.condition.read(batch)
        return generator.condition.drop(note, draw.uniform() < config.condition_dropout)

    return GanGame(
        generator,
        Critic(network),
        config,
        to_batch_maps,
        read_condition=read_condition,
        augmentation=Augmentation(config, config.batch) if config.augment else None,
        latent=network.latent,
        head_start=HEAD_START if config.weights and not has_critic(config.weights, "music") else 0,
        keeps_critic=True,
    ).game()


def to_batch_sounds(batch: Batch) -> Tensor:
    """A batch as loaded -> sounds, float32 (N, samples)."""
    return to_float(batch["wave"])


def to_batch_maps(batch: Batch) -> Tensor:
    """A batch as loaded -> maps (N, 2, bins, frames)."""
    return to_maps(to_batch_sounds(batch), batch["pitch"])
