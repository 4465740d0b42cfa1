"""Losses and penalties equal values worked by hand, and their gradients equal finite differences."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from common.config import AugmentConfig, GanConfig, LossName
from common.cores.augment import Augmentation
from common.cores.blocks import spectrally_normalised
from common.cores.conditions import ClassCondition, dropping
from common.cores.game import Batch, Game, only
from common.cores.gan import (
    DEFAULT_LR,
    LOSSES,
    GanGame,
    interpolation_penalty,
    pixel_loss,
    zero_centred_penalty,
)
from common.randomness import Draw

NAMES: tuple[LossName, ...] = ("nonsaturating", "hinge", "least-squares", "wasserstein", "relativistic")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- losses on logits


# With logits (0, 2) of real and (-1, 4) of fake images, and s(x) = log(1 + e^x):
BY_HAND = {
    # critic: (s(0) + s(-2)) / 2 + (s(-1) + s(4)) / 2; generator: (s(1) + s(-4)) / 2
    "nonsaturating": (
        (math.log(2) + math.log1p(math.exp(-2)) + math.log1p(math.exp(-1)) + math.log1p(math.exp(4))) / 2,
        (math.log1p(math.exp(1)) + math.log1p(math.exp(-4))) / 2,
    ),
    # critic: (1 + 0) / 2 + (0 + 5) / 2; generator: -(-1 + 4) / 2
    "hinge": (3.0, -1.5),
    # critic: ((1 + 1) / 2 + (1 + 16) / 2) / 2; generator: (4 + 9) / 2 / 2
    "least-squares": (4.75, 3.25),
    # critic: 1.5 - 1; generator: -1.5
    "wasserstein": (0.5, -1.5),
    # critic: (s(-1 - 0) + s(4 - 2)) / 2; generator: (s(1) + s(-2)) / 2
    "relativistic": (
        (math.log1p(math.exp(-1)) + math.log1p(math.exp(2))) / 2,
        (math.log1p(math.exp(1)) + math.log1p(math.exp(-2))) / 2,
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_losses_by_hand(name: LossName) -> None:
    real, fake = torch.tensor([0.0, 2.0]), torch.tensor([-1.0, 4.0])
    loss = LOSSES[name]
    assert loss.critic(real, fake).item() == pytest.approx(BY_HAND[name][0], rel=1e-6)
    assert loss.generator(real, fake).item() == pytest.approx(BY_HAND[name][1], rel=1e-6)


def test_every_loss_that_can_be_asked_for_is_there() -> None:
    assert set(LOSSES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_losses_equal_finite_differences(name: LossName) -> None:
    real, fake = normal(6).requires_grad_(), normal(6, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(LOSSES[name].critic, (real, fake))
    assert torch.autograd.gradcheck(LOSSES[name].generator, (real, fake))


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_means_and_finite_at_extreme_logits(name: LossName) -> None:
    real, fake = 300 * normal(8), 300 * normal(8, seed=1)
    for loss in (LOSSES[name].critic, LOSSES[name].generator):
        halves = [loss(a, b) for a, b in zip(real.chunk(2), fake.chunk(2), strict=True)]
        torch.testing.assert_close(loss(real, fake), sum(halves) / 2)
        assert torch.isfinite(loss(real.float(), fake.float()))


@pytest.mark.parametrize("name", NAMES)
def test_critic_and_generator_pull_against_each_other(name: LossName) -> None:
    fake = torch.zeros(1, requires_grad=True)
    up = torch.autograd.grad(LOSSES[name].critic(torch.zeros(1), fake), fake)[0]
    down = torch.autograd.grad(LOSSES[name].generator(torch.zeros(1), fake), fake)[0]
    assert down.item() < 0 <= up.item()
    assert LOSSES[name].pairs == (name == "relativistic")


# --- penalties on analytic critics


def test_zero_centred_penalty_of_a_linear_critic() -> None:
    a, images = normal(3, 4).requires_grad_(), normal(5, 3, 4, seed=1).requires_grad_()
    penalty = zero_centred_penalty((images * a).sum((1, 2)), images)  # D(x) = <a, x>, so |grad D|^2 / 2 = |a|^2 / 2
    torch.testing.assert_close(penalty, (0.5 * a.square().sum()).expand(5))
    torch.testing.assert_close(torch.autograd.grad(penalty.mean(), a)[0], a)


def test_zero_centred_penalty_of_a_quadratic_critic() -> None:
    images, scale = normal(5, 2, 3).requires_grad_(), torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    penalty = zero_centred_penalty(scale * images.square().sum((1, 2)), images)  # grad D = 2 s x
    squares = images.detach().square().sum((1, 2))
    torch.testing.assert_close(penalty, 2 * scale.detach() ** 2 * squares)
    torch.testing.assert_close(torch.autograd.grad(penalty.sum(), scale)[0], 4 * scale.detach() * squares.sum())


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_interpolation_penalty_by_hand(share: float) -> None:
    real, fake, a = normal(4, 3), normal(4, 3, seed=1), normal(3, seed=2)
    mix = torch.full((4,), share, dtype=torch.float64)
    linear = interpolation_penalty(lambda x: x @ a, real, fake, mix)
    torch.testing.assert_close(linear, ((a.norm() - 1) ** 2).expand(4))
    quadratic = interpolation_penalty(lambda x: x.square().sum(1), real, fake, mix)
    between = share * real + (1 - share) * fake
    torch.testing.assert_close(quadratic, (2 * between.norm(dim=1) - 1).square())


def test_interpolation_penalty_survives_a_flat_critic() -> None:
    scale = torch.zeros((), requires_grad=True)
    penalty = interpolation_penalty(lambda x: scale * x.sum(1), torch.ones(2, 3), torch.zeros(2, 3), torch.rand(2))
    torch.testing.assert_close(penalty, torch.ones(2))
    assert torch.isfinite(torch.autograd.grad(penalty.sum(), scale)[0])


def on_parameters(penalty: Callable[[Callable[[Tensor], Tensor]], Tensor]) -> bool:
    """Whether a penalty's gradients with respect to a small critic's parameters equal finite differences."""
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), nn.Flatten(0)).double()
    names = [name for name, _ in critic.named_parameters()]

    def of(*values: Tensor) -> Tensor:
        return penalty(lambda x: functional_call(critic, dict(zip(names, values, strict=True)), (x,)))

    return torch.autograd.gradcheck(of, tuple(p.detach().requires_grad_() for p in critic.parameters()))


def test_gradients_of_penalties_equal_finite_differences() -> None:
    real, fake, mix = normal(4, 3), normal(4, 3, seed=1), torch.rand(4, dtype=torch.float64)

    def zero_centred(critic: Callable[[Tensor], Tensor]) -> Tensor:
        images = real.clone().requires_grad_()
        return zero_centred_penalty(critic(images), images)

    assert on_parameters(zero_centred)
    assert on_parameters(lambda critic: interpolation_penalty(critic, real, fake, mix))


# --- spectral norm


def test_spectral_norm_brings_the_largest_singular_value_to_one() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.LeakyReLU(), nn.Flatten(), nn.Linear(8 * 36, 5), nn.Linear(5, 1))
    for parameter in network.parameters():
        parameter.data.mul_(7)
    network = spectrally_normalised(network)
    for _ in range(100):
        network(torch.randn(1, 3, 8, 8))
    network.eval()
    weights = [module.weight for module in network if isinstance(module, (nn.Conv2d, nn.Linear))]
    assert len(weights) == 3
    for weight in weights:
        assert torch.linalg.svdvals(weight.flatten(1))[0].item() == pytest.approx(1, abs=2e-3)


# --- the game, with networks whose answers are known


class Images(nn.Module):
    """A generator G(z) = scale * z as images (N, 1, 2, 2) that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.labels: list[Tensor | None] = []

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        self.labels.append(labels)
        return self.scale * z.view(-1, 1, 2, 2)


