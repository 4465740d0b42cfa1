"""The evaluation's figures against cases with a known answer, and its files as a reader finds them."""

import json
import math
import re
import shutil
from collections.abc import Iterable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from common.data.arrays import Arrays
from common.errors import UserError
from common.evaluation.report import Evaluation, Metric, Table, as_html, as_json, results_folder
from common.training.runs import trained_on
from common.weights_folders import bundled
from image.config import EvaluateConfig
from image.data.loading import ImageData, load_images
from image.evaluate import main
from image.judges.extractor import Extractor, load_extractor
from image.judges.features import find_extractor
from image.judges.inception import Inception
from image.judges.labels import classifier_judge, find_classifier
from image.metrics import (
    Material,
    bounds,
    closest_pairs,
    count_classes,
    gather,
    likelihood,
    memory,
    quality,
    voters,
    voting_judge,
)
from image.models import load_image_model

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(shapes: Path) -> ImageData:
    return load_images(str(shapes))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def material(samples: Tensor, held_out: Tensor, train: Tensor, **more: Any) -> Material:
    """Features only; the pictures are blank."""
    blank = torch.zeros(len(samples), 1, 8, 8, dtype=torch.uint8)
    n = len(samples)
    return Material(
        blank,
        more.get("wanted"),
        samples,
        blank,
        more.get("labels"),
        held_out,
        more.get("unseen", held_out),
        train,
        more.get("floor", torch.arange(n)),
        more.get("seen", False),
    )


def by_name(figures: Iterable[Metric]) -> dict[str, Metric]:
    return {figure.name: figure for figure in figures}


# --- quality and memorisation


def test_training_pictures_as_samples_give_exactly_the_floor() -> None:
    train = noise(300, 8)
    floor = torch.arange(100, 200)
    for figure in quality(material(train[floor], noise(100, 8, seed=1), train, floor=floor), "features@1a2b3c4d"):
        if figure.name != "diversity":
            assert figure.value == figure.reference, figure.name
        assert figure.n == 100


def test_worse_samples_are_told_by_every_figure() -> None:
    figures = quality(
        material(3 + 0.1 * noise(200, 8, seed=2), noise(200, 8, seed=1), noise(400, 8)), "features@1a2b3c4d"
    )
    for figure in figures:
        assert figure.value is not None and figure.reference is not None
        wrong = figure.value > figure.reference if figure.better == "lower" else figure.value < figure.reference
        assert wrong, figure.name


def test_only_inception_s_distances_are_called_fid_and_kid() -> None:
    sets = material(noise(20, 2), noise(20, 2, seed=1), noise(40, 2, seed=2))
    assert [figure.name for figure in quality(sets, "features@1a2b3c4d")][:2] == [
        "fd_features@1a2b3c4d",
        "kd_features@1a2b3c4d",
    ]
    assert [figure.name for figure in quality(sets, Inception.name)][:2] == ["FID", "KID"]


def test_copies_of_training_pictures_are_found() -> None:
    train, held_out = noise(200, 8), noise(50, 8, seed=1)
    copied = memory(material(train[:50], held_out, train))
    assert [(figure.value, figure.reference) for figure in copied] == [(0.0, 1.0), (1.0, 0.01), (1.0, 0.05)]
    fresh = memory(material(noise(50, 8, seed=2), held_out, train))
    assert fresh[0].value == pytest.approx(1, abs=0.2)


def test_the_closest_pairs_are_the_planted_ones() -> None:
    train, samples = noise(100, 8), noise(60, 8, seed=1)
    samples[7], samples[3] = train[42], train[5] + 1e-3
    rows, neighbours = closest_pairs(material(samples, samples, train), 2)
    assert rows.tolist() == [7, 3] and neighbours.tolist() == [42, 5]


# --- classes


