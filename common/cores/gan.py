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

from common.config import GanConfig, Optimizer
from common.cores.aide import Aide
from common.cores.augment import Augmentation
from common.cores.game import Batch, Game, Loss, OptimizerConfig, Player
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


DEFAULT_LR = 5e-4
EXACT = 1e-4  # mean squared difference of images in [-1, 1] that is as good as none
Content = Callable[[Tensor, Batch, Draw, Any], tuple[Tensor, dict[str, Tensor]]]


@dataclass
class GanGame:
    """Two losses over one pair of networks, or the generator's alone. `game()` makes what the trainer plays.

    Attributes:
        generator: (z (N, latent), raw condition or None) -> images (N, ...) in [-1, 1]; or, without a latent, raw
            condition -> images.
        critic: (images, raw condition or None) -> logits (N,); None where the generator descends the content alone.
        prepare: the batch as loaded -> real images (N, ...) in [-1, 1].
        read_condition: takes the raw condition, a tensor or a structure of tensors, out of a batch, some of it hidden
            at random (see `common.cores.conditions.dropping`); None for an unconditional game.
        augmentation: applied to real and fake images alike before the critic sees them.
        aide: a second critic, (images, raw condition or None) -> logits (N, heads), which moves with the first
            (`common.cores.aide.Aide`); None for none.
        aide_augmentation: applied likewise before it sees them.
        latent: length of z; by default `config.latent`; 0 for a generator that makes images of its condition alone.
        adversarial: weight of what the critic says to the generator.
        content: a loss of the domain's own that the generator descends too: (what it made, batch, draw, raw condition)
            -> scalar and figures to log. `pixel_loss` is one of them.
        swap: gives each row the raw condition of another one. Real images with those then count as false, so that the
            critic judges whether the two belong together (Reed et al. 2016). The critic must be a `head` (features,
            raw) over `features` (images), which all conditions of an image share.
        mismatch: weight of what is so judged.
        head_start: images during which the critic alone learns, as a trained generator would unlearn from a new one.
        default_lr: the learning rate where `config` names none.
        clip: largest norm of the generator's gradient.
        optimizer: what the generator learns by where the run's settings name none.
        keeps_critic: whether the critic is saved beside the generator, for runs that begin with it.
    """

    generator: nn.Module
    critic: nn.Module | None
    config: GanConfig
    prepare: Callable[[Batch], Tensor]
    read_condition: Callable[[Batch, Draw], Any] | None = None
    augmentation: Augmentation | None = None
    aide: Aide | None = None
    aide_augmentation: Augmentation | None = None
    latent: int | None = None
    adversarial: float = 1.0
    content: Content | None = None
    swap: Callable[[Any], Any] | None = None
    mismatch: float = 0.5
    head_start: int = 0
    default_lr: float = DEFAULT_LR
    clip: float | None = None
    optimizer: Optimizer = "adam"
    keeps_critic: bool = False

    def __post_init__(self) -> None:
        self.rule = LOSSES[self.config.loss]
        modules = () if self.critic is None else self.critic.modules()
        self.batch_normalised = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in modules)

    def game(self) -> Game:
        """Critic first, if there is one, then generator; the (averaged) generator is the product."""
        config, players = self.config, dict[str, Player]()
        lr = config.lr or self.default_lr
        if self.critic is not None:
            players["critic"] = self.critic_player(self.critic_loss)
        players["generator"] = Player(
            self.generator,
            self.generator_loss,
            OptimizerConfig(lr, config.betas, clip=self.clip, name=self.optimizer),
            average=config.average,
            average_ramp=config.average_ramp,
            compile=True,
        )
        kept = "critic" if self.keeps_critic and "critic" in players else None
        return Game(players, "generator", kept, critic_from=self.head_start)

    def critic_player(self, loss: Loss) -> Player:
        """The player that moves all critics and what adapts to them."""
        judge = nn.ModuleDict({"critic": cast(nn.Module, self.critic)})
        if self.augmentation is not None:
            judge["augmentation"] = self.augmentation  # its adaptive strength is saved and averaged with the critic
        if self.aide is not None:
            judge["aide"] = self.aide
        lr = self.config.critic_lr or self.config.lr or self.default_lr
        return Player(judge, loss, OptimizerConfig(lr, self.config.betas))

    def critic_loss(self, batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        """The critic's loss on real images and on what the generator makes."""
        real, raw = self.prepare(batch), self._condition(batch, draw)
        return self.judging(real, self._make(draw, raw).detach(), raw, draw)

    def judging(self, real: Tensor, fake: Tensor, raw: Any, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        """The critic's loss: adversarial, plus R1 and R2 (or the interpolation penalty) when their step has come.

        Args:
            real, fake: images (N, ...) in [-1, 1], without gradients.
            raw: the conditions that both share.
        """
        penalised = self.config.penalty > 0 and draw.step % self.config.penalty_every == 0
        zero_centred = penalised and self.config.loss != "wasserstein"
        # A penalty needs full precision: its second derivatives are small.
        with torch.autocast(real.device.type, enabled=False) if penalised else nullcontext():
            images = torch.cat([real, fake.to(real.dtype)]).requires_grad_(zero_centred)
            logits, swapped = self._judge_both(self._augment(images, draw, self.augmentation), raw)
            real_logits, fake_logits = logits.float().chunk(2)
            loss = self.rule.critic(real_logits, fake_logits)
            figures = {"critic": loss, "real_logit": real_logits.mean(), "fake_logit": fake_logits.mean()}
            if swapped is not None:
                figures["swapped_logit"] = swapped.mean()
                loss = loss + self.mismatch * self.rule.critic(real_logits, swapped.float())
            if penalised:
                penalty = self._penalty(logits, images, raw, draw)
                figures["penalty"] = penalty
                loss = loss + self._penalty_weight(draw) * self.config.penalty_every * penalty
        if self.aide is not None:
            figures["aide"] = self._aide_loss(self.aide, torch.cat([real, fake.to(real.dtype)]), raw, draw)
            loss = loss + figures["aide"]
        if self.augmentation is not None:
            self.augmentation.adapt(real_logits.detach())
            figures["augment"] = self.augmentation.strength
        return loss, figures

    def generator_loss(self, batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted loss against the frozen critic, if there is one, and that of the content, if there is one."""
        if draw.images < self.head_start:
            return 0 * torch.stack([parameter.sum() for parameter in self.generator.parameters()]).sum(), {}
        raw = self._condition(batch, draw)
        fake = self._make(draw, raw)
        loss, figures = torch.zeros((), device=fake.device), dict[str, Tensor]()
        if self.critic is not None:
            figures["generator"] = self.fooling(fake, batch, draw, raw)
            loss = loss + self.adversarial * figures["generator"]
        if self.content is not None:
            content, more = self.content(fake, batch, draw, raw)
            loss, figures = loss + content, figures | more
        return loss, {"generator": loss} | figures

    def _make(self, draw: Draw, raw: Any) -> Tensor:
        """What the generator makes of the condition, and of a latent if it takes one."""
        latent = self.config.latent if self.latent is None else self.latent
        return self.generator(draw.normal(latent), raw) if latent else self.generator(raw)

    def fooling(self, fake: Tensor, batch: Batch, draw: Draw, raw: Any) -> Tensor:
        """The generator's loss against the frozen critic for what it made, (N, ...), of the conditions; a scalar."""
        critic = cast(nn.Module, self.critic)
        real = self.prepare(batch) if self.rule.pairs or self.aide is not None else fake.detach()
        seen, made = self._augment(torch.cat([real, fake]), draw, self.augmentation).chunk(2)
        with torch.no_grad():
            real_logits = critic(seen, raw).float() if self.rule.pairs else fake.new_zeros(len(fake))
        loss = self.rule.generator(real_logits, critic(made, raw).float())
        if self.aide is None:
            return loss
        seen, made = self._augment(torch.cat([real, fake]), draw, self.aide_augmentation).chunk(2)
        with torch.no_grad():
            real_logits = self.aide(seen, raw).float()
        return loss + self.aide.influence(draw) * self.rule.generator(real_logits, self.aide(made, raw).float())

    def _aide_loss(self, aide: Aide, images: Tensor, raw: Any, draw: Draw) -> Tensor:
        """The second critic's loss on real and fake images (2N, ...), which share their conditions; a scalar."""
        logits = aide(self._augment(images, draw, self.aide_augmentation), _twice(raw))
        return self.rule.critic(*logits.float().chunk(2))

    def _judge_both(self, images: Tensor, raw: Any) -> tuple[Tensor, Tensor | None]:
        """Logits of real and fake images (2N, ...), which share their conditions (N, ...), and of real ones swapped.

        In one forward, as one large batch is cheaper than two small ones; but BatchNorm must not see them mixed, or in
        its own turn, where it sees fakes alone, the generator would meet another critic.
        """
        critic = cast(Any, self.critic)
        if self.batch_normalised:
            return torch.cat([critic(half, raw) for half in images.chunk(2)]), None
        if self.swap is None:
            return critic(images, _twice(raw)), None
        features = critic.features(images)
        return critic.head(features, _twice(raw)), critic.head(features.chunk(2)[0], self.swap(raw))

    def _condition(self, batch: Batch, draw: Draw) -> Any:
        return None if self.read_condition is None else self.read_condition(batch, draw)

    def _augment(self, images: Tensor, draw: Draw, augmentation: Augmentation | None) -> Tensor:
        return images if augmentation is None else augmentation(images, draw)

    def _penalty(self, logits: Tensor, images: Tensor, raw: Any, draw: Draw) -> Tensor:
        if self.config.loss == "wasserstein":
            critic, (real, fake) = cast(nn.Module, self.critic), images.chunk(2)
            return interpolation_penalty(lambda x: critic(x, raw), real, fake, draw.uniform()).mean()
        return 2 * zero_centred_penalty(logits, images).mean()  # mean of R1 plus mean of R2

    def _penalty_weight(self, draw: Draw) -> float:
        end = self.config.penalty if self.config.penalty_end is None else self.config.penalty_end
        return cosine(self.config.penalty, end, draw.progress)


def _twice(raw: Any) -> Any:
    """The raw condition of N examples as that of 2N, which are those examples twice."""
    return None if raw is None else tree_map(lambda tensor: torch.cat([tensor, tensor]), raw)


def psnr_loss(made: Tensor, real: Tensor, weight: Tensor | None = None) -> Tensor:
    """The mean over images of the logarithm of the mean squared difference, a scalar (Chen et al. 2022: NAFNet).

    It is the PSNR that it descends, up to a factor. Where several colours are as likely, one of them costs less than a
    mixture of all.

    Args:
        weight: as of `pixel_loss`.
    """
    apart = (made.float() - real).square()
    if weight is not None:
        apart = apart * weight / weight.mean((1, 2, 3), keepdim=True).clamp(min=1e-6)
    return (apart.mean((1, 2, 3)) + EXACT).log().mean()


def pixel_loss(made: Tensor, real: Tensor, weight: Tensor | None = None) -> Tensor:
    """The mean absolute difference of images (N, C, H, W), a scalar (Isola et al. 2017: pix2pix).

    Args:
        weight: of places, (N, 1 or C, H, W); each image's difference is then its weighted mean.
    """
    apart = (made.float() - real).abs()
    if weight is None:
        return apart.mean()
    return ((apart * weight).mean((1, 2, 3)) / weight.mean((1, 2, 3)).clamp(min=1e-6)).mean()
