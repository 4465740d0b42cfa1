"""The image commands as a user types them, each in a process of its own."""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from commands import assert_refused, command
from PIL import Image

BAD = {"truncated.jpg", "notes.png", "bomb.png"}
TINY = ("--net-size", "debug", "--images", "640", "--snapshot", "320")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "digits"
    result = command("image.train", *TINY, "--out", out)
    assert result.returncode == 0, result.stderr
    assert str(out) in result.stdout
    hint = result.stdout.splitlines()[-1]
    assert "early days: after 640 images" in hint and "--resume --minutes 11 in place of --images 640" in hint
    return out


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as people have them: good pictures of several kinds, and some that cannot be read."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for index in range(40):
        pixels = rng.integers(0, 256, (40 + index, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:02}.{('png', 'jpg', 'webp')[index % 3]}")
    whole = (folder / "01.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "notes.png").write_text("not a picture")
    (folder / "bomb.png").write_bytes(huge_png(50_000))
    return folder


def huge_png(side: int) -> bytes:
    """A PNG whose header promises side x side pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def test_a_data_set_is_looked_at_before_it_is_trained_on(pictures: Path, tmp_path: Path) -> None:
    result = command("image.data", pictures, "--size", "16", "--minutes", "2.5", "--out", tmp_path / "seen")
    assert result.returncode == 0, result.stderr
    lines = {line[:13].strip(): line[14:] for line in result.stdout.splitlines()}
    assert {"pictures", "sizes", "look-alikes", "size", "core", "augmentation", "mirroring", "time"} <= lines.keys()
    assert "3 files" in lines["skipped"] and "images/s here" in lines["time"]
    advised = result.stdout.splitlines()[-1]
    assert (
        advised.startswith(f"python -m image.train --data {pictures} --size 16 --core ") and "--minutes 2.5" in advised
    )
    assert set(json.loads((tmp_path / "seen" / "data.json").read_text())["skipped"]) == BAD
    assert (tmp_path / "seen" / "contact-sheet.png").is_file()
    words = [
        *advised.removeprefix("python -m ").split(),
        "--net-size",
        "debug",
        "--steps",
        "2",
        "--out",
        tmp_path / "run",
    ]
    assert command(*words).returncode == 0


def test_a_data_set_that_is_of_no_use_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "broken.png").write_text("broken")
    assert_refused(
        command("image.data", tmp_path / "a", "--out", tmp_path / "seen"), "none of its 1 pictures can be read"
    )
    assert not (tmp_path / "seen").exists()


def test_a_side_of_which_no_network_is_leaves_nothing(pictures: Path, tmp_path: Path) -> None:
    result = command("image.data", pictures, "--size", "50", "--out", tmp_path / "seen")
    assert result.returncode == 2 and "--size 50 is not 4, 5, 6 or 7 doubled" in result.stderr.splitlines()[-1]
    assert not (tmp_path / "seen").exists()


def test_train_leaves_everything_behind(run_folder: Path) -> None:
    names = {path.name for path in run_folder.iterdir()}
    assert {
        "config.json",
        "model.safetensors",
        "README.md",
        "checkpoints",
        "samples",
        "metrics.jsonl",
        "tensorboard",
    } <= names
    assert len(list((run_folder / "samples").glob("*.png"))) == 2
    rows = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    assert any("coverage" in row for row in rows)
    assert "python -m image.train" in (run_folder / "README.md").read_text()


def test_train_never_touches_an_existing_run(run_folder: Path) -> None:
    before = (run_folder / "model.safetensors").read_bytes()
    assert_refused(command("image.train", *TINY, "--out", run_folder), str(run_folder), "--resume", "--overwrite")
    assert (run_folder / "model.safetensors").read_bytes() == before


def test_generate_and_evaluate_a_run(run_folder: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    result = command("image.generate", "--weights", run_folder, "--n", 20, "--label", "3", "--out", sheet)
    assert result.returncode == 0, result.stderr
    assert str(sheet) in result.stdout and Image.open(sheet).size[0] > 28
    result = command("image.evaluate", "--weights", run_folder, "--n", 200, "--out", tmp_path / "report")
    assert result.returncode == 0, result.stderr
    assert "fd_squeezenet@" in result.stdout and "Real against real" in result.stdout
    assert (tmp_path / "report" / "evaluation.json").is_file()


def test_folder_of_pictures_with_bad_ones_among_them(pictures: Path, tmp_path: Path) -> None:
    result = command("image.train", "--data", pictures, "--size", 32, *TINY, "--out", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert "skipped 3 " in result.stderr


def test_bad_data_is_refused(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text("hello")
    out = ("--out", tmp_path / "run")
    assert_refused(command("image.train", "--data", tmp_path / "missing", *TINY, *out), "missing")
    assert_refused(command("image.train", "--data", texts, *TINY, *out), "texts")
    assert_refused(command("image.train", "--size", -5, *TINY, *out), "--size")
    assert_refused(command("image.train", "--minuts", 5, *TINY, *out), "did you mean --minutes?")
    assert not (tmp_path / "run").exists()


def test_bad_weights_and_labels_are_refused(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.png"
    assert_refused(command("image.generate", "--weights", "no-such-model", "--out", out), "no-such-model")
    assert_refused(command("image.generate", "--weights", run_folder, "--label", "zebra", "--out", out), "zebra")
    assert_refused(command("image.generate", "--weights", run_folder, "--n", 0, "--out", out), "--n")
    assert not out.exists()


def test_pictures_that_a_model_cannot_draw_are_not_edited(pictures: Path, tmp_path: Path) -> None:
    words = ("--steps", 2, "--starts", 1, "--out", tmp_path / "out.png", "--device", "cpu")
    assert_refused(command("image.edit", pictures / "01.jpg", "--direction", "smile=+2", *words), "01.jpg", "PSNR")
    assert_refused(command("image.edit", pictures / "01.jpg", "--direction", "frown=+2", *words), "frown", "smile")
    assert_refused(command("image.edit", tmp_path / "none.png", *words), "none.png")
    result = command("image.edit", pictures / "01.jpg", "--direction", "smile=+2", "--least", -99, *words)
    assert result.returncode == 0 and "with a PSNR of" in result.stdout, result.stderr
    assert (tmp_path / "out.png").is_file()
    assert "--direction" in command("image.edit", "--help").stdout


def test_a_result_tells_how_it_was_made_and_is_made_again_by_that(tmp_path: Path) -> None:
    first, again, plain = (tmp_path / name for name in ("first.png", "again.png", "plain.png"))
    assert command("image.generate", "--n", 2, "--label", 3, "--seed", 5, "--out", first).returncode == 0
    assert command("image.generate", "--settings-from", first, "--out", again).returncode == 0
    assert first.read_bytes() == again.read_bytes()
    told = command("common.provenance", first).stdout.splitlines()
    assert "command: python -m image.generate --n 2 --label 3 --seed 5" in told
    assert told[-1] == "unchanged since it was made"
    assert command("image.generate", "--settings-from", first, "--no-provenance", "--out", plain).returncode == 0
    assert_refused(command("common.provenance", plain), str(plain), "no record")
