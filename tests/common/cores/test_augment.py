"""Augmentation: each transformation by hand, and the strength that decides how often it is applied."""

import math

import pytest
import torch
from torch import Tensor

from common.config import AugmentConfig
from common.cores.augment import TRANSFORMATIONS, Augmentation, cut_out, deform, recolour, translate
from common.randomness import Draw

ALL = ("translation", "cutout", "colour")


def image(side: int = 8) -> Tensor:
    return torch.arange(side * side, dtype=torch.float32).view(1, 1, side, side)


def of(*parameters: float) -> Tensor:
    return torch.tensor([parameters])


# --- transformations


def test_translation_by_hand() -> None:
    x = image(8)  # an eighth of the side is one pixel: 0 shifts one down (or right), 0.5 not at all, 0.99 one up (left)
    assert torch.equal(translate(x, of(0.5, 0.5, 0.0)), x)
    assert torch.equal(translate(x, of(0.0, 0.5, 0.0)), x[:, :, [0, 0, 1, 2, 3, 4, 5, 6]])
    assert torch.equal(translate(x, of(0.99, 0.5, 0.0)), x[:, :, [1, 2, 3, 4, 5, 6, 7, 7]])
    assert torch.equal(translate(x, of(0.5, 0.0, 0.0)), x[:, :, :, [0, 0, 1, 2, 3, 4, 5, 6]])


def test_every_shift_is_as_likely() -> None:
    parameters = torch.full((300, 3), 0.5)
    parameters[:, 0] = torch.arange(300) / 300
    first_rows = translate(image(16).expand(300, -1, -1, -1), parameters)[:, 0, 5, 0] / 16
    assert torch.bincount(first_rows.long(), minlength=8).tolist() == [0, 0, 0, 60, 60, 60, 60, 60]


def test_each_image_has_its_own_shift_and_its_own_channels() -> None:
    x = torch.cat([image(8), -image(8)], 1).repeat(2, 1, 1, 1)
    moved = translate(x, torch.tensor([[0.5, 0.5, 0], [0.0, 0.5, 0]]))
    assert torch.equal(moved[0], x[0])
    assert torch.equal(moved[1], x[1][:, [0, 0, 1, 2, 3, 4, 5, 6]])


def test_cutout_by_hand() -> None:
    ones = torch.ones(1, 2, 8, 4)
    middle = torch.ones(1, 2, 8, 4)
    middle[:, :, 2:6, 1:3] = 0
    assert torch.equal(cut_out(ones, of(0.5, 0.5, 0.0)), middle)
    corner = torch.ones(1, 2, 8, 4)
    corner[:, :, :2, 3:] = 0
    assert torch.equal(cut_out(ones, of(0.0, 0.999, 0.0)), corner)


def test_colour_by_hand() -> None:
    pixel = torch.tensor([0.1, 0.3, 0.8]).view(1, 3, 1, 1)
    torch.testing.assert_close(recolour(pixel, of(0.5, 0.5, 0.5)), pixel)
    torch.testing.assert_close(recolour(pixel, of(0.9, 0.5, 0.5)), pixel + 0.4)
    torch.testing.assert_close(recolour(pixel, of(0.5, 0.0, 0.5)), torch.full_like(pixel, 0.4))  # grey
    torch.testing.assert_close(recolour(pixel, of(0.5, 1.0, 0.5)).flatten(), torch.tensor([-0.2, 0.2, 1.2]))
    torch.testing.assert_close(recolour(pixel, of(0.5, 0.5, 1.0)).flatten(), torch.tensor([-0.05, 0.25, 1.0]))
    grey = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    torch.testing.assert_close(recolour(grey, of(0.5, 0.2, 0.0)).flatten(), torch.tensor([0.25, 0.75]))


