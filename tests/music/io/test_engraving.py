"""Scores are engraved as pages that show their notes; without the extra one line says what to do."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import resvg_py
from PIL import Image

from common.errors import UserError
from music.config import GenerateConfig
from music.io import engraving as module
from music.io.engraving import save_pdf, save_svg
from music.io.musicxml import to_musicxml
from music.score import Score, TrackSpec

EXTRA = pytest.mark.skipif(module.find_spec("verovio") is None, reason="the extra scores is not installed")


def quarters(bars: int) -> str:
    pitch = np.zeros((1, 16 * bars, 128), bool)
    onset = pitch.copy()
    for step in range(0, 16 * bars, 4):
        pitch[0, step : step + 4, 67] = onset[0, step, 67] = True
    return to_musicxml(Score((TrackSpec("Flute", "mono", 60, 72),), pitch, onset), "Song")


@EXTRA
def test_an_svg_shows_staves_notes_title_and_tempo(tmp_path: Path) -> None:
    save_svg(quarters(4), tmp_path / "x.svg")
    text = (tmp_path / "x.svg").read_text()
    assert text.count('class="note"') == 16 and text.count('class="barLine"') >= 4
    assert ">Song<" in text and ">Flute<" in text and ">= 100<" in text and "<tspan" not in text
    (tmp_path / "x.png").write_bytes(bytes(resvg_py.svg_to_bytes(svg_string=text, background="white")))
    with Image.open(tmp_path / "x.png") as picture:
        dark = np.asarray(picture.convert("L")) < 128
    assert 0.005 < dark.mean() < 0.3


@EXTRA
def test_a_pdf_has_as_many_pages_as_it_needs_and_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        save_pdf(quarters(4), tmp_path / name)
    short = (tmp_path / "a.pdf").read_bytes()
    assert short.startswith(b"%PDF") and short.count(b"/Type /Page\n") == 1
    assert len((tmp_path / "b.pdf").read_bytes()) == len(short)
    save_pdf(quarters(300), tmp_path / "long.pdf")
    assert (tmp_path / "long.pdf").read_bytes().count(b"/Type /Page\n") > 1


@EXTRA
def test_any_thread_engraves(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.svg" for name in ("here", "there")]
    save_svg(quarters(1), paths[0])
    with ThreadPoolExecutor(1) as other:
        other.submit(save_svg, quarters(1), paths[1]).result()
    assert paths[0].read_text() == paths[1].read_text()


@EXTRA
def test_a_score_too_high_for_one_picture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TALLEST", 1000)
    with pytest.raises(UserError, match=r"x\.svg: the score is too long .* \.pdf"):
        save_svg(quarters(60), tmp_path / "x.svg")
    assert not list(tmp_path.iterdir())


def test_without_the_extra_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    config = GenerateConfig(out=("song.mid", "song.pdf"))
    with pytest.raises(
        UserError, match=r"--out song\.pdf: engraving needs verovio.*pip install 'quartet-gen\[scores\]'"
    ):
        config.check_inputs()
    GenerateConfig(out=("song.musicxml",)).check_inputs()
