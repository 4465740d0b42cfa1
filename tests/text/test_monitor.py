"""The games of text, and the trainer's eyes on a writer: what they write, measure and remember; runs resume exactly."""

import json
import math
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from common.cli import command, parse
from common.errors import UserError
from common.randomness import Draw
from common.training.runs import open_run
from common.training.trainer import Trainer
from text.config import TrainConfig
from text.data.loading import TextData, load_texts
from text.games import build_latent_game, build_vae_game, network_config, prepare
from text.models import load_text_model
from text.monitor import GRACE, TextMonitor
from text.networks import Writer
from text.train import main

FACTS = {"images": 96, "seconds": 90.0, "hardware": "1 CPU threads", "best_images": 48, "figures": {"nats": 12.5}}
SMALL: dict[str, Any] = {
    "data": "animals", "net_size": "debug", "latent": 8, "vocabulary": 512, "longest": 32, "batch": 16, "device": "cpu",
    "precision": "fp32",
}  # fmt: skip


def monitor(data: TextData, **settings: Any) -> tuple[TextMonitor, Writer]:
    """Eyes, and a writer that has learned nothing."""
    config = TrainConfig(**SMALL | settings)
    network = network_config(config, data)
    torch.manual_seed(0)
    return TextMonitor(config, data, network), Writer(network).eval()


def blind(data: TextData) -> TextData:
    """The data with nothing held out to look at."""
    return replace(data, test=None)  # type: ignore[arg-type]


# --- looking


def test_a_sheet_shows_the_same_latents_every_time(data: TextData, tmp_path: Path) -> None:
    eyes, product = monitor(blind(data))
    for name in ("a", "b"):
        eyes.sheet(product, tmp_path / name)
    shown = (tmp_path / "a.txt").read_text(encoding="utf-8")
    assert shown == (tmp_path / "b.txt").read_text(encoding="utf-8")
    for title in ("== news", "== poem", "== reconstructions"):
        assert title in shown
    assert any(text in shown for text in data.texts(data.validation))


@torch.inference_mode()
def test_a_verdict_is_repeatable_and_never_sees_held_out_texts(data: TextData) -> None:
    eyes, product = monitor(blind(data))
    first, second = eyes.judge(product, 100), eyes.judge(product, 200)
    assert first == second
    assert {"nats", "reconstruction", "kl", "active"} <= set(first.figures)
    assert all(map(math.isfinite, first.figures.values()))
    assert first.score == first.figures["nats"] == first.figures["reconstruction"] + first.figures["kl"]
    assert first.warning is None


@torch.inference_mode()
def test_a_verdict_fits_the_mixture_to_the_weights(data: TextData) -> None:
    eyes, product = monitor(data)
    assert product.vae.sampler is not None
    before = product.vae.sampler.means.clone()
    eyes.judge(product, 100)
    assert not torch.equal(product.vae.sampler.means, before)


@torch.inference_mode()
def test_weights_that_are_not_finite_never_win(data: TextData) -> None:
    eyes, product = monitor(data)
    product.vae.bias[5] = math.nan
    verdict = eyes.verdict(product, 0)
    assert verdict.score == math.inf and verdict.warning is not None and "not finite" in verdict.warning


@torch.inference_mode()
def test_a_latent_that_is_not_used_is_told_and_remembered(data: TextData) -> None:
    eyes, product = monitor(data)
    for parameter in product.vae.encoder.parameters_of.parameters():  # type: ignore[union-attr]
        parameter.zero_()
    assert eyes.judge(product, GRACE).warning is None
    fresh, _ = monitor(data)
    fresh.restore(json.loads(json.dumps(eyes.state())))
    assert fresh.state() == eyes.state()
    for one in (eyes, fresh):
        assert "the latent has 0 of 8 units in use: posterior collapse" in str(one.judge(product, 2 * GRACE).warning)


@pytest.mark.parametrize("settings", [{}, {"decoder": "transformer", "normalised": 0.6, "lr": 2e-3, "noise": 0.1}])
def test_the_card_holds_the_command_that_made_the_weights(settings: dict[str, Any], data: TextData) -> None:
    eyes, _ = monitor(data, **settings)
    config, card = eyes.describe(FACTS)
    assert json.loads(json.dumps(config, allow_nan=False))["network"]["styles"] == ["news", "poem"]
    assert config["data"] == {"name": "animals"} and (config["domain"], config["kind"]) == ("text", "writer")
    line = command("text.train", eyes.config)
    assert f"`{line}`" in card and "| nats | 12.5 |" in card and "news, poem" in card
    assert parse(main, "text.train", shlex.split(line)[3:]) == eyes.config


