"""What is said of a collection of music is true of it."""

import json
from pathlib import Path

import pytest
from PIL import Image
from small_tunes import save_tunes

from common.cli import parse
from common.errors import UserError
from music.data.__main__ import main
from music.data.inspection import as_json, describe
from music.data.loading import load_music


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
