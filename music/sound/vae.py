"""A VAE of notes, whose decoder writes the scores of a synthesiser of harmonics and noise (Engel et al. 2020: DDSP)."""

import math
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.blocks import convolution
from common.cores.likelihoods import Likelihood
from common.cores.vae import VAE
from music.sound.config import HOP
from music.sound.networks import NetworkConfig, Note, NoteCondition
from music.sound.spectrograms import MELS, heard
from music.sound.synthesis import BANDS, HARMONICS, LOWEST, ROWS, synthesise, unlimited

SCALES = (2048, 512, 128)  # samples of the spectra that are compared
FLOOR = 1e-4  # magnitude, as a share of a full-scale sine's, that is added before the logarithm
DOUBLINGS = 3  # from the decoder's coarsest frames to the score's
WIDEST = 12  # channels of the decoder, times the width
SOFT, FALLING, QUIET = -2.5, 0.5, -5.0  # where amplitudes begin: the first harmonic, by its order's logarithm; all else


class SoundVae(VAE):
    """A VAE whose `decode` writes scores of the synthesiser."""

    condition: NoteCondition
    decoder: "Decoder"

    def __init__(self, config: NetworkConfig):
        condition = NoteCondition(config.classes, config.latent)
        super().__init__(Encoder(config), Decoder(config), Spectra(), condition)

    def nll(self, x: Tensor, z: Tensor, condition: Any = None) -> Tensor:
        """How far spectra are from those of sounds x (N, samples), in nats (N,)."""
        return self.likelihood.nll(unlimited(self.decode(z, condition), condition[1]), x)

    def score(self, z: Tensor, note: Note) -> Tensor:
        """Scores (N, 1, `ROWS`, frames) for z (N, latent) and notes."""
        return self.decode(z, note)

    @staticmethod
    def play(scores: Tensor, pitch: Tensor) -> Tensor:
        """Scores -> sounds (N, samples) in [-1, 1]."""
        return synthesise(scores, pitch)


class Spectra(Likelihood):
    """Laplace's distribution of the logarithms of magnitudes, at several resolutions that count alike.

    Not the likelihood of a sound, which spectra tell more than once: each resolution weighs as much as the finest one
    has numbers of its own, with a spread that is learned.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_spread = nn.Parameter(torch.zeros(len(SCALES)))

    def nll(self, output: Tensor, data: Tensor) -> Tensor:
        """-log p of sounds `data` (N, samples) around those that were made, likewise, in nats (N,)."""
        pairs = ((log_spectrum(output, size), log_spectrum(data, size)) for size in SCALES)
        away = torch.stack([(made - real).abs().mean((1, 2)) for made, real in pairs], 1)
        each = away * (-self.log_spread).exp() + self.log_spread + math.log(2)
        return each.mean(1) * MELS * (data.shape[1] / HOP)

    def mean(self, output: Tensor) -> Tensor:
        return output


def log_spectrum(sounds: Tensor, size: int) -> Tensor:
    """Logarithms of the magnitudes of sounds (N, samples) in windows of so many samples, (N, size / 2 + 1, frames)."""
    window = torch.hann_window(size, device=sounds.device)
    spectrum = torch.stft(sounds.float(), size, size // 4, window=window, return_complex=True, pad_mode="constant")
    power = spectrum.real.square() + spectrum.imag.square()
    return (power / (size / 4) ** 2 + FLOOR**2).log() / 2


class Encoder(nn.Module):
    """Convolutions over a mel spectrogram and what the note is told to be -> mean and log-variance."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        width = 2 * config.width
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(2),
            *convolution(4, width),
            nn.MaxPool2d(2),
            *convolution(width, 2 * width),
            nn.MaxPool2d(2),
            *convolution(2 * width, 2 * width),
        )
        self.last = nn.Linear(4 * width + config.latent, 2 * config.latent)

    def forward(self, sounds: Tensor, told: Tensor) -> Tensor:
        """Sounds (N, samples) and embedded notes (N, latent) -> (N, 2 * latent)."""
        maps = self.layers(heard(sounds.float()))
        early = maps[..., : maps.shape[3] // 4 + 1].mean((2, 3))  # what dies away is told by its beginning
        return self.last(torch.cat([maps.mean((2, 3)), early, told], 1))


class Decoder(nn.Module):
    """Residual convolutions over frames, from few to all, each modulated by the latent and the note."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        width, style = WIDEST * config.width, 4 * config.latent
        self.frames = config.frames
        self.style = nn.Sequential(
            nn.Linear(2 * config.latent, style), nn.LeakyReLU(0.2), nn.Linear(style, style), nn.LeakyReLU(0.2)
        )
        self.first = nn.Linear(style, width * (config.frames >> DOUBLINGS))
        self.blocks = nn.ModuleList(FrameBlock(width, style) for _ in range(DOUBLINGS + 1))
        self.last = nn.Conv1d(width, ROWS, 1)
        with torch.no_grad():
            self.last.weight.mul_(0.1)
            self.last.bias = nn.Parameter(_beginning())

    def forward(self, z: Tensor, told: Tensor) -> Tensor:
        """z (N, latent) and embedded notes (N, latent) -> scores (N, 1, `ROWS`, frames)."""
        style = self.style(torch.cat([z, F.normalize(told) * z.shape[1] ** 0.5], 1))
        x = rearrange(self.first(style), "n (c t) -> n c t", t=self.frames >> DOUBLINGS)
        for number, block in enumerate(self.blocks):
            x = block(F.interpolate(x, scale_factor=2, mode="linear") if number else x, style)
        return self.last(F.leaky_relu(x, 0.2))[:, None].float()


class FrameBlock(nn.Module):
    """x + f(x) over frames, f zero at the start and modulated by a style."""

    def __init__(self, width: int, style: int):
        super().__init__()
        self.first, self.second = (nn.Conv1d(width, width, 3, padding=1) for _ in range(2))
        self.modulate = nn.Linear(style, 2 * width)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """x (N, width, frames), style (N, style) -> (N, width, frames)."""
        scale, shift = self.modulate(style)[:, :, None].chunk(2, 1)
        return x + self.second(F.leaky_relu(self.first(F.leaky_relu(x, 0.2)) * (1 + scale) + shift, 0.2))


def _beginning() -> Tensor:
    """Scores of a faint sound whose harmonics become softer with their order, in tune, (`ROWS`,)."""
    order = LOWEST * torch.arange(1, HARMONICS + 1)
    harmonics = torch.where(order % 1 == 0, SOFT - FALLING * order.log(), QUIET)
    return torch.cat([harmonics, torch.full((BANDS,), QUIET), torch.tensor([0.0, -5.0])])
