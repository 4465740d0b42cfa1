"""The blind reading: what readers mark is scored by a key that they have not seen."""

import csv
import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from small_texts import saved

from common.errors import UserError
from text.models import TextModel

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
KEY = [("1", "poem", "ours"), ("2", "poem", "real"), ("3", "poem", "ours"), ("4", "news", "real")]


@pytest.fixture(scope="module")
def score() -> dict[str, Any]:
    """What the benchmark that scores marks defines."""
    return runpy.run_path(str(BENCHMARKS / "reading_marks.py"))


def save(path: Path, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def marked(path: Path, marks: dict[str, str]) -> Path:
    return save(path, ("number", "style", "text", "grammatical"), [(n, "poem", "a\nb", m) for n, m in marks.items()])


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return save(tmp_path / "key.csv", ("number", "style", "source"), KEY)


def test_marks_are_counted_by_style_and_source(
    score: dict[str, Any], key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ann = marked(tmp_path / "ann.csv", {"1": "1", "2": "1", "3": " 0", "4": ""})
    bob = marked(tmp_path / "bob.csv", {"1": "0", "2": "1", "3": "0", "4": ""})
    score["main"](score["MarksConfig"](key=key, marks=(ann, bob)))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["poem", "ours", "0.25", "0.05", "to", "0.70", "4"] in lines  # Wilson's, of 1 in 4
    assert ["poem", "real", "1.00", "0.34", "to", "1.00", "2"] in lines
    assert not any(line[0] == "news" for line in lines)
    assert lines[-1][-5:] == ["on", "0.67", "of", "3", "texts"]


@pytest.mark.parametrize(
    ("marks", "said"), [({"1": "x"}, "'x' for text 1"), ({"9": "1"}, "for text 9"), ({"1": ""}, "has no marks")]
)
def test_marks_that_cannot_be_scored_are_told(
    score: dict[str, Any], key: Path, tmp_path: Path, marks: dict[str, str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        score["main"](score["MarksConfig"](key=key, marks=(marked(tmp_path / "ann.csv", marks),)))
    with pytest.raises(UserError, match="must have the columns number, grammatical"):
        score["marks_of"](key, {"1"})


def test_ours_stand_among_as_many_real_ones_and_the_key_apart(tmp_path: Path, corpus: Path, model: TextModel) -> None:
    weights = saved(model, tmp_path)
    kit = runpy.run_path(str(BENCHMARKS / "reading.py"))
    kit["main"](kit["ReadingConfig"](data=str(corpus), weights=str(weights), n=4, out=tmp_path / "out"))
    texts, sources = (list(csv.DictReader((tmp_path / "out" / name).open())) for name in ("texts.csv", "key.csv"))
    assert [row["number"] for row in texts] == [row["number"] for row in sources] == [str(n) for n in range(1, 17)]
    assert sorted((row["style"], row["source"]) for row in sources) == sorted(
        (style, source) for style in ("news", "poem") for source in ("ours", "real") for _ in range(4)
    )
    assert {row["grammatical"] for row in texts} == {""} and "source" not in texts[0]
