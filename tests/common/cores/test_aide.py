"""The second critic: its logits, its norms, when the generator begins to listen, and what it leaves alone."""

import pytest
import torch
from torch import Tensor, nn

from common.config import GanConfig
from common.cores.aide import RAMP, Aide
from common.cores.conditions import ClassCondition
from common.cores.gan import LOSSES, GanGame
from common.randomness import Draw


class Maps(nn.Module):
    """Two maps of an image (N, 3, 8, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 5, 3, padding=1)
        self.second = nn.Conv2d(5, 7, 3, 2, 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        first = self.first(images)
        return [first, self.second(first)]


class Images(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor, raw: Tensor | None = None) -> Tensor:
        return self.scale * z.view(len(z), 3, 8, 8)


class Mean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor, raw: Tensor | None = None) -> Tensor:
        return self.weight * images.mean((1, 2, 3))


def aide(weight: float = 0.5, classes: int = 0) -> Aide:
    torch.manual_seed(0)
    conditions = [ClassCondition(classes, 6) if classes else None for _ in range(2)]
    return Aide(Maps(), [5, 7], conditions, weight, width=6)


def images(n: int = 8) -> Tensor:
    return torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_each_head_says_something_of_each_image() -> None:
    assert aide()(images()).shape == (8, 2)


def test_heads_are_spectrally_normalised_and_features_stay_as_they_are() -> None:
    network = aide()
    for head in network.heads:
        for module in head.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                assert nn.utils.parametrize.is_parametrized(module, "weight")
    assert not any(parameter.requires_grad for parameter in network.features.parameters())
    assert not any(nn.utils.parametrize.is_parametrized(module) for module in network.features.modules())


def test_a_label_changes_what_it_says() -> None:
    network = aide(classes=3).eval()
    said = [network(images(), torch.full((8,), label)) for label in (0, 2)]
    assert not torch.allclose(*said)


def test_alike_images_are_told_from_varied_ones() -> None:
    """The minibatch deviation shows lost variety: an image four times over is judged unlike the same among others."""
    network, mixed = aide().eval(), images()
    alike = mixed[:1].expand(4, -1, -1, -1)
    assert not torch.allclose(network(alike)[0], network(mixed)[0], atol=1e-4)


@pytest.mark.parametrize(("seen", "counts"), [(0, 0.0), (RAMP // 2, 0.2), (RAMP, 0.4), (10 * RAMP, 0.4)])
def test_the_generator_begins_to_listen_slowly(seen: int, counts: float) -> None:
    assert aide(0.4).influence(Draw(0, images=seen)) == pytest.approx(counts)


def test_both_players_losses_are_those_of_the_two_critics() -> None:
    config = GanConfig(latent=192, penalty=0)
    second = aide(0.5)
    play = GanGame(Images(), Mean(), config, lambda batch: batch["image"], aide=second.eval())
    batch, draw = {"image": images()}, Draw(0, 3, 0, 8, images=RAMP)
    rule = LOSSES["relativistic"]
    with torch.no_grad():
        fake = draw.normal(192).view(8, 3, 8, 8)
        real_logits, fake_logits = second(torch.cat([batch["image"], fake])).chunk(2)
        first = [Mean()(batch["image"]), Mean()(fake)]
    loss, figures = play.critic_loss(batch, Draw(0, 3, 0, 8, images=RAMP))
    assert figures["aide"].item() == pytest.approx(rule.critic(real_logits, fake_logits).item(), rel=1e-5)
    assert loss.item() == pytest.approx((rule.critic(*first) + figures["aide"]).item(), rel=1e-5)
    made, _ = play.generator_loss(batch, Draw(0, 3, 0, 8, images=RAMP))
    expected = rule.generator(*first) + 0.5 * rule.generator(real_logits, fake_logits)
    assert made.item() == pytest.approx(expected.item(), rel=1e-5)


def test_it_moves_with_the_critic_and_only_its_heads_do() -> None:
    game = GanGame(Images(), Mean(), GanConfig(latent=192), lambda batch: batch["image"], aide=aide()).game()
    moving = {name for name, p in game.players["critic"].network.named_parameters() if p.requires_grad}
    assert any(name.startswith("aide.heads") for name in moving)
    assert not any(name.startswith("aide.features") for name in moving)
