"""The GAN core: adversarial losses, gradient penalties, differentiable augmentation and the two-player game.

A critic maps images to logits (N,), one number an image; all losses are means over the batch, so that gradients of
equal slices average to the gradient of the whole batch.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_map

from common.config import GanConfig
from common.cores.augment import Augmentation
from common.cores.game import Batch, Game, OptimizerConfig, Player
from common.cores.schedules import cosine
from common.randomness import Draw


@dataclass(frozen=True)
class AdversarialLoss:
    """A pair of losses on logits; `critic(real, fake)` and `generator(real, fake)` take (N,) each; scalars."""

    critic: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor, Tensor], Tensor]
    pairs: bool = False  # whether the generator's loss reads the logits of real images too


LOSSES: dict[str, AdversarialLoss] = {
    # Goodfellow et al. 2014, -log D(G(z)) for the generator.
    "nonsaturating": AdversarialLoss(
        critic=lambda real, fake: F.softplus(-real).mean() + F.softplus(fake).mean(),
        generator=lambda real, fake: F.softplus(-fake).mean(),
    ),
    # Lim & Ye 2017; Miyato et al. 2018.
    "hinge": AdversarialLoss(
        critic=lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
        generator=lambda real, fake: -fake.mean(),
    ),
    # Mao et al. 2017, with targets 1 (real) and 0 (fake).
    "least-squares": AdversarialLoss(
        critic=lambda real, fake: 0.5 * ((real - 1).square().mean() + fake.square().mean()),
        generator=lambda real, fake: 0.5 * (fake - 1).square().mean(),
    ),
    # Arjovsky et al. 2017; its gradient penalty is `interpolation_penalty`.
    "wasserstein": AdversarialLoss(
        critic=lambda real, fake: fake.mean() - real.mean(),
        generator=lambda real, fake: -fake.mean(),
    ),
    # Relativistic pairing, Jolicoeur-Martineau 2019; Huang et al. 2024 (R3GAN).
    "relativistic": AdversarialLoss(
        critic=lambda real, fake: F.softplus(fake - real).mean(),
        generator=lambda real, fake: F.softplus(real - fake).mean(),
        pairs=True,
    ),
}


def zero_centred_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """Half the squared gradient norm of the critic at its inputs: R1 on real images, R2 on fakes (Mescheder 2018).

    Args:
        logits: (N,), computed from `images` in this graph.
        images: (N, ...), requiring gradients.

    Returns:
        (N,), the penalty of each image, differentiable with respect to the critic.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return 0.5 * gradient.flatten(1).square().sum(1)