@pytest.mark.parametrize("kind", ALL)
def test_gradients_flow_through(kind: str) -> None:
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    parameters = torch.tensor([[0.1, 0.8, 0.3], [0.7, 0.2, 0.9]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: TRANSFORMATIONS[kind](x, parameters), x)
    gradient = torch.autograd.grad(TRANSFORMATIONS[kind](x, parameters).square().sum(), x)[0]
    assert (gradient.flatten(1).abs().sum(1) > 0).all()


# --- pictures that are not square


def ramps(height: int, width: int) -> Tensor:
    """One picture whose channels tell the row and the column, counted from the middle."""
    y, x = torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2
    return torch.stack([y[:, None].expand(height, width), x.expand(height, width)])[None].float()


@pytest.mark.parametrize("shape", [(8, 16), (16, 8)])
def test_each_side_is_shifted_by_its_own_share(shape: tuple[int, int]) -> None:
    images = ramps(*shape)
    down, left = (side // 8 for side in shape)
    moved = translate(images, of(0.0, 0.999, 0.5))
    assert torch.equal(moved[:, 0, down:], images[:, 0, :-down])
    assert torch.equal(moved[:, 1, :, :-left], images[:, 1, :, left:])


@pytest.mark.parametrize("shape", [(8, 16), (16, 8)])
def test_a_turn_keeps_angles_and_lengths(shape: tuple[int, int]) -> None:
    images = ramps(*shape)
    y, x = images[0]
    rows, columns = deform(images, of(1.0, 0.5, 0.5), angle=0.35)[0]
    wanted = math.cos(0.35) * y + math.sin(0.35) * x, math.cos(0.35) * x - math.sin(0.35) * y
    inside = (wanted[0].abs() <= y.max()) & (wanted[1].abs() <= x.max())
    assert 0.5 < inside.float().mean() < 1
    torch.testing.assert_close(rows[inside], wanted[0][inside])
    torch.testing.assert_close(columns[inside], wanted[1][inside])


@pytest.mark.parametrize("kind", sorted(TRANSFORMATIONS))
@pytest.mark.parametrize("shape", [(8, 16), (16, 8)])
def test_the_module_keeps_the_shape(kind: str, shape: tuple[int, int]) -> None:
    x = torch.randn(20, 3, *shape, generator=torch.Generator().manual_seed(0))
    made = augmentation(augment=(kind,))(x, Draw(0, rows=20))
    assert made.shape == x.shape and torch.isfinite(made).all() and not torch.equal(made, x)


# --- the module


def augmentation(batch: int = 10, **settings: object) -> Augmentation:
    return Augmentation(AugmentConfig(**{"augment": ALL, **settings}), batch)  # type: ignore[arg-type]


def changed(module: Augmentation, draw: Draw) -> Tensor:
    """Which of the draw's rows the module changes, (N,)."""
    x = torch.randn(draw.local_rows, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return (module(x, draw) != x).flatten(1).any(1)


def test_strength_zero_changes_nothing() -> None:
    x = torch.randn(20, 3, 8, 8)
    assert torch.equal(augmentation(augment_strength=0.0)(x, Draw(0, rows=20)), x)


def test_strength_is_the_probability_of_each_transformation() -> None:
    draw = Draw(0, rows=1000)
    assert changed(augmentation(augment=("colour",)), draw).all()
    assert 200 < changed(augmentation(augment=("colour",), augment_strength=0.25), Draw(0, rows=1000)).sum() < 300
    # two of them are independent: 1 - 0.75^2 = 0.4375
    both = augmentation(augment=("colour", "cutout"), augment_strength=0.25)
    assert 380 < changed(both, Draw(0, rows=1000)).sum() < 490


def test_a_fixed_strength_may_grow_from_zero() -> None:
    module = augmentation(augment=("colour",), augment_warm_up=0.5)
    counts = [changed(module, Draw(0, rows=1000, progress=progress)).sum() for progress in (0.0, 0.25, 0.5, 1.0)]
    assert counts[0] == 0
    assert 440 < counts[1] < 560
    assert counts[2] == counts[3] == 1000


def test_groups_of_a_batch_share_their_transformations() -> None:
    x = torch.randn(12, 3, 8, 8)
    first, second = augmentation(augment_strength=0.7)(torch.cat([x, x]), Draw(0, rows=12)).chunk(2)
    assert torch.equal(first, second)


def test_slices_of_the_batch_are_transformed_as_the_whole() -> None:
    x, module = torch.randn(12, 3, 8, 8), augmentation(augment_strength=0.7)
    whole = module(x, Draw(0, rows=12))
    parts = [module(x[a:b], Draw(0, rows=12, local=slice(a, b))) for a, b in [(0, 4), (4, 12)]]
    assert torch.equal(whole, torch.cat(parts))


def adapted(start: float, logits: Tensor, **settings: object) -> float:
    module = augmentation(augment_strength=start, augment_target=0.6, augment_images=100, **settings)
    module.adapt(logits)
    return module.strength.item()


def test_the_adaptive_strength_moves_towards_its_target() -> None:
    sure, unsure = torch.ones(10), -torch.ones(10)
    assert adapted(0.5, sure) == pytest.approx(0.5 + (1 - 0.6) * 10 / 100)
    assert adapted(0.5, unsure) == pytest.approx(0.5 - 1.6 * 10 / 100)
    assert adapted(0.5, torch.tensor([3.0] * 4 + [-0.1])) == pytest.approx(0.5)  # mean sign 0.6: as wanted


def test_the_adaptive_strength_is_clamped() -> None:
    assert adapted(0.99, torch.ones(10)) == 1.0
    assert adapted(0.01, -torch.ones(10)) == 0.0


def test_a_fixed_strength_stays() -> None:
    module = augmentation(augment_strength=0.5)
    module.adapt(torch.ones(10))
    assert module.strength.item() == 0.5


def test_slices_that_adapt_apart_average_to_the_whole() -> None:
    logits = torch.tensor([1.0, 1, 1, -1, 1, 1, -1, 1])
    parts = [adapted(0.5, part) for part in logits.chunk(2)]
    assert sum(parts) / 2 == pytest.approx(adapted(0.5, logits))


def test_the_strength_is_part_of_the_state() -> None:
    assert list(augmentation().state_dict()) == ["strength"]
