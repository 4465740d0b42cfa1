"""Two sets of pictures held against each other: equal sources are at the floor, others are not, and no weights load."""

import json
import shutil
from pathlib import Path

import pytest

from common.errors import UserError
from common.evaluation.report import Evaluation
from image.comparison import compare
from image.config import EvaluateConfig
from image.evaluate import main


@pytest.fixture(scope="module")
def sets(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of pictures: two of one source, "some" and "others", and "discs" of another."""
    root = tmp_path_factory.mktemp("sets")
    for name in ("some", "others", "discs"):
        (root / name).mkdir()
    for number in range(100):
        shutil.copy(shapes / "bars" / f"{number}.png", root / ("some" if number < 40 else "others"))
        shutil.copy(shapes / "discs" / f"{number}.png", root / "discs")
    return root


def figures(evaluation: Evaluation) -> dict[str, tuple[float, float]]:
    (table,) = evaluation.tables
    return {figure.name.partition("_")[0]: (figure.value, figure.reference) for figure in table.figures}  # type: ignore[misc]


def test_equal_sources_are_near_the_floor_and_others_far(sets: Path, tmp_path: Path) -> None:
    def of(samples: str) -> dict[str, tuple[float, float]]:
        config = EvaluateConfig(samples=str(sets / samples), data=str(sets / "others"), extractor="features")
        return figures(compare(config, tmp_path))

    alike, unlike = of("some"), of("discs")
    assert 10 * max(alike["fd"]) < unlike["fd"][0]
    for name in ("precision", "recall", "coverage"):
        assert unlike[name][0] < 0.1 < alike[name][0], name
    assert alike["fd"][1] > 0 and unlike["precision"][1] > 0.5


def test_n_and_protocol_are_told(sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = {"samples": str(sets / "some"), "data": str(sets / "others"), "extractor": "features", "size": "24x16"}
    main(EvaluateConfig(**flags, out=tmp_path / "out"))  # type: ignore[arg-type]
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert written["n"] == 30 and "weights" not in written  # half of the 60 real ones
    assert "N = 30 pictures of some" in written["protocol"] and "24 x 16 pixels" in written["protocol"]
    assert "copies of it count as good" in capsys.readouterr().out.replace("\n", " ")
    assert (tmp_path / "out" / "report.html").read_text().count("data:image/png") == 2


def test_sets_that_are_too_small_are_refused(sets: Path, tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    for number in range(5):
        shutil.copy(sets / "discs" / f"{number}.png", tmp_path / "few")
    config = EvaluateConfig(samples=str(tmp_path / "few"), data=str(sets / "others"), extractor="features")
    with pytest.raises(UserError, match="--samples are 5 and --data are 60; 16 samples and 32 real ones or more"):
        compare(config, tmp_path)


def test_what_is_not_read_is_refused() -> None:
    with pytest.raises(UserError, match="--samples are held against --data; name it"):
        EvaluateConfig(samples="folder")
    with pytest.raises(UserError, match="--weights means nothing with --samples; leave it out"):
        EvaluateConfig(samples="folder", data="digits", weights="fashion-cgan")
    with pytest.raises(UserError, match="--size means nothing without --samples; leave it out"):
        EvaluateConfig(size=32)
