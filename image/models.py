"""A trained image model as one thing to sample from, whichever core made it."""

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from common.cores.vae import VAE
from common.errors import UserError
from common.processes import in_turn
from common.schema import from_json
from common.training.devices import placed
from common.weights import load_network
from common.weights_folders import find_weights, load_config, reading_config
from image.config import GENERATORS, Sampler
from image.data.loading import Fit, ImageData, at_a_time, described, load_images, to_model, to_uint8
from image.data.prompts import PromptTokenizer
from image.networks import NetworkConfig, ResidualGenerator, build_generator, build_vae


@dataclass(frozen=True)
class ImageModel:
    """A generator or VAE with what is needed to use it.

    Attributes:
        network: a generator (z, labels) -> images in [-1, 1], or a VAE.
        config: what it was built from.
        classes: names of the classes it can be asked for; () if none.
        name: of the weights.
        data: name of what it was trained on, and how pictures came to their shape ("fit").
        tokenizer: how descriptions are read; None if the network takes none.
        shared: whether all processes draw the same, each some parts of it.
        truncation: by which latents are multiplied where nothing is named; None if the weights do not tell.
    """

    network: nn.Module
    config: NetworkConfig
    classes: tuple[str, ...] = ()
    name: str = ""
    data: dict[str, Any] | None = None
    tokenizer: PromptTokenizer | None = None
    shared: bool = False
    truncation: float | None = None

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    @property
    def vae(self) -> VAE:
        """The network as what only VAEs can do wants it.

        Raises:
            UserError: it is a GAN's generator.
        """
        if not isinstance(self.network, VAE):
            raise UserError(f"{self.name} is a GAN, which has no encoder and no --sampler mixture; name a VAE")
        return self.network

    @property
    def usual_sampler(self) -> Sampler:
        """What latents are drawn by where nothing is named."""
        return "mixture" if isinstance(self.network, VAE) else "prior"

    def latents(self, count: int, seed: int = 0, sampler: Sampler = "prior") -> Tensor:
        """Draw z, (count, latent), on the CPU, so that a seed means the same on every device.

        Args:
            sampler: the prior N(0, I), or a VAE's mixture (`common.cores.samplers`).

        Raises:
            UserError: the mixture of a GAN.
        """
        generator = torch.Generator().manual_seed(seed)
        if sampler == "mixture":
            mixture = self.vae.sampler
            assert mixture is not None
            return copy.deepcopy(mixture).cpu().sample(count, generator)
        return torch.randn(count, self.config.latent, generator=generator)

    def sample(self, count: int, labels: Tensor | None = None, seed: int = 0, sampler: Sampler = "prior") -> Tensor:
        """Draw images, uint8 (count, C, H, W).

        Args:
            labels: (count,) int64, or None for no label (a conditional VAE then draws labels evenly); or descriptions.
        """
        return self.decode(self.latents(count, seed, sampler), labels)

    @torch.inference_mode()
    def reconstruct(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Encode images uint8 (N, C, H, W) to their posteriors' means and decode those.

        Raises:
            UserError: the model is no VAE.
        """
        chosen = None if labels is None else labels.to(self.device)
        return self.decode(self.vae.encode(to_model(images).to(self.device), chosen).mean, labels)

    @torch.inference_mode()
    def decode(
        self, z: Tensor, labels: Tensor | None = None, guidance: float = 1.0, fine: Tensor | None = None
    ) -> Tensor:
        """Images uint8 (N, C, H, W) on the CPU for latents z (N, latent).

        Args:
            labels: (N,) int64; weights of all labels and "no label" (N, classes + 1), for what lies between; or None.
                Of a network that reads descriptions, these as `PromptTokenizer.tokens` makes them, (N, L).
            guidance: of descriptions; above 1 what they change is exaggerated.
            fine: latents (N, latent) whose style the shapes of `z` get, by a residual GAN without descriptions.

        Raises:
            UserError: `fine` is given, and the network is another.
        """
        if fine is not None and not isinstance(self.network, ResidualGenerator):
            raise UserError(f"--mix: {self.name} has no styles to mix; name a GAN with --net residual, without words")
        if labels is None and isinstance(self.network, VAE) and self.classes:
            labels = torch.arange(len(z)) % len(self.classes)

        def drawn(rows: Tensor) -> Tensor:
            chosen = None if labels is None else labels[rows].to(self.device)
            style = () if fine is None else (fine[rows].to(self.device),)
            return to_uint8(self._images(z[rows].to(self.device), chosen, guidance, *style)).cpu()

        return torch.cat(in_turn(torch.arange(len(z)).split(at_a_time(*self.config.shape)), drawn, self.shared))

    def label(self, name: str) -> int:
        """The number of a class, by name (any case) or number.

        Raises:
            UserError: the model has no such class.
        """
        lowered = [known.lower() for known in self.classes]
        if name.lower() in lowered:
            return lowered.index(name.lower())
        if name.isdecimal() and int(name) < len(self.classes):
            return int(name)
        known = f"its labels are {', '.join(self.classes)}" if self.classes else "it takes none"
        raise UserError(f"--label {name}: unknown to {self.name}; {known}")

    def _images(self, z: Tensor, labels: Tensor | None, guidance: float, *fine: Tensor) -> Tensor:
        if self.tokenizer is not None:
            return self.network(z, labels, guidance)
        if isinstance(self.network, VAE):
            return self.network.likelihood.mean(self.network.decode(z, labels))
        return self.network(z, labels, *fine)


class Drawing(nn.Module):
    """What draws, as a module: (z (N, latent), labels (N,) if there are classes) -> images (N, C, H, W) in [-1, 1].

    Args:
        model: that reads no descriptions.
    """

    def __init__(self, model: ImageModel) -> None:
        super().__init__()
        self.network, self._model = model.network, model

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self._model._images(z, labels, guidance=1.0)


def load_image_model(source: str, device: torch.device | str = "cpu", shared: bool = False) -> ImageModel:
    """Load an image model by bundled name, path (a weights folder or a run) or Hub id.

    Args:
        shared: of several processes all draw the same, each some parts of it.

    Raises:
        UserError: there is none, or it is damaged or of another kind.
    """
    folder = find_weights(source, "image")
    config = load_config(folder, "image", *GENERATORS)
    build = {"gan": build_generator, "vae": build_vae}[config["kind"]]
    with reading_config(folder):
        stated = from_json(_Stated, config, others=True)
        if stated.network.classes not in (0, len(stated.classes)):
            raise ValueError(f"{len(stated.classes)} 'classes'")
        if stated.truncation is not None and not 0 < stated.truncation < math.inf:
            raise ValueError(f"'truncation' {stated.truncation}")
        tokenizer = PromptTokenizer.load(folder, config) if stated.network.pieces else None
    network = placed(load_network(folder, lambda: build(stated.network)), device)
    name = folder.resolve().name
    return ImageModel(
        network, stated.network, stated.classes, name, config["data"], tokenizer, shared, stated.truncation
    )


@dataclass(frozen=True)
class _StatedData:
    """What config.json tells of the data."""

    name: str
    fit: Fit = "crop"


@dataclass(frozen=True)
class _Stated:
    """What config.json must hold."""

    network: NetworkConfig
    classes: tuple[str, ...]
    data: _StatedData | None
    words: str = ""
    truncation: float | None = None


def load_for(model: ImageModel, data: str) -> ImageData:
    """Load a data set as the model saw its own.

    Raises:
        UserError: there is none, or a conditional model has other classes.
    """
    fit = (model.data or {}).get("fit", "crop")
    loaded = load_images(data, model.config.side, fit, grey=model.config.channels == 1)
    if model.tokenizer is not None:
        loaded, *_ = described(loaded)
    if model.classes and loaded.spec.classes != model.classes:
        raise UserError(
            f"{data} has not the classes of {model.name} ({', '.join(model.classes)}); name its own data set"
        )
    return loaded
