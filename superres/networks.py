"""Generators of super-resolution: from pictures (N, 3, H, W) to pictures (N, 3, H * scale, W * scale), in [0, 1].

They are purely local: an output depends on no input pixel further than `radius` away, and padding is zeros alone, so
that a picture may be upscaled in tiles. In float32 on the CPU tiles are exact to the last bit: there are convolutions
alone, which always take the same path through torch, and what rounds alike everywhere. Outputs are not clipped. They
work at low resolution up to a last pixel shuffle (Shi et al. 2016), and add what they compute to the input with its
pixels repeated.

In training, every 3 x 3 convolution is a sum of branches (`BranchedConv`), which learns faster; `fuse` makes plain
convolutions of them, which compute the same.
"""

import copy
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any, Literal, cast

import torch
from einops import einsum, repeat
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

NetName = Literal["fast", "base"]
SCALES = (2, 3, 4, 8)
SIZES: dict[NetName, tuple[int, int]] = {"fast": (10, 48), "base": (6, 48)}  # depth and width
ATTENTIVE: tuple[NetName, ...] = ("base",)
COLOURS = 3
SMALL = 20480  # numbers: for one such picture torch picks another convolution, which rounds otherwise
GREY = 0.5  # subtracted from inputs, so that the zeros around them are grey and not black
COST = 4_096  # bytes of memory a pixel of the input, roughly
EXPANSION = 2  # channels of the inner branch, as a multiple of the outputs


@dataclass(frozen=True)
class Reach:
    """What tiles must know of a network.

    Attributes:
        scale: outputs per input pixel, along each side.
        radius: how far the inputs may be from an output that depends on them, in input pixels; or by how much tiles
            overlap where that would be too far.
        step: tiles begin at multiples of so many input pixels.
        cost: bytes of memory that it needs a pixel of its input, roughly.
        is_local: whether outputs depend on nothing beyond `radius`.
    """

    scale: int
    radius: int
    step: int = 1
    cost: int = COST
    is_local: bool = True


@dataclass(frozen=True)
class NetworkConfig:
    """What a generator is built from.

    Attributes:
        net: fast or base, what it is called.
        scale: outputs per input pixel, along each side.
        depth: convolutions between the first and the last or, with attention, blocks of three.
        width: channels.
        attention: whether it is an `AttentiveGenerator`.
    """

    net: NetName
    scale: int
    depth: int
    width: int
    attention: bool = False  # as weights of before, which do not tell

    @classmethod
    def usual(cls, net: NetName, scale: int) -> "NetworkConfig":
        """The settings of the usual size: 0.23 M parameters (fast) or 0.43 M (base) when fused, at x4."""
        return cls(net, scale, *SIZES[net], net in ATTENTIVE)

    @property
    def reach(self) -> Reach:
        """What tiles must know of the generator."""
        return Reach(self.scale, self.radius)

    @property
    def radius(self) -> int:
        """How far the inputs may be from an output that depends on them, in input pixels."""
        return 3 * self.depth + 3 if self.attention else self.depth + 2

    def as_json(self) -> dict[str, Any]:
        """The settings as plain values, for config.json."""
        return asdict(self)


def build_generator(config: NetworkConfig, fused: bool = False) -> "Generator":
    """A generator with new weights.

    Args:
        fused: of plain convolutions, as `fuse` makes it: for weights that were saved so.
    """
    return AttentiveGenerator(config, fused) if config.attention else Generator(config, fused)


@torch.no_grad()
def branched(generator: "Generator") -> "Generator":
    """A generator of branched convolutions, which learn faster, that computes the same as yet."""
    copied = build_generator(generator.config)
    copied.load_state_dict(generator.state_dict(), strict=False)
    for name, conv in copied.named_modules():
        if isinstance(conv, BranchedConv):
            known = generator.get_submodule(name)
            conv.hold(known.fused() if isinstance(known, BranchedConv) else cast(Conv, known))
    return copied


@torch.no_grad()
def grown(generator: "Generator", config: NetworkConfig) -> "Generator":
    """A wider and deeper generator without attention that computes the same as yet (Chen et al. 2016: Net2Net).

    The channels of the given one see nothing of the new channels, and its layers are followed by ones that pass on what
    they get.

    Args:
        generator: without attention.
        config: of the same scale, no narrower and no shallower.
    """
    large, small, width = build_generator(config), fuse(generator), generator.config.width
    passing = Conv(width, width)
    nn.init.dirac_(passing.weight)
    pairs = [(large.first, small.first), (large.last, small.last)]
    pairs += [
        (conv, small.convs[layer] if layer < len(small.convs) else passing) for layer, conv in enumerate(large.convs)
    ]
    for conv, plain in pairs:
        assert isinstance(conv, BranchedConv) and isinstance(plain, Conv)
        conv.hold(plain)
    for slopes, old in zip_longest(large.activations.parameters(), small.activations.parameters()):
        slopes[:width] = 1 if old is None else old  # a slope of 1 changes nothing
    return large


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

    def __init__(self, inputs: int, outputs: int, gain: float = 1.0, kernel: int = 3) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        assert self.bias is not None
        nn.init.normal_(self.weight, std=gain / (kernel**2 * inputs) ** 0.5)
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
            squeezed = einsum(self.squeeze, self.expand, "outputs inner h w, inner inputs -> outputs inputs h w")
            kernel = self.direct.weight + squeezed
            return kernel if self.identity is None else kernel + self.identity

    @torch.no_grad()
    def hold(self, plain: "Conv") -> None:
        """Compute what a convolution of fewer channels does, in the first outputs, of the first inputs alone."""
        assert self.direct.bias is not None and plain.bias is not None
        outputs, inputs = plain.weight.shape[:2]
        others = self.kernel() - self.direct.weight
        self.direct.weight[:outputs] = -others[:outputs]
        self.direct.weight[:outputs, :inputs] += plain.weight
        self.direct.bias[:outputs] = plain.bias

    @torch.no_grad()
    def fused(self) -> "Conv":
        """A plain convolution that computes the same."""
        plain = copy.deepcopy(self.direct)
        plain.weight.copy_(self.kernel())
        return plain


