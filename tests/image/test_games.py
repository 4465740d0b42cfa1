"""What a run's data decide where no flag does, and that runs go on as they began."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from common.data.arrays import Arrays
from common.errors import UserError
from common.pictures.perceptual import load_squeezenet, perceptual_loss
from common.randomness import Draw
from common.training.runs import open_run
from image.config import TrainConfig
from image.data.loading import ImageData, ImageSpec
from image.games import FEW, SMALLEST_AIDED, build_game, settled
from image.networks import NetworkConfig

LEFT = ("batch", "critic", "augment", "mirror", "finish")
LEARNING = ("batch", "perceptual", "optimizer", "lr")


def data(count: int = 8, size: int = SMALLEST_AIDED) -> ImageData:
    images = torch.zeros(1, 3, 1, 1, dtype=torch.uint8).expand(count, 3, 1, 1)
    train, test = Arrays({"image": images}), Arrays({"image": images[:1]})
    return ImageData("x", ImageSpec(size, 3), train, test, {}, "", ([""] * count, [""]))


def decided(config: TrainConfig, of: ImageData | None = None) -> dict[str, Any]:
    found = settled(config, of or data(), "x")
    return {name: getattr(found, name) for name in LEFT}


def test_few_pictures_are_augmented_and_mirrored() -> None:
    few = decided(TrainConfig(data="folder", core="gan", device="cpu"))
    assert few == {
        "batch": 16, "critic": "aided", "augment": ("translation", "colour", "cutout"), "mirror": True,
        "finish": "smooth",
    }  # fmt: skip
    assert decided(TrainConfig(data="folder", core="gan"), data(FEW))["augment"] == ()


@pytest.mark.parametrize("name", ["digits", "emoji", "fashion-mnist"])
def test_what_mirrors_would_spoil_is_not_mirrored(name: str) -> None:
    assert decided(TrainConfig(data=name))["mirror"] is False


def test_small_pictures_and_the_paper_s_network_have_one_critic() -> None:
    assert decided(TrainConfig(core="gan"), data(size=28))["critic"] == "plain"
    assert decided(TrainConfig(core="gan", net="dcgan"))["critic"] == "plain"


def test_a_vae_has_no_critic() -> None:
    found = decided(TrainConfig(data="folder", core="vae"))
    assert (found["critic"], found["augment"]) == (None, None)


@pytest.mark.skipif(load_squeezenet() is None, reason="needs SqueezeNet's weights")
@pytest.mark.parametrize(
    ("given", "size", "learning"),
    [
        ({}, SMALLEST_AIDED, (16, 5.0, "muon", 3e-3)),
        ({"perceptual": 2.0, "lr": 1e-4}, SMALLEST_AIDED, (16, 2.0, "muon", 1e-4)),
        ({"optimizer": "adam"}, SMALLEST_AIDED, (16, 5.0, "adam", None)),
        ({"perceptual": 0.0}, SMALLEST_AIDED, (64, 0.0, None, None)),
        ({}, 28, (64, 0.0, None, None)),
    ],
)
def test_a_vae_of_large_pictures_learns_by_trained_features(
    given: dict[str, Any], size: int, learning: tuple[Any, ...]
) -> None:
    found = settled(TrainConfig(data="folder", core="vae", device="cpu", **given), data(size=size), "x")
    assert tuple(getattr(found, name) for name in LEARNING) == learning


def test_trained_features_count_beside_a_vae_s_nats() -> None:
    squeezenet = load_squeezenet()
    if squeezenet is None:
        pytest.skip("needs SqueezeNet's weights")
    network = NetworkConfig("residual", 32, 1, 4, 8)
    config = TrainConfig(core="vae", perceptual=3.0, latent=8)
    player = build_game(config, network).players["vae"]
    batch, draw = {"image": torch.randint(256, (4, 1, 32, 32))}, Draw(0, rows=4)
    with torch.no_grad():
        loss, figures = player.loss(batch, draw)
        real = batch["image"] / 127.5 - 1
        made = player.network(real, Draw(0, rows=4).normal(8), with_mean=True)[2]
        wanted = perceptual_loss(squeezenet, made.expand(-1, 3, -1, -1), real.expand(-1, 3, -1, -1), None, draw)
    assert figures["perceptual"].item() == pytest.approx(wanted.item(), rel=1e-4)
    nats = -figures["elbo"] + 3 * 32 * 32 * figures["perceptual"]
    assert loss.item() == pytest.approx(nats.item(), rel=1e-5)


def test_a_vae_of_before_goes_on_without_trained_features(tmp_path: Path) -> None:
    config = TrainConfig(data="folder", core="vae", out=tmp_path)
    then = {name: value for name, value in vars(config).items() if name in LEFT}
    (tmp_path / "run.json").write_text(json.dumps(then | {"perceptual": 0.0}))
    found = settled(replace(config, resume=True), data(), "x")
    assert (found.perceptual, found.optimizer, found.lr) == (0.0, None, None)


@pytest.mark.parametrize(
    "given",
    [
        {"batch": 64},
        {"critic": "plain"},
        {"augment": ()},
        {"augment": ("affine",)},
        {"mirror": False},
        {"finish": "shuffle"},
    ],
)
def test_a_flag_is_kept(given: dict[str, Any]) -> None:
    assert given.items() <= decided(TrainConfig(data="folder", core="gan", **given)).items()


def record(folder: Path, change: Callable[[dict[str, Any]], object]) -> TrainConfig:
    config = TrainConfig(data="folder", core="gan", out=folder)
    then = {name: value for name, value in vars(config).items() if name in LEFT} | {"data": "folder"}
    change(then)
    (folder / "run.json").write_text(json.dumps(then))
    return replace(config, resume=True)


def test_a_run_goes_on_as_it_began_though_its_data_have_grown(tmp_path: Path) -> None:
    began = {"batch": 8, "critic": "plain", "augment": ["cutout"], "mirror": True, "finish": "smooth"}
    config = record(tmp_path, lambda then: then.update(began))
    assert decided(config, data(FEW)) == began | {"augment": ("cutout",)}


def test_a_gan_of_before_that_was_told_of_trained_features_goes_on(tmp_path: Path) -> None:
    config = TrainConfig(data="folder", core="gan", out=tmp_path)
    open_run(tmp_path, config)
    record = tmp_path / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"perceptual": 0.0}))
    open_run(tmp_path, replace(config, resume=True))
    record.write_text(json.dumps(json.loads(record.read_text()) | {"perceptual": 1.0}))
    with pytest.raises(UserError, match=r"was started with --perceptual 1.0, not None"):
        open_run(tmp_path, replace(config, resume=True))


def test_a_run_of_before_goes_on_without_what_was_not_there(tmp_path: Path) -> None:
    def before(then: dict[str, Any]) -> None:
        for name in LEFT:
            then.pop(name)
        then["augment"] = []

    found = decided(record(tmp_path, before))
    assert found == {"batch": 64, "critic": "plain", "augment": (), "mirror": False, "finish": "shuffle"}
