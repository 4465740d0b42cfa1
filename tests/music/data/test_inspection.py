"""What is said of a collection of music is true of it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from pretty_midi import Instrument, Note, PrettyMIDI
from small_tunes import save_tunes

from common.cli import parse
from common.errors import UserError
from music.data.__main__ import main
from music.data.inspection import as_json, describe, table
from music.data.loading import lacking, load_music, suited


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten marches and ten waltzes, a march again under another name, and a file that is no music."""
    monkeypatch.setenv("QUARTET_CACHE", str(tmp_path / "cache"))
    tunes = save_tunes(tmp_path / "tunes")
    (tunes / "march" / "again.mid").write_bytes((tunes / "march" / "march 0.mid").read_bytes())
    (tunes / "march" / "broken.mid").write_bytes(b"MThd")
    return tunes


def test_what_is_told_is_so(folder: Path) -> None:
    data = load_music(str(folder))
    told = dict(describe(data))
    assert told["tunes"] == f"{21 - data.held_out} to train on, {data.held_out} held out" and data.held_out >= 2
    assert told["windows"].startswith(f"{len(data.train)} of 4 bars")
    assert told["variants"].startswith("2 tunes are variants of 1:")
    assert told["tracks"].startswith("High (one note at a time, ") and told["tracks"].count(";") == 3
    assert told["styles"] == "march 11, waltz 10"
    assert told["metres"] == "4/4 11, 3/4 10"
    assert told["keys"] == "C major 11, G major 10"
    assert told["tempi"] == "90 quarter notes a minute"
    assert told["lengths"].startswith("6 bars, with ")
    assert told["skipped"].startswith("1 tunes: 1 ") and "march/broken.mid" in told["skipped"]


def test_the_table_has_a_line_for_each_style(folder: Path) -> None:
    data = load_music(str(folder))
    heading, march, waltz, *_ = table(data).splitlines()
    held = {style: sum(t.is_held_out for t in data.tunes if t.style == style) for style in data.spec.styles}
    assert heading.split() == [
        "style",
        "tunes",
        "held",
        "out",
        "bars",
        "notes",
        "moved",
        "by",
        "12",
        "voices",
        "metres",
    ]
    assert march.split()[:4] == ["march", "11", str(held["march"]), "66"]
    assert waltz.split()[:4] == ["waltz", "10", str(held["waltz"]), "60"]
    assert march.split()[5:] == ["0.0%", "0.0%", "3", "4/4", "11"] and waltz.split()[5:] == [
        "0.0%",
        "0.0%",
        "3",
        "3/4",
        "10",
    ]


def test_notes_between_two_steps_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QUARTET_CACHE", str(tmp_path / "cache"))
    (tmp_path / "tunes").mkdir()
    for letter in "ceg":
        text = f"X:1\nT:{letter}\nM:4/4\nL:1/4\nK:C\n(3cde c d {letter} | c d e f | g f e d | c4 |]\n"
        (tmp_path / "tunes" / f"{letter}.abc").write_text(text)
    late = PrettyMIDI(initial_tempo=120)
    late.instruments = [Instrument(0)]
    starts = [beat / 2 + 0.03 * (beat % 2) for beat in range(16)]  # every other a quarter of a sixteenth late
    late.instruments[0].notes = [Note(80, 60 + beat % 5, start, start + 0.4) for beat, start in enumerate(starts)]
    late.write(str(tmp_path / "tunes" / "late.mid"))
    data = load_music(str(tmp_path / "tunes"))
    moved = {tune.name: tune.moved for tune in data.tunes}
    assert moved == {"c.abc c": 2, "e.abc e": 2, "g.abc g": 2, "late.mid": 8}
    assert {tune.off_twelfths for tune in data.tunes if tune.name != "late.mid"} == {0}  # triplets
    assert next(tune.off_twelfths for tune in data.tunes if tune.name == "late.mid") == 8
    notes = sum(tune.notes for tune in data.tunes)
    told = f"the grid of sixteenths moves {14 / notes:.1%} of the notes; one of 12 steps"
    assert told in capsys.readouterr().err
    assert table(data).splitlines()[1].split()[:2] == ["all", "4"]


def test_the_finer_grid_is_advised_where_it_is_much_better(folder: Path) -> None:
    (tune, *_) = load_music(str(folder), 1).tunes
    for moved, finer, grid in ((20, 9, 12), (20, 10, 4), (10, 0, 4)):
        assert suited([replace(tune, notes=100, moved=moved, off_twelfths=finer)]) == grid


def test_what_styles_lack_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = load_music(str(folder))
    said = capsys.readouterr().err
    assert f"--data {folder}: few tunes have the styles march 11, waltz 10; 30 or more" in said
    trained = [replace(tune, is_held_out=False) for tune in data.tunes] * 3
    assert list(lacking(trained)) == ["no tune is held out of march, waltz: how well it is learned cannot be measured"]


def test_all_tunes_are_named(folder: Path) -> None:
    found = as_json(load_music(str(folder)))
    by_name = {tune["name"]: tune for tune in found["tunes"]}
    assert len(by_name) == 21 and list(found["skipped"]) == ["march/broken.mid"]
    first, again, other = (by_name[f"march/{name}.mid"] for name in ("march 0", "again", "march 1"))
    assert first["kin"] == again["kin"] != other["kin"]
    assert first["is_held_out"] == again["is_held_out"]
    assert (first["key"], other["key"], first["bars"]) == ("C major", "G major", 6)


def test_the_command_draws_and_proposes(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "look"
    main(parse(main, "music.data", [str(folder), "--minutes", "30", "--device", "cpu", "--out", str(out)]))
    told = capsys.readouterr().out
    assert "python -m music.train --device cpu" in told and "--minutes 30" in told and f"--data {folder}" in told
    assert "windows/s here" in told
    assert json.loads((out / "data.json").read_text(encoding="utf-8"))["training_windows"] > 0
    assert Image.open(out / "rolls.png").size[0] > 100


def test_few_tunes_are_looked_at_too(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in sorted(folder.rglob("*.mid"))[4:]:
        path.unlink()
    main(parse(main, "music.data", [str(folder), "--device", "cpu", "--out", str(tmp_path / "look")]))
    assert "windows are too few to train on" in capsys.readouterr().out
    assert (tmp_path / "look" / "data.json").is_file() and (tmp_path / "look" / "rolls.png").is_file()


@pytest.mark.parametrize(
    ("words", "named"), [(("missing",), "missing"), (("chorales", "--minutes", "0"), "--minutes"), ((), "DATA")]
)
def test_bad_input_is_refused(words: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((UserError, SystemExit), match=f"{named}|2"):
        main(parse(main, "music.data", [*words, "--device", "cpu"]))
