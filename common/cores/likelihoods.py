"""What a decoder's output says of data: Bernoulli, Gaussian and discretised logistic likelihoods."""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LOG_TWO_PI = math.log(2 * math.pi)


def normal_log_density(value: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log N(value; mean, exp(log_variance)) of each number, in nats."""
    return -((value - mean).square() * (-log_variance).exp() + log_variance + LOG_TWO_PI) / 2


def bend(value: Tensor, limit: float) -> Tensor:
    """Squash into (-limit, limit), slope 1 at zero: exp() cannot overflow, and no gradient is cut off."""
    return limit * torch.tanh(value / limit)


def at_least_float32(value: Tensor) -> Tensor:
    """At least float32, because sums over dimensions lose too much in half precision."""
    return value.to(torch.promote_types(value.dtype, torch.float32))


# --- the likelihoods


class Likelihood(nn.Module, ABC):
    """p(x | z): reads a decoder's output as a distribution over data (N, C, ...) in [-1, 1].

    Attributes:
        per_channel: how many output channels the decoder makes for each data channel; the first C are the first
            parameter of every channel, the next C the second.
    """

    per_channel: ClassVar[int] = 1

    @abstractmethod
    def nll(self, output: Any, data: Tensor) -> Tensor:
        """-log p(data | z) in nats, summed over the data's dimensions.

        Args:
            output: what the decoder makes: (N, per_channel * C, ...), or with K samples in front (K, N, per_channel *
                C, ...); or whatever else the two agree on.
            data: (N, C, ...) in [-1, 1].

        Returns:
            (N,), or (K, N).
        """

    @abstractmethod
    def mean(self, output: Any) -> Tensor:
        """The picture to show, (N, C, ...) in [-1, 1], for output (N, per_channel * C, ...), or as for `nll`."""

    def bits_per_dimension(self, nats: Tensor, dimensions: int) -> Tensor:
        """A negative log-likelihood in nats as bits for each of `dimensions` data values."""
        return nats / (dimensions * math.log(2))


class Bernoulli(Likelihood):
    """Independent black-or-white pixels; the output is the logit of white.

    Grey data is taken as the probability of white: a useful loss, but then no likelihood of the grey values, and its
    bits per dimension compare with those of binary pixels only.
    """

    def nll(self, output: Tensor, data: Tensor) -> Tensor:
        logits = at_least_float32(output)
        white = ((data + 1) / 2).to(logits.dtype).expand_as(logits)
        return _sum_data(F.binary_cross_entropy_with_logits(logits, white, reduction="none"), data)

    def mean(self, output: Tensor) -> Tensor:
        return torch.tanh(at_least_float32(output) / 2)  # 2 sigmoid(logit) - 1


class DiscretisedLogistic(Likelihood):
    """256 grey levels, each the mass of a logistic over its bin; the edge bins are open (Salimans et al. 2017).

    The output is the mean and the log-scale in units of the data, bent into (-7, 7): at -7 it is a ninth of a
    level, sharp enough to put all mass on one.
    """

    per_channel = 2

    def nll(self, output: Tensor, data: Tensor) -> Tensor:
        mean, log_scale = at_least_float32(output).chunk(2, dim=1 - data.ndim)
        precision = (-bend(log_scale, 7)).exp()
        upper = (data - mean + 1 / 255) * precision
        lower = (data - mean - 1 / 255) * precision
        black, white = data < -0.999, data > 0.999
        # sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(l - u)), which never cancels in the tails
        under = F.logsigmoid(upper).masked_fill(white, 0)
        over = F.logsigmoid(-lower).masked_fill(black, 0)
        between = (-torch.expm1(-precision * (2 / 255))).log().masked_fill(black | white, 0)
        return -_sum_data(under + over + between, data)

    def mean(self, output: Tensor) -> Tensor:
        return at_least_float32(output).chunk(2, dim=1)[0].clamp(-1, 1)


class Gaussian(Likelihood):
    """Real values around the output, with one variance for all dimensions, learned (Rybkin et al. 2021) or fixed."""

    log_variance: Tensor

    def __init__(self, log_variance: float = 0.0, learned: bool = True) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.tensor(float(log_variance)), requires_grad=learned)

    def nll(self, output: Tensor, data: Tensor) -> Tensor:
        return -_sum_data(normal_log_density(data, at_least_float32(output), self.log_variance), data)

    def mean(self, output: Tensor) -> Tensor:
        return at_least_float32(output).clamp(-1, 1)

    def bits_per_dimension(self, nats: Tensor, dimensions: int) -> Tensor:
        """Nats as bits a data value, the density times the width of a grey level (2 / 255) standing for its mass."""
        return super().bits_per_dimension(nats, dimensions) + math.log2(255 / 2)


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "bernoulli": Bernoulli,
    "logistic": DiscretisedLogistic,
    "gaussian": Gaussian,
}


def _sum_data(value: Tensor, data: Tensor) -> Tensor:
    """Sum over all but the batch dimension of `data`, whatever stands in front of it."""
    return value.sum(tuple(range(1 - data.ndim, 0)))
