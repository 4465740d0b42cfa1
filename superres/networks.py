"""Generators of super-resolution: from pictures (N, 3, H, W) to pictures (N, 3, H * scale, W * scale), in [0, 1].

Both are purely local: an output depends on no input pixel further than `radius` away, and padding is zeros alone, so
that a picture may be upscaled in tiles. In float32 on the CPU tiles are exact to the last bit: there are 3 x 3
convolutions alone, which always take the same path through torch, and no exponentials, which the CPU computes otherwise
at the end of an array than in its body. Outputs are not clipped. Both work at low resolution up to a last pixel shuffle
(Shi et al. 2016), and add what they compute to the input with its pixels repeated.

In training, every 3 x 3 convolution is a sum of branches (`BranchedConv`), which learns faster; `fuse` makes plain
convolutions of them, which compute the same.
"""

import copy
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NetName = Literal["fast", "base"]
SCALES = (2, 3, 4, 8)
DEPTHS: dict[NetName, int] = {"fast": 10, "base": 6}
COLOURS = 3
SMALL = 20480  # numbers: for one such picture torch picks another convolution, which rounds otherwise
GREY = 0.5  # subtracted from inputs, so that the zeros around them are grey and not black
EXPANSION = 2  # channels of the inner branch, as a multiple of the outputs


@dataclass(frozen=True)
class NetworkConfig:
    """What a generator is built from.

    Attributes:
        net: fast or base.
        scale: outputs per input pixel, along each side.
        depth: convolutions between the first and the last of fast, blocks of three of base.
        width: channels.
    """

    net: NetName
    scale: int
    depth: int
    width: int = 48

    @classmethod
    def usual(cls, net: NetName, scale: int) -> "NetworkConfig":
        """Of the usual size: 0.23 M parameters (fast) or 0.46 M (base) when fused, at x4."""
        return cls(net, scale, DEPTHS[net])

    @property
    def radius(self) -> int:
        """How far the inputs may be from an output that depends on them, in input pixels."""
        return 2 + (self.depth if self.net == "fast" else 3 * self.depth)

    def as_json(self) -> dict[str, Any]:
        """For config.json."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "NetworkConfig":
        """The other way round.

        Raises:
            TypeError, KeyError: the values are not what `as_json` wrote.
        """
        return cls(**values)


def build_generator(config: NetworkConfig, fused: bool = False) -> "Generator":
    """A generator with new weights.

    Args:
        fused: of plain convolutions, as `fuse` makes it: for weights that were saved so.

    Raises:
        KeyError: there is no such net.
    """
    return {"fast": FastGenerator, "base": BaseGenerator}[config.net](config, fused)


def fuse(generator: "Generator") -> "Generator":
    """A copy with plain convolutions in the place of branched ones: the same function, and the names of weights that
    `build_generator(config, fused=True)` has."""
    fused = copy.deepcopy(generator)
    for name, module in list(fused.named_modules()):
        if isinstance(module, BranchedConv):
            fused.set_submodule(name, module.fused())
    return fused


class Conv(nn.Conv2d):
    """A plain 3 x 3 convolution, of weights that multiply deviations by `gain`, and no bias as yet."""

    def __init__(self, inputs: int, outputs: int, gain: float = 1.0) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        assert self.bias is not None
        nn.init.normal_(self.weight, std=gain / (9 * inputs) ** 0.5)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W)."""
        return _convolved(x, self.weight, self.bias)


