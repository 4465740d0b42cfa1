"""Descriptions in pieces, users' own words, and a run of pictures from words."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from common.errors import UserError
from common.pictures.perceptual import load_squeezenet, perceptual_loss
from common.randomness import Draw
from image.config import GenerateConfig, TrainConfig
from image.data.loading import Captions
from image.data.prompts import PromptTokenizer
from image.games import begin, build_game
from image.generate import main as generate
from image.generation import make_gallery
from image.models import load_image_model
from image.train import main

COLOURS = ("red", "green", "blue")
TEXTS = tuple((f"{colour} {thing}", f"a {thing}") for colour in COLOURS for thing in ("disc", "square", "bar"))
CAPTIONS = Captions(TEXTS, tuple(map(str, range(len(TEXTS)))))


@pytest.fixture(scope="module")
def tokenizer() -> PromptTokenizer:
    return PromptTokenizer.learn(CAPTIONS, 600, 24)


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


NETWORK = {"net_size": "debug", "latent": 8, "vocabulary": 600, "longest": 24}


def run(folder: Path, out: Path, steps: int, **settings: Any) -> Path:
    network = {} if "weights" in settings else NETWORK
    exact = {"batch": 8, "snapshot": 16, "final_lr": 1.0, "device": "cpu", "precision": "fp32"}
    main(TrainConfig(core="tgan", data=str(folder), steps=steps, out=out, **network | exact | settings))
    return out


@pytest.fixture(scope="module")
def weights(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(folder, tmp_path_factory.mktemp("runs") / "whole", 4)


def test_descriptions_become_pieces_and_are_cut(tokenizer: PromptTokenizer) -> None:
    tokens = tokenizer.tokens(["red disc", "red " * 30])
    assert tokens.shape == (2, 24)
    assert tokenizer.pieces.decode(tokens[0].tolist()) == "red disc"
    assert tokenizer.pieces.decode(tokens[1].tolist()).startswith("red red")
    every = tokenizer.all_tokens(CAPTIONS)
    assert every.shape == (len(TEXTS), 4, 24)
    assert [tokenizer.pieces.decode(row) for row in every[0].tolist()] == [*TEXTS[0], *TEXTS[0]]


def test_prompts_are_read_or_refused(tokenizer: PromptTokenizer) -> None:
    assert tokenizer.prompt("  Red  DISC") == "red disc"
    assert tokenizer.prompt('"red:" disc, !') == "red disc"
    assert tokenizer.unknown(["red zebra", "zebra disc"]) == ["zebra"]
    for text, problem in (
        (" ", "--text is empty"),
        ("red " * 10_000, "23 are the most, so shorten it"),
        ("\u5fc3", "the characters of '\u5fc3' were never learned"),
        ("\ud800", "is no text"),
    ):
        with pytest.raises(UserError, match=problem):
            tokenizer.prompt(text)


def test_a_resumed_run_is_the_same_run(weights: Path, folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path, 2)
    run(folder, tmp_path, 4, resume=True)
    whole, parts = (load_file(out / "model.safetensors") for out in (weights, tmp_path))
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []


def test_descriptions_are_drawn(weights: Path) -> None:
    model = load_image_model(str(weights))
    assert model.tokenizer is not None and "noise" in model.tokenizer.words
    gallery = make_gallery(model, GenerateConfig(text=("Red noise", "green bogus"), n=2))
    assert [(text, len(images)) for text, images in gallery.rows] == [("red noise", 2), ("green bogus?", 2)]
    assert gallery.what.startswith("4 samples of ") and gallery.what.endswith(", 2 of each description")
    assert len(gallery.notes) == 1 and "'bogus'" in gallery.notes[0]
    one = make_gallery(model, GenerateConfig(text=("red noise",), n=1)).rows
    assert [label for label, _ in one] == [""] and one[0][1].shape == (1, 3, 16, 16)
    assert [len(images) for _, images in make_gallery(model, GenerateConfig(text=("red", "blue"))).rows] == [4, 4]
    strong = make_gallery(model, GenerateConfig(text=("red noise",), n=1, guidance=9.0)).rows[0][1]
    assert not torch.equal(strong, one[0][1])


def test_one_guessed_word_is_marked_though_there_is_one_row(weights: Path) -> None:
    ((label, _),) = make_gallery(load_image_model(str(weights)), GenerateConfig(text=("bogus red",), n=1)).rows
    assert label == "bogus? red"


def test_refused_descriptions_leave_the_others_as_they_are(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = GenerateConfig(text=("red", "\u03a9", "blue"), n=2, weights=str(weights), out=str(tmp_path / "a.png"))
    with pytest.raises(SystemExit) as stop:
        generate(asked)
    assert stop.value.code == 2 and (tmp_path / "a.png").is_file()
    said = capsys.readouterr()
    assert "4 samples of red, blue by" in said.out and len(said.err.splitlines()) == 1 and "\u03c9" in said.err
    model = load_image_model(str(weights))
    every = make_gallery(model, replace(asked, text=("red", "green", "blue"))).rows
    assert torch.equal(make_gallery(model, asked).rows[1][1], every[2][1])
    with pytest.raises(UserError, match=r"never learned.*; --text is empty"):
        make_gallery(model, replace(asked, text=("\u03a9", "")))


def test_what_was_learned_is_listed(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = GenerateConfig(list_text=True, weights=str(weights))
    asked.check_inputs()
    generate(asked)
    learned = ["blue", "blue noise", "green", "green noise", "red", "red noise"]
    said = capsys.readouterr()
    assert said.out.splitlines() == learned and "learned from these 6 descriptions" in said.err
    config = json.loads((weights / "config.json").read_text(encoding="utf-8"))
    del config["descriptions"]  # as in weights of before
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "model.safetensors").touch()
    generate(replace(asked, weights=str(tmp_path)))
    said = capsys.readouterr()
    assert said.out.splitlines() == ["blue", "green", "noise", "red"] and "these 4 words" in said.err


def test_guidance_of_0_is_as_without_words(weights: Path) -> None:
    model = load_image_model(str(weights))
    assert model.tokenizer is not None
    z, tokens = model.latents(2), model.tokenizer.tokens(["red noise", "blue"])
    empty = model.tokenizer.tokens(["", ""])
    torch.testing.assert_close(model.decode(z, tokens, 0.0).int(), model.decode(z, empty, 0.0).int(), rtol=0, atol=1)


def test_words_go_with_weights_that_read_them(weights: Path) -> None:
    with pytest.raises(UserError, match="reads no descriptions"):
        make_gallery(load_image_model("digits-cgan"), GenerateConfig(text=("one",)))
    with pytest.raises(UserError, match="give one or more by --text"):
        make_gallery(load_image_model(str(weights)), GenerateConfig())
    for asked in ({"text": ("a",), "label": ("b",)}, {"guidance": 2.0}, {"text": ("a",), "interpolate": "seeds"}):
        with pytest.raises(UserError, match=r"--(label|guidance|text) "):
            GenerateConfig(**asked)  # type: ignore[arg-type]


def test_pixels_alone_teach_what_the_words_mean(folder: Path, tmp_path: Path) -> None:
    """Without a critic; and what was so learned is what a run against a critic begins as."""
    begun = run(folder, tmp_path / "pixels", 60, adversarial=0.0, pixel=10.0, lr=3e-3, snapshot=600)
    model = load_image_model(str(begun))
    assert model.tokenizer is not None
    means = model.sample(3, model.tokenizer.tokens([f"{colour} noise" for colour in COLOURS])).float().mean((2, 3))
    assert means.argmax(1).tolist() == [0, 1, 2]
    gone_on = run(folder, tmp_path / "both", 1, weights=str(begun), families=True, pixel=1.0, lr=1e-9, average=1e-6)
    before, after = (load_file(path / "model.safetensors") for path in (begun, gone_on))
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        torch.testing.assert_close(after[name].float(), tensor.float(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("adversarial", "pixel"), [(0.0, 3.0), (0.5, 3.0), (0.5, 0.0)])
def test_the_generator_s_loss_is_the_weighted_sum(adversarial: float, pixel: float, weights: Path) -> None:
    model = load_image_model(str(weights))
    config = TrainConfig(core="tgan", adversarial=adversarial, pixel=pixel, latent=8, condition_dropout=0.0)
    torch.manual_seed(0)
    game = build_game(config, model.config)
    begin(game, model)
    game.players["generator"].network.eval()
    side = model.config.side
    batch = {"image": torch.randint(256, (4, 3, side, side)), "text": torch.full((4, 1, 2), 5)}
    with torch.no_grad():
        draw = Draw(0, rows=4)
        draw.uniform()  # by which one of the descriptions is chosen
        draw.uniform()  # by which it is hidden, or not
        fake = model.network(draw.normal(8), batch["text"][:, 0])
        loss, figures = game.players["generator"].loss(batch, Draw(0, rows=4))
    if not adversarial:
        assert figures.pop("generator") == loss
    parts = {"generator": adversarial, "pixel": pixel}
    assert set(figures) == {name for name, weight in parts.items() if weight}
    assert loss.item() == pytest.approx(sum(parts[name] * value.item() for name, value in figures.items()))
    if pixel:
        wanted = (fake - (batch["image"] / 127.5 - 1)).abs().mean().item()
        assert figures["pixel"].item() == pytest.approx(wanted)
    assert list(game.players) == (["critic", "generator"] if adversarial else ["generator"])


def test_trained_features_teach_what_pixels_do_not(weights: Path) -> None:
    squeezenet = load_squeezenet()
    if squeezenet is None:
        pytest.skip("needs SqueezeNet's weights")
    small = load_image_model(str(weights)).config
    config = TrainConfig(core="tgan", adversarial=0.0, pixel=2.0, perceptual=3.0, latent=8, condition_dropout=0.0)
    with pytest.raises(UserError, match="--perceptual needs pictures of 25 pixels a side or more"):
        build_game(config, small)
    player = build_game(config, replace(small, side=32)).players["generator"]
    player.network.eval()
    batch = {"image": torch.randint(256, (4, 3, 32, 32)), "text": torch.full((4, 1, 2), 5)}
    with torch.no_grad():
        draw = Draw(0, rows=4)
        draw.uniform()  # by which one of the descriptions is chosen
        draw.uniform()  # by which it is hidden, or not
        fake = player.network(draw.normal(8), batch["text"][:, 0])
        loss, figures = player.loss(batch, Draw(0, rows=4))
        wanted = perceptual_loss(squeezenet.unrectified, fake, batch["image"] / 127.5 - 1, None, draw)
    assert figures["perceptual"].item() == pytest.approx(wanted.item(), rel=1e-4)
    assert loss.item() == pytest.approx((2 * figures["pixel"] + 3 * figures["perceptual"]).item(), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"core": "gan", "perceptual": 1.0}, "--perceptual means nothing with --core gan"),
        ({"adversarial": 0.0}, "--pixel and --perceptual and --adversarial cannot all be 0"),
        ({"perceptual": -1.0}, "--perceptual must be 0 or more"),
        ({"pixel": -1.0}, "--pixel must be 0 or more"),
        ({"adversarial": 0.0, "pixel": 1.0, "augment": ("affine",)}, "--augment means nothing with --adversarial 0"),
        ({"weights": "emoji-text", "net_size": "base"}, "--net-size is that of the --weights"),
        ({"weights": "emoji-text", "longest": 30}, "--longest is that of the --weights"),
        ({"core": "cgan", "weights": "emoji-text", "net": "dcgan"}, "--net is that of the --weights"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        TrainConfig(**{"core": "tgan"} | settings)


def test_weights_without_words_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="take no descriptions"):
        run(folder, tmp_path / "run", 1, weights="digits-cgan", size=16)
    assert not (tmp_path / "run").exists()


def test_larger_pictures_begin_with_the_words_of_smaller_ones(weights: Path, folder: Path, tmp_path: Path) -> None:
    out = run(folder, tmp_path / "run", 1, weights=str(weights), size="48x32", lr=1e-9, average=1e-6)
    before, after = (load_file(path / "model.safetensors") for path in (weights, out))
    name = "condition.embedding.weight"
    torch.testing.assert_close(after[name].float(), before[name].float(), atol=1e-3, rtol=1e-3)
    model = load_image_model(str(out))
    assert model.tokenizer is not None and model.tokenizer.pieces.processor.vocab_size() == len(before[name])
    assert model.sample(1, model.tokenizer.tokens(["red noise"])).shape == (1, 3, 32, 48)
