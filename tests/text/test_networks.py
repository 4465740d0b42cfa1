"""Networks of text: what is likely at once and piece by piece, what depends on what, and what is learned."""

import json
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from common.data.pieces import END, PAD, UNKNOWN, padded
from common.schema import from_json
from text.networks import (
    DECODERS,
    LatentCritic,
    LatentGenerator,
    NetworkConfig,
    SequenceVAE,
    TokenLikelihood,
    Writer,
    dropped,
    reordered,
)

LENGTHS = (11, 6, 3, 0)  # pieces of the texts, without END
both = pytest.mark.parametrize("decoder", DECODERS)


def config(decoder: Any = "gru", styles: tuple[str, ...] = ("a", "b"), **changes: Any) -> NetworkConfig:
    starts = (3, 4)[: max(len(styles), 1)]
    return NetworkConfig(
        20, starts, styles, decoder, **{"width": 16, "layers": 2, "latent": 8, "longest": 12} | changes
    )


def vae(decoder: Any = "gru", **changes: Any) -> SequenceVAE:
    torch.manual_seed(0)
    return SequenceVAE(config(decoder, **changes)).eval()


def tokens() -> Tensor:
    """Texts (4, 12)."""
    draw = torch.Generator().manual_seed(1)
    return padded([torch.randint(5, 20, (length,), generator=draw).tolist() for length in LENGTHS])


def latents(count: int = len(LENGTHS)) -> Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(2))


LABELS = torch.tensor([0, 1, 0, 1])


# --- writing


@both
def test_a_bag_of_words_is_told_by_the_latent_alone_in_any_order(decoder: str) -> None:
    model, x, z = vae(decoder), tokens(), latents().requires_grad_()
    found = model.bag_nll(x, z)
    mirrored = padded([row[(row != PAD) & (row != END)].flip(0).tolist() for row in x])
    torch.testing.assert_close(found, model.bag_nll(mirrored, z), atol=1e-4, rtol=0)
    assert found[-1] == 0  # a text without pieces
    told = (model.decoder.topic(z) @ model.embedding.weight.T + model.bias).log_softmax(1)
    torch.testing.assert_close(found[2], -told[2, x[2, :3].long()].sum())
    found.sum().backward()
    assert z.grad is not None and z.grad[:3].abs().sum(1).min() > 0 and not z.grad[3].any()


@both
@torch.no_grad()
def test_a_text_is_as_likely_piece_by_piece_as_at_once(decoder: str) -> None:
    model, x, z = vae(decoder), tokens(), latents()
    told, state, nats = model.begin(len(x), LABELS), None, torch.zeros(len(x))
    for place in range(x.shape[1]):
        logits, state = model.step(told, z, LABELS, state)
        told = x[:, place : place + 1]
        nats -= logits[:, -1].log_softmax(1).gather(1, told)[:, 0] * (told[:, 0] != PAD)
    torch.testing.assert_close(nats, model.nll(x, z, LABELS), atol=1e-5, rtol=0)


@both
@pytest.mark.parametrize("sizes", [(5, 7), (1, 2, 9), (12,)])
@torch.no_grad()
def test_a_text_may_be_told_in_parts_of_any_length(decoder: str, sizes: tuple[int, ...]) -> None:
    model, z, state, parts = vae(decoder), latents(), None, []
    told = torch.cat([model.begin(4, LABELS), tokens()[:, :-1]], 1)
    for part in told.split(sizes, 1):
        logits, state = model.step(part, z, LABELS, state)
        parts.append(logits)
    torch.testing.assert_close(torch.cat(parts, 1), model.step(told, z, LABELS)[0], atol=1e-5, rtol=0)


@both
@torch.no_grad()
def test_what_comes_later_changes_nothing_before(decoder: str) -> None:
    model, z, x = vae(decoder), latents(), tokens()
    before = model.step(x, z, LABELS)[0]
    for place in range(x.shape[1]):
        other = x.clone()
        other[:, place] = (x[:, place] + 7) % 20
        after = model.step(other, z, LABELS)[0]
        torch.testing.assert_close(after[:, :place], before[:, :place])
        assert not torch.isclose(after[:, place], before[:, place]).all(1).any()


