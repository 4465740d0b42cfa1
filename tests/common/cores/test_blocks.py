"""Blocks: by hand, at the start, and where gradients go."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from common.cores.blocks import FeatureModulation, MinibatchDeviation, ResidualBlock, subpixels


def test_minibatch_deviation_by_hand() -> None:
    # two groups of two: pixels (0, 2) and (4, 4) deviate by 1 and 0, mean 0.5; the second group not at all
    x = torch.tensor([[0.0, 4.0], [2.0, 4.0], [7.0, 7.0], [7.0, 7.0]]).view(4, 1, 1, 2)
    out = MinibatchDeviation(2)(x)
    assert out.shape == (4, 2, 1, 2)
    assert torch.equal(out[:, :1], x)
    expected = torch.tensor([0.5, 0.5, 0.0, 0.0]).view(4, 1, 1, 1).expand(4, 1, 1, 2)
    torch.testing.assert_close(out[:, 1:], expected, atol=2e-4, rtol=0)  # the root of 1e-8 stands in for none


def test_minibatch_deviation_takes_a_batch_that_no_group_divides_as_one() -> None:
    x = torch.tensor([0.0, 3.0, 6.0]).view(3, 1, 1, 1)
    out = MinibatchDeviation(2)(x)[:, 1].flatten()
    torch.testing.assert_close(out, torch.full((3,), 6**0.5))


def test_minibatch_deviation_of_slices_is_that_of_the_whole() -> None:
    x, layer = torch.randn(8, 3, 2, 2), MinibatchDeviation(4)
    assert torch.equal(layer(x), torch.cat([layer(x[:4]), layer(x[4:])]))


def test_minibatch_deviation_has_gradients_even_where_all_images_are_one() -> None:
    x = torch.zeros(4, 1, 2, 2, requires_grad=True)
    MinibatchDeviation(4)(x).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_feature_modulation_by_hand() -> None:
    layer = FeatureModulation(1, 2)
    with torch.no_grad():
        layer.project.weight.copy_(torch.tensor([[1.0], [2.0], [3.0], [4.0]]))
    x = torch.ones(1, 2, 1, 1)
    # style 0.5: scales (0.5, 1), shifts (1.5, 2)
    assert layer(x, torch.tensor([[0.5]])).flatten().tolist() == [3.0, 4.0]


@pytest.mark.parametrize("resampling", [None, "up", "down"])
@pytest.mark.parametrize("outputs", [4, 6, 2])
def test_a_residual_block_starts_as_its_shortcut(resampling: str | None, outputs: int) -> None:
    block = ResidualBlock(4, outputs, resampling, style=3)  # type: ignore[arg-type]
    x = torch.randn(2, 4, 8, 8)
    plain = {
        "up": lambda y: F.interpolate(y, scale_factor=2, mode="bilinear"),
        "down": lambda y: F.avg_pool2d(y, 2),
        None: lambda y: y,
    }[resampling]
    assert isinstance(block.shortcut, nn.Identity) == (outputs == 4)
    torch.testing.assert_close(block(x, torch.randn(2, 3)), plain(block.shortcut(x)))


def test_a_residual_block_learns_from_its_first_step() -> None:
    block = ResidualBlock(4, 4, style=3)
    x, style = torch.randn(2, 4, 8, 8), torch.randn(2, 3)
    block(x, style).square().sum().backward()
    assert block.second.weight.grad.abs().sum() > 0
    with torch.no_grad():
        block.second.weight.normal_()
    first, other = block(x, style), block(x, style + 1)
    assert not torch.allclose(first, other)


def test_the_four_pixels_of_a_shuffle_start_alike() -> None:
    shuffled = F.pixel_shuffle(subpixels(3, 2)(torch.randn(2, 3, 5, 7)), 2)
    assert shuffled.shape == (2, 2, 10, 14)
    assert shuffled.std() > 0
    torch.testing.assert_close(shuffled, F.interpolate(shuffled[..., ::2, ::2], scale_factor=2))
