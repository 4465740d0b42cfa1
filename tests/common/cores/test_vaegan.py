"""A VAE whose images critics judge too."""

import pytest
import torch
from torch import Tensor, nn

from common.config import GanConfig, VaeConfig
from common.cores.aide import RAMP
from common.cores.gan import LOSSES, GanGame
from common.cores.likelihoods import LIKELIHOODS
from common.cores.samplers import NeighbourSampler
from common.cores.vae import VAE, vae_game
from common.cores.vaegan import VaeGan
from common.randomness import Draw, mix

LATENT, WEIGHT = 3, 7.0


class Judge(nn.Module):
    """The sum of an image, and what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.seen = nn.Parameter(torch.ones(())), list[Tensor]()

    def forward(self, images: Tensor, raw: Tensor | None = None) -> Tensor:
        self.seen.append(images.detach())
        return self.scale * images.flatten(1).sum(1)


class Unconditional(nn.Sequential):
    def forward(self, x: Tensor, condition: None = None) -> Tensor:
        return super().forward(x)


def toy(sampler: NeighbourSampler | None = None) -> tuple[VaeGan, Judge, dict[str, Tensor]]:
    torch.manual_seed(0)
    encoder = Unconditional(nn.Flatten(), nn.Linear(16, 2 * LATENT))
    decoder = Unconditional(nn.Linear(LATENT, 16), nn.Unflatten(1, (1, 4, 4)))
    vae, judge = VAE(encoder, decoder, LIKELIHOODS["gaussian"](), sampler=sampler), Judge()
    critics = GanGame(vae, judge, GanConfig(penalty=0.0), lambda batch: batch["image"])
    game = VaeGan(vae, VaeConfig(latent=LATENT), critics, lambda batch: batch["image"], LATENT, WEIGHT)
    return game, judge, {"image": 0.1 * torch.randn(4, 1, 4, 4)}


def test_critics_see_what_is_made_of_half_of_the_images_and_of_the_prior() -> None:
    play, judge, batch = toy()
    loss, _ = play.critic_loss(batch, Draw(0, rows=4))
    real, made = judge.seen[0].chunk(2)
    torch.testing.assert_close(real, batch["image"])
    draw, vae = Draw(0, rows=4), play.vae
    z = vae.encode(batch["image"]).sample(draw.normal(LATENT))
    expected = vae.likelihood.mean(vae.decode(torch.cat([z[:2], draw.normal(LATENT)[2:]])))
    torch.testing.assert_close(made, expected)
    sums = judge.seen[0].flatten(1).sum(1).chunk(2)
    torch.testing.assert_close(loss, LOSSES["relativistic"].critic(*sums))


def test_of_few_data_they_see_latents_near_the_last_ones_that_were_encoded() -> None:
    play, judge, batch = toy(sampler := NeighbourSampler(6, LATENT))
    older, draw = sampler.points.clone(), Draw(0, rows=4)
    play.critic_loss(batch, Draw(0, rows=4))
    z = play.vae.encode(batch["image"]).sample(draw.normal(LATENT))
    torch.testing.assert_close(sampler.points, torch.cat([older[4:], z]))
    near = sampler.near(draw.integers(6), draw.normal(sampler.ways))
    expected = play.vae.likelihood.mean(play.vae.decode(torch.cat([z[:2], near[2:]])))
    torch.testing.assert_close(judge.seen[0].chunk(2)[1], expected)
    play.loss(batch, later := Draw(0, step=1, rows=4, images=RAMP))
    later.generator.manual_seed(mix(0, 1, 0))
    later.normal(LATENT)
    near = sampler.near(later.integers(6), later.normal(sampler.ways))
    torch.testing.assert_close(judge.seen[2][-2:], play.vae.likelihood.mean(play.vae.decode(near[2:])))


@pytest.mark.parametrize(("images", "share"), [(0, 0.0), (RAMP // 2, 0.5), (RAMP, 1.0), (9 * RAMP, 1.0)])
def test_what_they_say_grows_beside_the_vae_s_own_loss(images: int, share: float) -> None:
    play, _, batch = toy()
    draw = Draw(0, rows=4, images=images)
    alone = vae_game(play.vae, play.config, play.prepare, LATENT).players["vae"].loss(batch, draw)[0]
    loss, figures = play.loss(batch, Draw(0, rows=4, images=images))
    torch.testing.assert_close(loss, alone + share * WEIGHT * figures["generator"])


def test_critics_join_after_so_many_images_and_their_word_grows_from_there() -> None:
    play, judge, batch = toy()
    play.joins = 1_000
    alone = vae_game(play.vae, play.config, play.prepare, LATENT).players["vae"]
    loss, figures = play.loss(batch, Draw(0, rows=4, images=996))
    torch.testing.assert_close(loss, alone.loss(batch, Draw(0, rows=4, images=996))[0])
    assert "generator" not in figures and not judge.seen
    draw = Draw(0, rows=4, images=1_000 + RAMP // 2)
    loss, figures = play.loss(batch, draw)
    own = alone.loss(batch, Draw(0, rows=4, images=draw.images))[0]
    torch.testing.assert_close(loss, own + 0.5 * WEIGHT * figures["generator"])
    game = play.game()
    assert {name: player.joins for name, player in game.players.items()} == {"critic": 1_000, "vae": 0}
    assert game.critic_from == 1_000


def test_both_halves_learn_from_them() -> None:
    play, _, batch = toy()
    _, figures = play.loss(batch, Draw(0, rows=4, images=RAMP))
    figures["generator"].backward()  # type: ignore[no-untyped-call]
    networks = nn.ModuleList([play.vae.encoder, play.vae.decoder])  # a likelihood has parameters of its own
    gradients = [parameter.grad for parameter in networks.parameters()]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


def test_the_vae_is_the_product_and_the_critics_are_kept() -> None:
    play, _, _ = toy()
    game = play.game()
    assert (list(game.players), game.product, game.critic) == (["critic", "vae"], "vae", "critic")
