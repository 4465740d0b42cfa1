"""Translators learn, are judged, resume exactly, and translate pictures of any kind and size."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from common.cli import parse
from common.cores.gan import pixel_loss, psnr_loss
from common.errors import UserError
from common.pictures.perceptual import perceptual_loss
from common.pictures.reading import Picture, read_picture
from common.randomness import Draw
from image.judges.extractor import load_extractor
from image.translate.__main__ import PROGRAM, plan_outputs
from image.translate.__main__ import main as translate
from image.translate.chroma import rounded_luma
from image.translate.config import Difference, EvaluateConfig, TaskName, TrainConfig, TranslateConfig
from image.translate.data import load_pairs
from image.translate.evaluation import Trial, colours, drawings, evaluate, fillings
from image.translate.exemplars import guessed
from image.translate.games import build_translation_game, translator_config
from image.translate.inpainter import Inpainter, InpainterConfig
from image.translate.models import GRID, TranslationModel, load_translation_model
from image.translate.monitor import TranslationMonitor
from image.translate.networks import Translator, TranslatorConfig
from image.translate.patches import Crops
from image.translate.tasks import TASKS
from image.translate.train import main

SMALL: dict[str, Any] = {
    "net_size": "debug", "critic_width": 4, "patch": 32, "batch": 4, "warm_up": 8, "device": "cpu", "precision": "fp32",
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of waves in colours."""
    root = tmp_path_factory.mktemp("waves")
    y, x = np.mgrid[:40, :48][..., None]
    for seed in range(12):
        draw = np.random.default_rng(seed)
        waves = np.sin(x * draw.uniform(0.1, 1, 3) + y * draw.uniform(0.1, 1, 3))
        Image.fromarray((128 + 100 * waves).astype(np.uint8)).save(root / f"{seed}.png")
    return root


def run(task: TaskName, folder: Path, out: Path, steps: int = 2, **settings: Any) -> Path:
    main(TrainConfig(**SMALL | settings, task=task, data=str(folder), steps=steps, snapshot=8, out=out))
    return out


