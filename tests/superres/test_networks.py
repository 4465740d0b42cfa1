"""Generators: shapes and sizes, branches against their sum, how far they see, and what learns."""

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.schema import from_json
from superres.networks import (
    SCALES,
    AttentiveBlock,
    BranchedConv,
    Conv,
    Generator,
    NetworkConfig,
    PReLU,
    branched,
    build_generator,
    fuse,
    grown,
)

nets = pytest.mark.parametrize("net", ["fast", "base"])


def small(net: Any, scale: int = 2, depth: int = 2, width: int = 8) -> Generator:
    torch.manual_seed(0)
    return build_generator(NetworkConfig(net, scale, depth, width, net == "base"))


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@nets
def test_config_survives_json(net: Any) -> None:
    config = NetworkConfig.usual(net, 3)
    assert from_json(NetworkConfig, json.loads(json.dumps(config.as_json()))) == config
    with pytest.raises(ValueError, match="'colour' is unknown"):
        from_json(NetworkConfig, config.as_json() | {"colour": 1})


@nets
@pytest.mark.parametrize("scale", SCALES)
def test_shapes(net: Any, scale: int) -> None:
    network = small(net, scale)
    for height, width in ((5, 7), (1, 1)):
        assert network(torch.rand(2, 3, height, width)).shape == (2, 3, height * scale, width * scale)


def test_sizes_by_hand() -> None:
    first, middle, last = 48 * 3 * 9 + 48, 48 * 48 * 9 + 48, 48 * 48 * 9 + 48  # x4 has 48 outputs
    slopes, join = 48, 4 * 48 * 48 + 48
    fast, base = (fuse(build_generator(NetworkConfig.usual(net, 4))) for net in ("fast", "base"))
    assert count(fast) == first + 10 * middle + last + 11 * slopes
    assert count(base) == first + (6 * 3 + 1) * middle + last + 6 * 2 * slopes + join
    assert 0.22e6 < count(fast) < 0.24e6 and 0.4e6 < count(base) < 0.5e6


@pytest.mark.parametrize("identity", [True, False])
def test_a_branched_convolution_is_the_sum_of_its_branches(identity: bool) -> None:
    torch.manual_seed(0)
    conv = BranchedConv(6, 6, identity)
    nn.init.normal_(conv.direct.bias)
    x = torch.randn(2, 6, 9, 8)
    expanded = F.conv2d(x, conv.expand[:, :, None, None])
    expected = conv.direct(x) + F.conv2d(expanded, conv.squeeze, padding=1) + (x if identity else 0)
    torch.testing.assert_close(conv(x), expected, rtol=0, atol=1e-5)
    plain = conv.fused()
    assert type(plain) is Conv and count(plain) == 6 * 6 * 9 + 6
    torch.testing.assert_close(plain(x), expected, rtol=0, atol=1e-5)


def test_deviations_at_the_start_are_as_the_gain_says() -> None:
    torch.manual_seed(0)
    conv = BranchedConv(48, 48, gain=0.5)
    inside = conv(torch.randn(4, 48, 32, 32))[:, :, 1:-1, 1:-1]
    assert inside.std().item() == pytest.approx(0.5, rel=0.1)


@nets
@pytest.mark.parametrize("scale", [2, 3])
def test_fused_generators_compute_the_same(net: Any, scale: int) -> None:
    network = small(net, scale, width=48)
    _shake(network)
    fused = fuse(network)
    x = torch.rand(2, 3, 12, 10)
    torch.testing.assert_close(fused(x), network(x), rtol=0, atol=1e-5)
    assert not any(isinstance(module, BranchedConv) for module in fused.modules())
    assert any(isinstance(module, BranchedConv) for module in network.modules())
    torch.testing.assert_close(fused(x), _by_branches(network)(x), rtol=0, atol=1e-5)


@nets
def test_fused_weights_fit_a_generator_built_so(net: Any) -> None:
    network = small(net)
    built = build_generator(network.config, fused=True)
    built.load_state_dict(fuse(network).state_dict())
    x = torch.rand(1, 3, 6, 6)
    torch.testing.assert_close(built(x), network(x), rtol=0, atol=1e-5)
    assert count(built) < count(network)


@nets
def test_fusing_leaves_the_original_alone(net: Any) -> None:
    network = small(net)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fused = fuse(network.eval())
    assert not fused.training
    with torch.no_grad():
        for parameter in fused.parameters():
            parameter.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


@nets
@pytest.mark.parametrize("depth", [1, 3])
def test_an_output_sees_as_far_as_the_radius_and_no_further(net: Any, depth: int) -> None:
    network = small(net, depth=depth).double()
    _shake(network)
    radius, scale = network.radius, network.config.scale
    side = 2 * radius + 7
    x = torch.rand(1, 3, side, side, dtype=torch.float64)
    changed = x.clone()
    changed[:, :, radius + 3, radius + 3] += 1e3
    with torch.no_grad():
        differs = (network(x) != network(changed)).any(1)[0]
    rows, columns = differs.any(1).nonzero().flatten(), differs.any(0).nonzero().flatten()
    for places in (rows, columns):
        assert places.min() // scale == 3 and places.max() // scale == 3 + 2 * radius