# --- playing


def loss_of(
    data: TextData, draw: Draw, rows: slice = slice(None), **settings: Any
) -> tuple[torch.Tensor, dict[str, Any]]:
    """The loss of a new writer on some of 16 texts."""
    config = TrainConfig(**SMALL | {"dropout": 0.0, "free_bits": 0.0} | settings)
    game = build_vae_game(config, network_config(config, data))
    batch = data.train.gather(torch.arange(16))
    return game.players["vae"].loss({name: tensor[rows] for name, tensor in batch.items()}, draw)


@pytest.mark.parametrize("settings", [{}, {"word_dropout": 0.5}, {"noise": 0.5}])
def test_the_loss_is_a_function_of_batch_and_draw(settings: dict[str, float], data: TextData) -> None:
    one, again, other = (loss_of(data, Draw(0, step, rows=16), **settings)[0] for step in (5, 5, 6))
    assert torch.equal(one, again) and not torch.equal(one, other)
    halves = [
        loss_of(data, Draw(0, 5, rows=16, local=rows), rows, **settings)[0] for rows in (slice(0, 8), slice(8, 16))
    ]
    torch.testing.assert_close(sum(halves) / 2, one)


def test_hidden_pieces_make_texts_harder(data: TextData) -> None:
    told = loss_of(data, Draw(0, rows=16))[1]["nll"]
    assert not torch.equal(loss_of(data, Draw(0, rows=16), word_dropout=0.5)[1]["nll"], told)
    assert not torch.equal(loss_of(data, Draw(0, rows=16), noise=0.5)[1]["nll"], told)


def test_beta_warms_up_and_free_bits_cost_nothing(data: TextData) -> None:
    for images, beta in ((0, 0.0), (50, 1.0), (1_000, 2.0)):
        loss, figures = loss_of(data, Draw(0, rows=16, images=images), beta=2.0, beta_warm_up=100)
        torch.testing.assert_close(loss, figures["nll"] + beta * figures["kl"])
    loss, figures = loss_of(data, Draw(0, rows=16), free_bits=9.0)
    torch.testing.assert_close(loss, figures["nll"] + 8 * 9.0)
    loss, figures = loss_of(data, Draw(0, rows=16), free_bits=9.0, normalised=0.6)  # instead of free bits
    torch.testing.assert_close(loss, figures["nll"] + figures["kl"])


def test_the_vae_learns_alone(data: TextData) -> None:
    config = TrainConfig(**SMALL)
    game = build_vae_game(config, network_config(config, data))
    assert list(game.players) == [game.product] == ["vae"]
    learning = {name.split(".")[0] for name, p in game.players["vae"].network.named_parameters() if p.requires_grad}
    assert learning == {"vae"}


def test_a_latent_gan_leaves_the_vae_as_it_is(data: TextData) -> None:
    config = TrainConfig(**{name: SMALL[name] for name in ("net_size", "batch", "device")}, core="gan", weights="x")
    network = network_config(TrainConfig(**SMALL), data)
    writer = Writer(network)
    game = build_latent_game(config, network, writer)
    batch = {"code": torch.randn(16, 8), "label": torch.arange(16) % 2}
    for index, player in enumerate(game.players.values()):
        loss, _ = player.loss(batch, Draw(0, player=index, rows=16))
        loss.backward()
    assert game.players[game.product].network is writer
    assert all(parameter.grad is None for parameter in writer.vae.parameters())
    assert all(parameter.grad is not None for parameter in writer.generator.parameters())


# --- runs


def play(data: TextData, out: Path, steps: int, resume: bool = False, **settings: Any) -> None:
    config = TrainConfig(**SMALL | settings, steps=steps, snapshot=48, final_lr=1.0, out=out, resume=resume)
    network = network_config(config, data)
    open_run(out, config)
    Trainer(config, out).fit(build_vae_game(config, network), data.train, TextMonitor(config, data, network))