class Plane(nn.Module):
    """A critic D(x) = <a, x> that remembers what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor([0.5, -1.0, 2.0, 0.25]))
        self.images: list[Tensor] = []
        self.labels: list[Tensor | None] = []

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        self.images.append(images.detach())
        self.labels.append(labels)
        return images.flatten(1) @ self.a


@dataclass(frozen=True, kw_only=True)
class PlayConfig(GanConfig, AugmentConfig):
    """A game with augmentation."""


LENGTH = 0.25 + 1 + 4 + 0.0625  # |a|^2


def game(critic: nn.Module | None = None, rows: int = 6, **settings: object) -> tuple[GanGame, dict[str, Tensor]]:
    config = PlayConfig(latent=4, **settings)  # type: ignore[arg-type]
    batch = {"image": normal(rows, 1, 2, 2, seed=5).float(), "label": torch.arange(rows) % 3}
    read = dropping(ClassCondition(3, 2), config.condition_dropout) if "condition_dropout" in settings else None
    augmentation = Augmentation(config, rows) if config.augment else None
    return GanGame(Images(), critic or Plane(), config, lambda b: b["image"], read, augmentation), batch


def draw_at(step: int, rows: int = 6, progress: float = 0.0, player: int = 0) -> Draw:
    return Draw(0, step, player, rows, progress=progress)


@pytest.mark.parametrize("name", NAMES)
def test_the_critic_s_loss_is_the_adversarial_one_plus_the_weighted_penalties(name: LossName) -> None:
    play, batch = game(loss=name, penalty=0.7, penalty_every=1)
    loss, figures = play.critic_loss(batch, draw_at(3))
    with torch.no_grad():
        real = play.critic(batch["image"])
        fake = play.critic(play.generator(draw_at(3).normal(4)))
    adversarial = LOSSES[name].critic(real, fake)
    # R1 + R2 are |a|^2 / 2 each, at every image; Wasserstein's penalty is (|a| - 1)^2
    penalty = (math.sqrt(LENGTH) - 1) ** 2 if name == "wasserstein" else LENGTH
    assert figures["penalty"].item() == pytest.approx(penalty, rel=1e-5)
    assert figures["critic"].item() == pytest.approx(adversarial.item(), rel=1e-5)
    assert loss.item() == pytest.approx(adversarial.item() + 0.7 * penalty, rel=1e-5)
    assert figures["real_logit"].item() == pytest.approx(real.mean().item(), rel=1e-5)
    assert figures["fake_logit"].item() == pytest.approx(fake.mean().item(), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_generator_s_loss_is_the_adversarial_one(name: LossName) -> None:
    play, batch = game(loss=name)
    loss, _ = play.generator_loss(batch, draw_at(3))
    with torch.no_grad():
        real, fake = play.critic(batch["image"]), play.critic(play.generator(draw_at(3).normal(4)))
    assert loss.item() == pytest.approx(LOSSES[name].generator(real, fake).item(), rel=1e-5)


def test_a_trained_generator_waits_for_its_critic() -> None:
    play, batch = game()
    play.generator.scale = nn.Parameter(torch.ones(()))  # type: ignore[union-attr]
    play.head_start = 100
    waiting, _ = play.generator_loss(batch, Draw(0, 3, 0, 6, images=96))
    waiting.backward()
    assert waiting.item() == 0 and not any(p.grad.any() for p in play.generator.parameters() if p.grad is not None)
    begun, figures = play.generator_loss(batch, Draw(0, 3, 0, 6, images=100))
    assert begun.item() == figures["generator"].item() != 0
    assert play.critic_loss(batch, draw_at(3))[0].item() != 0  # and the critic does not wait


@pytest.mark.parametrize("name", ["hinge", "wasserstein"])
def test_a_lazy_penalty_has_the_same_mean(name: LossName) -> None:
    means = []
    for every in (1, 4):
        play, batch = game(loss=name, penalty=0.7, penalty_every=every)
        losses = [play.critic_loss(batch, draw_at(step)) for step in range(8)]
        assert [step for step, (_, figures) in enumerate(losses) if "penalty" in figures] == list(range(0, 8, every))
        means.append(torch.stack([loss for loss, _ in losses]).mean().item())
    assert means[0] == pytest.approx(means[1], rel=1e-5)


def test_the_penalty_s_weight_follows_its_schedule() -> None:
    play, batch = game(penalty=2.0, penalty_end=1.0, penalty_every=1)
    for progress, weight in [(0.0, 2.0), (0.5, 1.5), (1.0, 1.0)]:
        loss, figures = play.critic_loss(batch, draw_at(0, progress=progress))
        assert (loss - figures["critic"]).item() == pytest.approx(weight * LENGTH, rel=1e-5)


def test_no_penalty_where_its_weight_is_zero() -> None:
    play, batch = game(penalty=0.0, penalty_every=1)
    loss, figures = play.critic_loss(batch, draw_at(0))
    assert "penalty" not in figures
    assert loss is figures["critic"]


class Curved(nn.Module):
    """A small smooth critic."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1), nn.Flatten(0))

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.layers(images)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("side", ["critic", "generator"])
def test_gradients_of_whole_turns_equal_finite_differences(name: LossName, side: str) -> None:
    play, batch = game(Curved(), loss=name, penalty=1.0, penalty_every=1)
    network, loss = getattr(play, side), getattr(play, f"{side}_loss")
    torch.manual_seed(2)
    direction = [torch.randn_like(p) for p in network.parameters()]

    def along(distance: float) -> Tensor:
        for p, d in zip(network.parameters(), direction, strict=True):
            p.data.add_(d, alpha=distance)
        value = loss(batch, draw_at(0))[0]
        for p, d in zip(network.parameters(), direction, strict=True):
            p.data.sub_(d, alpha=distance)
        return value

    gradients = torch.autograd.grad(along(0.0), list(network.parameters()))
    slope = sum((g * d).sum().item() for g, d in zip(gradients, direction, strict=True))
    assert (along(5e-3) - along(-5e-3)).item() / 1e-2 == pytest.approx(slope, rel=5e-3, abs=5e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_turn_leaves_no_gradient_with_the_other_player(name: LossName) -> None:
    play, batch = game(loss=name, penalty_every=1)
    both: Game = play.game()
    for player, other in [("critic", play.generator), ("generator", play.critic)]:
        with only(both.players[player], both):
            both.players[player].loss(batch, draw_at(0))[0].backward()
        assert all(p.grad is None for p in other.parameters())
        assert all(p.grad is not None for p in both.players[player].network.parameters())
        both.players[player].network.zero_grad()


def test_penalties_are_computed_in_full_precision() -> None:
    seen: list[torch.dtype] = []
    critic = Curved()
    critic.layers.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    play, batch = game(critic, penalty_every=2)
    with torch.autocast("cpu", torch.bfloat16):
        losses = [play.critic_loss(batch, draw_at(step))[0] for step in (0, 1)]
    assert seen == [torch.float32, torch.bfloat16]
    assert all(loss.dtype == torch.float32 for loss in losses)


def test_generator_and_critic_are_told_the_same_labels() -> None:
    play, batch = game(condition_dropout=0.0)
    play.critic_loss(batch, draw_at(0))
    labels = batch["label"]
    assert torch.equal(play.generator.labels[0], labels)
    assert torch.equal(play.critic.labels[0], torch.cat([labels, labels]))


def test_labels_are_dropped_as_often_as_asked() -> None:
    for share, few, many in [(0.0, 0, 0), (0.1, 240, 360), (1.0, 3000, 3000)]:
        play, batch = game(rows=3000, condition_dropout=share)
        play.critic_loss(batch, draw_at(0, rows=3000))
        told = play.generator.labels[0]
        dropped = told == 3
        assert few <= dropped.sum() <= many
        assert torch.equal(told[~dropped], batch["label"][~dropped])
        assert torch.equal(play.critic.labels[0], torch.cat([told, told]))


def test_a_game_without_condition_passes_none() -> None:
    play, batch = game()
    play.critic_loss(batch, draw_at(0))
    assert play.generator.labels == [None]
    assert play.critic.labels == [None]


def test_the_generator_also_descends_the_content_loss() -> None:
    plain, batch = game(loss="hinge")

    def progressing(made: Tensor, batch: Batch, draw: Draw, raw: Any) -> tuple[Tensor, dict[str, Tensor]]:
        return batch["image"].sum() * draw.progress, {"content": batch["image"].sum() * draw.progress}

    content = GanGame(plain.generator, plain.critic, plain.config, plain.prepare, content=progressing)
    draw = draw_at(1, progress=0.5)
    (base, _), (loss, figures) = plain.generator_loss(batch, draw_at(1)), content.generator_loss(batch, draw)
    assert figures["content"].item() == pytest.approx(0.5 * batch["image"].sum().item())
    assert loss.item() == pytest.approx(base.item() + figures["content"].item(), rel=1e-5)


def test_without_a_critic_the_generator_descends_the_content_alone() -> None:
    images = normal(6, 1, 2, 2).float()
    generator, batch = nn.Conv2d(1, 1, 1), {"image": images, "small": images + 1}

    def content(made: Tensor, batch: Batch, draw: Draw, raw: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        assert torch.equal(raw, batch["small"]) and torch.equal(made, generator(raw))
        return 2 * pixel_loss(made, batch["image"]), {}

    made_of = GanGame(
        generator, None, GanConfig(), lambda b: b["image"], lambda b, d: b["small"], latent=0, content=content
    )
    loss, figures = made_of.generator_loss(batch, draw_at(0))
    assert loss.item() == pytest.approx(2 * (generator(images + 1) - images).abs().mean().item())
    assert figures == {"generator": loss}
    (player,) = made_of.game().players.values()
    assert player.network is generator


def test_the_pixel_loss_is_a_mean_or_each_image_s_weighted_mean() -> None:
    real = torch.zeros(2, 1, 1, 2)
    made, weight = real + torch.tensor([[1.0, 3.0], [2.0, 2.0]])[:, None, None], torch.tensor([[[[1.0, 3.0]]]])
    assert pixel_loss(made, real).item() == 2.0
    assert pixel_loss(made, real, weight.expand(2, -1, -1, -1)).item() == pytest.approx((10 / 4 + 2) / 2)


class Echo(Images):
    """A generator that has learned the batch by heart."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.images = images

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.images * self.scale


@pytest.mark.parametrize("turn", ["critic_loss", "generator_loss"])
def test_real_and_fake_pass_through_the_same_transformations(turn: str) -> None:
    rows = 16
    config = PlayConfig(latent=4, loss="relativistic", penalty=0, augment=("translation", "cutout", "colour"))
    batch = {"image": normal(rows, 1, 8, 8).float()}
    critic = Plane()
    critic.a = nn.Parameter(torch.ones(64))
    play = GanGame(Echo(batch["image"]), critic, config, lambda b: b["image"], None, Augmentation(config, rows))
    getattr(play, turn)(batch, draw_at(0, rows=rows))
    real, fake = torch.cat(critic.images).chunk(2)
    assert torch.equal(real, fake)
    assert not torch.equal(real, batch["image"])


def test_a_critic_with_batch_norm_never_mixes_real_and_fake() -> None:
    class Normalised(Curved):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Linear(4, 1), nn.Flatten(0))

    play, batch = game(Normalised(), penalty_every=1)
    sizes: list[int] = []
    play.critic.layers.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    loss, figures = play.critic_loss(batch, draw_at(0))
    assert sizes == [6, 6]
    assert figures["penalty"] > 0
    loss.backward()


def test_the_game_s_players() -> None:
    play, _ = game(average=500.0, critic_lr=1e-3, augment=("colour",))
    players = play.game().players
    assert list(players) == ["critic", "generator"]
    assert play.game().product == "generator"
    assert players["critic"].optimizer.lr == 1e-3
    assert players["generator"].optimizer.lr == DEFAULT_LR
    assert players["critic"].average is None
    assert players["generator"].average == 500.0
    assert players["generator"].compile
    assert not players["critic"].compile
    assert "augmentation.strength" in players["critic"].network.state_dict()


class Judge(nn.Module):
    """Logits of what it is shown and told: the mean of the image plus the label."""

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1).mean(1)

    def head(self, features: Tensor, raw: Tensor) -> Tensor:
        return features + raw

    def forward(self, images: Tensor, raw: Tensor) -> Tensor:
        return self.head(self.features(images), raw)


@pytest.mark.parametrize("name", ["hinge", "relativistic"])
def test_real_images_with_the_wrong_condition_count_as_false(name: LossName) -> None:
    config = PlayConfig(latent=4, loss=name, penalty=0.0)
    batch = {"image": normal(4, 1, 2, 2, seed=5).float(), "label": torch.tensor([0.0, 1, 2, 3])}
    play = GanGame(
        Images(), Judge(), config, lambda b: b["image"], lambda b, draw: b["label"],
        swap=lambda raw: raw.flip(0), mismatch=0.25,
    )  # fmt: skip
    loss, figures = play.critic_loss(batch, draw_at(3, rows=4))
    with torch.no_grad():
        means, fakes = (
            batch["image"].flatten(1).mean(1),
            play.generator(draw_at(3, rows=4).normal(4)).flatten(1).mean(1),
        )
    real, fake, wrong = means + batch["label"], fakes + batch["label"], means + batch["label"].flip(0)
    expected = LOSSES[name].critic(real, fake) + 0.25 * LOSSES[name].critic(real, wrong)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert figures["swapped_logit"].item() == pytest.approx(wrong.mean().item(), rel=1e-5)
