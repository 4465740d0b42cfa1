"""Evaluations: the protocol against the published figures, what is measured on what, and the report."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_photos import COUNT, SMALL, picture, save_pictures

from common.errors import UserError
from common.evaluation.report import results_folder
from common.weights import save_weights
from superres import evaluation
from superres.config import EvaluateConfig, TrainConfig
from superres.data.loading import load_photos
from superres.evaluation import evaluate, hardest, has_trained_on, list_pictures, measure
from superres.games import network_config
from superres.metrics import fidelity, mean_fidelity
from superres.models import SuperResModel, load_superres_model, superres_model
from superres.networks import Generator, build_generator
from superres.resize import cropped, low_resolution, upscale

SET5 = Path(__file__).parents[3] / "shared" / "data" / "set5"


class Bicubic(SuperResModel):
    """A model that does what it is compared with."""

    def upscale_picture(self, picture: np.ndarray) -> np.ndarray:
        return upscale(picture, self.scale)


def generator(scale: int = 2) -> Generator:
    torch.manual_seed(0)
    return build_generator(network_config(TrainConfig(**SMALL | {"scale": scale}))).eval()


@pytest.fixture
def weights(tmp_path: Path) -> str:
    config = {"domain": "superres", "kind": "generator", "network": generator().config.as_json()}
    save_weights(tmp_path / "weights", generator(), config | {"data": {"name": "waves"}}, "card")
    return str(tmp_path / "weights")


@pytest.fixture(autouse=True)
def _no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.pictures.perceptual._from_torchvision", lambda: None)


@pytest.mark.skipif(not SET5.is_dir(), reason="needs the shared data")
def test_bicubic_has_its_published_figures() -> None:
    model = Bicubic(**vars(superres_model(generator(4))))
    pictures = list_pictures(EvaluateConfig(data=str(SET5 / "HR")), model, {}, seen=False)
    found = [measure(model, None, *one) for one in pictures]
    mean = mean_fidelity([one.model for one in found])
    assert len(found) == 5 and mean == mean_fidelity([one.bicubic for one in found])
    assert mean.psnr_y == pytest.approx(28.42, abs=0.02)  # published; ours go by way of LR pictures in colour
    assert mean.ssim_y == pytest.approx(0.8104, abs=0.001)


def test_every_figure_has_bicubics_beside_it(weights: str, folder: Path, tmp_path: Path) -> None:
    more = save_pictures(tmp_path / "more", 2)
    found = evaluate(EvaluateConfig(weights=weights, data=str(more), device="cpu"), tmp_path / "out")
    model = load_superres_model(weights)
    expected, bicubic = [], []
    for seed in range(2):
        high = cropped(picture(seed), 2)
        low = low_resolution(high, 2)
        expected.append(fidelity(model.upscale_picture(low), high, low, 2))
        bicubic.append(fidelity(upscale(low, 2), high, low, 2))
    figures = {figure.name: figure for figure in found.tables[0].figures}
    for name, attribute in (("PSNR-Y, dB", "psnr_y"), ("SSIM-Y", "ssim_y"), ("PSNR of RGB, dB", "psnr_rgb")):
        assert figures[name].value == pytest.approx(getattr(mean_fidelity(expected), attribute))
        assert figures[name].reference == pytest.approx(getattr(mean_fidelity(bicubic), attribute))
        assert figures[name].n == 2 and figures[name].better == "higher"
    assert [(figure.name, figure.value) for figure in found.tables[1].figures] == [
        (f"{seed}.png", pytest.approx(one.psnr_y)) for seed, one in enumerate(expected)
    ]
    report = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert report["n"] == 2 and report["scale"] == 2 and len(report["weights_sha256"]) == 64
    page = (tmp_path / "out" / "report.html").read_text()
    assert "PSNR-Y" in page and "MATLAB" in page and "data:image/png" in page
    sheet = Image.open(tmp_path / "out" / "crops.png")
    assert sheet.width == 3 * (2 * 44 + 2) + 2  # small crops are shown at twice their size


def test_of_pictures_it_has_trained_on_only_those_for_validation_are_measured(
    weights: str, folder: Path, tmp_path: Path
) -> None:
    config, model = EvaluateConfig(weights=weights, data=str(folder)), load_superres_model(weights)
    assert not has_trained_on(model, str(folder))  # of that name alone
    names = [name for name, *_ in list_pictures(config, model, {}, seen=False)]
    assert names == [f"{seed}.png" for seed in range(COUNT)]
    trained = replace(model, data={"key": load_photos(str(folder), model.scale, least=8).key})
    others = save_pictures(tmp_path / folder.name, 1)
    assert has_trained_on(trained, str(folder)) and not has_trained_on(trained, str(others))
    with pytest.raises(UserError, match="0 pictures can be used"):  # models learn from patches of 32
        list(list_pictures(config, trained, {}, seen=True))


def test_what_cannot_be_measured_is_told(weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more, out = save_pictures(tmp_path / "more", 1), tmp_path / "out"
    (more / "text.png").write_text("no picture")
    Image.fromarray(picture(1, 20, 60)).save(more / "flat.png")
    found = evaluate(EvaluateConfig(weights=weights, data=str(more), device="cpu"), out)
    assert found.facts["skipped"] == {
        "flat.png": "too small to measure", "text.png": "not a picture, or not in a known format",
    }  # fmt: skip
    (more / "0.png").unlink()
    with pytest.raises(UserError, match=r"none of its pictures can be measured: 2 files"):
        evaluate(EvaluateConfig(weights=weights, data=str(more), device="cpu"), out)
    with pytest.raises(UserError, match="no such file or folder"):
        evaluate(EvaluateConfig(weights=weights, data=str(tmp_path / "nowhere"), device="cpu"), out)


def test_real_degradation_depends_on_the_seed(weights: str, tmp_path: Path) -> None:
    more, model = save_pictures(tmp_path / "more", 2), load_superres_model(weights)
    configs = [EvaluateConfig(data=str(more), degradation="real", seed=seed) for seed in (0, 1, 0)]
    *lows, again = [[low for *_, low in list_pictures(config, model, {}, seen=False)] for config in configs]
    assert all(np.array_equal(*pair) for pair in zip(lows[0], again, strict=True))
    assert not any(np.array_equal(*pair) for pair in zip(lows[0], lows[1], strict=True))


def test_the_hardest_crop_is_where_errors_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "CROP", 8)
    true, found = np.zeros((30, 40, 3), np.uint8), np.zeros((30, 40, 3), np.uint8)
    found[22:30, 31:39] = 50
    assert hardest(found, true) == (22, 31)
    y, x = hardest(np.zeros_like(true), true)
    assert 0 <= y <= 22 and 0 <= x <= 32
    monkeypatch.setattr(evaluation, "CROP", 100)
    assert hardest(found, true) == (0, 0)


def test_reports_go_where_they_are_looked_for(weights: str, tmp_path: Path) -> None:
    assert results_folder(None, weights, "superres") == Path("runs/evaluation-weights")
    (Path(weights) / "run.json").write_text("{}")
    assert results_folder(None, weights, "superres") == Path(weights) / "evaluation"
    assert results_folder(tmp_path, weights, "superres") == tmp_path


@pytest.mark.parametrize("asked", [{"sharpness": 1.5}, {"sharpness": float("nan")}, {"seed": -1}])
def test_settings_of_no_use_are_told(asked: dict[str, float]) -> None:
    with pytest.raises(UserError, match=f"--{next(iter(asked))} must be"):
        EvaluateConfig(data="x", **asked)  # type: ignore[arg-type]
