"""Pieces are chosen as asked: prompts are kept, seeds are texts, and a beam finds what is likeliest."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, product
from typing import Any

import pytest
import torch
from torch import Tensor

from common.data.pieces import END, PAD, UNKNOWN, padded
from text.decoding import GREEDY, SamplingParams, _penalised, search, write
from text.networks import DECODERS, NetworkConfig, SequenceVAE

LONGEST = 20
LIKELIEST = replace(GREEDY, longest=LONGEST)
both = pytest.mark.parametrize("decoder", DECODERS)
ways = pytest.mark.parametrize("way", [write, search])


def writer(
    decoder: Any = "gru", vocabulary: int = 12, styles: tuple[str, ...] = ("a", "b"), seed: int = 0
) -> SequenceVAE:
    """A VAE that has learned nothing but is sure of itself."""
    torch.manual_seed(seed)
    config = NetworkConfig(
        vocabulary, (3, 4)[: max(len(styles), 1)], styles, decoder, width=16, layers=1, latent=8, longest=LONGEST
    )
    vae = SequenceVAE(config).eval().requires_grad_(False)
    vae.decoder.every.weight.mul_(4)  # type: ignore[union-attr]
    vae.embedding.weight.mul_(2)
    return vae


def latents(count: int = 6) -> Tensor:
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(5))


def texts(
    vae: SequenceVAE,
    sampling: SamplingParams,
    count: int = 6,
    way: Any = write,
    seed: int = 0,
    prompts: Sequence[list[int]] = (),
) -> list[list[int]]:
    """The first of the same texts every time, of two styles in turn."""
    generator = torch.Generator().manual_seed(seed)
    return way(
        vae, latents(max(count, 6))[:count], torch.arange(count) % 2, sampling, generator, prompts or [[]] * count
    )


class Dice:
    """Stands in for a VAE: every piece is an independent throw."""

    def __init__(self, logits: Tensor) -> None:
        self.bias = self.logits = logits

    def begin(self, count: int, condition: Tensor | None) -> Tensor:
        return torch.zeros(count, 1, dtype=torch.int64)

    def step(self, told: Tensor, z: Tensor, condition: Tensor | None, state: Any = None) -> tuple[Tensor, Tensor]:
        return self.logits.expand(len(told), 1, -1).clone(), told


def throws(odds: Sequence[float], sampling: SamplingParams, count: int = 20_000) -> list[float]:
    """How often each piece is written first; there is nothing else than the pieces after `END`."""
    dice: Any = Dice(torch.tensor([0.3, 0.3, 0.0, *odds]).log())
    found = write(
        dice, torch.zeros(count, 1), None, replace(sampling, longest=1), torch.Generator().manual_seed(0), [[]] * count
    )
    return (torch.bincount(torch.tensor(found)[:, 0], minlength=len(odds) + 3) / count)[3:].tolist()


# --- choosing


@both
def test_no_temperature_takes_the_likeliest_piece_every_time(decoder: str) -> None:
    vae, z = writer(decoder), latents()
    for row, found in enumerate(texts(vae, LIKELIEST)):
        told = [int(vae.starts[row % 2])]
        while len(told) <= LONGEST:
            logits = vae.step(torch.tensor([told]), z[row : row + 1], torch.tensor([row % 2]))[0][0, -1]
            logits[[PAD, UNKNOWN]] = -torch.inf
            told.append(int(logits.argmax()))
            if told[-1] == END:
                break
        assert found == [piece for piece in told[1:] if piece != END]


@pytest.mark.parametrize(
    "sampling",
    [SamplingParams(top_k=1), SamplingParams(top_p=1e-6), SamplingParams(top_k=3, top_p=1e-6, temperature=2.0)],
)
def test_a_choice_of_one_is_the_likeliest(sampling: SamplingParams) -> None:
    assert texts(writer(), replace(sampling, longest=LONGEST)) == texts(writer(), LIKELIEST)


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (SamplingParams(), [0.5, 0.3, 0.15, 0.05]),
        (SamplingParams(temperature=0.5), [0.25, 0.09, 0.0225, 0.0025]),
        (SamplingParams(top_k=2), [0.5, 0.3, 0, 0]),
        (SamplingParams(top_k=9), [0.5, 0.3, 0.15, 0.05]),
        (SamplingParams(top_p=0.45), [0.5, 0, 0, 0]),
        (SamplingParams(top_p=0.55), [0.5, 0.3, 0, 0]),
        (SamplingParams(top_p=0.9), [0.5, 0.3, 0.15, 0]),
        (SamplingParams(top_k=3, top_p=0.7), [0.5, 0.3, 0, 0]),  # the first has 0.53 of the three
        (SamplingParams(top_p=0.76, temperature=0.5), [0.25, 0.09, 0, 0]),  # the first has 0.68
    ],
)
def test_pieces_come_as_often_as_they_should(sampling: SamplingParams, expected: list[float]) -> None:
    wanted = [share / sum(expected) for share in expected]
    for odds, share in zip(throws([0.5, 0.3, 0.15, 0.05], sampling), wanted, strict=True):
        assert odds == pytest.approx(share, abs=0.015) and (odds > 0) == (share > 0)


@pytest.mark.parametrize(
    "sampling", [SamplingParams(), SamplingParams(top_p=0.9), SamplingParams(top_p=0.999), SamplingParams(top_k=50)]
)
def test_the_greatest_number_still_falls_on_a_likely_piece(
    sampling: SamplingParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.full(shape, 1 - 2**-24))
    for seed in range(50):
        logits = torch.randn(2_000, generator=torch.Generator().manual_seed(seed)) * 2
        logits[1_500:] = -torch.inf  # nothing to choose from there
        dice: Any = Dice(logits)
        found = write(dice, torch.zeros(4, 1), None, replace(sampling, longest=2), torch.Generator(), [[]] * 4)
        assert set(chain(*found)) <= set(range(3, 1_500))


def test_padding_and_the_unknown_are_never_written() -> None:
    vae = writer()
    vae.bias[[PAD, UNKNOWN]] = 50.0
    for sampling in (
        GREEDY,
        SamplingParams(temperature=5.0),
        SamplingParams(top_p=0.5),
        SamplingParams(beam=4),
        SamplingParams(repetition_penalty=3.0),
    ):
        found = texts(vae, replace(sampling, longest=LONGEST), way=search if sampling.beam > 1 else write)
        assert any(found) and not {PAD, UNKNOWN, END} & set(chain(*found))


def test_pieces_already_used_cost_more() -> None:
    logits = torch.tensor([[9.0, 9.0, 3.0, -2.0, 4.0, -1.0, 5.0]])
    used = torch.tensor([[END, 4, 3, 4]])  # END may come again
    expected = [-torch.inf, -torch.inf, 3.0, -4.0, 2.0, -1.0, 5.0]
    assert _penalised(logits.clone(), used, SamplingParams(repetition_penalty=2.0)).tolist() == [expected]
    expected[3:5] = [-2.0, 4.0]
    assert _penalised(logits.clone(), used, SamplingParams()).tolist() == [expected]


@ways
@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([4.0, 3.0, -1.0], [3, 4, 3, 3]),  # the first falls to 2, then the other to 1.5
        ([-2.0, -3.0, -9.0], [3, 4, 3, 3]),  # the first falls to -4, then the other to -6
        ([4.0, 3.0, 2.5], [3, 4, 5, 3]),
    ],
)
def test_a_penalty_works_on_what_is_written(way: Any, logits: list[float], expected: list[int]) -> None:
    dice: Any = Dice(torch.tensor([9.0, 9.0, -50.0, *logits]))
    for prompt in ([], [3], [3, 4]):
        sampling = SamplingParams(temperature=0.0, repetition_penalty=2.0, longest=4)
        assert way(dice, torch.zeros(1, 1), None, sampling, torch.Generator(), [prompt]) == [expected]


def test_a_penalty_makes_texts_less_repetitive() -> None:
    def repeated(penalty: float) -> int:
        found = texts(writer(), SamplingParams(repetition_penalty=penalty, longest=LONGEST, temperature=0.5))
        return sum(len(text) - len(set(text)) for text in found)

    assert repeated(10.0) < repeated(1.0)


# --- texts


@both
def test_a_seed_is_a_text_however_many_there_are(decoder: str) -> None:
    vae, sampling = writer(decoder), SamplingParams(top_p=0.95, longest=LONGEST)
    vae.bias[END] += 1.0
    all_of_them = texts(vae, sampling, count=40)
    assert all_of_them == texts(vae, sampling, count=40) != texts(vae, sampling, count=40, seed=1)
    assert len(set(map(len, all_of_them))) > 5
    for count in (1, 3, 6, 20):
        assert texts(vae, sampling, count=count) == all_of_them[:count]


@ways
@both
def test_prompts_are_kept_whatever_their_length(decoder: str, way: Any) -> None:
    prompts = [[], [5], [6, 7, 6, 7], [8] * (LONGEST - 1), [9, 5, 9], [10, 11]]
    for longest in (LONGEST, 5):
        sampling = SamplingParams(longest=longest, repetition_penalty=2.0, beam=3)
        found = texts(writer(decoder), sampling, way=way, prompts=prompts)
        assert [text[: len(prompt)] for text, prompt in zip(found, prompts, strict=True)] == prompts
        assert max(map(len, found)) <= LONGEST
    assert any(len(text) > len(prompt) for text, prompt in zip(found, prompts, strict=True))


@ways
def test_texts_are_no_longer_than_asked(way: Any) -> None:
    vae = writer()
    vae.bias[END] = -50.0
    assert [len(text) for text in texts(vae, SamplingParams(longest=7, beam=2), way=way)] == [7] * 6
    vae.bias[END] = 50.0
    assert texts(vae, SamplingParams(longest=7, beam=2), way=way) == [[]] * 6


@ways
def test_a_model_without_styles_writes_and_no_latents_are_no_texts(way: Any) -> None:
    vae, generator = writer(styles=()), torch.Generator().manual_seed(0)
    assert len(way(vae, latents(2), None, SamplingParams(longest=5, beam=2), generator, [[], [6]])) == 2
    assert way(vae, latents(0), None, SamplingParams(longest=5, beam=2), generator, []) == []


# --- the beam


def nats(vae: SequenceVAE, rows: list[list[int]], z: Tensor) -> Tensor:
    """Of texts by a writer to whom what is never written is as good as impossible, divided by their pieces."""
    x = padded(rows)
    z, label = z.expand(len(x), -1), torch.zeros(len(x), dtype=torch.int64)
    return vae.nll(x, z, label) / (x != PAD).sum(1)


@both
@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_the_likeliest_text(decoder: str, seed: int) -> None:
    vae, z = writer(decoder, vocabulary=6, seed=seed), latents()[seed : seed + 1]
    vae.bias[[PAD, UNKNOWN]] = -1e4
    vae.bias[END] += 1.0
    every = [list(row) for length in range(4) for row in product((3, 4, 5), repeat=length)]
    best = nats(vae, every, z)
    sampling = SamplingParams(beam=64, longest=4)
    (found,) = search(vae, z, torch.tensor([0]), sampling, torch.Generator(), [[]])
    assert found == every[int(best.argmin())]


@pytest.mark.parametrize(("decoder", "haste"), [("gru", 1.0), ("transformer", 4.0)])
def test_a_beam_is_at_least_as_likely_as_the_likeliest_pieces(decoder: str, haste: float) -> None:
    vae, improved = writer(decoder), 0
    vae.bias[[PAD, UNKNOWN]] = -1e4
    vae.bias[END] += haste
    for z in latents(30).split(1):
        (greedy,) = write(vae, z, torch.tensor([0]), LIKELIEST, torch.Generator(), [[]])
        if len(greedy) < LONGEST:
            (found,) = search(
                vae, z, torch.tensor([0]), SamplingParams(beam=8, longest=LONGEST), torch.Generator(), [[]]
            )
            likely, likelier = nats(vae, [greedy, found], z).tolist()
            assert likelier <= likely + 1e-5
            improved += likelier < likely - 1e-5
    assert improved


@both
def test_a_beam_of_one_is_the_likeliest_piece_every_time(decoder: str) -> None:
    vae, prompts = writer(decoder), [[], [5], [6, 7], [], [8, 8, 9], []]
    sampling = SamplingParams(temperature=0.0, repetition_penalty=1.5, longest=LONGEST)
    assert texts(vae, sampling, way=search, prompts=prompts) == texts(vae, sampling, prompts=prompts)