@pytest.mark.parametrize(
    "settings",
    [
        {"word_dropout": 0.3, "beta_warm_up": 64},
        {"decoder": "transformer", "normalised": 0.6, "noise": 0.2, "dropout": 0.2, "bag": 0.1},
    ],
)
def test_a_resumed_run_is_the_same_run(settings: dict[str, Any], data: TextData, tmp_path: Path) -> None:
    play(data, tmp_path / "whole", 6, **settings)
    play(data, tmp_path / "parts", 3, **settings)
    play(data, tmp_path / "parts", 6, resume=True, **settings)
    for name in ("checkpoints/step-000000006.safetensors", "model.safetensors"):
        whole, parts = (load_file(tmp_path / out / name) for out in ("whole", "parts"))
        assert whole.keys() == parts.keys()
        assert [key for key in whole if not torch.equal(whole[key], parts[key])] == []
        assert all(tensor.isfinite().all() for tensor in whole.values())


def test_a_run_leaves_sheets_figures_and_weights_that_write(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    main(TrainConfig(**SMALL | {"data": str(corpus)}, steps=6, snapshot=48, out=out))
    assert [path.name for path in sorted((out / "samples").iterdir())] == ["000000048.txt", "000000096.txt"]
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert any("active" in row for row in rows) and any("elbo" in row for row in rows)
    assert "python -m text.train" in (out / "README.md").read_text()
    assert load_text_model(str(out)).config.styles == ("news", "poem")


def test_a_run_begins_with_trained_weights_and_their_vocabulary(corpus: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    data = load_texts(str(corpus), 512, 32)
    others = tmp_path / "others.jsonl"
    others.write_text("".join(json.dumps({"text": f"an unheard quiz of {chr(97 + n) * 3}"}) + "\n" for n in range(90)))
    main(TrainConfig(**SMALL | {"data": str(corpus)}, steps=3, out=tmp_path / "first"))
    writer = load_text_model(str(tmp_path / "first")).network
    begun = {"weights": str(tmp_path / "first"), "vocabulary": TrainConfig.vocabulary}
    run = prepare(TrainConfig(**SMALL | {"data": str(others)} | begun, out=tmp_path / "second"))
    again = run.game.players["vae"].network
    assert torch.equal(again.vae.embedding.weight, writer.vae.embedding.weight) and not again.has_generator
    assert run.beside == data.tokenizer.files and "new: vae.condition" not in run.begun
    assert load_text_model(str(tmp_path / "first")).known < run.monitor.known  # no text of either is written again


def test_more_styles_than_the_weights_know_are_told(corpus: Path, tmp_path: Path) -> None:
    main(TrainConfig(**SMALL | {"data": str(corpus)}, steps=1, out=tmp_path / "first"))
    others = tmp_path / "others.jsonl"
    others.write_text(
        "".join(json.dumps({"text": f"a quiz of {chr(97 + n) * 3}", "style": str(n % 3)}) + "\n" for n in range(90))
    )
    begun = {"weights": str(tmp_path / "first"), "vocabulary": TrainConfig.vocabulary}
    with pytest.raises(UserError, match="know 2 styles, and --data others has 3"):
        prepare(TrainConfig(**SMALL | {"data": str(others)} | begun))


# --- settings


@pytest.mark.parametrize(
    ("asked", "flag"),
    [
        ({"vocabulary": 511}, "--vocabulary"),
        ({"vocabulary": 32_001}, "--vocabulary"),
        ({"longest": 3}, "--longest"),
        ({"longest": 513}, "--longest"),
        ({"normalised": -1.0}, "--normalised"),
        ({"dropout": 1.0}, "--dropout"),
        ({"word_dropout": -0.1}, "--word-dropout"),
        ({"noise": float("nan")}, "--noise"),
        ({"latent": 0}, "--latent"),
        ({"loss": "hinge"}, "--loss"),
        ({"bag": -0.1}, "--bag"),
        ({"weights": "styles", "vocabulary": 600}, "--vocabulary"),
        ({"core": "gan"}, "--core"),
        ({"core": "gan", "weights": "x", "beta": 2.0}, "--beta"),
        ({"core": "gan", "weights": "x", "decoder": "transformer"}, "--decoder"),
        ({"core": "gan", "weights": "x", "noise": 0.1}, "--noise"),
    ],
)
def test_settings_of_no_use_are_told(asked: dict[str, Any], flag: str) -> None:
    with pytest.raises(UserError, match=f"{flag} "):
        TrainConfig(**asked)
