"""An evaluation of a composer: its tables, its files, and what it refuses to compare."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from common.errors import UserError
from common.evaluation.report import Evaluation, results_folder
from common.training.runs import trained_on
from music.config import EvaluateConfig
from music.data.loading import MusicData
from music.evaluation import (
    check_fit,
    choose,
    contents,
    copying,
    draw,
    evaluate,
    figures,
    harmonising,
    pick,
    shares,
)
from music.metrics import quality
from music.models import MusicModel

N = 16


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evaluation")


@pytest.fixture(scope="module")
def evaluation(run_folder: Path, out: Path) -> Evaluation:
    return evaluate(EvaluateConfig(weights=str(run_folder), n=N, candidates=2, device="cpu"), out)


def test_every_table_is_there_and_finite(evaluation: Evaluation) -> None:
    assert [table.title for table in evaluation.tables] == [
        "Musical figures of the plain draw",
        "Before faults are mended",
        "The best of 2 candidates",
        "Histograms shared with held-out windows",
        "Copying",
        "Reconstruction",
        "Harmonising a given first voice",
        "Styles",
    ]
    for table in evaluation.tables:
        assert table.figures
        for figure in table.figures:
            for value in (figure.value, figure.reference):
                assert value is None or math.isfinite(value), figure.name
            assert figure.reference is not None, figure.name
    assert [count.name for count in evaluation.classes] == ["march", "waltz"]
    assert sum(count.asked_for or 0 for count in evaluation.classes) == evaluation.facts["n"] <= N
    assert sum(count.recognised for count in evaluation.classes) == evaluation.facts["n"]


def test_a_melody_is_always_kept(evaluation: Evaluation) -> None:
    (table,) = (table for table in evaluation.tables if table.title.startswith("Harmonising"))
    kept = table.figures[0]
    assert (kept.name, kept.value, kept.reference) == ("melodies kept note for note", 1.0, 1.0)


def test_the_files_hold_it_all(evaluation: Evaluation, out: Path, run_folder: Path) -> None:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is no JSON")

    written = json.loads((out / "evaluation.json").read_text(), parse_constant=refuse)
    assert written["weights"] == str(run_folder) and set(written["tables"]) == {t.title for t in evaluation.tables}
    page = (out / "report.html").read_text()
    assert "tunes on tunes" in page and page.count("data:image/png") == 2 and "held-out windows" in page
    assert f"N = {written['n']} compositions of 2 bars" in written["protocol"]


def test_an_evaluation_can_be_repeated(evaluation: Evaluation, run_folder: Path, tmp_path: Path) -> None:
    again = evaluate(EvaluateConfig(weights=str(run_folder), n=N, candidates=2, device="cpu"), tmp_path)
    assert again == evaluation


def test_real_music_scores_as_real(data: MusicData, model: MusicModel) -> None:
    held_out = choose(model.config, data.test, N, seed=0)
    for figure in figures(held_out.scores, held_out.scores):
        assert figure.value == figure.reference
    for figure in shares(*[held_out.scores] * 3):
        if "distance" not in figure.name and figure.value is not None:
            assert figure.value == pytest.approx(0 if figure.name.endswith("_kl") else 1)


def test_silence_has_no_figures_rather_than_wrong_ones(data: MusicData, model: MusicModel) -> None:
    held_out = choose(model.config, data.test, N, seed=0)
    silence = [replace(s, pitch=np.zeros_like(s.pitch), onset=np.zeros_like(s.onset)) for s in held_out.scores]
    found = {figure.name: figure.value for figure in figures(silence, held_out.scores)}
    assert found["in_scale"] is None and found["notes_per_bar"] == 0 and found["empty_bars"] == 1
    assert {f.name: f.value for f in shares(silence, held_out.scores, held_out.scores)}["pitch_overlap"] is None
    assert contents(silence).shape == contents(held_out.scores).shape and np.isfinite(contents(silence)).all()


def test_copies_of_training_windows_are_found(data: MusicData, model: MusicModel) -> None:
    held_out, stolen = choose(model.config, data.test, N, seed=0), choose(model.config, data.train, N, seed=1)
    copied = {figure.name: figure for figure in copying(model.config, stolen.scores, held_out, data.train)}
    assert copied["median distance to training"].value == 0 < copied["median distance to training"].reference  # type: ignore[operator]
    assert copied["nearer than nearest 5 % held-out"].value == 1


def test_windows_are_chosen_once_and_by_seed(data: MusicData, model: MusicModel) -> None:
    all_, some, again, other = (
        choose(model.config, data.train, n, seed) for n, seed in ((9999, 0), (5, 1), (5, 1), (5, 2))
    )
    assert len(all_.scores) == len(data.train) and len(some.scores) == 5
    assert torch.equal(some.rolls, again.rolls) and not torch.equal(some.rolls, other.rolls)
    assert not some.condition["mask"].any() and set(some.condition) >= {"style", "metre", "mode", "first", "last"}


def test_picking_never_makes_a_composition_worse(data: MusicData, model: MusicModel) -> None:
    typical = {"notes_per_bar": 4.0}  # by which nothing is mended
    model, condition = replace(model, typical=typical), choose(model.config, data.test, N, seed=0).condition
    config = EvaluateConfig(candidates=3, n=N)
    picked = pick(model, condition, config)
    for seed in (1, 2, 3):
        for best, plain in zip(picked, draw(model, condition, seed), strict=True):
            assert quality(best, typical) <= quality(plain, typical)
            assert (best.metre, best.key) == (plain.metre, plain.key)


def test_harmonising_writes_the_other_voices(data: MusicData, model: MusicModel) -> None:
    held_out = choose(model.config, data.test, N, seed=0)
    found = {figure.name: figure for figure in harmonising(model, held_out)}
    assert found["parallels"].better == "lower" and found["in_scale"].better == "as real"
    assert found["notes_per_bar"].value != found["notes_per_bar"].reference


@pytest.mark.parametrize("name", ["tracks", "styles", "metres", "low"])
def test_data_of_another_kind_are_refused(name: str, data: MusicData, model: MusicModel) -> None:
    check_fit(model, data)
    other = replace(data, spec=replace(data.spec, **{name: 1 if name == "low" else ()}))
    with pytest.raises(UserError, match=f"--data tunes has other {name} than tunes"):
        check_fit(model, other)


def test_where_an_evaluation_goes(run_folder: Path, tmp_path: Path) -> None:
    assert results_folder(None, str(run_folder), "music") == run_folder / "evaluation"
    assert results_folder(tmp_path, str(run_folder), "music") == tmp_path
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("config.json", "model.safetensors"):
        (alone / name).write_bytes((run_folder / name).read_bytes())
    assert results_folder(None, str(alone), "music") == Path("runs") / "evaluation-alone"
    assert trained_on(run_folder, ()).endswith("tunes")
    with pytest.raises(UserError, match=r"--data.*trained on tunes, which is not built in"):
        trained_on(alone, ())


@pytest.mark.parametrize(
    ("asked", "flag"), [({"n": 4}, "--n"), ({"candidates": 1}, "--candidates"), ({"seed": -1}, "--seed")]
)
def test_settings_of_no_use_are_told(asked: dict[str, int], flag: str) -> None:
    with pytest.raises(UserError, match=flag):
        EvaluateConfig(**asked)  # type: ignore[arg-type]
