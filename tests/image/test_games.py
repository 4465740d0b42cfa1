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
from image.config import Core, TrainConfig
from image.data.loading import ImageData, ImageSpec
from image.games import FEW, SMALLEST_AIDED, build_game, chosen_core, network_config, settled
from image.models import ImageModel
from image.networks import NetworkConfig, build_generator, build_vae

LEFT = ("batch", "critic", "augment", "mirror", "finish")
LEARNING = ("batch", "perceptual", "optimizer", "lr")
JUDGED = {"critic": "plain", "adversarial": 5.0}


def data(count: int = 8, size: int = SMALLEST_AIDED) -> ImageData:
    images = torch.zeros(1, 3, 1, 1, dtype=torch.uint8).expand(count, 3, 1, 1)
    train, test = Arrays({"image": images}), Arrays({"image": images[:1]})
    return ImageData("x", ImageSpec(size, 3), train, test, {}, "", ([""] * count, [""]))


def decided(config: TrainConfig, of: ImageData | None = None) -> dict[str, Any]:
    found = settled(config, of or data(), "x")
    return {name: getattr(found, name) for name in LEFT}


def shown(
    config: TrainConfig, size: int = SMALLEST_AIDED, classes: tuple[str, ...] = (), count: int = 1_000
) -> tuple[str, str]:
    of = data(count, size)
    return chosen_core(config, replace(of, spec=replace(of.spec, classes=classes)), None)


@pytest.mark.parametrize(
    ("given", "core"),
    [
        ({"minutes": 8.0}, "vae"),
        ({"minutes": 120.0}, "gan"),
        ({"examples": 5_000}, "vae"),
        ({"minutes": 8.0, "core": "gan"}, "gan"),
        ({"minutes": 8.0, "core": "cgan"}, "gan"),
        ({"minutes": 8.0, "penalty": 1.0}, "gan"),
        ({"minutes": 8.0, "net": "dcgan"}, "gan"),
        ({"minutes": 120.0, "beta": 2.0}, "vae"),
        ({"minutes": 120.0, "perceptual": 1.0}, "vae"),
    ],
)
def test_what_is_named_or_else_time_decides_the_core(given: dict[str, Any], core: str) -> None:
    chosen, why = shown(TrainConfig(data="folder", device="cpu", **given))
    assert chosen == core and bool(why) == (given.keys() <= {"minutes", "examples"} and core == "vae")


def test_few_pictures_without_classes_are_a_vae_s_whatever_the_time() -> None:
    patient = TrainConfig(data="folder", device="cpu", minutes=600.0)
    assert shown(patient, count=100)[0] == "vae" and "near each" in shown(patient, count=100)[1]
    assert shown(patient, count=100, classes=("a", "b"))[0] == "cgan"
    assert shown(patient, size=28, count=100)[0] == "gan"
    assert shown(replace(patient, core="gan"), count=100)[0] == "gan"


def test_classes_are_learned_where_there_are_some_and_small_pictures_by_a_gan() -> None:
    hurried = TrainConfig(data="folder", device="cpu", minutes=8.0)
    assert shown(hurried, classes=("a", "b"))[0] == "cvae" and shown(hurried, size=28)[0] == "gan"
    assert shown(hurried, size=28, classes=("a", "b")) == ("cgan", "")


def test_trained_weights_go_on_as_what_they_are() -> None:
    network = NetworkConfig("residual", 16, 1, 4, 8)
    for built, core in ((build_vae(network), "vae"), (build_generator(network), "gan")):
        begun = ImageModel(built, network)
        assert chosen_core(TrainConfig(minutes=8.0), data(), begun) == (core, "")


@pytest.mark.parametrize(("given", "core"), [({"critic": "plain"}, "vae"), ({"penalty": 1.0}, "gan")])
def test_a_critic_alone_makes_no_gan_of_a_vae(given: dict[str, Any], core: str) -> None:
    network = NetworkConfig("residual", 16, 1, 4, 8)
    assert chosen_core(TrainConfig(**given), data(), ImageModel(build_vae(network), network))[0] == core
    assert chosen_core(TrainConfig(**given), data(), None)[0] == "gan"


def test_a_run_goes_on_with_its_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(data="folder", device="cpu", minutes=8.0)
    open_run(Path("runs/image-x-vae"), replace(config, core="vae"), "", {}, "image.train")
    for named in (None, tmp_path / "runs/image-x-vae"):
        assert shown(replace(config, minutes=600.0, resume=True, out=named)) == ("vae", "")
    assert shown(replace(config, minutes=600.0, resume=True, out=tmp_path / "new"))[0] == "gan"


def test_few_pictures_are_augmented_and_mirrored() -> None:
    few = decided(TrainConfig(data="folder", core="gan", device="cpu"))
    assert few == {
        "batch": 16, "critic": "aided", "augment": ("translation", "colour", "cutout"), "mirror": True,
        "finish": "smooth",
    }  # fmt: skip
    assert decided(TrainConfig(data="folder", core="gan"), data(FEW))["augment"] == ()


