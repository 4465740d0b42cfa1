"""Descriptions in pieces, users' own words, and a run of pictures from words."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from common.errors import UserError
from image.config import GenerateConfig, TrainConfig
from image.data import Captions
from image.gallery import make_gallery
from image.models import load_image_model
from image.train import main
from image.wording import Wording

COLOURS = ("red", "green", "blue")
TEXTS = tuple((f"{colour} {thing}", f"a {thing}") for colour in COLOURS for thing in ("disc", "square", "bar"))
CAPTIONS = Captions(TEXTS, tuple(map(str, range(len(TEXTS)))))


@pytest.fixture(scope="module")
def wording() -> Wording:
    return Wording.learn(CAPTIONS, 600, 24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 pictures of 16 x 16 pixels in one of three colours, each with its name."""
    root, draw = tmp_path_factory.mktemp("described"), np.random.default_rng(0)
    for number in range(80):
        pixels = draw.integers(0, 60, (16, 16, 3))
        pixels[..., number % 3] += 180
        Image.fromarray(pixels.astype(np.uint8)).save(root / f"{number}.png")
        (root / f"{number}.txt").write_text(f"{COLOURS[number % 3]} noise\n{COLOURS[number % 3]}", encoding="utf-8")
    return root


def run(folder: Path, out: Path, steps: int, resume: bool = False) -> Path:
    small = {"net_size": "debug", "batch": 8, "latent": 8, "vocabulary": 600, "longest": 24, "snapshot": 16}
    exact = {"final_lr": 1.0, "device": "cpu", "precision": "fp32", "condition_dropout": 0.1}
    main(TrainConfig(core="tgan", data=str(folder), steps=steps, out=out, resume=resume, **small, **exact))  # type: ignore[arg-type]
    return out


@pytest.fixture(scope="module")
def weights(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(folder, tmp_path_factory.mktemp("runs") / "whole", 4)


def test_descriptions_become_pieces_and_are_cut(wording: Wording) -> None:
    tokens = wording.tokens(["red disc", "red " * 30])
    assert tokens.shape == (2, 24)
    assert wording.pieces.decode(tokens[0].tolist()) == "red disc"
    assert wording.pieces.decode(tokens[1].tolist()).startswith("red red")
    every = wording.all_tokens(CAPTIONS)
    assert every.shape == (len(TEXTS), 4, 24)
    assert [wording.pieces.decode(row) for row in every[0].tolist()] == [*TEXTS[0], *TEXTS[0]]


def test_prompts_are_read_or_refused(wording: Wording) -> None:
    assert wording.prompt("  Red  DISC") == "red disc"
    assert wording.unknown(["red zebra", "zebra disc"]) == ["zebra"]
    for text, problem in (
        (" ", "--text is empty"),
        ("red " * 10_000, "23 are the most, so shorten it"),
        ("\u5fc3", "the characters of '\u5fc3' were never learned"),
        ("\ud800", "is no text"),
    ):
        with pytest.raises(UserError, match=problem):
            wording.prompt(text)


def test_a_resumed_run_is_the_same_run(weights: Path, folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path, 2)
    run(folder, tmp_path, 4, resume=True)
    whole, parts = (load_file(out / "model.safetensors") for out in (weights, tmp_path))
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []


def test_descriptions_are_drawn(weights: Path) -> None:
    model = load_image_model(str(weights))
    assert model.wording is not None and "noise" in model.wording.words
    gallery = make_gallery(model, GenerateConfig(text=("Red noise", "green bogus"), n=2))
    assert [(text, len(images)) for text, images in gallery.rows] == [("red noise", 2), ("green bogus", 2)]
    assert len(gallery.notes) == 1 and "'bogus'" in gallery.notes[0]
    one = make_gallery(model, GenerateConfig(text=("red noise",), n=1)).rows
    assert [label for label, _ in one] == [""] and one[0][1].shape == (1, 3, 16, 16)
    strong = make_gallery(model, GenerateConfig(text=("red noise",), n=1, guidance=9.0)).rows[0][1]
    assert not torch.equal(strong, one[0][1])


def test_guidance_of_0_is_as_without_words(weights: Path) -> None:
    model = load_image_model(str(weights))
    assert model.wording is not None
    z, tokens = model.latents(2), model.wording.tokens(["red noise", "blue"])
    empty = model.wording.tokens(["", ""])
    torch.testing.assert_close(model.decode(z, tokens, 0.0).int(), model.decode(z, empty, 0.0).int(), rtol=0, atol=1)


def test_words_go_with_weights_that_read_them(weights: Path) -> None:
    with pytest.raises(UserError, match="reads no descriptions"):
        make_gallery(load_image_model("digits-cgan"), GenerateConfig(text=("one",)))
    with pytest.raises(UserError, match="give one or more by --text"):
        make_gallery(load_image_model(str(weights)), GenerateConfig())
    for asked in ({"text": ("a",), "label": ("b",)}, {"guidance": 2.0}, {"text": ("a",), "interpolate": "seeds"}):
        with pytest.raises(UserError, match=r"--(label|guidance|text) "):
            GenerateConfig(**asked)  # type: ignore[arg-type]
