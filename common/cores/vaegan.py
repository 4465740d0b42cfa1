"""A VAE whose images critics judge too (Larsen et al. 2016: VAE-GAN).

What a latent leaves open, nats and trained features average: the image is blurred. A critic asks for one of those that
it may be. It sees what the VAE makes of real images and of latents as they will be drawn, half of each, so that what is
drawn becomes as sharp as what is encoded, while each image still has a latent of its own: nothing collapses.

Those are the prior's; of few data, latents near the last ones that were encoded, which are remembered in the VAE's
sampler. Each process remembers its own, so that several are not exactly one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from common.config import Optimizer, VaeConfig
from common.cores.aide import RAMP
from common.cores.game import Batch, Game
from common.cores.gan import GanGame
from common.cores.samplers import NeighbourSampler
from common.cores.schedules import linear
from common.cores.vae import VAE, Content, vae_player, vae_turn
from common.randomness import Draw


@dataclass
class VaeGan:
    """Two losses over a VAE and its critics. `game()` makes what the trainer plays.

    Attributes:
        vae: that makes images in [-1, 1].
        config: how it is trained.
        critics: a GAN's game with these critics, whose generator is the VAE.
        prepare: the batch as loaded -> real images (N, ...) in [-1, 1].
        latent: length of z.
        weight: nats an image that the critics' word counts, once they have seen `RAMP` images; less before.
        joins: images of the run after which they begin.
        content: as in `vae_game`.
        optimizer: what the VAE learns by where the run's settings name none.
    """

    vae: VAE
    config: VaeConfig
    critics: GanGame
    prepare: Callable[[Batch], Tensor]
    latent: int
    weight: float
    joins: int = 0
    content: Content | None = None
    optimizer: Optimizer = "adam"

    def game(self) -> Game:
        """Critics first, then the VAE, whose average is the product."""
        critic = replace(self.critics.critic_player(self.critic_loss), joins=self.joins)
        vae = vae_player(self.vae, self.loss, self.config, self.optimizer)
        return Game({"critic": critic, "vae": vae}, "vae", "critic", critic_from=self.joins)

    def critic_loss(self, batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        """The critics' loss on real images, and on what the VAE makes of half of them and of drawn latents."""
        real, raw = self.prepare(batch), self.vae.read(batch)
        half = len(real) // 2
        with torch.no_grad():
            z = self.vae.encode(real, raw).sample(draw.normal(self.latent))
            if isinstance(self.vae.sampler, NeighbourSampler):
                self.vae.sampler.remember(z)
            made = self._draw(torch.cat([z[:half], self._latents(draw)[half:]]), raw)
        return self.critics.judging(real, made, raw, draw)

    def loss(self, batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        """The VAE's own loss, and the weighted one against the frozen critics."""
        real, raw = self.prepare(batch), self.vae.read(batch)
        loss, figures, mean = vae_turn(self.vae, self.config, real, raw, draw, self.latent, self.content, True)
        if draw.images < self.joins:
            return loss, figures
        assert mean is not None
        half = len(real) // 2
        drawn = self._draw(self._latents(draw)[half:], None if raw is None else raw[half:])
        fooling = self.critics.fooling(torch.cat([mean[:half], drawn]), batch, draw, raw)
        weight = linear(0, self.weight, (draw.images - self.joins) / RAMP)
        return loss + weight * fooling, figures | {"generator": fooling}

    def _latents(self, draw: Draw) -> Tensor:
        """Latents (N, D) as they will be drawn."""
        sampler = self.vae.sampler
        if not isinstance(sampler, NeighbourSampler):
            return draw.normal(self.latent)
        return sampler.near(draw.integers(len(sampler.points)), draw.normal(sampler.ways))

    def _draw(self, z: Tensor, raw: Tensor | None) -> Tensor:
        return self.vae.likelihood.mean(self.vae.decode(z, raw))
