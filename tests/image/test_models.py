"""A trained model is one thing to draw with, whichever core made it."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from common.cores.vae import VAE
from common.errors import UserError
from common.weights import save_weights
from image.config import Net
from image.data.loading import CHUNK, to_uint8
from image.models import ImageModel, load_image_model
from image.networks import NetworkConfig, build_generator, build_vae

CLASSES = ("Ankle boot", "7", "Bag")


def gan(net: Net = "residual", classes: tuple[str, ...] = CLASSES) -> ImageModel:
    torch.manual_seed(0)
    config = NetworkConfig(net, 16, 1, 4, 8, len(classes))
    network = build_generator(config).eval()
    for parameter in network.parameters():
        parameter.data *= 10 if net == "dcgan" else 1  # its initial weights are too small to show anything
    return ImageModel(network, config, classes, "some-gan")


def vae(classes: tuple[str, ...] = ()) -> ImageModel:
    torch.manual_seed(0)
    config = NetworkConfig("residual", 16, 1, 4, 8, len(classes))
    return ImageModel(build_vae(config).eval(), config, classes, "some-vae")


# --- latents


def test_a_seed_means_the_same_latents() -> None:
    model = gan()
    assert torch.equal(model.latents(5, 3), model.latents(5, 3))
    assert not torch.equal(model.latents(5, 3), model.latents(5, 4))
    z = model.latents(10_000)
    assert z.shape == (10_000, 8) and z.device.type == "cpu"
    assert z.mean().abs() < 0.02 and (z.std() - 1).abs() < 0.02


def test_the_mixture_draws_where_it_was_fitted() -> None:
    model = vae()
    assert isinstance(model.network, VAE) and model.network.sampler is not None
    generator = torch.Generator().manual_seed(0)
    model.network.sampler.fit(3 + 0.1 * torch.randn(500, 8, generator=generator))
    z = model.latents(1_000, 0, "mixture")
    assert torch.equal(z, model.latents(1_000, 0, "mixture"))
    assert (z.mean(0) - 3).abs().max() < 0.05 and (z.std(0) - 0.1).abs().max() < 0.03


def test_a_gan_has_no_mixture_and_no_encoder() -> None:
    with pytest.raises(UserError, match="some-gan is a GAN"):
        gan().latents(2, 0, "mixture")
    with pytest.raises(UserError, match="some-gan is a GAN"):
        gan().reconstruct(torch.zeros(1, 1, 16, 16, dtype=torch.uint8))


# --- decoding


@pytest.mark.parametrize("model", [gan(), gan("dcgan"), vae(CLASSES)], ids=["residual", "dcgan", "cvae"])
def test_pictures_are_bytes_and_chunks_do_not_show(model: ImageModel) -> None:
    z, labels = model.latents(CHUNK + 9), torch.arange(CHUNK + 9) % 3
    images = model.decode(z, labels)
    assert images.shape == (CHUNK + 9, 1, 16, 16) and images.dtype == torch.uint8
    alone = model.decode(z[-9:], labels[-9:])
    assert (images[-9:].int() - alone.int()).abs().max() <= 1  # rounding


@pytest.mark.parametrize("model", [gan(), gan("dcgan"), vae(CLASSES)], ids=["residual", "dcgan", "cvae"])
def test_weights_of_labels_generalise_labels(model: ImageModel) -> None:
    z, labels = model.latents(6), torch.tensor([0, 1, 2, 0, 1, 2])
    one_hot = torch.nn.functional.one_hot(labels, 4).float()
    assert (model.decode(z, labels).int() - model.decode(z, one_hot).int()).abs().max() <= 1
    assert not torch.equal(model.decode(z, one_hot), model.decode(z, one_hot[[1, 2, 0, 1, 2, 0]]))


def test_a_conditional_vae_without_labels_draws_them_evenly() -> None:
    model = vae(CLASSES)
    z = model.latents(6)
    assert torch.equal(model.decode(z), model.decode(z, torch.tensor([0, 1, 2, 0, 1, 2])))


def test_samples_come_from_the_seed_s_latents() -> None:
    model, labels = gan(), torch.tensor([2, 2, 0])
    assert torch.equal(model.sample(3, labels, seed=5), model.decode(model.latents(3, 5), labels))


def test_reconstruction_is_the_decoded_posterior_mean() -> None:
    model = vae()
    images = torch.randint(256, (3, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mean = model.vae.encode(images / 127.5 - 1).mean
        expected = to_uint8(model.vae.likelihood.mean(model.vae.decode(mean)))
    assert torch.equal(model.reconstruct(images), expected)


# --- labels


def test_labels_go_by_name_in_any_case_or_by_number() -> None:
    model = gan()
    assert [model.label(name) for name in ("ankle BOOT", "Bag", "0", "2")] == [0, 2, 0, 2]
    assert model.label("7") == 1  # a name counts before a number


@pytest.mark.parametrize("name", ["zebra", "3", "-1", "", "²"])
def test_unknown_labels_are_named_beside_the_known(name: str) -> None:
    with pytest.raises(UserError, match="Ankle boot, 7, Bag") as caught:
        gan().label(name)
    assert f"--label {name}:" in str(caught.value) and "\n" not in str(caught.value)


def test_an_unconditional_model_takes_no_label() -> None:
    with pytest.raises(UserError, match="takes none"):
        vae().label("0")


# --- loading


def test_a_model_survives_its_folder(tmp_path: Path) -> None:
    model = vae()
    assert isinstance(model.network, VAE) and model.network.sampler is not None
    model.network.sampler.fit(torch.randn(50, 8, generator=torch.Generator().manual_seed(1)))
    model.network.half().float()  # as weights are saved
    config = {"domain": "image", "kind": "vae", "network": model.config.as_json(), "classes": [], "data": {"name": "x"}}
    save_weights(tmp_path / "w", model.network, config, "# card\n")
    loaded = load_image_model(str(tmp_path / "w"))
    assert (loaded.name, loaded.data, loaded.config) == ("w", {"name": "x"}, model.config)
    assert torch.equal(loaded.sample(4, seed=1), model.sample(4, seed=1))
    assert torch.equal(loaded.latents(4, 1, "mixture"), model.latents(4, 1, "mixture"))


def test_a_run_is_named_after_its_folder_from_inside_too(cgan_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cgan_run)
    assert load_image_model(".").name == "shapes-cgan"


def damaged(folder: Path, tmp_path: Path, **changes: object) -> str:
    """A copy of the weights with another config; None takes a key out."""
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(folder / "model.safetensors", copy)
    config = json.loads((folder / "config.json").read_text()) | changes
    (copy / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    return str(copy)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": None},
        {"network": None},
        {"classes": None},
        {"network": {"side": 16}},
        {"network": 3},
        {"kind": "x"},
        {"truncation": 0.0},
        {"truncation": "much"},
    ],
)
def test_a_config_that_makes_no_sense_is_refused(changes: dict[str, object], cgan_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_image_model(damaged(cgan_run, tmp_path, **changes))
    assert "\n" not in str(caught.value)


def test_weights_of_another_width_are_refused(cgan_run: Path, tmp_path: Path) -> None:
    network = json.loads((cgan_run / "config.json").read_text())["network"] | {"width": 8}
    with pytest.raises(UserError, match=r"shape|lacks"):
        load_image_model(damaged(cgan_run, tmp_path, network=network))


def test_a_classifier_draws_nothing() -> None:
    with pytest.raises(UserError, match="holds image/classifier weights; this command wants image/gan or vae"):
        load_image_model("features")
