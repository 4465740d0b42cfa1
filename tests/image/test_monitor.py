"""The trainer's eyes: what they draw, measure and write down, and what they never look at."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

from common.cli import command, parse
from common.cores.vae import VAE
from common.data.arrays import Arrays
from common.errors import UserError
from image.config import TrainConfig
from image.data.loading import ImageData, load_images
from image.games import network_config
from image.judges.features import find_extractor
from image.models import load_image_model
from image.monitor import ImageMonitor
from image.networks import build_generator, build_vae
from image.train import main

FACTS = {"images": 80, "seconds": 90.0, "hardware": "1 CPU thread", "best_images": 40, "figures": {"frechet": 2.5}}


@pytest.fixture(scope="module")
def data(shapes: Path) -> ImageData:
    return load_images(str(shapes))


def monitor(data: ImageData, **settings: Any) -> tuple[ImageMonitor, nn.Module]:
    config = TrainConfig(**{"data": "shapes", "core": "cgan", "net_size": "debug", "latent": 8} | settings)
    torch.manual_seed(0)
    network = network_config(config, data)
    product = build_vae(network) if config.is_vae else build_generator(network)
    return ImageMonitor(config, data, network, torch.device("cpu")), product.eval()


def blind(data: ImageData) -> ImageData:
    """The data with nothing held out to look at."""
    return replace(data, test=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("core", "rows", "left"), [("cgan", 2, True), ("gan", 10, False), ("cvae", 2, True), ("vae", 10, False)]
)
def test_a_sheet_has_a_row_a_class(core: str, rows: int, left: bool, data: ImageData, tmp_path: Path) -> None:
    eyes, product = monitor(blind(data), core=core)
    eyes.sheet(product, tmp_path / "000")
    width, height = Image.open(tmp_path / "000.png").size
    assert height == rows * (96 + 4) and (width > 10 * 98 + 2 + 2 * 8) == left


def test_a_sheet_shows_the_same_latents_every_time(data: ImageData, tmp_path: Path) -> None:
    eyes, product = monitor(data)
    for name in ("a", "b"):
        eyes.sheet(product, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("core", "extra"), [("cgan", "class_match"), ("gan", "class_entropy"), ("cvae", "class_match")]
)
def test_a_verdict_is_repeatable_and_never_sees_held_out_images(core: str, extra: str, data: ImageData) -> None:
    eyes, product = monitor(blind(data), core=core)
    first, second = eyes.judge(product, 100), eyes.judge(product, 200)
    assert first == second
    assert set(first.figures) == {"frechet", "coverage", "recall", extra}
    assert first.score == first.figures["frechet"] > 0


@torch.no_grad()
def test_near_few_pictures_a_distance_below_their_own_tells_no_more(data: ImageData) -> None:
    eyes, product = monitor(data, core="vae", neighbours=True)
    worse = eyes.judge(product, 100)
    assert worse.score == worse.figures["frechet"] > eyes.least > 0 and not worse.saturated
    eyes.least = worse.figures["frechet"] + 1
    assert (eyes.judge(product, 100).score, eyes.judge(product, 100).saturated) == (eyes.least, True)
    assert monitor(data, core="vae", neighbours=False)[0].least == 0


def test_the_data_themselves_would_score_best(data: ImageData) -> None:
    class Replay(nn.Module):
        """Answers with training images of the class."""

        def __init__(self) -> None:
            super().__init__()
            self.here = nn.Parameter(torch.zeros(()))

        def forward(self, z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            arrays = data.train.tensors
            pools = [arrays["image"][arrays["label"] == label] for label in (0, 1)]
            chosen = [
                pools[label][int(row[0].abs() * 1e6) % len(pools[label])]
                for row, label in zip(z, labels.tolist(), strict=True)
            ]
            return torch.stack(chosen) / 127.5 - 1

    eyes, generator = monitor(data)
    good, bad = eyes.judge(Replay(), 0), eyes.judge(generator, 0)
    assert good.figures["class_match"] > 0.95 > bad.figures["class_match"]
    assert good.figures["coverage"] > 0.5 > bad.figures["coverage"]
    assert good.score is not None and bad.score is not None and good.score < bad.score / 10


def test_a_judge_asks_for_the_classes_in_the_shares_of_real_images(data: ImageData) -> None:
    """Of uneven data, evenly labelled samples would be the further away the better they keep to their labels."""
    few = torch.cat([torch.where(data.train.tensors["label"] == label)[0][:most] for label, most in ((0, 30), (1, 10))])
    eyes, product = monitor(replace(data, train=Arrays(data.train.gather(few))))
    asked: list[torch.Tensor] = []
    product.register_forward_pre_hook(lambda module, inputs: asked.append(inputs[1]))
    eyes.judge(product, 0)
    assert torch.cat(asked).bincount().tolist() == [30, 10]


def test_samples_that_are_not_finite_never_win(data: ImageData) -> None:
    eyes, product = monitor(data, core="vae")
    for parameter in product.parameters():
        parameter.data.fill_(torch.nan)
    verdict = eyes.verdict(product, 0)
    assert verdict.score == float("inf") and verdict.warning


def test_judging_a_vae_fits_its_sampler(data: ImageData) -> None:
    eyes, product = monitor(blind(data), core="vae")
    assert isinstance(product, VAE) and product.sampler is not None
    assert not product.sampler.means.any()
    eyes.judge(product, 0)
    with torch.no_grad():
        posterior = product.encode(data.train.tensors["image"] / 127.5 - 1)
    torch.testing.assert_close(product.sampler.weights.sum(), torch.tensor(1.0))
    mean = product.sampler.weights @ product.sampler.means
    error = (posterior.mean.var(0) + posterior.log_variance.exp().mean(0)).div(len(data.train)).sqrt()
    assert ((mean - posterior.mean.mean(0)).abs() < 5 * error).all()


def test_the_alarm_s_memory_survives_a_resume(data: ImageData) -> None:
    eyes, _ = monitor(data)
    eyes.alarm.update(coverage=0.9, floor=0.95, images=10)
    later, _ = monitor(data)
    later.restore(json.loads(json.dumps(eyes.state())))
    assert later.state() == eyes.state() != monitor(data)[0].state()


def test_a_run_of_old_is_judged_on_by_the_features_it_began_with(data: ImageData) -> None:
    eyes, _ = monitor(data)
    assert eyes.extractor.name == eyes.state()["extractor"] == find_extractor().name
    old = {name: value for name, value in eyes.state().items() if name != "extractor"}
    eyes.restore(old)
    assert eyes.extractor.name.startswith("features@") and eyes.real.shape[1] == 128
    later, _ = monitor(data)
    later.restore(eyes.state())
    assert later.extractor.name == eyes.extractor.name


# --- config and card


def test_what_it_describes_can_be_loaded(cgan_run: Path, vae_run: Path) -> None:
    for run, classes in ((cgan_run, ("bars", "discs")), (vae_run, ())):
        model = load_image_model(str(run))
        assert model.classes == classes and model.data == {"name": "shapes", "fit": "crop"}


def test_the_card_tells_how_it_was_made(data: ImageData) -> None:
    eyes, _ = monitor(data, lr=1e-3)
    config, card = eyes.describe(FACTS)
    assert config["kind"] == "gan" and config["classes"] == ["bars", "discs"]
    trained = "after 40 training images, 2 minutes on 1 CPU thread\n"
    for words in (command("image.train", eyes.config), eyes.extractor.name, "| frechet | 2.5 |", data.source, trained):
        assert words in card


@pytest.mark.parametrize(("core", "conditional"), [("cgan", True), ("gan", False), ("cvae", True), ("vae", False)])
def test_the_card_lists_classes_that_can_be_asked_for(core: str, conditional: bool, data: ImageData) -> None:
    eyes, _ = monitor(data, core=core)
    _, card = eyes.describe(FACTS)
    assert ("Classes: bars, discs." in card) == conditional
    assert ("Unconditional: takes no class." in card) != conditional


def test_a_side_of_no_network_is_refused_before_anything_is_decoded(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("image.data.loading.load_images", lambda *_: pytest.fail("decoded"))
    for size in (4, 30):
        with pytest.raises(UserError, match=f"^--size {size} is not 4, 5, 6 or 7 doubled"):
            main(TrainConfig(data=str(shapes), size=size, steps=1, out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        TrainConfig(data="my pictures", grey=False, minutes=2.5, augment=("translation", "cutout"), augment_target=0.6),
        TrainConfig(core="cvae", grey=True, free_bits=0.25, device="cpu", seed=3),
        TrainConfig(core="gan", spectral_norm=True, betas=(0.5, 0.9), device="cpu"),
    ],
)
def test_the_command_repeats_the_run(config: TrainConfig) -> None:
    python, dash, module, *arguments = shlex.split(command("image.train", config))
    assert (python, dash, module) == ("python", "-m", "image.train")
    assert parse(main, "image.train", arguments) == config


def test_where_a_run_lay_is_no_part_of_its_command() -> None:
    assert command("image.train", TrainConfig(out=Path("/somewhere"), overwrite=True)) == "python -m image.train"
