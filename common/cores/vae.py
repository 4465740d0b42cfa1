"""The variational autoencoder core: posterior, likelihoods, bounds, and diagnostics (Kingma & Welling 2014).

The pieces meet in two quantities, the negative log-likelihood (N,) and the divergence per latent dimension (N, D), so
a domain whose decoder reads more than a latent (a teacher-forced sequence) overrides `VAE.nll` and keeps the rest.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from common.config import Optimizer, VaeConfig
from common.cores.conditions import Condition
from common.cores.game import Batch, Game, Loss, OptimizerConfig, Player
from common.cores.likelihoods import Likelihood, at_least_float32, bend, normal_log_density
from common.cores.samplers import Sampler
from common.randomness import Draw

DEFAULT_LR = 1e-3


# --- the posterior


@dataclass(frozen=True)
class Posterior:
    """A diagonal Gaussian q(z | x) for each of N data, with the prior N(0, I) as its reference.

    Attributes:
        mean: (N, D).
        log_variance: (N, D).
    """

    mean: Tensor
    log_variance: Tensor

    @classmethod
    def from_parameters(cls, parameters: Tensor) -> Self:
        """Split an encoder's output (N, 2D) into mean and log-variance, the latter bent into (-15, 15)."""
        mean, log_variance = at_least_float32(parameters).chunk(2, dim=-1)
        return cls(mean, bend(log_variance, 15))

    def sample(self, noise: Tensor) -> Tensor:
        """Reparameterised z = mean + deviation * noise.

        Args:
            noise: standard normal, (N, D), or (K, N, D) for K samples a datum; z has its shape.

        Raises:
            ValueError: the noise has other rows or dimensions, which would broadcast silently.
        """
        if noise.shape[-2:] != self.mean.shape:
            raise ValueError(f"noise {tuple(noise.shape)} does not fit a posterior {tuple(self.mean.shape)}")
        return self.mean + (self.log_variance / 2).exp() * noise

    def kl(self) -> Tensor:
        """KL(q(z_d | x) || N(0, 1)) of each latent dimension, (N, D), in nats (Kingma & Welling 2014, appendix B)."""
        return (self.mean.square() + torch.expm1(self.log_variance) - self.log_variance) / 2

    def log_prob(self, z: Tensor) -> Tensor:
        """log q(z | x) in nats: (N,) for z (N, D), and (K, N) for z (K, N, D) or (K, 1, D)."""
        return normal_log_density(z, self.mean, self.log_variance).sum(-1)


class NormalisedMean(nn.Module):
    """Batch normalisation of posterior means, with a fixed deviation (Zhu et al. 2020, BN-VAE).

    The divergence of each dimension is then at least `scale`^2 / 2 nats on average, so that none can collapse.

    Args:
        dimensions: D.
        scale: the deviation.
    """

    def __init__(self, dimensions: int, scale: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dimensions, affine=False)
        self.shift = nn.Parameter(torch.zeros(dimensions))
        self.scale = scale

    def forward(self, parameters: Tensor) -> Tensor:
        """An encoder's output (N, 2D) with its first half, the means, normalised over the batch."""
        mean, log_variance = parameters.chunk(2, dim=-1)
        return torch.cat([self.scale * self.norm(mean) + self.shift, log_variance], -1)


# --- the loss


def vae_loss(nll: Tensor, kl: Tensor, beta: float = 1.0, free_bits: float = 0.0) -> tuple[Tensor, dict[str, Tensor]]:
    """The negative ELBO, averaged over the batch, its divergence weighted (beta-VAE, Higgins et al. 2017).

    Free bits (Kingma et al. 2016, eq. 15): a latent dimension pays max(mean divergence over the batch, `free_bits`),
    so it has no reason to fall below. That mean is taken over the rows given: with free bits, several processes
    are not exactly one.

    Args:
        nll: (N,) nats.
        kl: (N, D) nats.

    Returns:
        The scalar to descend; and in nats per datum `nll`, `kl` and `elbo`, with neither beta nor free bits in them.
    """
    distortion, rates = nll.mean(), kl.mean(0)
    loss = distortion + beta * rates.clamp(min=free_bits).sum()
    return loss, {"nll": distortion, "kl": rates.sum(), "elbo": -distortion - rates.sum()}