@both
@torch.no_grad()
def test_a_state_follows_its_rows(decoder: str) -> None:
    model, z, x, rows = vae(decoder), latents(), tokens(), torch.tensor([2, 0, 2])
    state = model.step(x[:, :5], z, LABELS)[1]
    chosen = model.step(x[rows, 5:7], z[rows], LABELS[rows], reordered(state, rows))[0]
    torch.testing.assert_close(chosen, model.step(x[:, 5:7], z, LABELS, state)[0][rows], atol=1e-5, rtol=0)


@both
@torch.no_grad()
def test_the_first_piece_is_told_by_the_latent_and_the_style(decoder: str) -> None:
    model, z = vae(decoder), latents()
    first = model.decode(z, LABELS)
    assert first.shape == (4, 1, 20)
    torch.testing.assert_close(first[:, 0].log_softmax(1)[:, END], -model.nll(torch.full((4, 1), END), z, LABELS))
    assert not torch.isclose(model.decode(z, 1 - LABELS), first).all(2).any()
    assert not torch.isclose(model.decode(-z, LABELS), first).all(2).any()


@both
@torch.no_grad()
def test_a_decoder_may_be_told_less_than_it_says(decoder: str) -> None:
    model, z, x = vae(decoder), latents(), tokens()
    heard = dropped(x, torch.zeros(4, 12), 0.5, UNKNOWN)
    assert torch.equal(model.nll(x, z, LABELS, heard=x), model.nll(x, z, LABELS))
    assert not torch.isclose(model.nll(x, z, LABELS, heard=heard)[:3], model.nll(x, z, LABELS)[:3]).any()
    assert model.nll(x, z, LABELS, heard=heard)[3] == model.nll(x, z, LABELS)[3]  # it has nothing to be told


def test_padding_costs_nothing_and_an_even_choice_its_logarithm() -> None:
    x = padded([[5, 6], [7]])
    nats = TokenLikelihood().nll(torch.zeros(2, 3, 20), x)
    torch.testing.assert_close(nats, torch.log(torch.tensor(20.0)) * torch.tensor([3.0, 2.0]))
    assert TokenLikelihood().nll(torch.zeros(2, 3, 20).bfloat16(), x).dtype == torch.float32
    assert TokenLikelihood().mean(torch.eye(20)[x]).equal(x)


# --- reading


