"""What stands in for a VAE's prior once it is trained: where the latents of the training data really lie.

Its state is buffers, so it is saved like any network; until it is fitted it is the prior N(0, I), or draws of that.
"""

from typing import Self

import torch
from einops import einsum
from torch import Tensor, nn

NEIGHBOURS = 5  # of a datum, along whose differences it is moved
REACH = 0.7  # how far, as a share of how far these lie around their mean


class AggregateSampler(nn.Module):
    """A Gaussian mixture fitted to the aggregate posterior (Ghosh et al. 2020), for many more data than dimensions.

    Args:
        dimensions: D of the latent.
        components: of the mixture, each with a full covariance.
    """

    weights: Tensor
    means: Tensor
    factors: Tensor

    def __init__(self, dimensions: int, components: int = 10) -> None:
        super().__init__()
        self.register_buffer("weights", torch.full((components,), 1 / components))
        self.register_buffer("means", torch.zeros(components, dimensions))
        self.register_buffer("factors", torch.eye(dimensions).repeat(components, 1, 1))  # covariance = factor factor^T

    def fit(self, samples: Tensor, seed: int = 0) -> Self:
        """Fit by expectation-maximisation to one posterior sample per datum, (N, D), and return itself.

        Posterior means will not do: they lack the posteriors' own variance.

        Raises:
            ValueError: fewer samples than components, or samples that are not finite.
        """
        from sklearn.mixture import GaussianMixture  # here, because it is slow to import and sampling needs none of it

        mixture = GaussianMixture(len(self.weights), reg_covar=1e-4, random_state=seed)
        mixture.fit(samples.detach().cpu().double().numpy())
        self.weights.copy_(torch.from_numpy(mixture.weights_))
        self.means.copy_(torch.from_numpy(mixture.means_))
        self.factors.copy_(torch.linalg.cholesky(torch.from_numpy(mixture.covariances_)))
        return self

    def moments(self) -> tuple[Tensor, Tensor]:
        """The mean (D,) of the whole mixture, and a factor (D, D) of its covariance."""
        mean = self.weights @ self.means
        apart = self.means - mean
        within = einsum(self.weights, self.factors, self.factors, "k, k i l, k j l -> i j")
        return mean, torch.linalg.cholesky(within + einsum(self.weights, apart, apart, "k, k i, k j -> i j"))

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw z, (count, D), with a generator on the sampler's device."""
        component = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        noise = torch.randn(count, self.means.shape[1], generator=generator, device=self.means.device)
        spread = einsum(self.factors, noise, "component i j, n j -> n component i")[torch.arange(count), component]
        return self.means[component] + spread


class NeighbourSampler(nn.Module):
    """One Gaussian at each datum, as wide as its neighbours lie (Vincent & Bengio 2003: manifold Parzen windows).

    For few data: a handful of Gaussians, each spanned by a dozen data, means what is half-way between all of these,
    which in many dimensions is near to none. A datum and its neighbours are taken around their mean and not, as there,
    around the datum, from which all the others lie towards the middle: away from them is nothing.

    Args:
        count: N data that it is fitted to.
        dimensions: D of the latent.
    """

    points: Tensor

    def __init__(self, count: int, dimensions: int) -> None:
        super().__init__()
        self.register_buffer("points", torch.randn(count, dimensions))

    def fit(self, samples: Tensor) -> Self:
        """Take one posterior sample per datum, (N, D), and return itself."""
        self.points.copy_(samples)
        return self

    def remember(self, samples: Tensor) -> None:
        """Take posterior samples of some data (M, D) while these are still learned, in the place of the oldest."""
        self.points.copy_(torch.cat([self.points, samples.to(self.points.dtype)])[len(samples) :])

    def moments(self) -> tuple[Tensor, Tensor]:
        """The mean (D,) of all Gaussians, and a factor (D, D) of their covariance."""
        centred = self.points - self.points.mean(0)
        ways = self._ways(torch.arange(len(self.points), device=self.points.device)).flatten(0, 1)
        covariance = (centred.T @ centred + ways.T @ ways) / len(self.points)
        little = 1e-4 * torch.eye(len(covariance), device=covariance.device)  # of few data, some directions have none
        return self.points.mean(0), torch.linalg.cholesky(covariance + little)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw z, (count, D), with a generator on the sampler's device."""
        device = self.points.device
        rows = torch.randint(len(self.points), (count,), generator=generator, device=device)
        return self.near(rows, torch.randn(count, self.ways, generator=generator, device=device))

    @property
    def ways(self) -> int:
        """Along how many differences a datum is moved, its own from the mean of its neighbours among them."""
        return min(NEIGHBOURS, len(self.points) - 1) + 1

    def near(self, rows: Tensor, noise: Tensor) -> Tensor:
        """Latents (N, D) near the data of some rows (N,), by normal noise (N, ways)."""
        return self.points[rows] + einsum(noise, self._ways(rows), "n way, n way i -> n i")

    def _ways(self, rows: Tensor) -> Tensor:
        """A factor of the covariance at each of some data, transposed, (N, ways, D)."""
        near = self.ways - 1
        apart = torch.cdist(self.points[rows], self.points).scatter(1, rows[:, None], torch.inf)
        found = apart.topk(near, largest=False).indices
        around = torch.cat([self.points[found], self.points[rows, None]], 1)
        return (around - around.mean(1, keepdim=True)) * (REACH / max(near, 1) ** 0.5)


Sampler = AggregateSampler | NeighbourSampler