def test_classes_are_counted_as_by_hand() -> None:
    wanted, held_out = torch.tensor([0, 0, 1, 1, 1, 2]), torch.tensor([0, 1, 1, 2, 2, 2])
    answers = iter([torch.tensor([0, 1, 1, 1, 3, 2]), torch.tensor([0, 1, 1, 2, 2, 0])])  # 3: none of the classes
    sets = material(noise(6, 2), noise(6, 2), noise(9, 2), wanted=wanted, labels=held_out)
    figures, counts = count_classes(sets, lambda images, features: next(answers), ("a", "b", "c"))
    assert (figures[0].value, figures[0].reference) == (pytest.approx(4 / 6), pytest.approx(5 / 6))
    shares = [1 / 6, 3 / 6, 1 / 6, 1 / 6]
    assert figures[1].value == pytest.approx(-sum(share * math.log(share) for share in shares))
    assert [list(vars(count).values()) for count in counts] == [
        ["a", 2, 1, 1, 1, 2],
        ["b", 3, 3, 2, 2, 2],
        ["c", 1, 1, 1, 3, 2],
    ]


def test_without_labels_asked_for_there_is_no_accuracy() -> None:
    sets = material(noise(4, 2), noise(4, 2), noise(9, 2), labels=torch.tensor([0, 0, 1, 1]))
    figures, counts = count_classes(sets, lambda images, features: torch.tensor([1, 1, 1, 1]), ("a", "b"))
    assert [(figure.name, figure.value) for figure in figures] == [("class entropy, nats", 0.0)]
    assert [(count.asked_for, count.right) for count in counts] == [(None, None)] * 2


class Constant(Extractor):
    """Takes every picture for the class that its first pixel numbers."""

    def labels(self, images: Iterable[Tensor]) -> Tensor:
        return torch.cat([batch[:, 0, 0, 0].long() for batch in images])


def test_a_classifier_of_several_data_sets_judges_one(data: ImageData) -> None:
    classifier = Constant(torch.nn.Identity(), "c", ("other: x", "shapes: discs", "shapes: bars"))  # type: ignore[arg-type]
    pictures = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    pictures[:, 0, 0, 0] = torch.tensor([0, 1, 2], dtype=torch.uint8)
    assert classifier_judge(classifier, data)(pictures, pictures).tolist() == [2, 1, 0]  # bars, discs; 2 for neither


def test_a_classifier_of_other_classes_is_refused(data: ImageData) -> None:
    with pytest.raises(UserError, match="does not know 'shapes: bars'"):
        find_classifier("features", data, CPU)


def test_a_classifier_is_bundled_or_none(data: ImageData) -> None:
    assert find_classifier(None, data, CPU) is None
    if "fashion-mnist-classifier" in bundled("image"):
        assert set(load_extractor("fashion-mnist-classifier").classes) >= {"fashion-mnist: Coat", "fashion-mnist: Bag"}


def test_the_vote_of_neighbours_tells_shapes_apart(data: ImageData, cgan_run: Path) -> None:
    sets = gather(load_image_model(str(cgan_run)), data, load_extractor(), 10_000, 0, "prior")
    rows, training = voters(sets, len(data.train)), data.train.tensors
    judge = voting_judge(training["image"][rows], training["label"][rows], load_extractor())
    assert sets.real_labels is not None
    right = judge(sets.real, sets.real_features) == sets.real_labels
    assert right.float().mean() > 0.9


# --- what is compared


def test_samples_are_asked_for_the_real_pictures_labels(data: ImageData, cgan_run: Path) -> None:
    model = load_image_model(str(cgan_run))
    sets = gather(model, data, load_extractor(), 16, 4, "prior")
    assert len(sets) == len(sets.floor) == len(set(sets.floor.tolist())) == 16
    assert sets.wanted is not None and torch.equal(sets.wanted, sets.real_labels)
    assert torch.equal(sets.samples, model.sample(16, sets.wanted, seed=4))
    truncated = gather(model, data, load_extractor(), 16, 4, "prior", truncation=0.5)
    assert torch.equal(truncated.samples, model.decode(0.5 * model.latents(16, 4), sets.wanted))
    assert len(sets.train_features) == len(data.train)


def test_where_few_are_held_out_one_half_of_the_training_pictures_is_compared_and_the_other_its_floor(
    data: ImageData, vae_run: Path
) -> None:
    sets = gather(load_image_model(str(vae_run)), data, load_extractor(), 10_000, 0, "mixture")
    assert len(data.test) < 100 and sets.seen and sets.wanted is None
    assert len(sets) == len(sets.real) == len(sets.floor) == len(data.train) // 2
    assert len(sets.unseen_features) == len(data.test)
    twins = data.train.tensors["image"][sets.floor].flatten(1)
    assert not (sets.real.flatten(1)[:, None] == twins).all(2).any()