@pytest.mark.parametrize("changes", [{"decoder": "gru"}, {"decoder": "transformer"}, {"normalised": 0.6}])
@torch.no_grad()
def test_padding_and_other_texts_change_nothing(changes: dict[str, Any]) -> None:
    model, x, z = vae(**changes), tokens(), latents()
    posterior, nats = model.encode(x, LABELS), model.nll(x, z, LABELS)
    for row, length in enumerate(LENGTHS):
        alone, label = x[row : row + 1, : length + 1], LABELS[row : row + 1]
        one = model.encode(alone, label)
        torch.testing.assert_close(one.mean[0], posterior.mean[row], atol=1e-5, rtol=0)
        torch.testing.assert_close(one.log_variance[0], posterior.log_variance[row], atol=1e-5, rtol=0)
        torch.testing.assert_close(model.nll(alone, z[row : row + 1], label)[0], nats[row], atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_posterior_reads_every_piece_their_order_and_the_style() -> None:
    model, x = vae(), tokens()[:1]
    means = [model.encode(x, LABELS[:1]).mean, model.encode(x, LABELS[1:2]).mean]
    for place in range(LENGTHS[0]):
        other = x.clone()
        other[0, place] = 5 + (int(x[0, place]) - 4) % 15
        means.append(model.encode(other, LABELS[:1]).mean)
    means.append(model.encode(torch.cat([x[:, :-1].flip(1), x[:, -1:]], 1), LABELS[:1]).mean)
    assert torch.pdist(torch.cat(means)).min() > 1e-6


@torch.no_grad()
def test_a_vae_without_styles_takes_none() -> None:
    model, x, z = vae(styles=()), tokens(), latents()
    assert model.nll(x, z).shape == (4,) and model.encode(x).mean.shape == (4, 8)
    assert model.begin(3).tolist() == [[3]] * 3
    with pytest.raises(ValueError, match="takes no condition"):
        model.encode(x, LABELS)
    with pytest.raises(ValueError, match="needs a condition"):
        vae().encode(x)


# --- learning


@pytest.mark.parametrize("normalised", [0.0, 0.6])
@both
def test_gradients_reach_every_parameter(decoder: str, normalised: float) -> None:
    model = vae(decoder, normalised=normalised, dropout=0.1).train()
    nats, kl = model(tokens(), latents(), LABELS)
    (nats.mean() + kl.sum()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and 0 < parameter.grad.abs().sum() < torch.inf, name


@both
def test_a_few_steps_learn_a_few_texts(decoder: str) -> None:
    model, x = vae(decoder), tokens()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        nats, _ = model(x, torch.zeros(4, 8), LABELS)
        nats.mean().backward()
        optimizer.step()
    with torch.no_grad():
        z = model.encode(x, LABELS).mean
        told = torch.cat([model.begin(4, LABELS), x[:, :-1]], 1)
        assert torch.equal(model.likelihood.mean(model.step(told, z, LABELS)[0])[x != PAD], x[x != PAD])


def test_a_normalised_posterior_never_collapses_on_average() -> None:
    draw = torch.Generator().manual_seed(0)
    x = padded([torch.randint(5, 20, (8,), generator=draw).tolist() for _ in range(64)])
    plain, kept = (
        vae(normalised=scale).train().encode(x, torch.zeros(64, dtype=torch.int64)).kl().mean(0) for scale in (0.0, 0.6)
    )
    assert plain.min() < 0.1 and kept.min() > 0.6**2 / 2 * 0.99


def test_what_a_seed_builds_is_always_the_same() -> None:
    first, second = vae("transformer").state_dict(), vae("transformer").state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("changes", [{}, {"styles": (), "decoder": "transformer", "normalised": 0.6, "dropout": 0.1}])
def test_a_config_travels_as_json(changes: dict[str, Any]) -> None:
    settings = config(**changes)
    assert from_json(NetworkConfig, json.loads(json.dumps(settings.as_json()))) == settings


@settings(deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), seed=st.integers(0, 99))
def test_dropping_spares_the_end_and_the_padding(share: float, seed: int) -> None:
    x = tokens()
    uniform = torch.rand(4, 20, generator=torch.Generator().manual_seed(seed))  # wider than the texts
    found = dropped(x, uniform, share, UNKNOWN)
    kept = (x == END) | (x == PAD)
    assert torch.equal(found[kept], x[kept])
    assert torch.equal(found[~kept] == UNKNOWN, (uniform[:, :12] < share)[~kept])
    assert torch.equal(found[found != UNKNOWN], x[found != UNKNOWN])


# --- the latents' own game


@pytest.mark.parametrize("styles", [(), ("a", "b")])
def test_a_generator_of_latents_begins_as_the_prior_and_learns(styles: tuple[str, ...]) -> None:
    torch.manual_seed(0)
    z, label = latents(), LABELS if styles else None
    writer = Writer(config(styles=styles))
    torch.testing.assert_close(writer(z, label), z, atol=0.1, rtol=0)
    assert not writer.has_generator
    generator = LatentGenerator(config(styles=styles))
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    generator(z, label).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in generator.parameters())  # type: ignore[union-attr]
    if styles:
        assert not torch.isclose(generator(z, LABELS), generator(z, 1 - LABELS)).all(1).any()


@torch.no_grad()
def test_a_critic_of_latents_reads_the_style() -> None:
    torch.manual_seed(0)
    critic, z = LatentCritic(config()), latents()
    assert critic(z, LABELS).shape == (4,)
    assert not torch.isclose(critic(z, LABELS), critic(z, 1 - LABELS)).any()
    assert LatentCritic(config(styles=()))(z).shape == (4,)
