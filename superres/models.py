"""A trained generator as one thing to use: small pictures in, large ones out."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from common.errors import UserError
from common.schema import from_json
from common.training.devices import placed
from common.weights import load_network
from common.weights_folders import find_weights, load_config, reading_config
from superres.config import Degradation, denoised, is_model_file, twins
from superres.ensemble import Ensemble
from superres.foreign import load_foreign
from superres.networks import Generator, NetworkConfig, Reach, build_generator, fuse
from superres.upscaling import TiledUpscaler


@dataclass(frozen=True)
class SuperResModel:
    """A generator with what is needed to use it.

    Attributes:
        network: fused, in evaluation mode; or another program's.
        config: what it was built from; of other programs' networks, what tiles must know.
        name: of the weights.
        data: name of what it was trained on, under "name".
    """

    network: nn.Module
    config: NetworkConfig | Reach
    name: str = ""
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def scale(self) -> int:
        """Outputs per input pixel, along each side."""
        return self.config.scale

    @property
    def radius(self) -> int:
        """How far the inputs may be from an output that depends on them, in input pixels."""
        return self.config.radius

    @property
    def reach(self) -> Reach:
        """What tiles must know of the network."""
        return self.config if isinstance(self.config, Reach) else self.config.reach

    @property
    def device(self) -> torch.device:
        """Where the network is; onnxruntime's has no parameters, and is on the CPU."""
        return next(self.network.parameters(), torch.empty(0)).device

    @torch.inference_mode()
    def upscale(self, images: Tensor) -> Tensor:
        """Upscale float32 images in [0, 1], (N, 3, H, W) -> (N, 3, H * scale, W * scale) in [0, 1], on `device`.

        GPUs that compute in bfloat16 do, and do it again in float32 should anything not be finite.
        """
        images = images.to(self.device).contiguous(memory_format=torch.channels_last)
        if self.device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
            with torch.autocast("cuda", torch.bfloat16):
                upscaled = self.network(images).float()
            if upscaled.isfinite().all():
                return upscaled.clamp(0, 1)
        return self.network(images).clamp(0, 1)

    def upscale_picture(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Upscale one picture, (H, W, 3) -> (H * scale, W * scale, 3), as `superres.upscale` does."""
        return TiledUpscaler(self).upscale(picture)


def load_superres_model(
    source: str,
    device: torch.device | str = "cpu",
    sharpness: float | None = None,
    denoise: float | None = None,
    ensemble: bool = False,
) -> SuperResModel:
    """Load a generator by bundled name, path (a weights folder, a run or a model file) or Hub id, and fuse it.

    Args:
        sharpness: from 0, the weights that were trained on pixels alone, to 1, their adversarial twin, whose name is
            theirs with "-gan" behind it (x4-fast and x4-fast-gan; `source` may be either). In between kernels are
            blended, after fusing: a kernel is what a network computes with, and the same kernel can be had from many
            different branches, so that a blend of branches could be of unrelated ones. None: `source` as it is.
        denoise: likewise from weights for clean pictures to their twin for noisy ones (x4-fast and x4-real); it goes
            without `sharpness`.
        ensemble: give the mean over the eight ways to turn and mirror a picture (`superres.ensemble`).

    Raises:
        UserError: there are no such weights, or they are damaged or of another kind; or `sharpness` or `denoise` is
            outside of [0, 1] or has no twin, or one of another network, to blend with.
    """
    model = _found(source, device, sharpness, denoise)
    return replace(model, network=Ensemble(model.network)) if ensemble else model


def _found(source: str, device: torch.device | str, sharpness: float | None, denoise: float | None) -> SuperResModel:
    if is_model_file(source):
        network, reach = load_foreign(Path(source))
        return SuperResModel(placed(network, device), reach, Path(source).name)
    for flag, share, find in (("sharpness", sharpness, twins), ("denoise", denoise, denoised)):
        if share is not None:
            if not 0 <= share <= 1:
                raise UserError(f"--{flag} must be in [0, 1], not {share}")
            return _blended(flag, share, find(source), device)
    return _load(source, device)


def load_generator(source: str) -> tuple[Generator, Path, dict[str, Any]]:
    """A generator as it was trained, with branches, its folder, and config.json's "data".

    Raises:
        UserError: there is none, or it is damaged or of another kind.
    """
    folder = find_weights(source, "superres")
    config = load_config(folder, "superres", "generator")
    with reading_config(folder):
        stated = from_json(_Stated, config, others=True)
    return load_network(folder, lambda: build_generator(stated.network)), folder, config["data"]


@dataclass(frozen=True)
class _StatedData:
    """What config.json tells of the data."""

    name: str
    key: str = ""
    degradation: Degradation = "bicubic"


@dataclass(frozen=True)
class _Stated:
    """What config.json must hold."""

    network: NetworkConfig
    data: _StatedData


def superres_model(network: Generator, name: str = "", data: dict[str, Any] | None = None) -> SuperResModel:
    """A generator made ready for use where it is: a fused copy in evaluation mode."""
    fused = fuse(network).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return SuperResModel(fused, network.config, name, data or {})


def _blended(flag: str, share: float, names: tuple[str, str], device: torch.device | str) -> SuperResModel:
    one, other = (_load(name, device) for name in names)
    if one.config != other.config:
        raise UserError(f"--{flag}: {' and '.join(names)} are different networks, which cannot be blended")
    for ours, theirs in zip(one.network.parameters(), other.network.parameters(), strict=True):
        ours.data.lerp_(theirs.data, share)
    return one


def _load(source: str, device: torch.device | str) -> SuperResModel:
    network, folder, data = load_generator(source)
    return superres_model(network.to(device), folder.resolve().name, data)