@pytest.fixture(scope="module")
def weights(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of two steps of each task."""
    root = tmp_path_factory.mktemp("runs")
    return {task: run(task, folder, root / task) for task in ("colorize", "edges", "inpaint")}


def model(task: TaskName, depth: int = 1, tile: int = 2_048) -> TranslationModel:
    torch.manual_seed(0)
    network: Inpainter | Translator = Translator(TranslatorConfig(task, 4, depth)).eval()
    if task == "inpaint":
        network = Inpainter(InpainterConfig("inpaint", 4, (1,) * depth)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return TranslationModel(network, data={"patch": 32}, tile=tile)


def noise(*shape: int, dtype: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


# --- training


def test_the_difference_is_weighted_by_hand() -> None:
    target = torch.tensor([[0.0, 3.0], [0.0, 4.0]]).view(1, 2, 1, 2)  # strengths 0 and 5, weights 1 and 6
    output = target + torch.tensor([1.0, 2.0]).view(1, 1, 1, 2)
    weight = TASKS["colorize"].weight(target[:, :1], target, 1.0)
    assert pixel_loss(output, target, weight).item() == pytest.approx((1 * 1 + 2 * 6) / 7)
    assert pixel_loss(output, target).item() == pytest.approx(1.5)


def test_psnr_is_descended_by_hand() -> None:
    target = torch.zeros(2, 3, 4, 4)
    made = torch.stack([torch.full((3, 4, 4), 0.5), torch.full((3, 4, 4), 0.1)])
    assert psnr_loss(made, target).item() == pytest.approx((math.log(0.25) + math.log(0.01)) / 2, rel=2e-3)
    half = torch.zeros(2, 1, 4, 4)
    half[..., :2] = 1
    made[..., 2:] = 9
    assert psnr_loss(made, target, half).item() == pytest.approx((math.log(0.25) + math.log(0.01)) / 2, rel=2e-3)


@pytest.mark.parametrize("difference", ["absolute", "psnr"])
@pytest.mark.parametrize("adversarial", [0.0, 1.0])
def test_a_few_steps_learn(adversarial: float, difference: Difference, folder: Path) -> None:
    config = TrainConfig(**SMALL, task="edges", data=str(folder), adversarial=adversarial, difference=difference)
    data = load_pairs(str(folder), "edges", 32)
    crops, game = Crops(data.train, 32), build_translation_game(config)
    batch = crops.gather(crops.indices(0, 0, 4))
    optimizers = {name: torch.optim.Adam(player.network.parameters(), 1e-2) for name, player in game.players.items()}
    found: list[float] = []
    for _ in range(40):
        for name, player in game.players.items():
            loss, figures = player.loss(batch, Draw(0, rows=4))
            optimizers[name].zero_grad()
            loss.backward()
            optimizers[name].step()
        found.append(figures.get("pixel", loss).item())
    drop = 0.1 * found[0] if difference == "absolute" else 0.2
    assert found[-1] < found[0] - drop and game.product == "generator"
    assert set(game.players) == ({"critic", "generator"} if adversarial else {"generator"})


@pytest.mark.parametrize("difference", ["absolute", "psnr"])
def test_what_descends_psnr_is_judged_by_it(difference: Difference, folder: Path) -> None:
    config = TrainConfig(**SMALL, task="edges", data=str(folder), difference=difference)
    settings, data = translator_config(config), load_pairs(str(folder), "edges", 32)
    assert isinstance(settings, TranslatorConfig)
    verdict = TranslationMonitor(config, data, settings, torch.device("cpu")).judge(Translator(settings).eval(), 0)
    wanted = verdict.figures["frechet"] if difference == "absolute" else -verdict.figures["psnr"]
    assert verdict.score == wanted


def test_a_resumed_run_is_the_same_run(folder: Path, tmp_path: Path) -> None:
    run("colorize", folder, tmp_path / "whole", 4, final_lr=1.0)
    run("colorize", folder, tmp_path / "parts", 2, final_lr=1.0)
    run("colorize", folder, tmp_path / "parts", 4, final_lr=1.0, resume=True)
    for name in ("checkpoints/step-000000004.safetensors", "model.safetensors"):
        whole, parts = (load_file(tmp_path / out / name) for out in ("whole", "parts"))
        assert [key for key in whole if not torch.equal(whole[key], parts[key])] == []


def test_runs_leave_weights_sheets_and_figures(weights: dict[str, Path]) -> None:
    for task, out in weights.items():
        found = load_translation_model(str(out))
        assert found.task == task and found.data["patch"] == 32
        assert list((out / "samples").glob("*.png"))
        assert "python -m image.translate.train" in (out / "README.md").read_text()
        assert '"frechet"' in (out / "metrics.jsonl").read_text()


def test_a_resumed_run_for_holes_goes_on_with_the_network_that_it_began_with(folder: Path, tmp_path: Path) -> None:
    asked = TrainConfig(**SMALL, task="inpaint", data=str(folder), out=tmp_path, resume=True)
    assert isinstance(translator_config(asked), InpainterConfig)
    (tmp_path / "run.json").write_text('{"task": "inpaint"}')
    assert isinstance(translator_config(asked), TranslatorConfig)
    assert isinstance(translator_config(replace(asked, resume=False)), InpainterConfig)
    (tmp_path / "run.json").write_text('{"task": "inpaint", "perceptual": null}')
    assert isinstance(translator_config(asked), InpainterConfig)


def test_the_perceptual_loss_by_hand() -> None:
    made, true, weight = torch.zeros(2, 3, 24, 24), torch.ones(2, 3, 24, 24), torch.zeros(2, 1, 24, 24)
    weight[0, ..., :12], weight[1, ..., :2] = 1, 1  # half of the one, a twelfth of the other

    def features(pictures: torch.Tensor) -> list[torch.Tensor]:
        assert pictures.shape == (2, 3, 16, 16)
        first = pictures.mean(1, keepdim=True) > 0.75
        return [torch.cat([first, ~first], 1).float()]

    found = perceptual_loss(features, made, true, weight, Draw(0))
    assert found.item() == pytest.approx((2 / (1 / 2) + 2 / (1 / 12)) / 2)


@pytest.mark.parametrize(
    ("asked", "flag"),
    [
        ({"patch": 48}, "--patch"),
        ({"critic_width": 2}, "--critic-width"),
        ({"pixel": -1.0}, "--pixel"),
        ({"pixel": 0.0, "adversarial": 0.0}, "--pixel"),
        ({"task": "edges", "perceptual": -1.0}, "--perceptual"),
        ({"perceptual": 1.0}, "--perceptual"),
        ({"task": "inpaint", "finish": "smooth"}, "--finish"),
        ({"task": "pairs"}, "--data"),
        ({"task": "edges", "saturation": 1.0}, "--saturation"),
        ({"reverse": True}, "--reverse"),
    ],
)
def test_settings_of_no_use_are_told(asked: dict[str, Any], flag: str) -> None:
    with pytest.raises(UserError, match=f"{flag} "):
        TrainConfig(**asked)


# --- translating


@pytest.mark.parametrize("size", [(1, 1), (5, 190), (40, 48), (181, 197)])
@pytest.mark.parametrize("depth", [1, 2])
def test_tiles_change_nothing_whatever_the_size(size: tuple[int, int], depth: int) -> None:
    whole, source = model("edges", depth), torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0))
    config = whole.network.config
    assert isinstance(config, TranslatorConfig)
    tiled = TranslationModel(whole.network, tile=(2 * -(-config.radius // config.stride) + 1) * config.stride)
    done: list[float] = []
    found = tiled.translate(source, done.append)
    torch.testing.assert_close(found, whole.translate(source), rtol=0, atol=1e-5)
    assert found.shape == (1, 3, *size) and sum(done) == pytest.approx(size[0] * size[1])
    assert (len(done) > 2) == (size[0] > tiled.tile)  # two ways round


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_colours_keep_luma_and_alpha_exactly(channels: int, dtype: Any) -> None:
    pixels = noise(21, 30, channels, dtype=dtype)
    found = model("colorize").picture(Picture(pixels, icc=b"profile")).pixels
    assert found.shape[2] == 3 + (channels in (2, 4)) and found.dtype == dtype
    colours, alpha = pixels[..., : 1 if channels <= 2 else 3], pixels[..., 1 if channels <= 2 else 3 :]

    def grey(values: np.ndarray) -> torch.Tensor:
        return rounded_luma(torch.from_numpy(values.astype(np.int64)).permute(2, 0, 1)[None])

    expected = grey(colours) if channels >= 3 else torch.from_numpy(colours.astype(np.int64)).permute(2, 0, 1)[None]
    assert torch.equal(grey(found[..., :3]), expected) and np.array_equal(found[..., 3:], alpha)
    assert (found[..., 0] != found[..., 1]).any()


def test_profiles_of_grey_pictures_go() -> None:
    assert model("colorize").picture(Picture(noise(8, 8, 1), icc=b"grey")).icc is None
    assert model("colorize").picture(Picture(noise(8, 8, 3), icc=b"colour")).icc == b"colour"


@pytest.mark.parametrize("by_alpha", [True, False])
def test_only_the_hole_is_filled(by_alpha: bool) -> None:
    hole = np.zeros((20, 24), bool)
    hole[5:9, 6:12] = True
    pixels = noise(20, 24, 3)
    picture = Picture(np.dstack([pixels, np.where(hole, 0, 255).astype(np.uint8)]) if by_alpha else pixels)
    found = model("inpaint").picture(picture, None if by_alpha else hole).pixels
    assert found.shape == (20, 24, 3) and np.array_equal(found[~hole], pixels[~hole])
    assert (found[hole] != pixels[hole]).any()


def through_the_network(translator: TranslationModel) -> list[int]:
    """How many pixels went through, pass by pass, from now on."""
    passed: list[int] = []
    translator.network.register_forward_pre_hook(lambda module, inputs: passed.append(inputs[0][0, 0].numel()))
    return passed


def test_a_small_hole_in_a_large_picture_costs_little_and_nothing_far_away_counts() -> None:
    translator, pixels, hole = model("inpaint"), noise(500, 700, 3), np.zeros((500, 700), bool)
    hole[201:209, 330:341] = True
    passed = through_the_network(translator)
    found = translator.picture(Picture(pixels), hole).pixels
    side = 2 * (translator.network.config.radius + GRID) + 2 * GRID
    assert np.array_equal(found[~hole], pixels[~hole]) and len(passed) == 1 and passed[0] <= side**2
    other = pixels.copy()
    other[:, 330 + side :] = 255 - other[:, 330 + side :]
    assert np.array_equal(translator.picture(Picture(other), hole).pixels[hole], found[hole])


def test_holes_are_filled_one_by_one_if_far_apart_and_together_if_near() -> None:
    translator, both = model("inpaint"), np.zeros((500, 700), bool)
    both[3:8, 3:8] = True
    alone = both.copy()
    both[490:495, 690:695] = True
    passed = through_the_network(translator)
    found = translator.picture(Picture(noise(500, 700, 3)), both).pixels
    assert np.array_equal(found[~both], noise(500, 700, 3)[~both]) and len(passed) == 2
    first = translator.picture(Picture(noise(500, 700, 3)), alone).pixels
    assert np.array_equal(first[alone], found[alone])
    both[:, :] = False
    both[60:70, 10:15] = both[100:110, 100:105] = True
    del passed[:]
    translator.picture(Picture(noise(500, 700, 3)), both)
    assert len(passed) == 1


def test_tiles_without_a_hole_are_not_looked_at() -> None:
    translator, hole = model("inpaint", tile=200), np.zeros((400, 600), bool)
    hole[3:8, 3:8] = hole[390:395, 590:595] = True
    source = guessed(
        torch.from_numpy(noise(400, 600, 3)).permute(2, 0, 1)[None] / 255, torch.from_numpy(hole)[None, None].float()
    )
    passed = through_the_network(translator)
    found = translator.translate(source)
    around = ~torch.from_numpy(hole).expand_as(found)
    assert torch.equal(found[around], source[:, :3][around]) and len(passed) == 2


def test_a_hole_deeper_than_those_learned_from_is_told_and_filled() -> None:
    notes: list[str] = []
    for side, expected in ((18, 0), (24, 1)):
        hole = np.zeros((64, 64), bool)
        hole[20 : 20 + side, 20 : 20 + side] = True
        found = model("inpaint").picture(Picture(noise(64, 64, 3)), hole, note=notes.append).pixels
        assert len(notes) == expected and (found != noise(64, 64, 3)).any()
    assert "12 pixels from what is known" in notes[0] and "from up to 9;" in notes[0]


def test_holes_of_no_use_are_told() -> None:
    translator, opaque = model("inpaint"), Picture(noise(8, 8, 3))
    for hole, problem in (
        (None, "nothing is transparent"),
        (np.zeros((8, 8), bool), "there is no hole"),
        (np.ones((8, 8), bool), "the whole picture"),
        (np.ones((8, 9), bool), "--mask is 9 x 8 pixels and the picture 8 x 8"),
    ):
        with pytest.raises(UserError, match=problem):
            translator.picture(opaque, hole)


def test_drawings_lie_on_white() -> None:
    clear = Picture(np.zeros((8, 8, 4), np.uint8))
    white = Picture(np.full((8, 8, 1), 255, np.uint8))
    translator = model("edges")
    assert np.array_equal(translator.picture(clear).pixels, translator.picture(white).pixels)


def test_drawings_of_any_size_are_painted_at_the_size_that_is_known() -> None:
    translator, done = model("edges"), list[float]()
    large = Picture(noise(90, 60, 3))
    notes: list[str] = []
    assert translator.picture(large, advance=done.append, note=notes.append).pixels.shape == (90, 60, 3)
    assert sum(done) == pytest.approx(90 * 60) and len(notes) == 1


def test_a_drawing_is_painted_as_the_mean_of_both_ways_round() -> None:
    translator, drawing = model("edges"), torch.rand(1, 1, 32, 48)
    with torch.inference_mode():
        first, second = (translator.network(way) for way in (drawing, drawing.flip(3)))
    assert TASKS["edges"].mirrored and not TASKS["pairs"].mirrored
    done = list[float]()
    assert torch.allclose(translator.translate(drawing, done.append), (first + second.flip(3)) / 2, atol=1e-5)
    assert sum(done) == pytest.approx(32 * 48)


def test_weights_that_name_no_finish_end_in_a_shuffle(folder: Path, tmp_path: Path) -> None:
    new = run("edges", folder, tmp_path / "new", finish="shuffle")
    shutil.copytree(new, tmp_path / "old")
    config = json.loads((tmp_path / "old" / "config.json").read_text())
    assert config["network"].pop("finish") == "shuffle"
    (tmp_path / "old" / "config.json").write_text(json.dumps(config))
    first, second = (load_translation_model(str(folder)) for folder in (new, tmp_path / "old"))
    drawing = Picture(noise(32, 32, 1))
    assert np.array_equal(first.picture(drawing).pixels, second.picture(drawing).pixels)


def test_a_run_of_before_there_was_a_choice_goes_on(folder: Path, tmp_path: Path) -> None:
    out = run("edges", folder, tmp_path / "old", 2, finish="shuffle")
    settings = json.loads((out / "run.json").read_text())
    assert settings.pop("finish") == "shuffle"
    (out / "run.json").write_text(json.dumps(settings))
    run("edges", folder, out, 4, resume=True)
    assert load_translation_model(str(out)).network.config.finish == "shuffle"


def test_a_run_begins_with_trained_weights(
    weights: dict[str, Path], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for task in ("colorize", "edges", "inpaint"):
        out = run(task, folder, tmp_path / task, 2, lr=1e-9, weights=str(weights[task]))
        assert f" tensors of {task}\n" in capsys.readouterr().err
        begun, trained = (load_file(path / "model.safetensors") for path in (out, weights[task]))
        assert all(torch.allclose(begun[name], tensor, atol=1e-6) for name, tensor in trained.items())
    with pytest.raises(UserError, match="--weights edges are for --task edges, not inpaint; name that task"):
        run("inpaint", folder, tmp_path / "other", weights="edges")


def test_doubtful_drawings_are_said(
    weights: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (64, 64), 255).save(tmp_path / "blank.png")
    translate(TranslateConfig(paths=(str(tmp_path / "blank.png"),), weights=str(weights["edges"])))
    said = capsys.readouterr()
    assert "blank.png: the drawing shows no lines" in said.err and "blank_drawn.png" in said.out


def test_weights_of_no_use_are_told(weights: dict[str, Path]) -> None:
    asked = TranslateConfig(paths=("a.png",), weights=str(weights["edges"]))
    with pytest.raises(UserError, match="are for --task edges, not inpaint"):
        replace(asked, task="inpaint").check_inputs()
    with pytest.raises(UserError, match="--mask means nothing with --task edges"):
        replace(asked, mask=Path(".")).check_inputs()
    with pytest.raises(UserError, match="--tile 64: the network needs tiles of 992"):
        load_translation_model(str(weights["edges"]), tile=64)
    with pytest.raises(UserError, match="wants image/translator"):
        load_translation_model("digits-cgan")


def test_files_become_files(
    weights: dict[str, Path], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = tmp_path / "in"
    (pictures / "sub").mkdir(parents=True)
    Image.open(folder / "0.png").save(pictures / "a.png", dpi=(100, 100))
    Image.open(folder / "1.png").convert("L").save(pictures / "sub" / "b.jpg")
    (pictures / "bad.png").write_text("no picture")
    with pytest.raises(SystemExit) as stop:
        translate(TranslateConfig(paths=(str(pictures),), weights=str(weights["colorize"]), out=tmp_path / "out"))
    assert stop.value.code == 1 and "bad.png is not a picture" in capsys.readouterr().err
    written = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert written == ["a_colour.png", "sub/b_colour.jpg"]
    found = read_picture(tmp_path / "out" / "a_colour.png")
    assert found.dpi == pytest.approx((100, 100), abs=0.1) and found.pixels.shape == (40, 48, 3)
    translate(TranslateConfig(paths=(str(pictures / "a.png"),), weights=str(weights["edges"])))
    translate(TranslateConfig(paths=(str(pictures / "a.png"),), weights=str(weights["edges"])))
    assert "a_drawn.png, which is there already" in capsys.readouterr().out


def test_masks_are_read_and_belong_to_holes(weights: dict[str, Path], folder: Path, tmp_path: Path) -> None:
    mask = np.zeros((40, 48), np.uint8)
    mask[10:20, 10:20] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    asked = {"paths": (str(folder / "0.png"),), "mask": tmp_path / "mask.png", "out": tmp_path / "out.png"}
    translate(TranslateConfig(**asked, weights=str(weights["inpaint"])))  # type: ignore[arg-type]
    before, after = read_picture(folder / "0.png").pixels, read_picture(tmp_path / "out.png").pixels
    assert np.array_equal(before[mask == 0], after[mask == 0]) and (before != after).any()


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        ([], "nothing to translate"),
        (["a.png", "--task", "pairs"], "--task pairs has no weights"),
        (["a.png", "--quality", "0"], "--quality"),
        (["a.png", "--format", "xyz"], "--format"),
        (["a.png", "--suffix", "a/b"], "--suffix"),
    ],
)
def test_bad_flags_are_told(words: list[str], flag: str) -> None:
    with pytest.raises(UserError, match=flag):
        parse(translate, PROGRAM, words)


# --- evaluating


def test_every_task_is_evaluated(weights: dict[str, Path], folder: Path, tmp_path: Path) -> None:
    for task, out in weights.items():
        evaluate(EvaluateConfig(data=str(folder), weights=str(out), n=8), tmp_path)
        report = (tmp_path / "evaluation.json").read_text(encoding="utf-8")
        assert f'"task": "{task}"' in report and (tmp_path / "pictures.png").is_file()


def test_baselines_by_hand() -> None:
    true = torch.from_numpy(noise(2, 64, 64, 3)).permute(0, 3, 1, 2)
    hole = torch.zeros(2, 1, 64, 64)
    hole[..., 20:24, 20:24] = 1
    sources = torch.cat([torch.zeros(2, 3, 64, 64), hole], 1)
    trial, extractor = Trial(true, sources, true.clone(), np.array([100.0, 100, 100])), load_extractor()
    none, mean, against = colours(trial, extractor)
    assert none.figures[0].value is None  # no error at all
    grey = rounded_luma(true).double()
    error = (true.double() - grey).square().mean((1, 2, 3))
    assert none.figures[1].reference == pytest.approx(float((10 * torch.log10(255**2 / error)).mean()))
    assert mean.figures[0].reference == pytest.approx(none.figures[0].reference, abs=1e-6)  # the mean colour is grey
    assert against.figures[0].value == against.figures[0].reference and against.figures[1].value == pytest.approx(
        0, abs=1e-3
    )
    difference, _ = drawings(trial, extractor)[0].figures
    assert difference.value == 0 and difference.reference == pytest.approx((true.float() - 100).abs().mean().item())
    filled = fillings(trial, extractor)[0].figures[0]
    assert filled.value == math.inf and 0 < filled.reference < 20  # type: ignore[operator]


def test_results_of_other_tasks_are_no_inputs(tmp_path: Path) -> None:
    for name in ("a.png", "a_drawn.png", "a_colour.jpg", "b_colour.png"):
        (tmp_path / name).touch()
    batch = plan_outputs(TranslateConfig(paths=(str(tmp_path),), out=tmp_path / "out"))
    assert [path.name for path in batch.made] == ["a_colour.jpg", "a_drawn.png"]
    assert [job.source.name for job in batch.jobs] == ["a.png", "b_colour.png"]
