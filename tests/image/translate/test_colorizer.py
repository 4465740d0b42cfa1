"""Colours as classes: encoded and read by hand, learned from features that recognise things, hinted at, and kept."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from skimage.color import rgb2lab

from common.errors import UserError
from common.pictures import perceptual
from common.pictures.perceptual import load_squeezenet
from common.pictures.reading import Picture, read_picture
from common.randomness import Draw
from image.data.loading import to_model
from image.translate.__main__ import main as translate
from image.translate.chroma import chroma, luma, rounded_luma
from image.translate.classes import SoftTargets, annealed_mean, frequencies, gamut, rebalanced, soft_encoded
from image.translate.colorizer import Colorizer, ColorizerConfig
from image.translate.config import EvaluateConfig, TrainConfig, TranslateConfig
from image.translate.data import load_pairs
from image.translate.evaluation import evaluate
from image.translate.games import build_colouring_game, class_loss
from image.translate.guided import guided
from image.translate.hints import dots, hinted, pooled, random_hints
from image.translate.lab import ab_of, chroma_at
from image.translate.models import TranslationModel, load_translation_model
from image.translate.patches import Album, Crops
from image.translate.spreading import REACH, spread
from image.translate.train import main

SMALL: dict[str, Any] = {
    "task": "colorize", "core": "classes", "net_size": "debug", "patch": 32, "batch": 4, "warm_up": 8, "snapshot": 8,
    "device": "cpu", "precision": "fp32",
}  # fmt: skip


def noise(*shape: int, dtype: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of waves in colours."""
    root = tmp_path_factory.mktemp("waves")
    y, x = np.mgrid[:80, :96][..., None]
    for seed in range(12):
        draw = np.random.default_rng(seed)
        waves = np.sin(x * draw.uniform(0.1, 1, 3) + y * draw.uniform(0.1, 1, 3))
        Image.fromarray((128 + 100 * waves).astype(np.uint8)).save(root / f"{seed}.png")
    return root


def run(folder: Path, out: Path, steps: int = 2, **settings: Any) -> Path:
    main(TrainConfig(**SMALL | settings, data=str(folder), steps=steps, out=out))
    return out