def warm_up(images: float, over: float) -> float:
    """A weight that rises linearly from 0 to 1 over the first `over` images (Bowman et al. 2016), 1 if `over` is 0."""
    return min(1.0, images / over) if over > 0 else 1.0


# --- the model and its game


class VAE(nn.Module):
    """An encoder, a decoder and a likelihood; with a condition, a conditional VAE (Sohn et al. 2015).

    The methods take the raw condition, such as class labels (N,) or a dict of tensors, and raise ValueError if it is
    missing in a conditional model or given to another.

    Args:
        encoder: (x, embedded condition (N, width) or None) -> (N, 2D), mean and log-variance.
        decoder: (z (N, D), embedded condition or None) -> the likelihood's parameters, (N, per_channel * C, ...).
        likelihood: how the decoder's output is read.
        condition: embeds what encoder and decoder are told.
        sampler: stands in for the prior once it is fitted; part of the model so that it travels with its weights.
    """

    condition: Condition | None

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        condition: Condition | None = None,
        sampler: Sampler | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood
        self.condition = condition
        self.sampler = sampler

    def read(self, batch: Batch) -> Any:
        """The raw condition of a batch, or None if the model takes none."""
        return None if self.condition is None else self.condition.read(batch)

    def encode(self, x: Tensor, condition: Any = None) -> Posterior:
        """q(z | x), for x (N, C, ...)."""
        return Posterior.from_parameters(self.encoder(x, self._embed(condition)))

    def decode(self, z: Tensor, condition: Any = None) -> Any:
        """The likelihood's parameters for z (N, D); `likelihood.mean` makes a picture of them."""
        return self.decoder(z, self._embed(condition))

    def nll(self, x: Tensor, z: Tensor, condition: Any = None) -> Tensor:
        """The negative log-likelihood -log p(x | z), (N,) nats."""
        return self.likelihood.nll(self.decode(z, condition), x)

    def forward(self, x: Tensor, noise: Tensor, condition: Any = None, with_mean: bool = False) -> tuple[Tensor, ...]:
        """The two terms of the ELBO, one-sample -log p(x | z) (N,) and exact divergence (N, D), with noise (N, D).

        And, `with_mean`, the mean of the likelihood, which stands for what x comes out as, like x.
        """
        posterior = self.encode(x, condition)
        z = posterior.sample(noise)
        if not with_mean:
            return self.nll(x, z, condition), posterior.kl()
        output = self.decode(z, condition)
        return self.likelihood.nll(output, x), posterior.kl(), self.likelihood.mean(output)

    def _embed(self, raw: Any) -> Any:
        if raw is None and self.condition is None:
            return None
        if raw is None or self.condition is None:
            raise ValueError("this model needs a condition" if raw is None else "this model takes no condition")
        return self.condition(raw)


Content = Callable[[Tensor, Tensor, Draw], tuple[Tensor, dict[str, Tensor]]]