def test_where_enough_are_held_out_these_are_compared(data: ImageData, vae_run: Path) -> None:
    many = replace(data, test=data.train, train=data.test)
    sets = gather(load_image_model(str(vae_run)), many, load_extractor(), 10_000, 0, "prior")
    assert not sets.seen and len(sets) == len(many.train)  # no more than would be the floor
    assert torch.equal(sets.unseen_features, sets.real_features)
    held_out = many.test.tensors["image"].flatten(1)
    assert (sets.real.flatten(1)[:, None] == held_out).all(2).any(1).all()


def test_small_sets_have_errors_and_large_ones_need_none() -> None:
    few = quality(material(noise(60, 4), noise(60, 4, seed=1), noise(80, 4, seed=2)), "features@1a2b3c4d")
    assert all(figure.errors is not None for figure in few if figure.name != "diversity")
    many = quality(material(noise(1000, 2), noise(1000, 2, seed=1), noise(1000, 2, seed=2)), "features@1a2b3c4d")
    assert [figure.name for figure in many if figure.errors is not None] == ["kd_features@1a2b3c4d"]


def test_no_picture_votes_on_itself() -> None:
    train = noise(40, 4)
    few = material(train[:20], train[:20], train, floor=torch.arange(20, 40), seen=True)
    assert voters(few, 40).tolist() == list(range(20, 40))
    many = material(train[:20], train[:20], train)
    assert sorted(voters(many, 40).tolist()) == list(range(40))


# --- likelihood


def test_bounds_are_the_core_s_in_bits(data: ImageData, vae_run: Path) -> None:
    model = load_image_model(str(vae_run))
    found = bounds(model, data.test, seed=0)
    x = data.test.tensors["image"] / 127.5 - 1
    with torch.no_grad():
        draws = [model.vae(x, noise(len(x), 8, seed=seed)) for seed in range(20)]
    elbos = torch.stack([(nll + kl.sum(1)).mean() for nll, kl in draws]) / (256 * math.log(2))
    assert abs(found.elbo - elbos.mean()) < 5 * elbos.std()
    assert found.iwae < found.elbo and found.n == len(x)
    assert found.information is None  # too few pictures
    assert 0 <= found.active <= 8


def test_information_is_estimated_from_a_thousand_pictures(data: ImageData, vae_run: Path) -> None:
    model = load_image_model(str(vae_run))
    images = data.train.tensors["image"]
    found = bounds(model, Arrays({"image": images.repeat(8, 1, 1, 1)[:1200]}), seed=0)
    assert found.n == 1000 and found.information is not None
    assert 0 < found.information < math.log(len(images)) + 0.1  # so many different pictures there are


def test_a_conditional_vae_is_told_the_labels(data: ImageData, cvae_run: Path) -> None:
    found = bounds(load_image_model(str(cvae_run)), data.test, seed=0)
    assert math.isfinite(found.elbo)
    names = [figure.name for figure in likelihood(found, found, 8)]
    assert any("ELBO" in name for name in names) and "active units of 8" in names


# --- where things are


def test_where_an_evaluation_goes(cgan_run: Path, tmp_path: Path) -> None:
    assert results_folder(None, str(cgan_run), "image") == cgan_run / "evaluation"
    assert results_folder(tmp_path, str(cgan_run), "image") == tmp_path
    assert results_folder(None, "features", "image") == Path("runs/evaluation-features")


def test_the_data_of_a_run_are_found_again(cgan_run: Path, shapes: Path, tmp_path: Path) -> None:
    assert trained_on(cgan_run, ("digits",)) == str(shapes)
    config = cgan_run / "config.json"
    (tmp_path / "config.json").write_bytes(config.read_bytes())  # without the run's own record
    with pytest.raises(UserError, match="trained on shapes, which is not built in"):
        trained_on(tmp_path, ("digits",))
    assert trained_on(tmp_path, ("shapes",)) == "shapes"


@pytest.mark.parametrize("flags", [{"n": 0}, {"n": -1}, {"seed": -1}])
def test_flags_that_make_no_sense_are_refused(flags: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="must be"):
        EvaluateConfig(**flags)


