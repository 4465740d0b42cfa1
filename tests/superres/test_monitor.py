"""The games of super-resolution, and the trainer's eyes on a generator; runs resume exactly."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from small_photos import SMALL
from torch import Tensor, nn

from common.cli import command, parse
from common.cores.game import Game
from common.errors import UserError
from common.pictures.perceptual import PHASES, SqueezeNet, feature_distance, window
from common.randomness import Draw
from common.training.runs import open_run
from common.training.trainer import Trainer
from superres.config import TrainConfig
from superres.data.loading import PhotoData, load_photos
from superres.data.patches import Patches
from superres.games import build_gan_game, build_pixel_game, network_config, prepare
from superres.losses import consistency_loss, fidelity_loss, grid_loss
from superres.metrics import psnr_y
from superres.models import load_superres_model
from superres.monitor import PhotoMonitor, SharpMonitor, middle, spread
from superres.networks import Generator, build_generator
from superres.resize import upscale
from superres.train import main

FACTS = {"images": 96, "seconds": 90.0, "hardware": "1 CPU thread", "best_images": 48, "figures": {"psnr_y": 28.125}}
GAN: dict[str, Any] = {name: SMALL[name] for name in ("batch", "warm_up", "device", "precision")} | {
    "core": "gan", "patch": 16, "weights": "somewhere", "critic_width": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(folder: Path) -> PhotoData:
    return load_photos(str(folder), 2, least=8)


@pytest.fixture
def batch(data: PhotoData) -> dict[str, Tensor]:
    patches = Patches(data.train, 8, 2)
    return patches.gather(patches.indices(0, 0, 4))


@pytest.fixture(autouse=True)
def _no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.pictures.perceptual._from_torchvision", lambda: None)


def generator() -> Generator:
    torch.manual_seed(0)
    return build_generator(network_config(TrainConfig(**SMALL)))


def blurs(images: Tensor) -> list[Tensor]:
    """Features that need no trained network."""
    return [nn.functional.avg_pool2d(images, side) for side in (1, 4)]


# --- looking


def test_quality_is_fidelity_to_validation_pictures(data: PhotoData) -> None:
    config, product = TrainConfig(**SMALL), generator().eval()
    eyes = PhotoMonitor(config, data, product.config)
    pairs = [(pair.high.numpy(), pair.lows[0].numpy()) for pair in data.validation]
    bicubic = np.mean([psnr_y(upscale(low, 2), high, 2) for high, low in pairs])
    verdict = eyes.judge(product, 0)
    assert verdict.figures["psnr_y"] - verdict.figures["above_bicubic"] == pytest.approx(bicubic)
    assert verdict.score == -verdict.figures["psnr_y"] and verdict.warning is None
    product.last.direct.bias.data += 0.5  # type: ignore[union-attr, operator]
    assert eyes.judge(product, 0).score > verdict.score  # type: ignore[operator]


def test_a_sheet_has_crops_side_by_side(data: PhotoData, tmp_path: Path) -> None:
    eyes = PhotoMonitor(TrainConfig(**SMALL), data, generator().config)
    eyes.sheet(generator().eval(), tmp_path / "sheet")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    high = data.validation[0].high.numpy()
    enlarged = max(1, 96 // max(high.shape[:2]))
    shown = sheet[:: enlarged or 1, :: enlarged or 1]
    assert enlarged == 2 and len(shown) >= len(high) * len(data.validation)
    columns = 3 * (high.shape[1] * enlarged + 2) + 2
    assert sheet.shape[1] == columns
    top = sheet.shape[0] - len(data.validation) * (high.shape[0] * enlarged + 4)
    right = sheet[top + 2 :, -2 - high.shape[1] * enlarged : -2][::2, ::2][: len(high)]
    assert np.array_equal(right, high)


def test_what_is_looked_at_is_spread_over_all() -> None:
    pairs = list(range(43))
    assert spread(pairs, 6) == [0, 7, 14, 21, 28, 35] and spread(pairs, 43) == spread(pairs, 50) == pairs


def test_the_middle_of_a_picture_is_of_one_place(data: PhotoData) -> None:
    pair = data.validation[0]
    high, low = middle(pair, 24, 2)
    assert high.shape == (24, 24, 3) and low.shape == (12, 12, 3)
    assert np.array_equal(high, pair.high[8:32, 10:34]) and np.array_equal(low, pair.lows[0, 4:16, 5:17])
    high, low = middle(pair, 500, 2)
    assert high.shape == (40, 44, 3) and low.shape == (20, 22, 3)


def test_weights_that_are_not_finite_are_worst(data: PhotoData) -> None:
    product = generator().eval()
    product.last.direct.bias.data[0] = torch.nan  # type: ignore[union-attr, operator]
    for eyes in (
        PhotoMonitor(TrainConfig(**SMALL), data, product.config),
        SharpMonitor(TrainConfig(**GAN), data, product.config, None),
    ):
        verdict = eyes.verdict(product, 0)
        assert verdict.score == float("inf") and verdict.warning is not None and "not finite" in verdict.warning


def test_sharpness_is_judged_by_features_where_they_can_be_had(data: PhotoData) -> None:
    from torchvision.models import squeezenet1_1

    from common.pictures.perceptual import Source

    torch.manual_seed(0)
    tensors = {k: v for k, v in squeezenet1_1(weights=None).state_dict().items() if k.startswith("features.")}
    features = SqueezeNet(Source("chance", tensors, False, (0.5,) * 3, (0.5,) * 3)).eval()
    product, config = generator().eval(), TrainConfig(**GAN)
    verdict = SharpMonitor(config, data, product.config, features).judge(product, 0)
    assert verdict.score == verdict.figures["distance"] > 0 and "psnr_y" in verdict.figures
    latest = SharpMonitor(config, data, product.config, None).judge(product, 0)
    assert latest.score is None and "distance" not in latest.figures
    for found, name in ((features, "SqueezeNet 1.1, chance"), (None, "the critic's own features")):
        assert name in SharpMonitor(config, data, product.config, found).describe(FACTS)[1]


@pytest.mark.parametrize("settings", [{}, {"net": "base", "lr": 1e-3, "frequency": 0.0}])
def test_the_card_holds_the_command_that_made_the_weights(settings: dict[str, Any], data: PhotoData) -> None:
    config = TrainConfig(**SMALL | settings)
    weights, card = PhotoMonitor(config, data, network_config(config)).describe(FACTS)
    assert weights["network"]["net"] == config.net
    assert weights["data"] == {"name": "waves", "key": data.key, "degradation": "bicubic"}
    assert (weights["domain"], weights["kind"]) == ("superres", "generator")
    line = command("superres.train", config)
    assert f"`{line}`" in card and "| psnr_y | 28.12 |" in card
    assert parse(main, "superres.train", shlex.split(line)[3:]) == config


# --- playing


def test_the_pixel_loss_is_a_function_of_the_batch(batch: dict[str, Tensor]) -> None:
    game = build_pixel_game(TrainConfig(**SMALL))
    player = game.players[game.product]
    whole, figures = player.loss(batch, Draw(0))
    expected, _ = fidelity_loss(generator_of(game)(batch["low"] / 255), batch["high"] / 255, TrainConfig.frequency)
    torch.testing.assert_close(whole, expected)
    halves = [player.loss({k: v[rows] for k, v in batch.items()}, Draw(0))[0] for rows in (slice(0, 2), slice(2, 4))]
    torch.testing.assert_close(sum(halves) / 2, whole)
    assert set(figures) == {"generator", "pixel", "frequency"} and figures["generator"] == whole


def generator_of(game: Game) -> Generator:
    network = game.players[game.product].network
    assert isinstance(network, Generator)
    return network


def test_seeds_make_networks() -> None:
    first, again, other = (
        generator_of(build_pixel_game(TrainConfig(**SMALL, seed=seed))).state_dict() for seed in (0, 0, 1)
    )
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["last.expand"], other["last.expand"])


@pytest.mark.parametrize("loss", ["relativistic", "hinge"])
def test_the_generators_loss_is_the_weighted_sum(loss: Any, batch: dict[str, Tensor]) -> None:
    weights = {"adversarial": 0.3, "perceptual": 2.0, "consistency": 3.0, "pixel": 4.0, "frequency": 0.7, "grid": 5.0}
    config = TrainConfig(**GAN | weights, loss=loss)
    game = build_gan_game(config, generator(), blurs)
    total, figures = game.players["generator"].loss(batch, Draw(0, rows=4))
    low, true = batch["low"] / 255, batch["high"] / 255
    upscaled = generator_of(game)(low)
    seen = window(Draw(0))
    distance = feature_distance(blurs(upscaled[seen]), blurs(true[seen])).mean()
    torch.testing.assert_close(figures["perceptual"], distance)
    torch.testing.assert_close(figures["consistency"], consistency_loss(upscaled, low))
    torch.testing.assert_close(figures["fidelity"], fidelity_loss(upscaled, true, 0.7)[0])
    torch.testing.assert_close(figures["grid"], grid_loss(upscaled, true, 2))
    parts = {"generator": 0.3, "perceptual": 2.0, "consistency": 3.0, "fidelity": 4.0, "grid": 5.0}
    torch.testing.assert_close(total, sum(weight * figures[name] for name, weight in parts.items()))


def test_features_are_seen_at_every_phase() -> None:
    images, corners = torch.arange(20 * 24).view(1, 1, 20, 24), set()
    for step in range(600):
        seen = images[window(Draw(0, step))]
        assert seen.shape == (1, 1, 12, 16) and torch.equal(seen, images[window(Draw(0, step, player=1))])
        corners.add(divmod(int(seen[0, 0, 0, 0]), 24))
    assert corners == {(y, x) for y in range(PHASES) for x in range(PHASES)}


def test_each_player_learns_in_its_turn_alone(batch: dict[str, Tensor]) -> None:
    game = build_gan_game(TrainConfig(**GAN), generator(), None)
    for name, player in game.players.items():
        for other in game.players.values():
            other.network.requires_grad_(other is player)
            other.network.zero_grad()
        player.loss(batch, Draw(0, rows=4))[0].backward()
        for other_name, other in game.players.items():
            moved = [parameter.grad is not None for parameter in other.network.parameters()]
            assert all(moved) if other_name == name else not any(moved)
    assert game.product == "generator" and generator_of(game).config == generator().config


def test_a_critic_that_sees_through_everything_pulls_towards_the_truth(batch: dict[str, Tensor]) -> None:
    """One step of the critic and of the generator raises what the critic thinks of the upscaled."""
    config = TrainConfig(**GAN | {"adversarial": 1.0, "pixel": 0.0, "perceptual": 0.0, "consistency": 0.0, "grid": 0.0})
    game = build_gan_game(config, generator(), blurs)
    critic, network = game.players["critic"], game.players["generator"].network
    steps = {name: torch.optim.Adam(player.network.parameters(), 1e-3) for name, player in game.players.items()}
    losses = []
    for _ in range(10):
        steps["critic"].zero_grad()
        loss, _ = critic.loss(batch, Draw(0, rows=4))
        loss.backward()
        steps["critic"].step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    critic.network.eval()
    before, _ = game.players["generator"].loss(batch, Draw(0, rows=4))
    steps["generator"].zero_grad()
    before.backward()
    steps["generator"].step()
    after, _ = game.players["generator"].loss(batch, Draw(0, rows=4))
    assert after < before and network.training


# --- runs


def play(data: PhotoData, out: Path, steps: int, resume: bool = False, weights: str | None = None) -> None:
    settings = (GAN | {"weights": weights}) if weights else SMALL
    config = TrainConfig(**settings, steps=steps, snapshot=12, final_lr=1.0, out=out, resume=resume)
    game = build_gan_game(config, generator(), blurs) if weights else build_pixel_game(config)
    monitor = SharpMonitor if weights else PhotoMonitor
    eyes = monitor(config, data, generator().config, *([None] if weights else []))
    open_run(out, config)
    Trainer(config, out).fit(game, Patches(data.train, config.patch, 2), eyes)


@pytest.mark.parametrize("weights", [None, "somewhere"])
def test_a_resumed_run_is_the_same_run(weights: str | None, data: PhotoData, tmp_path: Path) -> None:
    play(data, tmp_path / "whole", 6, weights=weights)
    play(data, tmp_path / "parts", 3, weights=weights)
    play(data, tmp_path / "parts", 6, resume=True, weights=weights)
    for name in ("checkpoints/step-000000006.safetensors", "model.safetensors"):
        whole, parts = (load_file(tmp_path / out / name) for out in ("whole", "parts"))
        assert whole.keys() == parts.keys()
        assert [key for key in whole if not torch.equal(whole[key], parts[key])] == []
        assert all(tensor.isfinite().all() for tensor in whole.values())


def test_runs_leave_weights_and_twins_of_them(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soft, sharp = tmp_path / "soft", tmp_path / "soft-gan"
    main(TrainConfig(**SMALL, data=str(folder), steps=4, out=soft))
    main(TrainConfig(**GAN | {"weights": str(soft)}, data=str(folder), steps=2, out=sharp))
    said = capsys.readouterr()
    assert f"wrote {soft}: the best weights" in said.out and "4 training pictures, 2 held out" in said.err
    assert [path.suffix for path in (soft / "samples").iterdir()] == [".png"]
    rows = [json.loads(line) for line in (sharp / "metrics.jsonl").read_text().splitlines()]
    for name in ("critic", "generator", "perceptual", "consistency", "fidelity", "psnr_y"):
        assert any(name in row for row in rows)
    assert "--core gan" in (sharp / "README.md").read_text()
    model = load_superres_model(str(soft), sharpness=0.5)
    assert model.scale == 2 and model.data["name"] == "waves"


def test_training_begins_as_smaller_weights(folder: Path, tmp_path: Path) -> None:
    small, larger = tmp_path / "small", {"depth": 3, "width": 10, "weights": str(tmp_path / "small")}
    main(TrainConfig(**SMALL | {"depth": 2}, data=str(folder), steps=2, out=small))
    begun = build_pixel_game(TrainConfig(**SMALL | larger)).players["generator"].network
    x = torch.rand(1, 3, 12, 11)
    torch.testing.assert_close(begun(x), load_superres_model(str(small)).network(x), rtol=0, atol=1e-5)
    main(TrainConfig(**SMALL | larger, data=str(folder), steps=2, out=tmp_path / "large"))
    assert f"Began as: {small}" in (tmp_path / "large" / "README.md").read_text()
    for wrong, problem in (
        ({"scale": 3}, "upscale 2 times"),
        ({"depth": 1}, "more than 10 and 1; choose another --net"),
    ):
        with pytest.raises(UserError, match=problem):
            build_pixel_game(TrainConfig(**SMALL | larger | wrong))


def test_weights_and_pictures_of_no_use_are_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        prepare(TrainConfig(**GAN | {"weights": "nowhere"}, data=str(folder)))
    with pytest.raises(UserError, match=r"0 pictures can be used .skipped 6 pictures: 6 smaller than 128 pixels"):
        prepare(TrainConfig(**SMALL | {"patch": 64}, data=str(folder)))


# --- settings


@pytest.mark.parametrize(
    ("asked", "flag"),
    [
        ({"scale": 5}, "--scale"),
        ({"width": 2}, "--width"),
        ({"depth": 0}, "--depth"),
        ({"patch": 4}, "--patch"),
        ({"frequency": -1.0}, "--frequency"),
        ({"loss": "hinge"}, "--loss"),
        ({"penalty": 0.5}, "--penalty"),
        ({"adversarial": 0.5}, "--adversarial"),
        ({"critic_width": 64}, "--critic-width"),
        ({"core": "gan"}, "--core"),
        ({"core": "gan", "weights": "x", "scale": 2}, "--scale"),
        ({"core": "gan", "weights": "x", "net": "base"}, "--net"),
        ({"core": "gan", "weights": "x", "perceptual": float("nan")}, "--perceptual"),
        ({"core": "gan", "weights": "x", "critic_width": 4}, "--critic-width"),
        ({"core": "gan", "weights": "x", "patch": 30}, "--patch"),
    ],
)
def test_settings_of_no_use_are_told(asked: dict[str, Any], flag: str) -> None:
    with pytest.raises(UserError, match=f"{flag} "):
        TrainConfig(**asked)


def test_help_has_no_flags_that_nothing_reads(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(main, "superres.train", ["--help"])
    said = capsys.readouterr().out
    assert "--patch" in said and "--latent" not in said and "--condition-dropout" not in said


def test_a_teacher_is_learned_from_beside_the_truth(folder: Path, batch: dict[str, Tensor], tmp_path: Path) -> None:
    main(TrainConfig(**SMALL | {"depth": 2}, data=str(folder), steps=2, out=tmp_path / "teacher"))
    source = str(tmp_path / "teacher")
    teacher = load_superres_model(source)
    low, high = batch["low"] / 255, batch["high"] / 255
    for taught in (0.25, 1.0):
        game = build_pixel_game(TrainConfig(**SMALL, teacher=source, taught=taught))
        total, figures = game.players[game.product].loss(batch, Draw(0))
        made = generator_of(game)(low).detach()
        wanted, _ = fidelity_loss(made, teacher.upscale(low), TrainConfig.frequency)
        truth, _ = fidelity_loss(made, high, TrainConfig.frequency)
        torch.testing.assert_close(figures["taught"], wanted, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(total, taught * wanted + (1 - taught) * truth, rtol=1e-4, atol=1e-6)
    with pytest.raises(UserError, match=r"--teacher .* upscales 2 times; choose that --scale"):
        build_pixel_game(TrainConfig(**SMALL | {"scale": 3}, teacher=source))
    for wrong in ({"taught": 0.3}, {"teacher": source, "taught": 0.0}, GAN | {"teacher": source}):
        with pytest.raises(UserError, match=r"--(teacher|taught) "):
            TrainConfig(**wrong)