def vae_game(
    vae: VAE,
    config: VaeConfig,
    prepare: Callable[[Batch], Tensor],
    latent: int | None = None,
    content: Content | None = None,
    optimizer: Optimizer = "adam",
) -> Game:
    """The game of one player, "vae".

    Args:
        config: how it is trained.
        prepare: from a batch as it is stored to x as the encoder takes it (uint8 to floats in [-1, 1], say).
        latent: length of the network's z; by default `config.latent`.
        content: what else x should come out as: (its mean, x, draw) -> nats a datum, a scalar, and figures to log. By
            nats alone what x looks like is averaged away (Hou et al. 2017).
        optimizer: what it learns by where the run's settings name none.
    """
    length = config.latent if latent is None else latent

    def loss(batch: Batch, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        return vae_turn(vae, config, prepare(batch), vae.read(batch), draw, length, content)[:2]

    return Game({"vae": vae_player(vae, loss, config, optimizer)}, product="vae")


def vae_player(vae: VAE, loss: Loss, config: VaeConfig, optimizer: Optimizer = "adam") -> Player:
    """The player that moves a VAE; it learns by `optimizer` where the run's settings name none."""
    settings = OptimizerConfig(lr=config.lr or DEFAULT_LR, name=optimizer)
    return Player(vae, loss, settings, config.average, config.average_ramp, compile=True)


def vae_turn(
    vae: VAE,
    config: VaeConfig,
    x: Tensor,
    raw: Any,
    draw: Draw,
    latent: int,
    content: Content | None = None,
    with_mean: bool = False,
) -> tuple[Tensor, dict[str, Tensor], Tensor | None]:
    """The loss of a VAE on x with its raw condition, figures to log, and, if asked for, what x comes out as."""
    nll, kl, *rest = vae(x, draw.normal(latent), raw, with_mean=with_mean or content is not None)
    loss, figures = vae_loss(nll, kl, config.beta * warm_up(draw.images, config.beta_warm_up), config.free_bits)
    if content is not None:
        more, told = content(rest[0], x, draw)
        loss, figures = loss + more, figures | told
    return loss, figures, rest[0] if rest else None


# --- evaluation


@torch.no_grad()
def importance_bound(vae: VAE, x: Tensor, condition: Any, samples: int, generator: torch.Generator) -> Tensor:
    """The importance-weighted bound on log p(x) with K samples (IWAE, Burda et al. 2016, eq. 8), (N,) nats.

    Its expectation rises with K from the ELBO (K = 1) to log p(x). One sample of the whole batch is decoded at a time,
    so memory does not grow with K.

    Args:
        vae: in evaluation mode.
        x: (N, C, ...).
        condition: raw, or None.
        samples: K >= 1.
        generator: of the noise, on the device of x.
    """
    posterior = vae.encode(x, condition)
    prior = Posterior(torch.zeros_like(posterior.mean), torch.zeros_like(posterior.mean))

    def log_weight() -> Tensor:
        mean = posterior.mean
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        z = posterior.sample(noise)
        return prior.log_prob(z) - posterior.log_prob(z) - vae.nll(x, z, condition)

    return torch.stack([log_weight() for _ in range(samples)]).logsumexp(0) - math.log(samples)


def active_units(means: Tensor, threshold: float = 0.01) -> int:
    """How many latent dimensions the data move: posterior means (N, D) with variance above `threshold`.

    Burda et al. 2016, section 5.2; the rest have collapsed onto the prior.
    """
    return int((means.var(0) > threshold).sum())


@torch.no_grad()
def mutual_information(posterior: Posterior, z: Tensor) -> float:
    """I_q(x; z) in nats over the N data given: what a latent tells of its datum (Hoffman & Johnson 2016).

    It equals E_x KL(q(z | x) || p(z)) - KL(q(z) || p(z)), estimated as the mean of log q(z_i | x_i) - log q(z_i) with
    the aggregate posterior q(z) = mean_j q(z | x_j) over all N. An estimate from N data cannot exceed log N, which is
    why a training batch will not do: at N = 1000 the cap is 6.9 nats, and an estimate close to it says only
    "at least". Time is O(N^2 D); memory is bounded.

    Args:
        posterior: of N data, N >= 1000.
        z: one sample of each, (N, D).

    Raises:
        ValueError: fewer than 1000 data.
    """
    count, dimensions = z.shape
    if count < 1000:
        raise ValueError(f"mutual information needs at least 1000 data, not {count}: an estimate cannot exceed log N")
    rows = max(1, 4_000_000 // (count * dimensions))
    pairs = (posterior.log_prob(chunk[:, None]) for chunk in z.split(rows))  # each (rows, N), q(z_i | x_j)
    aggregate = torch.cat([pair.logsumexp(1) for pair in pairs]) - math.log(count)
    return float((posterior.log_prob(z) - aggregate).mean())
