"""From settings to a game: a generator and a critic of notes joined with the GAN core."""

from dataclasses import replace

import torch
from torch import Tensor

from common.config import Transformation
from common.cores.augment import Augmentation
from common.cores.game import Batch, Game
from common.cores.gan import GanGame
from common.data.arrays import count_reasons
from common.randomness import Draw, mix
from common.training.devices import pick_device
from common.training.launch import Run
from music.sound.config import WIDTHS, TrainConfig
from music.sound.data.loading import SoundData, load_sounds
from music.sound.judge import load_judge, to_float
from music.sound.monitor import SoundMonitor
from music.sound.networks import Critic, Generator, NetworkConfig, Note
from music.sound.spectrograms import to_maps

FEW = 2_000  # training sounds without pitches below which what the critic sees is augmented
AUGMENTED: tuple[Transformation, ...] = ("translation", "cutout")  # Zhao et al. 2020, but for colour


def prepare(config: TrainConfig) -> Run:
    """What `music.sound.train` carries out.

    Raises:
        UserError: the data are of no use.
    """
    data, device = load_sounds(config.data, config.seconds), pick_device(config.device)
    config = settled(config, data)
    network, pitch = network_config(config, data), " --pitch A3" if data.pitched else ""
    named = f' --instrument "{data.classes[0]}"' if data.classes else ""
    return Run(
        "music.sound.train",
        config,
        f"sound-{data.name}",
        build_game(config, network),
        data.train,
        SoundMonitor(config, data, network, load_judge(data, device), device),
        examples="sounds",
        sheets="spectrograms",
        training=len(data.train),
        held_out=len(data.test),
        then=lambda out: f"try: python -m music.sound.generate --weights {out}{named}{pitch} --out note.wav",
        skipped=count_reasons(data.skipped) if data.skipped else "",
    )


def settled(config: TrainConfig, data: SoundData) -> TrainConfig:
    """The settings with the augmentation, which is left to the data, decided."""
    few = not data.pitched and len(data.train) < FEW
    return replace(config, augment=(AUGMENTED if few else ())) if config.augment is None else config


def network_config(config: TrainConfig, data: SoundData) -> NetworkConfig:
    """The networks that a run's settings and its sounds ask for."""
    return NetworkConfig(data.seconds, WIDTHS[config.net_size], config.latent, len(data.classes))


def build_game(config: TrainConfig, network: NetworkConfig) -> Game:
    """The game of a run, its networks initialised from the seed."""
    torch.manual_seed(mix(config.seed, 0))
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
        keeps_critic=True,
    ).game()


def to_batch_maps(batch: Batch) -> Tensor:
    """A batch as loaded -> maps (N, 2, bins, frames)."""
    return to_maps(to_float(batch["wave"]), batch["pitch"])
