"""A generator and a critic of notes: maps of log-magnitude and instantaneous frequency, as `music.sound.spectrograms`.

The generator is told where the harmonics of a pitch lie: it makes an envelope for them and a floor of noise, which add
up (after Engel et al. 2020: DDSP, there for sound itself).
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.cgan import ProjectionHead
from common.cores.conditions import ClassCondition
from common.cores.game import Batch
from common.cores.trunk import ResidualFeatures, ResidualTrunk
from common.randomness import Draw
from music.sound.config import FRAMES, NO_PITCH, Core
from music.sound.spectrograms import BINS, MIDDLE, folded, partials, to_sounds, unfolded

DOUBLINGS = 4
WIDEST = 8  # the narrow end has at most this many times the width
OCTAVE = 12  # semitones
LOUDEST = 127  # velocity of MIDI
QUIET = 1.0  # by how much the noise begins softer than the harmonics, as a share of half the range
ENVELOPE, NOISE, STEP = range(3)  # what the generator's trunk makes of each bin and frame

Note = tuple[Tensor, Tensor, Tensor]  # label (N,) int64 or weights (N, classes + 1); pitch (N,) int64; velocity (N,)


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that a generator or critic is built from; it travels in a weights folder."""

    seconds: int  # of a sound: 1, 2 or 4 (`music.sound.config.length`)
    width: int  # channels at the full resolution
    latent: int
    classes: int = 0  # 0: takes no class
    core: Core = "gan"
    fold: int = 4  # neighbouring frequencies that one place of a map stands for

    @property
    def frames(self) -> int:
        """Of a map."""
        return self.seconds * FRAMES

    @property
    def start(self) -> tuple[int, int]:
        """Height and width of the smallest maps."""
        return BINS // self.fold >> DOUBLINGS, self.frames >> DOUBLINGS

    @property
    def channels(self) -> list[int]:
        """At each resolution, from the smallest to the full one."""
        return [min(self.width << k, self.width * WIDEST) for k in range(DOUBLINGS, -1, -1)]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class NoteCondition(nn.Module):
    """An instrument, or several by weights, a pitch and a velocity as one vector (N, width).

    A pitch is told by itself, by its place in the octave and by its height, so that neighbours are alike.

    Args:
        classes: how many there are; the index `classes` itself means none.
    """

    def __init__(self, classes: int, width: int):
        super().__init__()
        self.label = ClassCondition(classes, width)
        self.pitch = nn.Embedding(NO_PITCH + 1, width)
        self.height = nn.Linear(4, width, bias=False)
        nn.init.normal_(self.pitch.weight, std=0.3)

    def read(self, batch: Batch, draw: Draw | None = None) -> Note:
        """The notes of a batch."""
        pitch = batch["pitch"]
        return batch.get("label", torch.zeros_like(pitch)), pitch, batch["velocity"]

    def drop(self, note: Note, dropped: Tensor) -> Note:
        """Notes with the instrument not told where `dropped`, bool (N,), is true."""
        label, pitch, velocity = note
        return self.label.drop(label, dropped), pitch, velocity

    def forward(self, note: Note) -> Tensor:
        label, pitch, velocity = note
        turn = pitch * (2 * math.pi / OCTAVE)
        known = pitch != NO_PITCH
        told = torch.stack([turn.sin(), turn.cos(), pitch / OCTAVE - 5, velocity / LOUDEST], 1)
        return self.label(label) + self.pitch(pitch) + self.height(told.float() * known[:, None])


class Generator(nn.Module):
    """The residual trunk, fed with the latent and the note scaled to the latent's length."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.fold = config.fold
        self.condition = NoteCondition(config.classes, config.latent)
        width = 2 * config.latent
        self.trunk = ResidualTrunk(width, 3 * config.fold, config.start, config.channels, width)

    @staticmethod
    def play(scores: Tensor, pitch: Tensor) -> Tensor:
        """What was made, as sounds (N, samples) in [-1, 1]."""
        return to_sounds(scores, pitch)

    def score(self, z: Tensor, note: Note) -> Tensor:
        """As called: maps are what the notes are played from."""
        return self(z, note)

    def forward(self, z: Tensor, note: Note) -> Tensor:
        """z (N, latent) and notes -> maps (N, 2, `BINS`, frames)."""
        told = F.normalize(self.condition(note)) * z.shape[1] ** 0.5
        made = unfolded(self.trunk(torch.cat([z, told], 1)), self.fold).float()
        harmonics = partials(z.device)[note[1]][:, :, None]  # (N, BINS, 1)
        envelope, noise = MIDDLE * (made[:, ENVELOPE] - 1), MIDDLE * (made[:, NOISE] - 1 - QUIET)
        silence = torch.full_like(noise, -2 * MIDDLE)
        log = torch.stack([envelope + harmonics, noise, silence]).logsumexp(0)
        return without_ripple(torch.stack([log / MIDDLE + 1, made[:, STEP].tanh()], 1))


def without_ripple(maps: Tensor) -> Tensor:
    """Maps (N, C, bins, frames), of whose frames nothing alternates: each is averaged with its neighbours, 1 : 2 : 1.

    What doubles frames leaves such a ripple, which at 31 Hz is heard as a rattle.
    """
    around = F.pad(maps, (1, 1, 0, 0), mode="replicate")
    return (around[..., :-2] + 2 * maps + around[..., 2:]) / 4


class Critic(ResidualFeatures):
    """Residual blocks without normalisation, the minibatch deviation, and a projection head (Huang et al. 2024).

    Steps of the phase count as much as what has them is loud, for those of silence are noise.
    """

    def __init__(self, config: NetworkConfig):
        channels = config.channels[:-1][::-1]
        super().__init__(2 * config.fold, config.start, channels)
        self.fold = config.fold
        self.head = ProjectionHead(channels[-1], NoteCondition(config.classes, channels[-1]))

    def forward(self, maps: Tensor, note: Note) -> Tensor:
        """Maps (N, 2, `BINS`, frames) and notes -> logits (N,)."""
        log, step = maps.unbind(1)
        heard = torch.stack([log, step * ((log + 1) / 2).clamp(0, 1)], 1)
        seen = folded(heard, self.fold).contiguous(memory_format=torch.channels_last)
        return self.head(self.features(seen), note)