class PReLU(nn.PReLU):
    """torch's, one slope a channel, that learns in a third of the time on CPUs: torch's own gradient is slow there."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W), channels last -> the same."""
        if not torch.is_grad_enabled():
            return super().forward(x)
        return cast(Tensor, _Bent.apply(x, self.weight.to(x.dtype)))


class _Bent(torch.autograd.Function):
    """What is positive, and `slopes` times what is negative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slopes: Tensor) -> Tensor:
        ctx.save_for_backward(x, slopes)
        return torch.addcmul(x.clamp(min=0), x.clamp(max=0), slopes[:, None, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, slopes = ctx.saved_tensors
        passed = torch.ops.aten.threshold_backward(gradient, x, 0)  # torch.where takes ten times as long
        bent = gradient - passed
        return torch.addcmul(passed, bent, slopes[:, None, None]), (bent * x).sum((0, 2, 3))


class Generator(nn.Module):
    """Plain convolutions, each but the last followed by a PReLU (He et al. 2015)."""

    def __init__(self, config: NetworkConfig, fused: bool = False) -> None:
        super().__init__()
        self.config, width = config, config.width
        self.first = _layer(fused, COLOURS, width)
        self._build(config, fused)
        self.last = _layer(fused, width, COLOURS * config.scale**2, gain=0.1)

    def _build(self, config: NetworkConfig, fused: bool) -> None:
        width = config.width
        self.convs = nn.ModuleList(_layer(fused, width, width, identity=True, gain=0.3) for _ in range(config.depth))
        self.activations = nn.ModuleList(PReLU(width, init=0.1) for _ in range(config.depth + 1))

    @property
    def radius(self) -> int:
        """How far an output pixel sees, as `NetworkConfig.radius`."""
        return self.config.radius

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 3, H * scale, W * scale)."""
        x = self._between(self.first(images - GREY))
        # Repeated channels are repeated pixels once they are shuffled.
        repeated = repeat(images, "n c h w -> n (c pixels) h w", pixels=self.config.scale**2)
        return F.pixel_shuffle(self.last(x) + repeated, self.config.scale)

    def _between(self, x: Tensor) -> Tensor:
        """What the last convolution gets of the first one's output, both (N, width, H, W)."""
        x = self.activations[0](x)
        for conv, activation in zip(self.convs, self.activations[1:], strict=True):
            x = activation(conv(x))
        return x


class AttentiveGenerator(Generator):
    """Blocks whose outputs are attended to by their own strength, without a parameter for it (Wan et al. 2024: SPAN).

    The first maps, the first block's, the last one's and those within the last are joined by a 1 x 1 convolution.
    """

    def _build(self, config: NetworkConfig, fused: bool) -> None:
        width = config.width
        self.blocks = nn.ModuleList(AttentiveBlock(width, fused) for _ in range(config.depth))
        self.after = _layer(fused, width, width)
        self.join = Conv(4 * width, width, kernel=1)

    def _between(self, x: Tensor) -> Tensor:
        found, within = [x], x
        for block in self.blocks:
            following, within = block(found[-1])
            found.append(following)
        return self.join(torch.cat([x, found[1], self.after(found[-1]), within], 1))


class AttentiveBlock(nn.Module):
    """Three convolutions, f, and half of (x + f(x)) * softsign(f(x)): what stands out by either sign is kept.

    The paper's sigmoid minus a half, and its SiLU, round otherwise at the ends of a tile; a division never does.
    """

    def __init__(self, width: int, fused: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_layer(fused, width, width, identity=True, gain=0.7) for _ in range(3))
        self.activations = nn.ModuleList(PReLU(width, init=0.1) for _ in range(2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, width, H, W) -> the block's output and the first convolution's, both of that shape."""
        first, second, third = self.convs
        within = first(x)
        found = third(self.activations[1](second(self.activations[0](within))))
        return 0.5 * (x + found) * F.softsign(found), within


def _layer(fused: bool, inputs: int, outputs: int, identity: bool = False, gain: float = 1.0) -> nn.Module:
    return Conv(inputs, outputs, gain) if fused else BranchedConv(inputs, outputs, identity, gain)


def _convolved(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """A convolution to the same size, by one and the same algorithm whatever the height and width."""
    padding = kernel.shape[-1] // 2
    if len(x) == 1 and x.numel() <= SMALL and x.device.type == "cpu":
        return F.conv2d(torch.cat([x, x]), kernel, bias, padding=padding)[:1]  # for two, torch picks the usual one
    return F.conv2d(x, kernel, bias, padding=padding)
