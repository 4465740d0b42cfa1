"""An evaluation of a writer that has learned nothing: what stands beside what, and values by hand."""

import math

import pytest
import torch

from common.cores.vae import importance_bound
from text.config import EvaluateConfig
from text.data.loading import TextData
from text.evaluation import (
    Material,
    bounds,
    compare,
    compare_samplers,
    count_classes,
    gather,
    passages,
    sampling_settings,
    unknown,
)
from text.models import TextModel


@pytest.fixture
def rows(data: TextData) -> torch.Tensor:
    return torch.arange(len(data.test))


@pytest.fixture
def material(data: TextData, rows: torch.Tensor) -> Material:
    return gather(data, rows)


def test_bounds_are_those_of_the_model(model: TextModel, data: TextData, rows: torch.Tensor) -> None:
    config = EvaluateConfig(importance=3)
    figures = {figure.name: figure for figure in bounds(model, data.test, rows, config)}
    order = rows[data.test.lengths.argsort(stable=True)]
    batch = data.test.gather(order)
    generator = torch.Generator().manual_seed(0)
    torch.randn(len(order), 8, generator=generator)  # the sample of the reconstruction
    nats = -importance_bound(model.vae, batch["tokens"], batch["label"], 3, generator)
    zero = model.vae.nll(batch["tokens"], torch.zeros(len(order), 8), batch["label"])
    assert figures["nats a text"].value == pytest.approx(nats.mean().item(), rel=1e-5)
    assert figures["nats a text"].reference == pytest.approx(zero.mean().item(), rel=1e-5)
    words = sum(
        len(text.replace(",", " ,").replace(".", " .").replace("\n", " / ").split()) + 1
        for text in data.texts(data.test)
    )
    assert figures["perplexity a word"].value == pytest.approx(math.exp(nats.sum().item() / words), rel=1e-4)
    assert figures["nats a text, news"].n + figures["nats a text, poem"].n == len(rows)
    assert "active units of 8" in figures
    assert not any(name.startswith("mutual information") for name in figures)  # below 1,000 texts it means nothing


def test_real_texts_in_the_samples_place_give_the_real_column(material: Material) -> None:
    for figure in compare(material.held_out, material):
        if figure.name not in ("reverse perplexity (own trigrams)", "overlap of lengths"):
            assert figure.value == figure.reference, figure.name
    assert {figure.n for figure in compare(material.held_out, material)} == {len(material.held_out)}


def test_copies_are_found(material: Material) -> None:
    figures = {figure.name: figure for figure in compare(material.train[: len(material.held_out)], material)}
    assert figures["verbatim training texts"].value == 1 and figures["nearest training text (cosine)"].value > 0.99


def test_unknown_words_by_hand() -> None:
    assert unknown(["a b c", "d"], frozenset("ab")) == 0.5


def test_samplers_and_classes(model: TextModel, data: TextData, material: Material) -> None:
    figures = compare_samplers(model, data, material, EvaluateConfig())
    assert {figure.name.split(":")[0] for figure in figures} == {"prior", "mixture"}
    model.network.has_generator.fill_(True)
    figures = compare_samplers(model, data, material, EvaluateConfig())
    assert {figure.name.split(":")[0] for figure in figures} == {"prior", "mixture", "gan"}
    counts = count_classes(material.held_out, material, data.styles)
    assert [count.asked_for for count in counts] == [count.real for count in counts]
    assert sum(count.recognised for count in counts) == len(material.held_out)


def test_passages_are_for_reading(model: TextModel, data: TextData, material: Material) -> None:
    captions = [caption for caption, _ in passages(model, data, material.held_out, material)]
    assert captions[:2] == ["Unpicked samples: news", "Unpicked samples: poem"]
    assert any("come" in caption for caption in captions) and "From one held-out text to another" in captions


def test_the_tables_say_how_samples_were_drawn(model: TextModel) -> None:
    assert list(sampling_settings(model)) == [
        "Samples at temperature 0.8, top-p 0.9, repetition penalty 1.1, best of 32",
        "Samples at temperature 1",
    ]
