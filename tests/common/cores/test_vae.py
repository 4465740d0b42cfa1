"""The VAE core against hand-worked values, torch.distributions and models whose likelihood is known exactly."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from common.cores.game import Batch
from common.cores.likelihoods import LIKELIHOODS, Bernoulli, DiscretisedLogistic, Gaussian
from common.cores.vae import (
    VAE,
    NormalisedMean,
    Posterior,
    VaeConfig,
    active_units,
    importance_bound,
    mutual_information,
    vae_game,
    vae_loss,
    warm_up,
)
from common.errors import UserError
from common.randomness import Draw

LEVELS = torch.arange(256, dtype=torch.float64) / 127.5 - 1


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- the posterior


def test_kl_and_log_prob_agree_with_torch_distributions() -> None:
    posterior = Posterior(normal(5, 3), normal(5, 3, seed=1))
    q = Normal(posterior.mean, (posterior.log_variance / 2).exp())
    torch.testing.assert_close(
        posterior.kl(), kl_divergence(q, Normal(torch.zeros(5, 3), torch.ones(5, 3)).expand((5, 3)))
    )
    for shape in [(5, 3), (4, 5, 3)]:
        z = normal(*shape, seed=2)
        torch.testing.assert_close(posterior.log_prob(z), q.log_prob(z).sum(-1))


def test_log_prob_of_every_z_under_every_posterior() -> None:
    posterior, z = Posterior(normal(5, 3), normal(5, 3, seed=1)), normal(4, 3, seed=2)
    pairs = posterior.log_prob(z[:, None])
    assert pairs.shape == (4, 5)
    one = Posterior(posterior.mean[2:3], posterior.log_variance[2:3])
    torch.testing.assert_close(pairs[1, 2], one.log_prob(z[1:2])[0])


def test_kl_of_the_prior_is_zero_and_precise_beside_it() -> None:
    assert Posterior(torch.zeros(1, 2), torch.zeros(1, 2)).kl().eq(0).all()
    tiny = Posterior(torch.zeros(1, 1), torch.tensor([[1e-3]])).kl().item()
    assert tiny == pytest.approx(1e-6 / 4, rel=1e-3)  # expm1(v) - v = v^2 / 2 + ...


def test_sample_is_mean_plus_deviation_times_noise() -> None:
    posterior = Posterior(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, math.log(9.0)]]))
    torch.testing.assert_close(posterior.sample(torch.tensor([[0.5, 2.0]])), torch.tensor([[1.5, 4.0]]))
    assert posterior.sample(torch.zeros(7, 1, 2)).shape == (7, 1, 2)


@pytest.mark.parametrize("shape", [(4, 1), (1, 3), (3,), (4, 1, 3)])
def test_noise_that_would_broadcast_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Posterior(torch.zeros(4, 3), torch.zeros(4, 3)).sample(torch.zeros(shape))


def test_extreme_encoder_outputs_stay_finite() -> None:
    parameters = torch.tensor([[0.0, 0.0, 1e30, -1e30], [1.0, 2.0, 0.01, -0.01]], requires_grad=True)
    posterior = Posterior.from_parameters(parameters)
    assert posterior.log_variance.abs().max() <= 15
    torch.testing.assert_close(posterior.log_variance[1], parameters[1, 2:], rtol=1e-4, atol=0)
    posterior.kl().sum().backward()
    assert parameters.grad is not None and parameters.grad.isfinite().all()


def test_half_precision_parameters_give_a_float32_posterior() -> None:
    assert Posterior.from_parameters(torch.zeros(2, 4, dtype=torch.bfloat16)).kl().dtype == torch.float32


# --- normalised means


@pytest.mark.parametrize("scale", [0.6, 2.0])
@pytest.mark.parametrize("spread", [0.05, 1.0, 30.0])
def test_normalised_means_have_the_deviation_asked_for_and_cannot_collapse(scale: float, spread: float) -> None:
    layer, parameters = NormalisedMean(3, scale).double(), spread * normal(200, 6) + 4
    with torch.no_grad():
        layer.shift.copy_(torch.tensor([0.0, 1.0, -2.0]))
    mean, log_variance = layer(parameters).chunk(2, 1)
    torch.testing.assert_close(mean.mean(0), layer.shift)
    torch.testing.assert_close(mean.std(0, correction=0), torch.full((3,), scale).double(), rtol=0.01, atol=0)
    assert torch.equal(log_variance, parameters[:, 3:])
    for widths in (log_variance, torch.zeros_like(log_variance)):  # the second is the best for the divergence
        assert Posterior(mean, widths).kl().mean(0).min() >= scale**2 / 2 * 0.99


def test_normalised_means_of_one_datum_are_those_of_the_training_data() -> None:
    layer, seen = NormalisedMean(2, 0.5), torch.tensor([3.0, -1.0]) + torch.tensor([2.0, 0.1]) * normal(4000, 2).float()
    for batch in seen.split(50):
        layer(torch.cat([batch, batch], 1))
    layer.eval()
    one = torch.tensor([[3.0, -1.0, 9.0, 9.0], [5.0, -0.9, 9.0, 9.0]])
    expected = torch.tensor([[0.0, 0.0, 9.0, 9.0], [0.5, 0.5, 9.0, 9.0]])
    torch.testing.assert_close(layer(one), expected, atol=0.1, rtol=0)
    torch.testing.assert_close(layer(one[1:]), layer(one)[1:])
    other = NormalisedMean(2, 0.5).eval()
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other(one), layer(one))


def test_gradients_of_normalised_means() -> None:
    layer = NormalisedMean(2, 0.6).double()
    assert gradcheck(layer, normal(5, 4).requires_grad_(True))


# --- the likelihoods


def test_bernoulli_by_hand() -> None:
    output = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]])  # P(white) = 1/2, 3/4
    data = torch.tensor([[1.0, -1.0], [0.0, 0.0]])
    # -ln 1/2 - ln 1/4 = 3 ln 2; a grey of one half costs ln 2 at even odds
    torch.testing.assert_close(Bernoulli().nll(output, data), torch.tensor([3 * math.log(2), 2 * math.log(2)]))
    torch.testing.assert_close(Bernoulli().mean(output), torch.tensor([[0.0, 0.5], [0.0, 0.0]]))


def logistic_output(mean: float, log_scale: float, count: int) -> Tensor:
    bent = 7 * math.atanh(log_scale / 7)
    return torch.tensor([mean, bent], dtype=torch.float64).repeat(count, 1)


@pytest.mark.parametrize("mean", [-1.3, -1.0, 0.1, 0.99])
@pytest.mark.parametrize("log_scale", [-6.0, -3.0, 0.0, 4.0])
def test_logistic_levels_sum_to_one_and_follow_the_definition(mean: float, log_scale: float) -> None:
    nll = DiscretisedLogistic().nll(logistic_output(mean, log_scale, 256), LEVELS[:, None])
    assert nll.neg().exp().sum().item() == pytest.approx(1, abs=1e-9)
    edges = np.concatenate([[-np.inf], (LEVELS[1:] - 1 / 255).numpy(), [np.inf]])
    mass = np.diff(stats.logistic.cdf(edges, mean, math.exp(log_scale)))
    likely = mass > 1e-9  # elsewhere the difference of two cdfs has no digits left
    np.testing.assert_allclose(nll.neg().exp().numpy()[likely], mass[likely], rtol=1e-5)


def test_logistic_stays_finite_far_from_the_data() -> None:
    output = torch.tensor([[50.0, -1e6]] * 256, requires_grad=True)
    nll = DiscretisedLogistic().nll(output, LEVELS[:, None].float())
    nll.sum().backward()
    assert nll.isfinite().all() and output.grad is not None and output.grad.isfinite().all()


def test_gaussian_agrees_with_torch_distributions() -> None:
    output, data = normal(4, 2, 3, 3), normal(4, 2, 3, 3, seed=1)
    expected = -Normal(output, math.exp(-0.35)).log_prob(data).sum((1, 2, 3))
    torch.testing.assert_close(Gaussian(-0.7).nll(output, data), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_gaussian_learns_the_mean_squared_error_as_its_variance(factor: float) -> None:
    data = 0.3 * normal(64, 10)
    likelihood = Gaussian(math.log(factor * data.square().mean().item())).double()
    likelihood.nll(torch.zeros_like(data), data).mean().backward()
    slope = likelihood.log_variance.grad
    assert slope is not None and slope.item() == pytest.approx(5 * (1 - 1 / factor), abs=1e-5)
    assert not Gaussian(learned=False).log_variance.requires_grad


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_likelihoods_share_one_interface(name: str) -> None:
    likelihood = LIKELIHOODS[name]().double()
    data = LEVELS[torch.randint(256, (4, 3, 5, 5), generator=generator())]
    output = 3 * normal(6, 4, 3 * likelihood.per_channel, 5, 5)
    nll = likelihood.nll(output, data)
    assert nll.shape == (6, 4)
    for k in range(6):
        torch.testing.assert_close(nll[k], likelihood.nll(output[k], data))
    picture = likelihood.mean(output[0])
    assert picture.shape == data.shape and picture.abs().max() <= 1
    assert likelihood.nll(output[0].bfloat16(), data.float()).dtype == torch.float32


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_gradients_of_likelihoods(name: str) -> None:
    likelihood = LIKELIHOODS[name]().double()
    data = LEVELS[[0, 255, 3, 128, 100, 254]].view(2, 3, 1)
    output = normal(2, 3 * likelihood.per_channel, 1).requires_grad_(True)
    assert gradcheck(lambda output: likelihood.nll(output, data), output)


def test_logistic_reads_means_before_log_scales() -> None:
    data = LEVELS[[10, 200]].float().view(1, 2, 1, 1)
    sharp = torch.full_like(data, -6.0)
    right, wrong = torch.cat([data, sharp], 1), torch.cat([sharp, data], 1)
    likelihood = DiscretisedLogistic()
    assert likelihood.nll(right, data) < likelihood.nll(wrong, data)
    torch.testing.assert_close(likelihood.mean(right), data)


def test_bits_per_dimension() -> None:
    nats = torch.tensor([10 * 8 * math.log(2)])
    torch.testing.assert_close(DiscretisedLogistic().bits_per_dimension(nats, 10), torch.tensor([8.0]))
    data = LEVELS[[140, 120]][None].float()
    likelihood = Gaussian(2 * math.log(0.2))
    bits = likelihood.bits_per_dimension(likelihood.nll(torch.zeros(1, 2), data), 2)
    half = 1 / 255
    mass = [stats.norm.cdf(x + half, 0, 0.2) - stats.norm.cdf(x - half, 0, 0.2) for x in data[0].tolist()]
    assert bits.item() == pytest.approx(-np.log2(mass).mean(), abs=1e-3)


# --- the loss


def test_loss_by_hand() -> None:
    nll, kl = torch.tensor([10.0, 20.0]), torch.tensor([[0.1, 2.0], [0.3, 4.0]])  # means: 15; 0.2 and 3
    loss, figures = vae_loss(nll, kl)
    assert loss.item() == pytest.approx(18.2)
    loss, figures = vae_loss(nll, kl, beta=2.0, free_bits=0.5)
    assert loss.item() == pytest.approx(15 + 2 * (0.5 + 3))
    assert {name: value.item() for name, value in figures.items()} == pytest.approx(
        {"nll": 15, "kl": 3.2, "elbo": -18.2}
    )


def test_free_bits_take_the_gradient_off_a_dimension_below_them() -> None:
    kl = torch.tensor([[0.1, 2.0], [0.3, 4.0]], requires_grad=True)
    vae_loss(torch.zeros(2), kl, free_bits=0.5)[0].backward()
    assert kl.grad is not None
    torch.testing.assert_close(kl.grad, torch.tensor([[0.0, 0.5], [0.0, 0.5]]))


def test_gradients_of_the_loss() -> None:
    noise = normal(4, 3, seed=3)

    def loss(parameters: Tensor) -> Tensor:
        posterior = Posterior.from_parameters(parameters)
        return vae_loss(posterior.sample(noise).square().sum(1), posterior.kl(), beta=0.7, free_bits=0.6)[0]

    assert gradcheck(loss, normal(4, 6).requires_grad_(True))


def test_warm_up_is_linear_in_images() -> None:
    assert [warm_up(images, 100) for images in (0, 25, 100, 500)] == [0, 0.25, 1, 1]
    assert warm_up(0, 0) == 1


@pytest.mark.parametrize(
    "bad", [{"latent": 0}, {"beta": -1.0}, {"free_bits": -0.1}, {"beta_warm_up": -1}, {"lr": float("nan")}]
)
def test_config_out_of_range_names_the_field(bad: dict[str, float]) -> None:
    with pytest.raises(UserError, match=f"--{next(iter(bad)).replace('_', '-')} must be"):
        VaeConfig(**bad)  # type: ignore[arg-type]


# --- a model whose likelihood is known


WEIGHT = torch.tensor([[1.0, 0.6], [2.0, -0.3], [-1.0, 0.0]], dtype=torch.float64)  # orthogonal columns
VARIANCE = 0.5


class LinearEncoder(nn.Module):
    """The exact posterior of x = W z + noise, off by `shift` in mean and `widen` in log-variance."""

    def __init__(self, shift: float = 0.0, widen: float = 0.0) -> None:
        super().__init__()
        self.shift, self.widen = shift, widen

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        variance = 1 / (1 + WEIGHT.square().sum(0) / VARIANCE)
        log_variance = variance.log() + self.widen
        bent = 15 * torch.atanh(log_variance / 15)
        return torch.cat([x @ WEIGHT / VARIANCE * variance + self.shift, bent.expand(len(x), 2)], 1)


class LinearDecoder(nn.Module):
    def forward(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return z @ WEIGHT.T


def linear_gaussian(shift: float = 0.0, widen: float = 0.0) -> tuple[VAE, Tensor, Tensor]:
    """A model, data from it, and their exact log-likelihood."""
    covariance = WEIGHT @ WEIGHT.T + VARIANCE * torch.eye(3, dtype=torch.float64)
    x = normal(20, 3) @ torch.linalg.cholesky(covariance).T
    exact = MultivariateNormal(torch.zeros(3, dtype=torch.float64), covariance).log_prob(x)
    vae = VAE(LinearEncoder(shift, widen), LinearDecoder(), Gaussian(math.log(VARIANCE), learned=False).double())
    return vae, x, exact


def test_columns_are_orthogonal_so_the_exact_posterior_is_diagonal() -> None:
    assert (WEIGHT[:, 0] @ WEIGHT[:, 1]).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("samples", [1, 3])
def test_bound_with_the_exact_posterior_is_exact_for_any_number_of_samples(samples: int) -> None:
    vae, x, exact = linear_gaussian()
    torch.testing.assert_close(importance_bound(vae, x, None, samples, generator()), exact, rtol=1e-6, atol=1e-6)


def test_bound_rises_from_the_elbo_to_the_exact_likelihood() -> None:
    vae, x, exact = linear_gaussian(shift=0.2, widen=0.3)
    posterior = vae.encode(x)
    # log p(x) - ELBO = KL(q || exact posterior), the same for all x here
    mean, variance = LinearEncoder()(x, None)[:, :2], 1 / (1 + WEIGHT.square().sum(0) / VARIANCE)
    q = Normal(posterior.mean, (posterior.log_variance / 2).exp())
    gap = kl_divergence(q, Normal(mean, variance.sqrt().expand(20, 2))).sum(1).mean().item()
    bounds = [importance_bound(vae, x, None, k, generator(k)).mean().item() for k in (8, 2000)]
    elbo = exact.mean().item() - gap
    repeated = [vae_loss(*vae(x, normal(20, 2, seed=s)))[1]["elbo"].item() for s in range(200)]
    assert np.mean(repeated) == pytest.approx(elbo, abs=0.05)
    assert elbo < bounds[0] < bounds[1] + 0.01
    assert bounds[1] == pytest.approx(exact.mean().item(), abs=0.02)


# --- diagnostics


@pytest.mark.parametrize(("spread", "expected"), [(0.0, 0.0), (1.0, 0.5 * math.log(2)), (3.0, 0.5 * math.log(10))])
def test_mutual_information_of_a_gaussian_channel(spread: float, expected: float) -> None:
    # x ~ N(0, spread^2), z = x + N(0, 1) in two dimensions: ln(1 + spread^2) / 2 nats each
    posterior = Posterior(spread * normal(3000, 2), torch.zeros(3000, 2).double())
    z = posterior.sample(normal(3000, 2, seed=1))
    assert mutual_information(posterior, z) == pytest.approx(2 * expected, abs=0.06)


def test_mutual_information_is_capped_at_log_n_and_refuses_a_batch() -> None:
    posterior = Posterior(1000 * normal(1000, 4), torch.zeros(1000, 4).double())
    assert mutual_information(posterior, posterior.mean) == pytest.approx(math.log(1000))
    with pytest.raises(ValueError, match="at least 1000"):
        mutual_information(Posterior(torch.zeros(999, 2), torch.zeros(999, 2)), torch.zeros(999, 2))


def test_active_units_count_the_dimensions_that_move() -> None:
    means = normal(5000, 4) * torch.tensor([1.0, 0.2, 0.05, 0.0], dtype=torch.float64) + 3  # variances 1, .04, .0025, 0
    assert active_units(means) == 2
    assert active_units(means, threshold=0.5) == 1


# --- the game


class Encoder(nn.Module):
    def __init__(self, width: int = 0) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(16 + width, 32), nn.ReLU(), nn.Linear(32, 2 * 4))

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        flat = x.flatten(1)
        return self.layers(flat if condition is None else torch.cat([flat, condition], 1))


class Decoder(nn.Module):
    def __init__(self, per_channel: int, width: int = 0) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4 + width, 32), nn.ReLU(), nn.Linear(32, 16 * per_channel))

    def forward(self, z: Tensor, condition: Tensor | None) -> Tensor:
        joined = z if condition is None else torch.cat([z, condition], 1)
        return self.layers(joined).view(len(z), -1, 4, 4)


class Label(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(2, 3)

    def read(self, batch: Batch) -> Tensor:
        return batch["label"]

    def forward(self, raw: Tensor) -> Tensor:
        return self.embedding(raw)


def toy_vae(name: str = "bernoulli", conditional: bool = False) -> VAE:
    torch.manual_seed(0)
    likelihood, width = LIKELIHOODS[name](), 3 if conditional else 0
    return VAE(Encoder(width), Decoder(likelihood.per_channel, width), likelihood, Label() if conditional else None)


def toy_batch(rows: int = 32) -> Batch:
    """Left or right half white, uint8 (N, 1, 4, 4)."""
    label = torch.arange(rows) % 2
    images = torch.zeros(rows, 1, 4, 4, dtype=torch.uint8)
    images[label == 0, :, :, :2] = 255
    images[label == 1, :, :, 2:] = 255
    return {"image": images, "label": label}


def prepare(batch: Batch) -> Tensor:
    return batch["image"].float() / 127.5 - 1


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_few_steps_lower_the_loss(name: str, conditional: bool) -> None:
    vae, batch = toy_vae(name, conditional), toy_batch()
    game = vae_game(vae, VaeConfig(latent=4, lr=1e-2), prepare)
    assert list(game.players) == [game.product] == ["vae"]
    player = game.players["vae"]
    optimizer = torch.optim.Adam(vae.parameters(), lr=player.optimizer.lr)
    losses = []
    for step in range(60):
        loss, figures = player.loss(batch, Draw(seed=0, step=step, rows=32))
        torch.testing.assert_close(loss, -figures["elbo"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 2
    if conditional:
        assert vae.condition is not None
        assert vae.get_submodule("condition.embedding").weight.grad.abs().sum() > 0  # type: ignore[union-attr, operator]


def test_the_loss_is_a_function_of_batch_and_draw() -> None:
    loss = vae_game(toy_vae(), VaeConfig(latent=4), prepare).players["vae"].loss
    batch = toy_batch()
    one, again, other = (loss(batch, Draw(seed=0, step=step, rows=32))[0] for step in (5, 5, 6))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_two_halves_of_a_batch_average_to_the_whole() -> None:
    loss = vae_game(toy_vae(), VaeConfig(latent=4), prepare).players["vae"].loss
    batch = toy_batch()
    whole = loss(batch, Draw(seed=0, rows=32))[0]
    halves = [
        loss({k: v[rows] for k, v in batch.items()}, Draw(seed=0, rows=32, local=rows))[0]
        for rows in (slice(0, 16), slice(16, 32))
    ]
    torch.testing.assert_close(sum(halves) / 2, whole)


def test_beta_warms_up_with_the_images_seen() -> None:
    loss = vae_game(toy_vae(), VaeConfig(latent=4, beta=2.0, beta_warm_up=100), prepare).players["vae"].loss
    for images, beta in [(0, 0.0), (50, 1.0), (1000, 2.0)]:
        value, figures = loss(toy_batch(), Draw(seed=0, rows=32, images=images))
        torch.testing.assert_close(value, figures["nll"] + beta * figures["kl"])


def test_a_missing_or_needless_condition_is_refused() -> None:
    x, labels = prepare(toy_batch()), toy_batch()["label"]
    with pytest.raises(ValueError, match="needs a condition"):
        toy_vae(conditional=True).encode(x)
    with pytest.raises(ValueError, match="takes no condition"):
        toy_vae().decode(torch.zeros(32, 4), labels)
    conditional = toy_vae(conditional=True)
    z = torch.zeros(32, 4)
    assert not torch.equal(conditional.decode(z, labels), conditional.decode(z, 1 - labels))
    assert importance_bound(conditional, x, labels, 2, generator()).shape == (32,)


def test_a_sequence_model_only_overrides_the_likelihood_term() -> None:
    class Shifted(VAE):
        def nll(self, x: Tensor, z: Tensor, condition: Tensor | None = None) -> Tensor:
            return super().nll(x, z, condition) + 5

    plain = toy_vae()
    shifted = Shifted(plain.encoder, plain.decoder, plain.likelihood)
    x = prepare(toy_batch())
    bounds = [importance_bound(vae, x, None, 3, generator()) for vae in (plain, shifted)]
    torch.testing.assert_close(bounds[0] - 5, bounds[1])
    noise = torch.zeros(32, 4)
    torch.testing.assert_close(plain(x, noise)[0] + 5, shifted(x, noise)[0])
