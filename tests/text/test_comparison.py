"""Two sets of texts held against each other: the floor is of other real texts, copies are found, no weights load."""

import json
from pathlib import Path

import numpy as np
import pytest

from common.errors import UserError
from common.evaluation.report import Evaluation
from text.comparison import compare
from text.config import EvaluateConfig
from text.evaluate import main


def sentences(count: int, words: str, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(words.split(), 9)) for _ in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    words = "the a sea sky wind blue cold falls rises over under night"
    (folder / "real.txt").write_text("\n".join(sentences(120, words, 0)) + "\n")
    rows = (json.dumps({"text": text, "provenance": {"seed": 1}}) for text in sentences(50, words, 1))
    (folder / "alike.jsonl").write_text("\n".join(rows))
    (folder / "unlike.txt").write_text("\n".join(sentences(50, "zebra yak xylophone wolf", 2)))
    return folder


def figures(evaluation: Evaluation) -> dict[str, tuple[float, float]]:
    return {figure.name: (figure.value, figure.reference) for figure in evaluation.tables[0].figures}  # type: ignore[misc]


def test_texts_of_one_source_are_as_real_and_others_are_not(folder: Path, tmp_path: Path) -> None:
    def of(samples: str) -> dict[str, tuple[float, float]]:
        return figures(compare(EvaluateConfig(samples=str(folder / samples), data=str(folder / "real.txt")), tmp_path))

    alike, unlike, copied = of("alike.jsonl"), of("unlike.txt"), of("real.txt")
    assert alike["unknown words"] == (0, 0) and unlike["unknown words"] == (1, 0)
    name = "reverse perplexity (own trigrams)"
    assert alike[name][0] == pytest.approx(alike[name][1], rel=0.3) and unlike[name][0] > 2 * unlike[name][1]
    assert copied["verbatim training texts"][0] > 0.3 and alike["verbatim training texts"][0] == 0


def test_the_command_writes_what_it_prints(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(EvaluateConfig(samples=str(folder / "alike.jsonl"), data=str(folder / "real.txt"), n=20, out=tmp_path / "out"))
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert written["n"] == 20 and "all 100 other real texts" in written["protocol"]
    assert "reverse perplexity" in capsys.readouterr().out


def test_what_is_not_read_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="--samples are held against --data; name it"):
        EvaluateConfig(samples=str(folder))
    with pytest.raises(UserError, match="--importance means nothing with --samples"):
        EvaluateConfig(samples=str(folder), data="bible", importance=3)