@pytest.fixture(scope="module")
def weights(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(folder, tmp_path_factory.mktemp("runs") / "classes")


def model(longest: int = 384) -> TranslationModel:
    torch.manual_seed(0)
    return TranslationModel(Colorizer(ColorizerConfig("colorize", "classes", 6, longest=longest)).eval())


# --- colours and classes


def test_colours_are_those_of_another_program() -> None:
    pixels = noise(9, 7, 3)
    found = ab_of(to_model(torch.from_numpy(pixels).permute(2, 0, 1)[None]))[0].permute(1, 2, 0)
    np.testing.assert_allclose(found.numpy(), rgb2lab(pixels)[..., 1:], atol=1e-3)


def test_chroma_comes_back_from_colours() -> None:
    dull = to_model(torch.randint(100, 140, (1, 3, 8, 8), generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(chroma_at(luma(dull), ab_of(dull)), chroma(dull), atol=0.01, rtol=0)
    grey = torch.linspace(-1, 1, 9).view(1, 1, 3, 3)
    torch.testing.assert_close(chroma_at(grey, torch.zeros(1, 2, 3, 3)), torch.zeros(1, 2, 3, 3), atol=1e-3, rtol=0)


def test_the_gamut_is_some_hundreds_of_places_on_a_grid() -> None:
    classes = gamut()
    assert 200 <= len(classes) <= 320 and torch.equal(classes, (classes / 10).round() * 10)
    assert (classes == 0).all(1).any()
    red = ab_of(torch.tensor([1.0, -1, -1]).view(1, 3, 1, 1)).flatten()
    assert torch.cdist(red[None], classes).min() < 10 / math.sqrt(2) + 1e-3


def test_soft_targets_by_hand() -> None:
    classes = torch.tensor([[0.0, 0], [10, 0], [0, 10], [10, 10], [20, 0], [90, 90]])
    nearest, shares = soft_encoded(torch.zeros(1, 2), classes)
    by_hand = np.exp([0.0, -2, -2, -4, -8])  # of distances 0, 10, 10, sqrt(200) and 20 with a deviation of 5
    assert sorted(nearest[0].tolist()) == [0, 1, 2, 3, 4] and nearest[0, 0] == 0
    np.testing.assert_allclose(shares[0].numpy(), by_hand / by_hand.sum(), rtol=1e-5)


def test_a_table_tells_what_is_computed() -> None:
    classes = gamut()
    colours = torch.tensor([[3.0, -7.0], [55.0, 41.0]]).T.reshape(1, 2, 1, 2)
    found, expected = SoftTargets(classes)(colours), soft_encoded(colours[0, :, 0].T, classes)
    torch.testing.assert_close(found[1][0, 0], expected[1])
    assert torch.equal(found[0][0, 0].sort().values, expected[0].sort().values)


def test_rare_classes_weigh_more_by_hand() -> None:
    found = rebalanced(torch.tensor([0.75, 0.25]), 0.5)
    inverse = np.array([1 / 0.625, 1 / 0.375])
    np.testing.assert_allclose(found.numpy(), inverse / (0.75 * inverse[0] + 0.25 * inverse[1]), rtol=1e-6)
    torch.testing.assert_close(rebalanced(torch.tensor([0.9, 0.1]), 1.0), torch.ones(2))


def test_frequencies_are_of_each_picture_once() -> None:
    pixels = torch.tensor([[255, 0, 0]] * 4 + [[128, 128, 128]] * 2 + [[128, 128, 128]], dtype=torch.uint8)
    album = Album(pixels, np.array([[2, 2], [1, 2], [1, 1]]), np.array([0, 1, 1]))  # the last is the second, smaller
    classes = gamut()
    found = frequencies(album, SoftTargets(classes), len(classes))
    assert found.sum().item() == pytest.approx(1)
    near_grey = found[classes.norm(dim=1) < 25].sum().item()
    assert near_grey == pytest.approx(1 / 5, abs=1e-3)


def test_the_annealed_mean_by_hand() -> None:
    classes, logits = torch.tensor([[0.0, 10], [100, 0]]), torch.tensor([0.8, 0.2]).log().view(1, 2, 1, 1)
    for temperature, second in ((1.0, 0.2), (0.5, 0.04 / 0.68), (0.01, 0.0)):
        found = annealed_mean(logits, classes, temperature).flatten().tolist()
        assert found == pytest.approx([100 * second, 10 * (1 - second)], abs=1e-4)


def test_the_loss_by_hand() -> None:
    logits = torch.tensor([0.5, 0.25, 0.25]).log().view(1, 3, 1, 1)
    targets = torch.tensor([0, 2]).view(1, 1, 1, 2), torch.tensor([0.75, 0.25]).view(1, 1, 1, 2)
    weight = 0.75 * 1 + 0.25 * 3
    expected = -weight * (0.75 * math.log(0.5) + 0.25 * math.log(0.25))
    assert class_loss(logits, *targets, torch.tensor([1.0, 2, 3])).item() == pytest.approx(expected)


# --- hints and edges


def test_hints_are_true_colours_and_often_absent() -> None:
    colours = torch.randn(64, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    hints = random_hints(colours, Draw(0, rows=64))
    assert hints.shape == (64, 3, 32, 32)
    mask = hints[:, :1, ::4, ::4]
    assert torch.equal(hints[:, 1:, ::4, ::4], mask * colours)
    none = (mask.sum((1, 2, 3)) == 0).float().mean()
    assert 0.3 < none < 0.8 and mask.sum() > 0


def test_small_hints_are_the_mean_of_those_that_are_there() -> None:
    hints = torch.zeros(1, 3, 4, 4)
    hints[0, :, 0, 0], hints[0, :, 1, 1] = torch.tensor([1.0, 10, -20]), torch.tensor([1.0, 30, 0])
    expected = torch.zeros(1, 3, 2, 2)
    expected[0, :, 0, 0] = torch.tensor([1.0, 20, -10])
    torch.testing.assert_close(pooled(hints, 2, 2), expected)
    assert pooled(hints, 4, 4) is hints


def test_colours_follow_the_edges_of_the_luma() -> None:
    edge = torch.where(torch.arange(64) < 32, -0.8, 0.8).expand(1, 1, 64, 64)
    blurred = (torch.arange(64) / 63).expand(1, 1, 64, 64)
    found = guided(blurred, edge, edge, 6, 1e-3)[0, 0, 32]
    assert found[32] - found[31] > 5 * (blurred[0, 0, 0, 32] - blurred[0, 0, 0, 31])
    flat = guided(torch.full((1, 2, 16, 16), 7.0), torch.rand(1, 1, 16, 16), torch.rand(1, 1, 40, 50), 6, 1e-3)
    torch.testing.assert_close(flat, torch.full((1, 2, 40, 50), 7.0), atol=1e-3, rtol=0)


def test_dots_are_of_true_colours_and_as_many_as_asked_for() -> None:
    colours = torch.randn(5, 2, 40, 30, generator=torch.Generator().manual_seed(0))
    found = dots(colours, Draw(0, rows=5), 1)
    assert (found[:, 0].sum((1, 2)) == 9).all() and torch.equal(found[:, 1:], found[:, :1] * colours)
    assert 9 < dots(colours, Draw(0, rows=5), 4)[:, 0].sum((1, 2)).max() <= 36
    assert dots(torch.ones(1, 2, 3, 3), Draw(0, rows=1), 1).min() == 1  # the smallest picture there is


def test_hints_spread_to_the_edges_of_what_they_belong_to() -> None:
    """On a dark and a light half, predicted to be without colour, a red dot colours the dark half but not the light."""
    luma = torch.where(torch.arange(60) < 30, -0.5, 0.5).expand(1, 40, 60)
    hints = torch.zeros(3, 40, 60)
    hints[:, 19:21, 9:11] = torch.tensor([1.0, 50, 30])[:, None, None]
    found = spread(torch.zeros(2, 40, 60), luma, hints)
    torch.testing.assert_close(found[:, 20, 10], torch.tensor([50.0, 30]), atol=0.1, rtol=0)
    assert (found[0, :, :26] > 10).all() and (found[0, :, 30:] < 1).all()
    along = found[0, 20, 10:28]
    assert (along.diff() <= 0).all()  # the farther, the less
    # At a distance of d, as far as an even half goes, a hint weighs d^-3 and the prediction 1.
    far = (22 - 10) / (REACH * 60)
    assert found[0, 20, 22].item() == pytest.approx(50 / (1 + far**3), rel=0.1)


def test_hints_alike_spread_together_and_others_share() -> None:
    luma, hints = torch.zeros(1, 40, 60), torch.zeros(3, 40, 60)
    for x, colour in ((10, 40.0), (50, -40.0)):
        hints[0, 20, x], hints[1, 20, x] = 1, colour
    found = spread(torch.zeros(2, 40, 60), luma, hints)
    torch.testing.assert_close(found[0, :, 1:], -found[0, :, 1:].flip(1), atol=1e-3, rtol=0)  # mirrored about x = 30
    hints[1] = hints[1].abs()
    both = spread(torch.zeros(2, 40, 60), luma, hints)
    assert (both[0] >= found[0].abs() - 1e-3).all() and both[0, 20, 30] > 10


@pytest.mark.parametrize("longest", [384, 32])
def test_hints_are_kept_and_so_is_the_luma(longest: int) -> None:
    grey = np.full((40, 60, 1), 120, np.uint8)
    dots = np.zeros((40, 60, 4), np.uint8)
    dots[10:14, 20:24] = (160, 100, 120, 255)
    found = model(longest).picture(Picture(grey), hints=Picture(dots)).pixels
    made, wanted = (
        ab_of(to_model(torch.from_numpy(p.copy()).permute(2, 0, 1)[None]))[0]
        for p in (found[10:14, 20:24], dots[10:14, 20:24, :3])
    )
    assert (made - wanted).abs().max() < 3
    assert (rounded_luma(torch.from_numpy(found).permute(2, 0, 1)[None]) == 120).all()


def test_hints_of_no_use_are_told(weights: Path) -> None:
    opaque, clear = Picture(noise(8, 8, 3)), Picture(np.zeros((8, 8, 4), np.uint8))
    for hints, said in ((opaque, "must be transparent but for dots"), (clear, "has no dots of colour")):
        with pytest.raises(UserError, match=said):
            hinted(hints, (8, 8))
    with pytest.raises(UserError, match="--hints is 8 x 8 pixels and the picture 9 x 8"):
        hinted(clear, (8, 9))
    here = Path(__file__)
    with pytest.raises(UserError, match="--hints means nothing"):
        TranslateConfig(paths=("a.png",), hints=here, weights="inpaint").check_inputs()
    with pytest.raises(UserError, match="--tile means nothing"):
        TranslateConfig(paths=("a.png",), weights=str(weights), tile=512).check_inputs()


# --- the network


def test_it_begins_with_features_that_recognise() -> None:
    trained, network = load_squeezenet(), model().network
    assert trained is not None and isinstance(network, Colorizer)
    network.recognise(trained)
    grey = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    expected = first_features(trained, grey)
    (part, *_) = (module for module in network.encoder if isinstance(module, torch.nn.Sequential))
    torch.testing.assert_close(part[:2](grey)[..., 1:-1, 1:-1], expected[..., :-1, :-1], atol=0.1, rtol=1e-3)


def first_features(trained: Any, grey: torch.Tensor) -> torch.Tensor:
    """Its first convolution of greys, one pixel further in, where its windows lie as the colorizer's do."""
    shifted = grey[..., 1:, 1:]
    return trained.slices[0](((shifted.expand(-1, 3, -1, -1) + 1) / 2 - trained.mean) / trained.deviation)


@pytest.mark.parametrize("size", [(1, 1), (5, 190), (33, 47), (700, 40)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_of_any_size_keep_their_luma(size: tuple[int, int], dtype: Any) -> None:
    pixels, done = noise(*size, 3, dtype=dtype), list[float]()
    found = model(64).picture(Picture(pixels), advance=done.append).pixels

    def grey(values: np.ndarray) -> torch.Tensor:
        return rounded_luma(torch.from_numpy(values.astype(np.int64)).permute(2, 0, 1)[None])

    assert found.dtype == dtype and torch.equal(grey(found), grey(pixels)) and sum(done) == size[0] * size[1]


def test_no_hints_are_as_none_given() -> None:
    grey = torch.rand(1, 1, 48, 32, generator=torch.Generator().manual_seed(0))
    network = model().network
    torch.testing.assert_close(network(grey), network(torch.cat([grey, torch.zeros(1, 3, 48, 32)], 1)))


def test_less_balance_takes_back_what_rare_classes_were_preferred_by() -> None:
    network, grey = model().network, torch.zeros(1, 1, 32, 32)
    assert isinstance(network, Colorizer)
    count = len(network.classes)
    frequencies = torch.full((count,), 0.5 / (count - 1))
    frequencies[(network.classes == 0).all(1)] = 0.5
    network.expect(frequencies, rebalanced(frequencies, 0.5))
    logits = network.guess(grey)
    torch.testing.assert_close((logits - network.preference[:, None, None])[0, :, 0, 0].softmax(0), frequencies)
    balanced, plain = (network.read(grey, logits, 1.0, balance).abs().mean() for balance in (1.0, 0.0))
    assert balanced > plain


# --- training


def test_a_few_steps_learn_and_the_frozen_half_does_not(folder: Path) -> None:
    config = TrainConfig(**SMALL, data=str(folder), frozen=100)
    crops = Crops(load_pairs(str(folder), "colorize", 32, scenes=True).train, 32)
    (player,) = build_colouring_game(config, crops.album).players.values()
    encoder = {name: value.clone() for name, value in player.network.state_dict().items() if "encoder" in name}
    optimizer = torch.optim.Adam(player.network.parameters(), 3e-3)
    batch, losses = crops.gather(crops.indices(0, 0, 4)), list[float]()
    for _ in range(30):
        loss, _ = player.loss(batch, Draw(0, rows=4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    assert all(torch.equal(value, player.network.state_dict()[name]) for name, value in encoder.items())
    player.loss(batch, Draw(0, rows=4, images=100))[0].backward()
    assert player.network.encoder[0][0].weight.grad is not None  # type: ignore[union-attr,index]


def test_a_resumed_run_is_the_same_run(folder: Path, tmp_path: Path) -> None:
    settings = {"final_lr": 1.0, "frozen": 10}
    run(folder, tmp_path / "whole", 4, **settings)
    run(folder, tmp_path / "parts", 2, **settings)
    run(folder, tmp_path / "parts", 4, resume=True, **settings)
    for name in ("checkpoints/step-000000004.safetensors", "model.safetensors"):
        whole, parts = (load_file(tmp_path / out / name) for out in ("whole", "parts"))
        assert [key for key in whole if not torch.equal(whole[key], parts[key])] == []


def test_runs_of_before_go_on_as_they_began(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path / "old", core="gan")
    record = tmp_path / "old" / "run.json"
    settings = json.loads(record.read_text())
    for younger in ("core", "uniform", "frozen"):
        del settings[younger]
    record.write_text(json.dumps(settings))
    run(folder, tmp_path / "old", 3, core=None, resume=True)
    assert "core" not in json.loads((tmp_path / "old" / "config.json").read_text())["network"]
    assert TrainConfig().trained_core == "classes" and TrainConfig(pixel=10.0).trained_core == "gan"
    with pytest.raises(UserError, match="--pixel means nothing with --core classes"):
        TrainConfig(core="classes", pixel=10.0)


def test_weights_hold_all_that_is_needed(weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(perceptual, "load_squeezenet", lambda *_: pytest.fail("the trained features are not needed"))
    network = load_translation_model(str(weights)).network
    assert isinstance(network, Colorizer) and network.config.core == "classes"
    Image.fromarray(noise(40, 48, 3)).convert("L").save(tmp_path / "grey.png")
    dots = np.zeros((40, 48, 4), np.uint8)
    dots[5, 5] = (200, 40, 40, 255)
    Image.fromarray(dots).save(tmp_path / "dots.png")
    translate(TranslateConfig(paths=(str(tmp_path / "grey.png"),), weights=str(weights), hints=tmp_path / "dots.png"))
    assert read_picture(tmp_path / "grey_colour.png").pixels.shape == (40, 48, 3)


def test_it_is_evaluated_beside_baselines(weights: Path, folder: Path, tmp_path: Path) -> None:
    evaluation = evaluate(EvaluateConfig(data=str(folder), weights=str(weights), n=8, side=64), tmp_path)
    names = [figure.name for table in evaluation.tables for figure in table.figures]
    assert names.count("error of a* and b*") == 2 and "error of a* and b* with dots" in names
    assert "colourfulness, share of the true one" in names
    assert "its shorter side made 64 pixels" in evaluation.protocol
