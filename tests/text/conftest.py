"""A small corpus in two styles, and a writer of it that has learned nothing."""

import json
import random
from itertools import product
from pathlib import Path

import pytest
import torch

from text.data.loading import TextData, load_texts
from text.data.tokenizer import Tokenizer
from text.models import TextModel
from text.networks import NetworkConfig, Writer

ADJECTIVES, NOUNS = ("grey", "small", "old", "wild"), ("cat", "dog", "fox", "hen", "owl")
VERBS, PLACES = ("sat", "slept", "sang", "ran"), ("mat", "roof", "lawn", "hill", "road")


def entries() -> list[dict[str, str]]:
    """100 headlines of a line, and 100 poems of two."""
    draw = random.Random(0)
    news = draw.sample(list(product(ADJECTIVES, NOUNS, VERBS, PLACES)), 100)
    poems = draw.sample(list(product(ADJECTIVES, NOUNS, VERBS, NOUNS, VERBS)), 100)
    return [
        *({"text": f"{a.title()} {n} {v} on the {p}", "style": "news"} for a, n, v, p in news),
        *({"text": f"The {a} {n} {v},\nand there the {m} {w}.", "style": "poem"} for a, n, v, m, w in poems),
    ]


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of those."""
    path = tmp_path_factory.mktemp("data") / "animals.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries()))
    return path


@pytest.fixture(scope="session")
def data(corpus: Path) -> TextData:
    """They as pieces, in three parts."""
    return load_texts(str(corpus), 512, 32)


@pytest.fixture(scope="session")
def tokenizer(data: TextData) -> Tokenizer:
    """Their vocabulary."""
    return data.tokenizer


@pytest.fixture(scope="session")
def network(data: TextData) -> NetworkConfig:
    """Networks as small as they get."""
    starts = (data.tokenizer.style(0), data.tokenizer.style(1))
    return NetworkConfig(len(data.tokenizer), starts, data.styles, width=16, latent=8, longest=32)


@pytest.fixture
def model(data: TextData, network: NetworkConfig) -> TextModel:
    """A new writer with those."""
    torch.manual_seed(0)
    return TextModel(Writer(network).eval(), network, data.tokenizer, "animals")
