"""Whether pictures and descriptions belong together: the scorer, its loss, R-precision, and models judged by it."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from common.errors import UserError
from image.config import EvaluateConfig, TrainConfig
from image.data.loading import Captions
from image.evaluation import evaluate
from image.judges.config import ScorerConfig
from image.judges.r_precision import COMBINATIONS, combinations, r_precision
from image.judges.scorer import main
from image.judges.scorer_training import contrastive
from image.judges.text_scorer import Scorer, load_scorer
from image.train import main as train

COLOURS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 pictures of 16 x 16 pixels, each of a colour and a brightness that its description tells."""
    root, draw = tmp_path_factory.mktemp("described"), np.random.default_rng(0)
    for number in range(150):
        pixels = draw.integers(0, 60, (16, 16, 3))
        bright = number % 2 * 90 + 90
        pixels[..., number % 3] += bright
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"{number}.png")
        kind = "bright" if bright > 100 else "dark"
        (root / f"{number}.txt").write_text(f"{kind} {COLOURS[number % 3]}", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def scorer(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "scorer"
    small = {"width": 8, "examples": 3_000, "batch": 32, "lr": 5e-3, "snapshot": 3_000, "vocabulary": 600}
    main(ScorerConfig(data=str(folder), out=out, device="cpu", precision="fp32", **small))  # type: ignore[arg-type]
    return out


def test_r_precision_by_hand() -> None:
    texts = torch.eye(4)
    pictures = torch.tensor([[1.0, 0.5, 0, 0], [0, 1, 0, 0], [1, 0, 0.5, 0], [0, 0, 0, 1]])
    assert r_precision(pictures, texts, torch.tensor([0, 1, 2, 3])) == 0.75
    assert r_precision(pictures, texts, torch.tensor([1, 0, 0, 3])) == 0.5
    assert r_precision(torch.ones(4, 4), texts, torch.arange(4)) == 0  # a tie is no find


def test_r_precision_of_chance_is_one_in_so_many() -> None:
    generator = torch.Generator().manual_seed(0)
    pictures, texts = torch.randn(2_000, 8, generator=generator), torch.randn(300, 8, generator=generator)
    found = r_precision(pictures, texts, torch.randint(0, 300, (2_000,), generator=generator), choices=10)
    assert found == pytest.approx(0.1, abs=0.03)


def test_the_contrastive_loss_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0], [1.0, 3.0]])
    rows = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-2))) / 2
    columns = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-3))) / 2
    assert contrastive(logits, torch.eye(2).bool()).item() == pytest.approx((rows + columns) / 2)
    assert contrastive(torch.zeros(2, 2), torch.ones(2, 2).bool()).item() == pytest.approx(math.log(2))


def test_vectors_are_of_length_1_whatever_comes() -> None:
    network = Scorer(20, 4, 16).eval()
    for shape in ((2, 1, 16, 16), (2, 3, 32, 32)):
        assert torch.allclose(network.pictures(torch.rand(shape)).norm(dim=1), torch.ones(2))
    tokens = torch.tensor([[5, 6, 2, 0], [2, 0, 0, 0]])
    assert network.texts(tokens).shape == (2, 128)
    torch.testing.assert_close(network.texts(tokens[:1, :3]), network.texts(tokens)[:1])


def test_a_scorer_learns_what_belongs_together(scorer: Path, folder: Path) -> None:
    trained = load_scorer(str(scorer))
    names = [f"{kind} {colour}" for colour in COLOURS for kind in ("dark", "bright")]
    pictures = torch.stack([torch.tensor(np.asarray(Image.open(folder / f"{row}.png"))) for row in range(6)])
    texts = [(folder / f"{row}.txt").read_text(encoding="utf-8") for row in range(6)]
    right = torch.tensor([names.index(text) for text in texts])
    assert r_precision(trained.pictures(pictures.permute(0, 3, 1, 2)), trained.texts(names), right) >= 0.5
    assert "--lr 0.005" in (scorer / "README.md").read_text()
    with pytest.raises(UserError, match="wants image/scorer"):
        load_scorer("digits-cgan")


def test_combinations_are_new_and_of_known_words() -> None:
    captions = Captions((("red heart", "a star"), ("blue star",)), ("1", "2"))
    words = frozenset(["red", "blue", "heart", "star", "a", "with"])
    found = combinations([captions], words)
    assert set(found[:2]) == {"red star", "blue heart"} and len(found) <= COMBINATIONS
    assert all(set(text.split()) <= words for text in found) and "red star with heart" in found
    assert found == combinations([captions], words)


def test_models_of_words_are_evaluated(scorer: Path, folder: Path, tmp_path: Path) -> None:
    small = {"net_size": "debug", "batch": 8, "steps": 2, "latent": 8, "vocabulary": 600, "device": "cpu"}
    train(TrainConfig(core="tgan", data=str(folder), out=tmp_path, **small))  # type: ignore[arg-type]
    evaluate(EvaluateConfig(weights=str(tmp_path), n=16, scorer=str(scorer), device="cpu"), tmp_path)
    found = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    figures = {line["figure"]: line for line in found["tables"]["Descriptions"]}
    assert 0 <= figures["R-precision, training descriptions"]["samples"] <= 1
    assert figures["R-precision, held-out descriptions"]["real"] > 0.4
    assert "Descriptions, not picked" in (tmp_path / "report.html").read_text(encoding="utf-8")
