"""The commands about pictures of pictures as a user types them, each in a process of its own."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import assert_refused, command
from PIL import Image

TINY = ("--net-size", "debug", "--critic-width", "4", "--patch", "32", "--batch", "4", "--device", "cpu")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures of waves."""
    folder = tmp_path_factory.mktemp("photos")
    y, x = np.mgrid[:48, :64][..., None]
    for number in range(8):
        draw = np.random.default_rng(number)
        waves = np.sin(x * draw.uniform(0.1, 1, 3) + y * draw.uniform(0.1, 1, 3))
        Image.fromarray((128 + 100 * waves).astype(np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def run_folder(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "waves"
    result = command("image.translate.train", "--data", photos, *TINY, "--steps", 2, "--out", out)
    assert result.returncode == 0, result.stderr
    assert f"--weights {out}" in result.stdout
    return out


def test_commands_are_listed_and_explained() -> None:
    listed = command("image")
    for name in ("translate.train", "translate", "translate.evaluate"):
        assert f"python -m image.{name}" in listed.stdout
        result = command(f"image.{name}", "--help")
        assert result.returncode == 0 and "--device" in result.stdout, result.stderr


def test_pictures_are_translated_and_not_twice(run_folder: Path, photos: Path, tmp_path: Path) -> None:
    words = ("image.translate", photos, "--weights", run_folder, "--out", tmp_path / "out")
    first, second = command(*words), command(*words)
    assert first.returncode == 0, first.stderr
    assert len(list((tmp_path / "out").glob("*_colour.png"))) == 8
    assert "skipped 8 files" in second.stdout


def test_translators_are_evaluated(run_folder: Path, photos: Path) -> None:
    result = command("image.translate.evaluate", "--data", photos, "--weights", run_folder)
    assert result.returncode == 0, result.stderr
    found = json.loads((run_folder / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
    assert found["task"] == "colorize" and "Colours against mean colour" in found["tables"]


def test_bad_input_is_one_line_and_code_2(run_folder: Path, photos: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes((photos / "0.png").read_bytes()[:300])
    for words, named in (
        (("image.translate", bad, "--weights", run_folder), "bad.png"),
        (("image.translate", tmp_path / "none.png", "--weights", run_folder), "none.png"),
        (("image.translate", photos / "0.png", "--weights", tmp_path), "--weights"),
        (("image.translate", photos / "0.png", "--task", "pairs"), "--task"),
        (("image.translate", photos / "0.png", "--task", "inpaint"), "--mask"),
        (("image.translate.train", "--data", tmp_path / "none"), "--data"),
        (("image.translate.evaluate", "--weights", run_folder), "--data"),
    ):
        assert_refused(command(*words), named)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.png"]