def test_what_cannot_be_had_is_refused(cgan_run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for flags, named in (
        ({"weights": "no-such-model"}, "no-such-model"),
        ({"weights": "features"}, "holds image/classifier weights"),
        ({"data": "digits"}, "has not the classes"),
        ({"data": str(tmp_path / "missing")}, "missing"),
        ({"classifier": "no-such-classifier"}, "no-such-classifier"),
        ({"out": tmp_path / "file"}, "file"),
    ):
        with pytest.raises(UserError, match=named):
            main(EvaluateConfig(**({"weights": str(cgan_run), "out": tmp_path / "out", "device": "cpu"} | flags)))


@pytest.mark.skipif(find_spec("torchmetrics") is not None, reason="torchmetrics is there")
def test_inception_says_what_it_needs() -> None:
    with pytest.raises(UserError, match="quartet-gen\\[fid\\]"):
        Inception()


# --- the whole


@pytest.mark.parametrize("told", ["config.json", "run.json"])
def test_who_was_taught_by_the_judge_is_said_to_be_flattered(told: str, cgan_run: Path, tmp_path: Path) -> None:
    if find_extractor().name.startswith("features"):
        pytest.skip("needs SqueezeNet's weights")
    weights = shutil.copytree(cgan_run, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints", "samples"))
    settings = json.loads((weights / told).read_text())
    (weights / told).write_text(json.dumps(settings | {"critic": "aided"}))
    if told == "config.json":
        record = json.loads((weights / "run.json").read_text())
        record.pop("critic")
        (weights / "run.json").write_text(json.dumps(record))
    for extractor, flattered in (("squeezenet", True), ("features", False)):
        main(EvaluateConfig(weights=str(weights), extractor=extractor, out=tmp_path / extractor, device="cpu"))  # type: ignore[arg-type]
        titles = list(json.loads((tmp_path / extractor / "evaluation.json").read_text())["tables"])
        assert titles[0].endswith("(the critic was taught by this network's features, so they flatter)") == flattered


@pytest.fixture(scope="module", params=["cgan_run", "vae_run"])
def evaluated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("evaluation") / "out"
    main(EvaluateConfig(weights=str(request.getfixturevalue(request.param)), out=out, device="cpu"))
    return out


def test_the_json_holds_figures_floors_and_the_protocol(evaluated: Path, data: ImageData) -> None:
    found = json.loads((evaluated / "evaluation.json").read_text())
    n = len(data.train) // 2  # too few are held out
    assert found["n"] == n and found["seed"] == 0 and found["extractor"] == find_extractor().name
    assert f"N = {n} samples (10,000 asked for" in found["protocol"]
    assert f"only {len(data.test)} are held out" in found["protocol"]
    rows = [row for table in found["tables"].values() for row in table]
    assert {row["figure"] for row in rows} >= {f"fd_{found['extractor']}", "coverage", "class entropy, nats"}
    assert all("real" in row or "training" in row for row in rows)
    kernel = next(row for row in rows if row["figure"].startswith("kd_"))
    assert kernel["samples error"] > 0 and kernel["real error"] > 0
    assert sum(count["real"] for count in found["classes"]) == n
    assert any("ELBO" in row["figure"] for row in rows) == (found["weights"].endswith("vae"))


def test_the_page_needs_nothing_else(evaluated: Path) -> None:
    page = (evaluated / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) >= 3 and all(source.startswith("data:image/png;base64,") for source in sources)
    for words in ("Samples", "nearest to a training picture", "Curves of the training", "coverage", "Facts"):
        assert words in page


def test_names_cannot_break_the_page() -> None:
    table = Table("<b>", ("a&b", "c"), [Metric("<script>", 1.0, None, "lower", 1_000, (0.5, 0.25))])
    evaluation = Evaluation({"data": "{x}<i>"}, "{protocol} <i>", [table])
    page = as_html(evaluation, "<title>", [])
    assert "<script>" not in page and "<i>" not in page and "{x}&lt;i&gt;" in page and "{protocol}" in page
    assert "<td>1.0 ± 0.5</td><td>-</td><td>lower</td><td>1,000</td>" in page
    assert as_json(evaluation)["tables"]["<b>"][0]["a&b error"] == 0.5