class BranchedConv(nn.Module):
    """A 3 x 3 convolution whose kernel is learned as a sum: a kernel, a 1 x 1 expansion that a 3 x 3 one squeezes, and
    the identity (Ding et al. 2021; Zhang et al. 2021, ECBSR).

    Branches are summed as kernels and not as images (Bhardwaj et al. 2022), so a training step costs little more than
    that of a plain convolution.

    Args:
        inputs, outputs: channels.
        identity: whether the input is added; it needs inputs == outputs.
        gain: standard deviation of outputs for independent inputs of deviation 1, without the identity.
    """

    identity: Tensor | None

    def __init__(self, inputs: int, outputs: int, identity: bool = False, gain: float = 1.0) -> None:
        super().__init__()
        inner = EXPANSION * outputs
        self.direct = Conv(inputs, outputs, gain / 2**0.5)
        self.expand = nn.Parameter(torch.randn(inner, inputs) / inputs**0.5)
        self.squeeze = nn.Parameter(torch.randn(outputs, inner, 3, 3) * gain / (2 * 9 * inner) ** 0.5)
        kernel = F.pad(torch.eye(outputs)[:, :, None, None], (1, 1, 1, 1)) if identity else None
        self.register_buffer("identity", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W)."""
        return _convolved(x, self.kernel(), self.direct.bias)

    def kernel(self) -> Tensor:
        """The sum of the branches, (outputs, inputs, 3, 3)."""
        with torch.autocast(self.expand.device.type, enabled=False):  # the sum in 16 bits would lose small branches
            kernel = self.direct.weight + torch.einsum("oeyx,ei->oiyx", self.squeeze, self.expand)
            return kernel if self.identity is None else kernel + self.identity

    @torch.no_grad()
    def fused(self) -> "Conv":
        """A plain convolution that computes the same."""
        plain = copy.deepcopy(self.direct)
        plain.weight.copy_(self.kernel())
        return plain


class Generator(nn.Module):
    """What the generators share: the first and the last convolution, the shuffle and the repeated input.

    Args:
        found: channels of features.
    """

    def __init__(self, config: NetworkConfig, fused: bool, found: int) -> None:
        super().__init__()
        self.config = config
        self.first = _layer(fused, COLOURS, config.width)
        self.last = _layer(fused, found, COLOURS * config.scale**2, gain=0.1)

    @property
    def radius(self) -> int:
        """As `NetworkConfig.radius`."""
        return self.config.radius

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 3, H * scale, W * scale)."""
        details = self.last(self.features(self.first(images - GREY)))
        # Repeated channels are repeated pixels once they are shuffled.
        repeated = images.repeat_interleave(self.config.scale**2, 1)
        return F.pixel_shuffle(details + repeated, self.config.scale)

    def features(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> (N, found, H, W)."""
        raise NotImplementedError


class FastGenerator(Generator):
    """Plain convolutions, each followed by a PReLU (He et al. 2015)."""

    def __init__(self, config: NetworkConfig, fused: bool) -> None:
        width = config.width
        super().__init__(config, fused, width)
        self.convs = nn.ModuleList(_layer(fused, width, width, identity=True, gain=0.3) for _ in range(config.depth))
        self.activations = nn.ModuleList(nn.PReLU(width, init=0.1) for _ in range(config.depth + 1))

    def features(self, x: Tensor) -> Tensor:
        x = self.activations[0](x)
        for conv, activation in zip(self.convs, self.activations[1:], strict=True):
            x = activation(conv(x))
        return x


class BaseGenerator(Generator):
    """Blocks with attention that has no parameters, and early features beside late ones (Wan et al. 2023: SPAN).

    SPAN's last three convolutions have nothing between them, so that one is as good.
    """

    def __init__(self, config: NetworkConfig, fused: bool) -> None:
        width = config.width
        super().__init__(config, fused, 4 * width)
        self.blocks = nn.ModuleList(AttentiveBlock(width, fused) for _ in range(config.depth))

    def features(self, x: Tensor) -> Tensor:
        early, inner = self.blocks[0](x)
        late = early
        for block in self.blocks[1:]:
            late, inner = block(late)
        return torch.cat([x, late, early, inner], 1)


class AttentiveBlock(nn.Module):
    """Three convolutions, and what they find multiplied by how much it stands out.

    Where SPAN has sigmoid(y) - 1/2 there is clamp(y, -2, 2) / 4, of the same slope and limits, and hard swish for its
    swish.
    """

    def __init__(self, width: int, fused: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_layer(fused, width, width, identity=True) for _ in range(3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, width, H, W) -> the same, and what the first convolution found."""
        first, second, third = self.convs
        inner = F.hardswish(first(x))
        found = third(F.hardswish(second(inner)))
        return (found + x) * (found.clamp(-2, 2) / 4), inner


def _layer(fused: bool, inputs: int, outputs: int, identity: bool = False, gain: float = 1.0) -> nn.Module:
    return Conv(inputs, outputs, gain) if fused else BranchedConv(inputs, outputs, identity, gain)


def _convolved(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """A 3 x 3 convolution, by one and the same algorithm whatever the height and width."""
    if len(x) == 1 and x.numel() <= SMALL and x.device.type == "cpu":
        return F.conv2d(torch.cat([x, x]), kernel, bias, padding=1)[:1]  # for two pictures torch picks the usual one
    return F.conv2d(x, kernel, bias, padding=1)
