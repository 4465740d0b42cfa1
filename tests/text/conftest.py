"""A small corpus in two styles, and a writer of it that has learned nothing."""

from pathlib import Path

import pytest
import torch
from small_texts import save_texts

from text.data.loading import TextData, load_texts
from text.data.tokenizer import Tokenizer
from text.models import TextModel
from text.networks import NetworkConfig, Writer


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of those."""
    return save_texts(tmp_path_factory.mktemp("data") / "animals.jsonl")


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