def interpolation_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Wasserstein's gradient penalty (|grad D(x)| - 1)^2 between real and fake images (Gulrajani et al. 2017).

    Args:
        critic: images (N, ...) -> logits (N,).
        real, fake: (N, ...).
        mix: (N,) in [0, 1), the share of the real image in each interpolate.

    Returns:
        (N,), the penalty of each pair.
    """
    share = mix.view(-1, *[1] * (real.dim() - 1))
    between = (share * real + (1 - share) * fake).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norm = gradient.flatten(1).square().sum(1).add(1e-12).sqrt()  # the square root has no gradient at 0
    return (norm - 1).square()


def spectrally_normalised(network: nn.Module) -> nn.Module:
    """Put spectral norm (Miyato et al. 2018) on every convolution and linear layer, in place."""
    for module in list(network.modules()):
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Linear)):
            nn.utils.parametrizations.spectral_norm(module)
    return network


DEFAULT_LR = 5e-4


class GanGame:
    """Two losses over one pair of networks. `game()` makes the `Game` that the trainer plays.

    Args:
        generator: (z (N, latent), raw condition or None) -> images (N, ...) in [-1, 1].
        critic: (images, raw condition or None) -> logits (N,).
        prepare: the batch as loaded -> real images (N, ...) in [-1, 1].
        read_condition: takes the raw condition, a tensor or a structure of tensors, out of a batch, some of it hidden
            at random (see `common.cores.conditions.dropping`); None for an unconditional game.
        augmentation: applied to real and fake images alike before the critic sees them.
        latent: length of z; by default `config.latent`.
        content: a loss of the domain's own that the generator descends too, from a batch, draw and raw condition, a
            scalar.
        swap: gives each row the raw condition of another one. Real images with those then count as false, so that the
            critic judges whether the two belong together (Reed et al. 2016). The critic must be a `head` (features,
            raw) over `features` (images), which all conditions of an image share.
        mismatch: weight of what is so judged.
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        config: GanConfig,
        prepare: Callable[[Batch], Tensor],
        read_condition: Callable[[Batch, Draw], Any] | None = None,
        augmentation: Augmentation | None = None,
        latent: int | None = None,
        content: Callable[[Batch, Draw, Any], Tensor] | None = None,
        swap: Callable[[Any], Any] | None = None,
        mismatch: float = 0.5,
    ):
        self.generator, self.critic, self.config = generator, critic, config
        self.prepare, self.read_condition, self.augmentation = prepare, read_condition, augmentation
        self.latent = config.latent if latent is None else latent
        self.content, self.swap, self.mismatch = content, swap, mismatch
        self.adversarial = LOSSES[config.loss]
        self.batch_normalised = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in critic.modules())

    def game(self) -> Game:
        """Critic first, then generator; the (averaged) generator is the product."""
        config = self.config
        lr = config.lr or DEFAULT_LR
        judge = nn.ModuleDict({"critic": self.critic})
        if self.augmentation is not None:
            judge["augmentation"] = self.augmentation  # its adaptive strength is saved and averaged with the critic
        return Game(
            players={
                "critic": Player(judge, self.critic_loss, OptimizerConfig(config.critic_lr or lr, config.betas)),
                "generator": Player(
                    self.generator,
                    self.generator_loss,
                    OptimizerConfig(lr, config.betas),
                    average=config.average,
                    compile=True,
                ),
            },
            product="generator",
        )

    def critic_loss(self, batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        """The critic's loss: adversarial, plus R1 and R2 (or the interpolation penalty) when their step has come."""
        real, raw = self.prepare(batch), self._condition(batch, draw)
        fake = self.generator(draw.normal(self.latent), raw).detach()
        penalised = self.config.penalty > 0 and draw.step % self.config.penalty_every == 0
        zero_centred = penalised and self.config.loss != "wasserstein"
        # A penalty needs full precision: its second derivatives are small.
        with torch.autocast(real.device.type, enabled=False) if penalised else nullcontext():
            images = torch.cat([real, fake.to(real.dtype)]).requires_grad_(zero_centred)
            logits, swapped = self._judge_both(self._augment(images, draw), raw)
            real_logits, fake_logits = logits.float().chunk(2)
            loss = self.adversarial.critic(real_logits, fake_logits)
            figures = {"critic": loss, "real_logit": real_logits.mean(), "fake_logit": fake_logits.mean()}
            if swapped is not None:
                figures["swapped_logit"] = swapped.mean()
                loss = loss + self.mismatch * self.adversarial.critic(real_logits, swapped.float())
            if penalised:
                penalty = self._penalty(logits, images, raw, draw)
                figures["penalty"] = penalty
                loss = loss + self._penalty_weight(draw) * self.config.penalty_every * penalty
        if self.augmentation is not None:
            self.augmentation.adapt(real_logits.detach())
            figures["augment"] = self.augmentation.strength
        return loss, figures

    def generator_loss(self, batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        """The generator's loss against the frozen critic, plus that of the content if there is one."""
        raw = self._condition(batch, draw)
        loss = self._fooling(self.generator(draw.normal(self.latent), raw), batch, draw, raw)
        figures = {"generator": loss}
        if self.content is not None:
            figures["content"] = self.content(batch, draw, raw)
            loss = loss + figures["content"]
        return loss, figures

    def _fooling(self, fake: Tensor, batch: Batch, draw: Draw, raw: Any) -> Tensor:
        """The generator's loss against the frozen critic for what it made, (N, ...), of the conditions; a scalar."""
        if self.adversarial.pairs:
            real, fake = self._augment(torch.cat([self.prepare(batch), fake]), draw).chunk(2)
            with torch.no_grad():
                real_logits = self.critic(real, raw).float()
        else:
            fake = self._augment(fake, draw)
            real_logits = fake.new_zeros(len(fake))
        return self.adversarial.generator(real_logits, self.critic(fake, raw).float())

    def _judge_both(self, images: Tensor, raw: Any) -> tuple[Tensor, Tensor | None]:
        """Logits of real and fake images (2N, ...), which share their conditions (N, ...), and of real ones swapped.

        In one forward, as one large batch is cheaper than two small ones; but BatchNorm must not see them mixed, or in
        its own turn, where it sees fakes alone, the generator would meet another critic.
        """
        if self.batch_normalised:
            return torch.cat([self.critic(half, raw) for half in images.chunk(2)]), None
        both = None if raw is None else tree_map(lambda tensor: torch.cat([tensor, tensor]), raw)
        if self.swap is None:
            return self.critic(images, both), None
        features = cast(Any, self.critic).features(images)
        head = cast(Any, self.critic).head
        return head(features, both), head(features.chunk(2)[0], self.swap(raw))

    def _condition(self, batch: Batch, draw: Draw) -> Any:
        return None if self.read_condition is None else self.read_condition(batch, draw)

    def _augment(self, images: Tensor, draw: Draw) -> Tensor:
        return images if self.augmentation is None else self.augmentation(images, draw)

    def _penalty(self, logits: Tensor, images: Tensor, raw: Any, draw: Draw) -> Tensor:
        if self.config.loss == "wasserstein":
            real, fake = images.chunk(2)
            return interpolation_penalty(lambda x: self.critic(x, raw), real, fake, draw.uniform()).mean()
        return 2 * zero_centred_penalty(logits, images).mean()  # mean of R1 plus mean of R2

    def _penalty_weight(self, draw: Draw) -> float:
        end = self.config.penalty if self.config.penalty_end is None else self.config.penalty_end
        return cosine(self.config.penalty, end, draw.progress)


class Translating(nn.Module):
    """A network from pictures to pictures as the core calls generators: with latents, which it does not read.

    Args:
        network: (N, C, H, W) -> (N, C', H', W').
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Any, source: Tensor) -> Tensor:
        """What the network makes of the condition."""
        return self.network(source)