@pytest.mark.parametrize(
    ("given", "count", "neighbours"),
    [
        ({"core": "vae"}, 8, True),
        ({"core": "vae", "latent": 4}, 40, False),
        ({"core": "vae", "latent": 500}, 2_000, False),
        ({"core": "vae", "neighbours": False}, 8, False),
        ({"core": "cvae"}, 8, None),
        ({"core": "gan"}, 8, None),
    ],
)
def test_a_vae_of_few_pictures_draws_near_them(given: dict[str, Any], count: int, neighbours: bool | None) -> None:
    found = settled(TrainConfig(data="folder", device="cpu", **given), data(count), "x")
    assert found.neighbours is neighbours
    assert network_config(found, data(count)).points == (count if neighbours else 0)


@pytest.mark.parametrize("core", ["gan", "tgan", "cvae"])
def test_only_vaes_know_where_their_pictures_lie(core: Core) -> None:
    with pytest.raises(UserError, match=f"--neighbours means nothing with --core {core}"):
        TrainConfig(core=core, neighbours=True)


@pytest.mark.parametrize("name", ["digits", "emoji", "fashion-mnist"])
def test_what_mirrors_would_spoil_is_not_mirrored(name: str) -> None:
    assert decided(TrainConfig(data=name))["mirror"] is False


def test_small_pictures_and_the_paper_s_network_have_one_critic() -> None:
    assert decided(TrainConfig(core="gan"), data(size=28))["critic"] == "plain"
    assert decided(TrainConfig(core="gan", net="dcgan"))["critic"] == "plain"


def test_a_vae_has_no_critic_unless_it_is_named() -> None:
    found = decided(TrainConfig(data="folder", core="vae"))
    assert (found["critic"], found["augment"]) == (None, None)
    joined = TrainConfig(core="vae", latent=8, perceptual=0.0, critic_after=500, **JUDGED)
    players = build_game(joined, NetworkConfig("residual", 16, 1, 4, 8)).players
    assert {name: player.joins for name, player in players.items()} == {"critic": 500, "vae": 0}


@pytest.mark.parametrize("core", ["gan", "cgan", "tgan"])
def test_only_a_vae_s_critics_join_later(core: Core) -> None:
    with pytest.raises(UserError, match=f"--critic-after means nothing with --core {core}"):
        TrainConfig(core=core, critic_after=500)
    with pytest.raises(UserError, match="--core vae without --critic"):
        TrainConfig(core="vae", critic_after=500)


@pytest.mark.skipif(load_squeezenet() is None, reason="needs SqueezeNet's weights")
@pytest.mark.parametrize(
    ("given", "size", "learning"),
    [
        ({}, SMALLEST_AIDED, (16, 5.0, None, 3e-3)),
        ({"perceptual": 2.0, "lr": 1e-4}, SMALLEST_AIDED, (16, 2.0, None, 1e-4)),
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
        wanted = perceptual_loss(
            squeezenet.unrectified, made.expand(-1, 3, -1, -1), real.expand(-1, 3, -1, -1), None, draw
        )
    assert figures["perceptual"].item() == pytest.approx(wanted.item(), rel=1e-4)
    nats = -figures["elbo"] + 3 * 32 * 32 * figures["perceptual"]
    assert loss.item() == pytest.approx(nats.item(), rel=1e-5)


def test_a_vae_learns_by_muon_and_its_critics_by_adam() -> None:
    network = NetworkConfig("residual", 32, 1, 4, 8)
    config = TrainConfig(core="vae", latent=8, lr=3e-3, **JUDGED)
    game = build_game(replace(config, perceptual=0.0), network)
    assert {name: player.optimizer.name for name, player in game.players.items()} == {"critic": "adam", "vae": "adam"}
    if load_squeezenet() is not None:
        game = build_game(replace(config, perceptual=3.0), network)
        settings = {name: (player.optimizer.name, player.optimizer.lr) for name, player in game.players.items()}
        assert settings == {"critic": ("adam", 5e-4), "vae": ("muon", 3e-3)}


def test_what_critics_say_to_a_vae_counts_by_values() -> None:
    game = build_game(
        TrainConfig(core="vae", latent=8, perceptual=0.0, **JUDGED), NetworkConfig("residual", 16, 1, 4, 8)
    )
    batch, draw = {"image": torch.randint(256, (4, 1, 16, 16))}, Draw(0, rows=4, images=10_000)
    loss, figures = game.players["vae"].loss(batch, draw)
    nats = -figures["elbo"] + 5 * 16 * 16 * figures["generator"]
    assert loss.item() == pytest.approx(nats.item(), rel=1e-5)


def test_few_pictures_that_a_vae_s_critics_see_are_augmented() -> None:
    assert decided(TrainConfig(data="folder", core="vae", **JUDGED))["augment"] == ("translation", "colour", "cutout")


@pytest.mark.parametrize("given", [{"adversarial": 2.0}, {"penalty": 1.0}, {"augment": ("colour",)}, {"aid": 1.0}])
def test_a_vae_without_critics_refuses_their_settings(given: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="--core vae without --critic"):
        TrainConfig(core="vae", **given)
    assert TrainConfig(core="vae", critic="aided", **given).critic == "aided"


def test_a_vae_of_before_goes_on_without_trained_features(tmp_path: Path) -> None:
    config = TrainConfig(data="folder", core="vae", out=tmp_path)
    then = {name: value for name, value in vars(config).items() if name in LEFT}
    (tmp_path / "run.json").write_text(json.dumps(then | {"perceptual": 0.0}))
    found = settled(replace(config, resume=True), data(), "x")
    assert (found.perceptual, found.optimizer, found.lr, found.neighbours) == (0.0, None, None, False)


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
