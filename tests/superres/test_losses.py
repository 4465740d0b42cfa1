"""Losses by hand, and the critic."""

import math

import pytest
import torch
from torch import Tensor

from superres.critic import UNetCritic
from superres.losses import consistency_loss, fidelity_loss, frequency_loss, grid_loss, pixel_loss
from superres.resize import downscale


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_pixel_loss_by_hand() -> None:
    first, second = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    first[0, 0, 0, 0], second[0, 1, 1, 1] = 0.6, 0.6
    assert pixel_loss(first, second).item() == pytest.approx(2 * 0.6 / 12)
    assert pixel_loss(first, first) == 0


def test_frequency_loss_of_a_constant_difference_is_in_one_number() -> None:
    true = images(2, 3, 8, 8)
    # A unitary spectrum has the mean times 8 at frequency 0; there are 8 x 5 complex numbers, of two parts each.
    assert frequency_loss(true + 0.5, true).item() == pytest.approx(0.5 * 8 / (8 * 5 * 2), rel=1e-4)


def test_frequency_loss_of_a_wave_is_in_one_number() -> None:
    wave = torch.cos(2 * math.pi * torch.arange(8) / 8).expand(8, 8)[
        None, None
    ]  # cos = (e^i + e^-i) / 2; rfft keeps one
    assert frequency_loss(wave, torch.zeros_like(wave)).item() == pytest.approx(64 / 2 / 8 / 80, rel=1e-4)


def test_fidelity_is_the_weighted_sum() -> None:
    upscaled, true = images(1, 3, 8, 8), images(1, 3, 8, 8, seed=1)
    total, figures = fidelity_loss(upscaled, true, 0.5)
    torch.testing.assert_close(total, figures["pixel"] + 0.5 * figures["frequency"])
    assert figures["pixel"] == pixel_loss(upscaled, true)
    total, figures = fidelity_loss(upscaled, true, 0.0)
    assert total == figures["pixel"] and list(figures) == ["pixel"]


def test_what_shrinks_to_the_small_picture_is_consistent() -> None:
    high = images(1, 3, 16, 16)
    low = downscale(high, 4)
    assert consistency_loss(high, low) == 0
    assert consistency_loss(high + 0.25, low).item() == pytest.approx(0.25, rel=1e-5)


def test_a_grid_is_what_repeats_with_the_small_pixels_alone() -> None:
    true = images(2, 3, 32, 64)
    dots = torch.zeros(2, 2)
    dots[0, 1] = 0.4  # deviations from the mean are 0.3, and 0.1 three times
    assert grid_loss(true + dots.repeat(16, 32), true, 2).item() == pytest.approx(0.6 / 4, rel=1e-4)
    assert grid_loss(true + 0.4, true, 2).item() == pytest.approx(0, abs=1e-6)  # a shift of colours is no grid
    stripes = torch.tensor([0.4, 0.0, 0.0, 0.0]).repeat(16)  # every second small pixel has one, of four places
    assert grid_loss(true + stripes, true, 2).item() == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize("loss", [pixel_loss, frequency_loss])
def test_gradients_point_to_the_truth(loss: object) -> None:
    true, found = images(1, 3, 8, 8), images(1, 3, 8, 8, seed=1).requires_grad_()
    before = loss(found, true)  # type: ignore[operator]
    (gradient,) = torch.autograd.grad(before, found)
    assert loss(found - 0.1 * gradient, true) < before  # type: ignore[operator]


def test_losses_pass_gradcheck() -> None:
    upscaled = images(1, 3, 8, 8).double().requires_grad_()
    low, true = images(1, 3, 4, 4).double(), images(1, 3, 8, 8, seed=1).double()
    assert torch.autograd.gradcheck(lambda x: consistency_loss(x, low), upscaled)
    assert torch.autograd.gradcheck(lambda x: pixel_loss(x, true), upscaled)


def test_a_critic_judges_every_part() -> None:
    torch.manual_seed(0)
    critic = UNetCritic(8).eval()
    pictures = images(2, 3, 32, 24)
    logits = critic(pictures)
    assert logits.shape == (2, 1, 16, 12)
    changed = pictures.clone()
    changed[0, :, :4, :4] = 1
    differs = (critic(changed) != logits)[:, 0]
    assert differs[0, 0, 0] and not differs[1].any()
    assert all(len(found) == 2 for found in critic.features(pictures))


def test_no_layer_of_the_critic_stretches_much() -> None:
    torch.manual_seed(0)
    critic = UNetCritic(8)
    for _ in range(20):  # iterations of the power method
        critic(images(1, 3, 16, 16))
    critic.eval()
    for module in critic.modules():
        if isinstance(module, torch.nn.Conv2d):
            assert torch.linalg.matrix_norm(module.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.1)
