"""Pictures that are not square, and large ones, on their way from a folder to a report."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from image.config import EvaluateConfig, GenerateConfig, TrainConfig
from image.data.__main__ import main as look
from image.data.config import DataConfig
from image.data.loading import CHUNK, at_a_time
from image.edit.__main__ import main as edit
from image.edit.config import EditConfig
from image.evaluate import main as evaluate
from image.generate import main as generate
from image.models import load_image_model
from image.train import main as train

WIDE = (24, 16)  # width and height in pixels
TINY = {"net_size": "debug", "latent": 8, "steps": 2, "batch": 8, "final_lr": 1.0, "device": "cpu", "precision": "fp32"}


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 x 100 grey pictures of 30 x 20 pixels, each described: ramps to the right and ramps down."""
    folder, rng = tmp_path_factory.mktemp("data") / "wide", np.random.default_rng(0)
    y, x = np.mgrid[:20, :30]
    for name, ramp in (("down", y * 10), ("right", x * 6)):
        (folder / name).mkdir(parents=True)
        for index in range(100):
            pixels = ramp + rng.normal(20, 8, ramp.shape)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name / f"{index}.png")
            (folder / name / f"{index}.txt").write_text(f"a ramp {name}", encoding="utf-8")
    return folder


def run(data: Path, out: Path, size: int | str, **settings: Any) -> Path:
    train(TrainConfig(data=str(data), size=size, out=out, **TINY | settings))
    return out


@pytest.fixture(scope="module")
def wide_run(wide: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(wide, tmp_path_factory.mktemp("runs") / "wide-cgan", "24x16")


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


@pytest.mark.parametrize(
    "settings",
    [
        {"core": "gan", "augment": ("translation", "affine", "cutout", "colour")},
        {"core": "cgan", "net": "dcgan", "spectral_norm": True},
        {"core": "tgan", "vocabulary": 520},
        {"core": "vae"},
        {"core": "cvae"},
    ],
    ids=lambda settings: settings["core"],
)
def test_every_core_learns_them(settings: dict[str, Any], wide: Path, tmp_path: Path) -> None:
    out = run(wide, tmp_path / "run", "24x16", **settings)
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert config["network"]["side"] == "24x16" and "Draws 24 x 16 images" in (out / "README.md").read_text("utf-8")
    model = load_image_model(str(out))
    assert model.decode(model.latents(3)).shape == (3, 1, 16, 24)


def test_a_run_of_them_goes_on(wide: Path, wide_run: Path, tmp_path: Path) -> None:
    parts = run(wide, tmp_path / "parts", "24x16", steps=1)
    run(wide, parts, "24x16", resume=True)
    ends = [(out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1] for out in (parts, wide_run)]
    first, second = ({name: value for name, value in json.loads(end).items() if "second" not in name} for end in ends)
    assert first == second and first["images"] == 16


def test_they_are_drawn_alone_on_sheets_and_moving(wide_run: Path, tmp_path: Path) -> None:
    def drawn(out: str, **flags: Any) -> Path:
        generate(GenerateConfig(weights=str(wide_run), n=4, out=f"{tmp_path}/{out}", device="cpu", **flags))
        return tmp_path / out

    singles = sorted(drawn("singles/").iterdir())
    assert len(singles) == 4 and {size_of(path) for path in singles} == {WIDE}
    assert size_of(drawn("grid.png", label=("down",))) == (2 + 2 * (96 + 2), 2 + 2 * (64 + 2))  # four times as large
    assert size_of(drawn("morph.gif", interpolate="seeds", frames=3)) == (2 + 2 * (96 + 2), 2 + 2 * (64 + 2))


def test_they_are_edited(wide: Path, wide_run: Path, tmp_path: Path) -> None:
    flags: dict[str, Any] = {"steps": 3, "starts": 1, "least": -99, "device": "cpu"}
    picture, out = wide / "down" / "0.png", tmp_path / "edited.png"
    edit(EditConfig(picture=picture, weights=str(wide_run), direction=("right=2",), out=out, **flags))
    assert out.is_file()


def test_they_are_measured(wide: Path, wide_run: Path, vae_wide_run: Path, tmp_path: Path) -> None:
    for weights in (wide_run, vae_wide_run):
        out = tmp_path / weights.name
        evaluate(EvaluateConfig(weights=str(weights), data=str(wide), n=16, device="cpu", out=out))
        assert (out / "report.html").is_file() and (out / "evaluation.json").is_file()


def test_they_are_looked_at(wide: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    look(DataConfig(data=str(wide), size="24x16", minutes=0.1, device="cpu", out=tmp_path / "look"))
    told = capsys.readouterr().out
    assert "0 would be enlarged to 24 x 16" in told and "--size 24x16" in told
    assert (tmp_path / "look" / "contact-sheet.png").is_file()


@pytest.fixture(scope="module")
def vae_wide_run(wide: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(wide, tmp_path_factory.mktemp("runs") / "wide-vae", "24x16", core="vae")


@pytest.mark.parametrize(("size", "critic"), [(256, "aided"), (512, "plain")])  # aided ones take a minute at 512
def test_large_ones_are_learned(size: int, critic: str, wide: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted((wide / "down").glob("[12]*.png")):
        shutil.copy(path, few)
    out = run(few, tmp_path / "run", size, critic=critic, batch=4)
    assert load_image_model(str(out)).sample(2).shape == (2, 1, size, size)


def test_as_many_pixels_as_ever_go_through_a_network_at_a_time() -> None:
    assert at_a_time(28, 28) == at_a_time(64, 64) == CHUNK
    assert at_a_time(64, 128) == CHUNK // 2 and at_a_time(512, 512) == CHUNK // 64 and at_a_time(1024, 4096) == 1


def test_parts_do_not_show(wide_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_image_model(str(wide_run))
    whole = model.sample(8, torch.arange(8) % 2)
    monkeypatch.setattr("image.data.loading.CHUNK_SIDE", 2)  # so that few go through at a time
    assert at_a_time(16, 24) == 2
    assert (model.sample(8, torch.arange(8) % 2).int() - whole.int()).abs().max() <= 1
