"""Commands that torchrun starts in several processes: they share their work, or refuse."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import (
    COMMANDS,
    TORCHRUN,
    alone_and_shared,
    assert_refused,
    assert_same_files,
    command,
    dotted,
    shared,
)
from PIL import Image

SHARED = {
    *("image.train", "image.translate.train", "image.judges.classifier", "image.judges.scorer", "text.train"),
    *("music.train", "music.sound.train", "superres.train"),
    *("image.generate", "image.evaluate", "image.translate.__main__", "superres.upscale"),
    *("text.generate", "text.evaluate", "music.generate", "music.evaluate"),
    *("music.sound.generate", "music.sound.evaluate"),
}
N = 520  # digits, of which 256 are drawn at a time: three parts


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as torchrun has it


@pytest.mark.parametrize("name", sorted(set(map(dotted, COMMANDS)) - SHARED))
def test_what_cannot_be_shared_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert_refused(command(name), "without torchrun", f"python -m {name.removesuffix('.__main__')}")


def test_two_processes_draw_the_same_pictures_once_each(tmp_path: Path) -> None:
    # The "--" keeps torchrun from taking --n for a short form of one of its own flags.
    for name, launcher in (("alone", ()), ("shared", (*TORCHRUN, "--"))):
        result = command(*launcher, "image.generate", "--n", N, "--device", "cpu", "--out", tmp_path / name)
        assert result.returncode == 0, result.stderr
        assert result.stdout.count("wrote") == 1 and f"{N} pictures into" in result.stdout
    pictures = sorted((tmp_path / "alone").iterdir())
    assert len(pictures) == N == len(list((tmp_path / "shared").iterdir()))
    assert all(path.read_bytes() == (tmp_path / "shared" / path.name).read_bytes() for path in pictures)


def test_two_processes_draw_the_same_sheet(tmp_path: Path) -> None:
    words = ("image.generate", "--weights", "emoji-text", "--text", "red heart", "green apple", "--device", "cpu")
    one, both = tmp_path / "one.png", tmp_path / "both.png"
    assert command(*words, "--out", one).returncode == 0
    assert shared(*words, "--out", both).returncode == 0
    assert one.read_bytes() == both.read_bytes()


@pytest.mark.parametrize("weights", ["digits-cgan", "fashion-vae"])
def test_two_processes_measure_the_same(weights: str, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    for number, noise in enumerate(np.random.default_rng(0).integers(0, 255, (200, 28, 28), np.uint8)):
        path = pictures / str(number % 10) / f"{number}.png"  # of the classes of digits-cgan
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise).save(path)
    which = ("--weights", weights, "--data", pictures, "--n", 16, "--extractor", "features", "--device", "cpu")
    found = []
    for name, start in (("alone", command), ("shared", shared)):
        result = start("image.evaluate", *which, "--out", tmp_path / name)
        assert result.returncode == 0, result.stderr
        assert result.stdout.count("report.html") == 1
        found.append(json.loads((tmp_path / name / "evaluation.json").read_text()))
    assert found[0] == found[1]
    assert (tmp_path / "alone" / "report.html").read_bytes() == (tmp_path / "shared" / "report.html").read_bytes()


def test_two_processes_make_the_same_sounds(tmp_path: Path) -> None:
    words = ("music.sound.generate", "--instrument", "flute", "--pitch", "A4", "C5", "--n", 2)
    alone, both, said = alone_and_shared(tmp_path / "folder", *words)
    assert_same_files(alone, both)
    assert said.count("wrote") == 1 and "4 sounds into" in said
    alone, both, _ = alone_and_shared(tmp_path / "file", *words, out="chord.wav")
    assert alone.read_bytes() == both.read_bytes()
