"""Networks of images: shapes at every side, labels, and what they are at the start."""

import json
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from common.cores.blocks import ResidualBlock
from common.cores.vae import VAE
from common.errors import UserError
from image.config import WIDTHS, Net, Size, height_and_width
from image.networks import NetworkConfig, build_critic, build_generator, build_vae, stages, widths

SIDES: list[Size] = [28, 32, 64, 128, "48x32", "32x48", "64x48"]


def config(
    side: Size = 28, channels: int = 1, net: Net = "residual", classes: int = 3, **settings: object
) -> NetworkConfig:
    return NetworkConfig(net, side, channels, WIDTHS["debug"], 8, classes, **settings)  # type: ignore[arg-type]


# --- shapes


@pytest.mark.parametrize("net", ["dcgan", "residual"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", SIDES)
def test_generator_and_critic_fit_together(side: Size, channels: int, net: Net) -> None:
    settings = config(side, channels, net)
    generator, critic = build_generator(settings), build_critic(settings)
    labels = torch.tensor([0, 3])
    images = generator(torch.randn(2, 8), labels)
    assert images.shape == (2, channels, *height_and_width(side)) == (2, channels, *settings.shape)
    assert images.abs().max() <= 1
    assert critic(images, labels).shape == (2,)  # (N, 1) would broadcast silently in the losses


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("likelihood", ["logistic", "bernoulli"])
def test_encoder_and_decoder_fit_together(side: Size, channels: int, likelihood: str) -> None:
    vae = build_vae(config(side, channels, likelihood=likelihood))
    images, labels = torch.rand(2, channels, *height_and_width(side)) * 2 - 1, torch.tensor([0, 2])
    posterior = vae.encode(images, labels)
    assert posterior.mean.shape == posterior.log_variance.shape == (2, 8)
    nll, kl = vae(images, torch.randn(2, 8), labels)
    assert nll.shape == (2,)
    assert kl.shape == (2, 8)
    assert torch.isfinite(nll).all()
    assert vae.likelihood.mean(vae.decode(torch.randn(2, 8), labels)).shape == images.shape


@pytest.mark.parametrize("net", ["dcgan", "residual"])
def test_unconditional_networks_take_no_labels(net: Net) -> None:
    settings = config(classes=0, net=net)
    images = build_generator(settings)(torch.randn(2, 8))
    assert images.shape == (2, 1, 28, 28)
    assert build_critic(settings)(images).shape == (2,)
    vae = build_vae(config(classes=0))
    assert isinstance(vae, VAE)
    assert vae.decode(torch.randn(2, 8)).shape == (2, 2, 28, 28)


@pytest.mark.parametrize(
    ("size", "stages_of_it"),
    [
        (8, (4, 4, 1)),
        (28, (7, 7, 2)),
        (32, (4, 4, 3)),
        (48, (6, 6, 3)),
        (80, (5, 5, 4)),
        ("128x128", (4, 4, 5)),
        (512, (4, 4, 7)),
        ("96x64", (4, 6, 4)),
        ("64x96", (6, 4, 4)),
        ("128x96", (6, 8, 4)),
        ("192x112", (7, 12, 4)),
    ],
)
def test_stages(size: Size, stages_of_it: tuple[int, int, int]) -> None:
    assert stages(size) == stages_of_it


@pytest.mark.parametrize(
    ("size", "near"),
    [
        (0, (8, 10)),
        (4, (8, 10)),
        (9, (8, 10)),
        (30, (28, 32)),
        (100, (96, 112)),
        ("30x30", (28, 32)),
        (1100, (896, 1024)),
        ("70x64", (64, "80x64")),
        ("100x64", ("96x64", "112x64")),
        ("64x100", ("64x96", "64x112")),
        ("1920x1080", ("1024x512", "1024x640")),
    ],
)
def test_a_size_that_no_doubling_reaches_is_told_with_the_nearest(size: Size, near: tuple[Size, Size]) -> None:
    with pytest.raises(UserError, match=rf"--size {size} is not .* doubled .*; try {near[0]} or {near[1]}$"):
        stages(size)
    for build in (build_generator, build_critic, build_vae):
        with pytest.raises(UserError):
            build(config(size))
    for possible in near:
        stages(possible)


def test_narrow_ends_are_wide_but_not_too_wide() -> None:
    assert widths(config(28)) == [16, 8, 4]
    for net in ("dcgan", "residual"):
        channels = widths(config(128, net=net))
        assert channels[-1] == 4
        assert channels == sorted(channels, reverse=True)
        assert channels[0] <= 16 * 4


def test_a_config_travels_as_json() -> None:
    for settings in (config(spectral_norm=True, likelihood="bernoulli"), config("48x32")):
        assert NetworkConfig(**json.loads(json.dumps(settings.as_json()))) == settings


# --- labels


@pytest.mark.parametrize("net", ["dcgan", "residual"])
def test_one_generator_samples_with_and_without_a_label(net: Net) -> None:
    torch.manual_seed(0)
    generator, z = build_generator(config(net=net)).eval(), torch.randn(2, 8)
    with torch.no_grad():
        generator.condition.embedding.weight.normal_()
        first, second, none = (generator(z, torch.full((2,), label)) for label in (0, 1, 3))
        assert torch.equal(generator(z), none)  # the index after the last class means "no label"
        assert not torch.allclose(first, second)
        assert not torch.allclose(first, none)


@pytest.mark.parametrize("net", ["dcgan", "residual"])
def test_a_critic_reads_the_label(net: Net) -> None:
    torch.manual_seed(0)
    critic, images = build_critic(config(net=net)).eval(), torch.randn(2, 1, 28, 28)
    with torch.no_grad():
        assert not torch.allclose(critic(images, torch.tensor([0, 0])), critic(images, torch.tensor([1, 1])))


def test_a_vae_reads_the_label() -> None:
    torch.manual_seed(0)
    vae, images, z = build_vae(config()), torch.randn(2, 1, 28, 28), torch.randn(2, 8)
    zero, one = torch.tensor([0, 0]), torch.tensor([1, 1])
    assert not torch.allclose(vae.encode(images, zero).mean, vae.encode(images, one).mean)
    assert not torch.allclose(vae.decode(z, zero), vae.decode(z, one))


# --- what they are made of


def test_modern_networks_use_no_batch_norm_and_start_with_silent_branches() -> None:
    settings = config(32)
    for network in (build_generator(settings), build_critic(settings), build_vae(settings)):
        kinds = [type(module) for module in network.modules()]
        assert nn.BatchNorm2d not in kinds
        assert ResidualBlock in kinds
        assert all(not m.second.weight.any() for m in network.modules() if isinstance(m, ResidualBlock))


def test_the_last_doubling_starts_without_a_checkerboard() -> None:
    torch.manual_seed(0)
    images = build_generator(config(channels=3))(torch.randn(2, 8))
    cells = images.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)  # the four pixels that one pixel becomes
    torch.testing.assert_close(cells, cells[..., :1].expand_as(cells))


def test_a_block_of_its_own_may_make_the_last_doubling() -> None:
    torch.manual_seed(0)
    network = build_generator(replace(config(channels=3), finish="smooth"))
    assert network(torch.randn(2, 8)).shape == build_generator(config(channels=3))(torch.randn(2, 8)).shape
    assert len(network.trunk.blocks) == 1 + len(widths(config())) - 1  # type: ignore[union-attr]


def test_dcgan_starts_as_the_paper_says() -> None:
    torch.manual_seed(0)
    for network in (build_generator(config(64, 3, "dcgan")), build_critic(config(64, 3, "dcgan"))):
        weights = torch.cat(
            [m.weight.flatten() for m in network.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]
        )
        assert weights.std().item() == pytest.approx(0.02, rel=0.03)
        gains = [m.weight for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        assert gains
        assert torch.cat(gains).mean().item() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("net", ["dcgan", "residual"])
def test_spectral_norm_is_on_every_layer_of_the_critic_only(net: Net) -> None:
    settings = config(net=net, spectral_norm=True)
    for module in build_critic(settings).modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            assert nn.utils.parametrize.is_parametrized(module, "weight")
    assert not any(nn.utils.parametrize.is_parametrized(m) for m in build_generator(settings).modules())


@pytest.mark.parametrize("build", [build_generator, build_critic, build_vae])
def test_every_parameter_gets_a_gradient(build: object) -> None:
    torch.manual_seed(0)
    network, labels = build(config(32)), torch.tensor([0, 1, 2, 3])  # type: ignore[operator]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))  # out of the silent start
    images, z = torch.randn(4, 1, 32, 32).clamp(-1, 1), torch.randn(4, 8)
    if isinstance(network, VAE):
        nll, kl = network(images, z, labels)
        loss = nll.mean() + kl.sum()
    else:
        loss = network(z if build is build_generator else images, labels).square().sum()
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert 0 < parameter.grad.abs().sum() < math.inf, name


def test_what_a_seed_builds_is_always_the_same() -> None:
    def built() -> list[torch.Tensor]:
        torch.manual_seed(3)
        return list(build_critic(config(spectral_norm=True)).state_dict().values())

    assert all(torch.equal(a, b) for a, b in zip(built(), built(), strict=True))
