"""Two folders of MIDI held against each other: equal sources are near the floor, others are not, no weights load."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_tunes import tune

from common.errors import UserError
from music.comparison import compare, read_pieces
from music.config import EvaluateConfig
from music.evaluate import main
from music.io.midi import save_midi, to_midi
from music.score import Score
from music.theory import Key


def shaken(score: Score, seed: int) -> Score:
    """A piece whose notes are any of two octaves, and no longer of a scale."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(24)
    pitch, onset = (roll.copy() for roll in (score.pitch, score.onset))
    for roll in (pitch, onset):
        roll[:, :, 48:72] = roll[:, :, 48:72][:, :, order]
    return replace(score, pitch=pitch, onset=onset)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tunes of one source in "real" and, of other lengths, in "alike"; in "unlike" shaken ones."""
    folder = tmp_path_factory.mktemp("music")
    for name, first, count, bars in (("real", 0, 40, 6), ("alike", 100, 20, 5), ("unlike", 200, 20, 5)):
        (folder / name).mkdir()
        for number in range(first, first + count):
            score = tune(number, "4/4", Key(0), bars)
            score = shaken(score, number) if name == "unlike" else score
            save_midi(to_midi(score), folder / name / f"{number}.mid")
    return folder


def test_pieces_of_one_source_are_nearer_than_others(folder: Path, tmp_path: Path) -> None:
    def of(samples: str) -> dict[str, tuple[float, float]]:
        evaluation = compare(EvaluateConfig(samples=str(folder / samples), data=str(folder / "real")), tmp_path)
        figures = (figure for table in evaluation.tables for figure in table.figures)
        return {figure.name: (figure.value, figure.reference) for figure in figures}  # type: ignore[misc]

    alike, unlike = of("alike"), of("unlike")
    assert alike["in_scale"][0] == alike["in_scale"][1] == 1 > unlike["in_scale"][0]
    assert alike["interval_overlap"][0] > unlike["interval_overlap"][0]
    for name in ("precision", "coverage"):
        assert alike[name][0] > 0.5 > unlike[name][0], name


def test_the_command_writes_what_it_prints(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "alike" / "broken.mid").write_bytes(b"no music")
    main(EvaluateConfig(samples=str(folder / "alike"), data=str(folder / "real"), n=16, out=tmp_path / "out"))
    written = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert written["n"] == 16 and "N = 16 pieces of alike" in written["protocol"]
    assert (tmp_path / "out" / "report.html").read_text().count("data:image/png") == 2
    assert "coverage" in capsys.readouterr().out


def test_what_cannot_be_compared_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--candidates means nothing with --samples"):
        EvaluateConfig(samples=str(folder), data="dances", candidates=3)
    (tmp_path / "broken.mid").write_bytes(b"no music")
    with pytest.raises(UserError, match=r"--samples .*: none of its 1 pieces can be read \("):
        read_pieces("samples", str(tmp_path))
