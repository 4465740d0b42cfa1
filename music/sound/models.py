"""A trained maker of sounds as one thing to ask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from common.processes import in_turn
from common.schema import from_json
from common.training.devices import placed
from common.weights import load_network
from common.weights_folders import find_weights, load_config, reading_config
from music.sound.config import NO_PITCH
from music.sound.networks import Generator, NetworkConfig, Note
from music.sound.vae import SoundVae

CHUNK = 64  # sounds at a time


@dataclass(frozen=True)
class SoundModel:
    """A generator with what is needed to use it.

    Attributes:
        network: writes scores, from which it plays.
        config: what it was built from.
        classes: names of the sounds that it can be asked for; () if there is one kind.
        families: of each class; () if they have none.
        ranges: lowest and highest pitch of each class by MIDI number; () if sounds have no pitch.
        falls: decibels a second by which held notes of each class fall; () if that is not known.
        name: of the weights.
        shared: whether all processes make the same sounds, each some parts of them.
    """

    network: Generator | SoundVae
    config: NetworkConfig
    classes: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    ranges: tuple[tuple[int, int], ...] = ()
    name: str = ""
    falls: tuple[float, ...] = ()
    shared: bool = False

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    def latents(self, count: int, seed: int = 0) -> Tensor:
        """Draw z, (count, latent), on the CPU, so that a seed means the same on every device."""
        return torch.randn(count, self.config.latent, generator=torch.Generator().manual_seed(seed))

    def fall(self, mixture: Mapping[int, float]) -> float:
        """Decibels a second by which held notes of a mixture, shares of classes, fall; 0 if that is not known."""
        return sum(share * self.falls[label] for label, share in mixture.items()) if self.falls else 0.0

    @torch.inference_mode()
    def scores(self, z: Tensor, note: Note) -> Tensor:
        """Scores (N, C, rows, frames) on the CPU for latents z (N, latent) and notes.

        Of a GAN these are maps of log-magnitude and frequency, of a VAE what its synthesiser does in each frame; what
        lies between two of them sounds like something between, and `play` makes it heard.
        """

        def score(rows: Tensor) -> Tensor:
            label, pitch, velocity = (tensor[rows].to(self.device) for tensor in note)
            return self.network.score(z[rows].to(self.device), (label, pitch, velocity)).cpu()

        return torch.cat(in_turn(torch.arange(len(z)).split(CHUNK), score, self.shared))

    def sounds(self, z: Tensor, note: Note) -> Tensor:
        """Sounds float32 (N, samples) in [-1, 1] on the CPU for latents z (N, latent) and notes."""
        return self.play(self.scores(z, note), note[1])

    @torch.inference_mode()
    def play(self, scores: Tensor, pitch: Tensor) -> Tensor:
        """Scores and pitches (N,) as sounds float32 (N, samples) in [-1, 1]."""
        parts = list(zip(scores.split(CHUNK), pitch.split(CHUNK), strict=True))
        return torch.cat(in_turn(parts, lambda part: self.network.play(*part), self.shared))

    def sample(self, notes: Mapping[str, Tensor], seed: int = 0) -> Tensor:
        """Sounds like those of a batch: with its "label" if any, "pitch" and "velocity", each (N,)."""
        return self.sounds(self.latents(len(notes["pitch"]), seed), self.network.condition.read(dict(notes)))


def build_maker(config: NetworkConfig) -> Generator | SoundVae:
    """The network of a maker of sounds, untrained."""
    return SoundVae(config) if config.core == "vae" else Generator(config)


def load_sound_model(source: str, device: torch.device | str = "cpu", shared: bool = False) -> SoundModel:
    """Load a maker of sounds by bundled name, path (a weights folder or a run) or Hub id.

    Args:
        shared: of several processes all make the same sounds, each some parts of them.

    Raises:
        UserError: there is none, or it is damaged or of another kind.
    """
    folder = find_weights(source, "music")
    config = load_config(folder, "music", "sound")
    with reading_config(folder):
        stated = from_json(Stated, config, others=True)
        stated.check()
    network = placed(load_network(folder, lambda: build_maker(stated.network)), device)
    ranges, name = tuple((low, high) for low, high in stated.ranges), folder.resolve().name
    return SoundModel(network, stated.network, stated.classes, stated.families, ranges, name, stated.falls, shared)


@dataclass(frozen=True)
class Stated:
    """What config.json must hold; attributes are those of `SoundModel`."""

    network: NetworkConfig
    classes: tuple[str, ...]
    families: tuple[str, ...]
    ranges: tuple[tuple[int, ...], ...]
    falls: tuple[float, ...] = ()

    def check(self) -> None:
        """Raise a ValueError unless there is as much of everything as there are classes."""
        count = len(self.classes)
        if self.network.classes != count or len(self.families) not in (0, count) or len(self.ranges) not in (0, count):
            raise ValueError(f"{count} 'classes'")
        if not all(len(pair) == 2 and pair[0] <= pair[1] < NO_PITCH for pair in self.ranges):
            raise ValueError("'ranges'")
        if len(self.falls) not in (0, count):
            raise ValueError("'falls'")


def ranges_of(parts: Sequence[Mapping[str, Tensor]], classes: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """The lowest and the highest pitch of each class among sounds with "label" and "pitch", (N,) each, of all parts."""
    label, pitch = (torch.cat([part[name] for part in parts]) for name in ("label", "pitch"))
    of = [pitch[label == number] for number in range(len(classes))]
    return tuple((int(pitches.min()), int(pitches.max())) for pitches in of)