@nets
def test_the_usual_radius(net: Any) -> None:
    assert build_generator(NetworkConfig.usual(net, 2)).radius == {"fast": 12, "base": 21}[net]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_slopes_learn_as_torchs_do(dtype: torch.dtype) -> None:
    x = torch.randn(2, 8, 5, 7, generator=torch.Generator().manual_seed(0)).to(dtype)
    x[0, 0, 0, 0] = 0
    given = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    found = []
    for module in (PReLU(8, init=0.1).to(dtype), nn.PReLU(8, init=0.1).to(dtype)):
        inputs = x.clone().requires_grad_()
        outputs = module(inputs)
        outputs.backward(given)
        with torch.no_grad():
            assert torch.equal(outputs, module(inputs))
        assert inputs.grad is not None and module.weight.grad is not None
        found.append((outputs.detach(), inputs.grad, module.weight.grad))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("depth", "width"), [(2, 8), (2, 12), (5, 8), (4, 13)])
def test_a_grown_generator_computes_the_same_and_learns_with_all_it_has(depth: int, width: int) -> None:
    network = small("fast", scale=3)
    _shake(network)
    large = grown(network, NetworkConfig("fast", 3, depth, width))
    x = torch.rand(2, 3, 9, 8)
    torch.testing.assert_close(large(x), network(x), rtol=0, atol=1e-5)
    optimizer = torch.optim.SGD(large.parameters(), 1e-3)
    for _ in range(2):  # what is seen by nothing yet learns from the second step on
        optimizer.zero_grad()
        large(x).square().sum().backward()
        optimizer.step()
    for name, parameter in large.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_a_block_attends_to_what_stands_out_by_either_sign() -> None:
    block = AttentiveBlock(2, fused=True)
    for conv in block.convs:
        nn.init.dirac_(conv.weight)  # so that f(x) is x where that is positive, else a hundredth of it
    x = torch.tensor([[3.0, -2.0]]).view(1, 2, 1, 1)
    found, within = block(x)
    expected = [0.5 * (3 + 3) * 3 / 4, 0.5 * (-2 - 0.02) * -0.02 / 1.02]
    torch.testing.assert_close(found.flatten(), torch.tensor(expected))
    assert torch.equal(within, x)


@nets
def test_branched_again_a_generator_computes_the_same(net: Any) -> None:
    network = small(net)
    _shake(network)
    x = torch.rand(2, 3, 9, 8)
    for begun in (network, fuse(network)):
        again = branched(begun)
        assert count(again) == count(network)
        torch.testing.assert_close(again(x), network(x), rtol=0, atol=1e-5)


@nets
def test_with_nothing_found_pixels_are_repeated(net: Any) -> None:
    network = fuse(small(net, 3))
    nn.init.zeros_(network.last.weight)
    x = torch.rand(1, 3, 4, 5)
    assert torch.equal(network(x), F.interpolate(x, scale_factor=3, mode="nearest"))


@nets
def test_gradients_reach_every_parameter(net: Any) -> None:
    network = small(net)
    network(torch.rand(2, 3, 8, 8)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@nets
def test_layouts_agree_and_are_kept(net: Any) -> None:
    network = fuse(small(net))
    x = torch.rand(2, 3, 9, 8)
    expected = network(x)
    network.to(memory_format=torch.channels_last)
    found = network(x.contiguous(memory_format=torch.channels_last))
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@nets
def test_one_picture_is_as_among_several(net: Any) -> None:
    network = fuse(small(net, width=48)).eval()
    x = torch.rand(3, 3, 30, 29)
    with torch.inference_mode():
        assert torch.equal(network(x)[1:2], network(x[1:2]))


@nets
def test_half_precision_trains(net: Any) -> None:
    network = small(net)
    with torch.autocast("cpu", torch.bfloat16):
        found = network(torch.rand(2, 3, 8, 8))
    found.float().mean().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@nets
def test_a_few_steps_learn(net: Any) -> None:
    network = small(net, width=16)
    generator = torch.Generator().manual_seed(0)
    high = F.avg_pool2d(torch.rand(4, 3, 36, 36, generator=generator), 5, 1, 2)
    low = F.avg_pool2d(high, 2)
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    losses = []
    for _ in range(45):
        loss = F.l1_loss(network(low), high)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * F.l1_loss(F.interpolate(low, scale_factor=2, mode="nearest"), high).item()


def _shake(network: Generator) -> None:
    """Biases, which begin as 0, and slopes, which begin alike, become something."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter += 0.1 * torch.randn_like(parameter)


def _by_branches(network: Generator) -> Generator:
    """The same network, with images summed in the place of kernels."""

    def forward(conv: BranchedConv, x: Tensor) -> Tensor:
        squeezed = F.conv2d(F.conv2d(x, conv.expand[:, :, None, None]), conv.squeeze, padding=1)
        return conv.direct(x) + squeezed + (0 if conv.identity is None else x)

    for module in network.modules():
        if isinstance(module, BranchedConv):
            module.forward = forward.__get__(module)  # type: ignore[method-assign]
    return network
