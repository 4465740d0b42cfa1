"""Runs that begin with trained weights: of other data, other classes, another size."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from common.data.arrays import Arrays
from common.errors import UserError
from image.config import TrainConfig
from image.data.loading import ImageData, ImageSpec
from image.games import begin, build_game, network_config
from image.models import ImageModel, load_image_model
from image.networks import NetworkConfig, build_generator, build_vae, of_decoder, without_classes
from image.train import main

STILL: dict[str, Any] = {"steps": 1, "batch": 8, "lr": 1e-9, "average": 1e-6, "device": "cpu", "precision": "fp32"}


def network(side: int | str, **settings: Any) -> NetworkConfig:
    return NetworkConfig(**{"net": "residual", "channels": 1, "width": 4, "latent": 8} | settings, side=side)


def model(side: int | str, **settings: Any) -> ImageModel:
    """A model whose layers are all of random numbers."""
    torch.manual_seed(1)
    config = network(side, **settings)
    trained = build_generator(config)
    for tensor in trained.parameters():
        torch.nn.init.normal_(tensor)
    return ImageModel(trained, config, tuple("abcdefgh")[: config.classes], "trained")


def begun(trained: ImageModel, config: NetworkConfig) -> tuple[dict[str, torch.Tensor], str]:
    """What a generator of that config begins with, and what is said of it."""
    core = "cgan" if config.classes else "gan"
    game = build_game(TrainConfig(core=core, net_size="debug", latent=8, augment=()), config)
    said = begin(game, trained)
    return game.players[game.product].network.state_dict(), said


def test_larger_pictures_begin_with_the_blocks_of_the_same_channels() -> None:
    small = model(32)
    large, said = begun(small, network(64))
    given, count = small.network.state_dict(), len(small.network.state_dict())
    assert said == f"took {count} of {count} tensors of trained; new: trunk.blocks.1"
    for ours, theirs in ((0, 0), (2, 1), (3, 2)):
        weight = "trunk.blocks.{}.first.weight"
        assert torch.equal(large[weight.format(ours)], given[weight.format(theirs)])
    assert torch.equal(large["trunk.project.weight"], given["trunk.project.weight"])
    again, _ = begun(ImageModel(build_generator(network(64)), network(64), (), ""), network(32))
    assert again.keys() == given.keys()


def test_another_shape_keeps_all_but_the_first_map() -> None:
    _, said = begun(model(32), network("48x32"))
    assert said.endswith("; new: trunk.project")


def test_other_classes_are_learned_anew() -> None:
    assert begun(model(32, classes=3), network(32, classes=5))[1].endswith("; new: condition.embedding")
    assert "new" not in begun(model(32, classes=3), network(32, classes=3))[1]
    assert begun(model(32, classes=3), network(32, classes=3, channels=3))[1].endswith("; new: trunk.last.1")


def test_without_classes_what_was_drawn_without_a_label_is_drawn() -> None:
    trained, z = model(32, classes=3), torch.randn(4, 8)
    tensors, said = begun(trained, network(32))
    assert "new" not in said
    plain = build_generator(network(32))
    plain.load_state_dict(tensors)
    torch.testing.assert_close(plain(z), trained.network(z))
    assert without_classes(plain.state_dict()).keys() == plain.state_dict().keys()


@pytest.mark.parametrize(("likelihood", "classes"), [("logistic", 3), ("gaussian", 0)])
@pytest.mark.parametrize("finish", ["smooth", "shuffle"])
def test_a_generator_begins_as_the_decoder_of_a_vae(likelihood: str, classes: int, finish: str) -> None:
    torch.manual_seed(0)
    config = network(32, classes=classes, likelihood=likelihood, finish=finish, output="linear", channels=3)
    vae, z = build_vae(config), torch.randn(4, 8)
    for tensor in vae.parameters():
        torch.nn.init.normal_(tensor, std=0.1)
    labels = torch.arange(4) % 3 if classes else None
    if vae.condition is not None:  # the generator makes all classes equally long
        table = vae.condition.embedding.weight.data
        table *= 8**0.5 / table.norm(dim=1, keepdim=True)
    tensors, said = begun(ImageModel(vae.eval(), config, tuple("abc")[:classes], "a-vae"), config)
    assert "new" not in said
    generator = build_generator(config)
    generator.load_state_dict(tensors)
    expected = vae.likelihood.mean(vae.decode(z, labels))
    torch.testing.assert_close(generator(z, labels).clamp(-1, 1), expected)


def test_a_generator_draws_of_the_prior_what_a_vae_does_of_its_latents() -> None:
    torch.manual_seed(0)
    config = network(32, output="linear")
    vae, z = build_vae(config), torch.randn(4, 8)
    for tensor in vae.parameters():
        torch.nn.init.normal_(tensor, std=0.1)
    assert vae.sampler is not None
    vae.sampler.fit(torch.randn(500, 8) @ torch.randn(8, 8) + torch.randn(8))
    mean, factor = vae.sampler.moments()
    generator = build_generator(config)
    generator.load_state_dict(of_decoder(vae))
    expected = vae.likelihood.mean(vae.decode(mean + z @ factor.T))
    torch.testing.assert_close(generator(z).clamp(-1, 1), expected)


def test_a_generator_without_classes_begins_with_the_middle_of_a_vae_s() -> None:
    torch.manual_seed(0)
    vae = build_vae(network(32, classes=2))
    assert vae.condition is not None
    table = vae.condition.embedding.weight.data
    table[:2] = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(1, 4)
    tensors, said = begun(ImageModel(vae.eval(), network(32, classes=2), ("a", "b"), "a-vae"), network(32))
    assert "new" not in said
    whole = of_decoder(vae)
    middle = torch.ones(8)  # as long as the latent is on average
    torch.testing.assert_close(
        tensors["trunk.project.bias"], whole["trunk.project.bias"] + whole["trunk.project.weight"][:, 8:] @ middle
    )


def test_what_fits_nowhere_is_told() -> None:
    dcgan = ImageModel(build_generator(network(32, net="dcgan")), network(32, net="dcgan"), (), "a-dcgan")
    with pytest.raises(UserError, match="--weights a-dcgan: none of their layers fit"):
        begun(dcgan, network(32))


def test_critics_go_on_too() -> None:
    torch.manual_seed(1)
    config = TrainConfig(core="gan", net_size="debug", latent=8, augment=(), critic="aided", batch=8)
    first, second = (build_game(config, network(32, channels=3)) for _ in range(2))
    trained = first.players["critic"].network
    for parameter in trained.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter)
    product = ImageModel(first.players["generator"].network, network(32, channels=3), (), "trained")
    kept = {name: tensor for name, tensor in trained.state_dict().items() if not name.startswith("aide.features")}
    assert begin(second, product, kept).endswith(f" of trained and {len(kept)} of {len(kept)} of its critic")
    ours = second.players["critic"].network.state_dict()
    assert all(torch.equal(ours[name], tensor) for name, tensor in kept.items())
    classes = build_game(replace(config, core="cgan"), network(32, channels=3, classes=2))
    new = ["critic.head.condition.embedding", *(f"aide.heads.{head}.head.condition.embedding" for head in range(3))]
    said = begin(classes, product, kept)
    assert f" and {len(kept)} of {len(kept)} of its critic; new: " in said and said.endswith(", ".join(new))


# --- the command


def test_a_run_begins_with_trained_weights(
    cgan_run: Path, shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    main(TrainConfig(data=str(shapes), weights=str(cgan_run), out=out, **STILL))
    before, after = (load_file(folder / "model.safetensors") for folder in (cgan_run, out))
    for name, tensor in before.items():
        torch.testing.assert_close(after[name].float(), tensor.float(), atol=1e-3, rtol=1e-3)
    critic = load_file(cgan_run / "critic.safetensors")
    told = f"image.train: took {len(before)} of {len(before)} tensors of {cgan_run.name}"
    assert f"{told} and {len(critic)} of {len(critic)} of its critic\n" in capsys.readouterr().err
    main(TrainConfig(data=str(shapes), weights=str(cgan_run), out=out, resume=True, **STILL | {"steps": 2}))
    assert "took" not in capsys.readouterr().err


def test_a_vae_begins_with_its_critics_too_and_a_gan_with_both(
    shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, flags = tmp_path / "first", STILL | {"data": str(shapes), "critic": "plain"}
    main(TrainConfig(core="cvae", net_size="debug", latent=8, out=first, **flags))
    critic = len(load_file(first / "critic.safetensors"))
    for core, taken in (("cvae", len(load_file(first / "model.safetensors"))), ("cgan", None)):
        capsys.readouterr()
        main(TrainConfig(core=core, weights=str(first), out=tmp_path / core, **flags))
        told = capsys.readouterr().err
        assert f" tensors of first and {critic} of {critic} of its critic\n" in told
        assert taken is None or f"took {taken} of {taken} tensors" in told


def test_a_run_never_ends_with_worse_than_it_began_with(cgan_run: Path, shapes: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    main(TrainConfig(data=str(shapes), weights=str(cgan_run), out=out, **STILL | {"lr": 1.0, "steps": 2}))
    looks = [row for line in (out / "metrics.jsonl").read_text().splitlines() if "frechet" in (row := json.loads(line))]
    assert [row["step"] for row in looks] == [0, 2]
    assert looks[0]["frechet"] < looks[1]["frechet"]
    before, after = (load_file(folder / "model.safetensors") for folder in (cgan_run, out))
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_a_critic_that_has_yet_to_learn_is_not_kept(cgan_run: Path, shapes: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(cgan_run, alone, ignore=shutil.ignore_patterns("critic.safetensors"))
    main(TrainConfig(data=str(shapes), weights=str(alone), out=tmp_path / "run", **STILL))
    assert (cgan_run / "critic.safetensors").exists() and not (tmp_path / "run" / "critic.safetensors").exists()


@pytest.mark.parametrize(("core", "size"), [("gan", 32), ("cgan", "32x16"), ("cvae", 32), ("vae", 16)])
def test_every_core_begins_with_weights_of_its_kind(
    core: str, size: int | str, shapes: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    weights = request.getfixturevalue("cvae_run" if "vae" in core else "cgan_run")
    main(TrainConfig(data=str(shapes), size=size, core=core, weights=str(weights), out=tmp_path / "run", **STILL))
    assert load_image_model(str(tmp_path / "run")).config.latent == 8  # that of the weights


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"core": "vae"}, "holds image/gan weights; this command wants image/vae"),
        ({"core": "tgan"}, "read no descriptions"),
    ],
)
def test_weights_of_another_kind_are_refused(settings: dict[str, Any], problem: str, cgan_run: Path) -> None:
    with pytest.raises(UserError, match=problem):
        TrainConfig(weights=str(cgan_run), **settings).check_inputs()


@pytest.mark.parametrize("name", ["net", "net_size", "output", "finish", "latent", "spectral_norm"])
def test_settings_that_come_with_the_weights_are_refused(name: str) -> None:
    other = {"net": "dcgan", "net_size": "base", "output": "linear", "finish": "shuffle", "latent": 8}.get(name, True)
    with pytest.raises(UserError, match=f"--{name.replace('_', '-')} is that of the --weights"):
        TrainConfig(weights="digits-cgan", **{name: other})


def test_what_belongs_to_the_data_is_theirs() -> None:
    config = TrainConfig(weights="emoji-text", core="cgan")
    trained = network(64, pieces=500, longest=24, output="linear", width=16)
    arrays = Arrays({"image": torch.zeros(2, 3, 48, 32, dtype=torch.uint8)})
    data = ImageData("some", ImageSpec("48x32", 3, ("a", "b")), arrays, arrays, {}, "", ((), ()))
    found = network_config(config, data, None, trained)
    assert (found.side, found.channels, found.classes, found.pieces, found.longest) == ("48x32", 3, 2, 0, 0)
    assert (found.width, found.output) == (16, "linear")
