"""The super-resolution commands as a user types them, each in a process of its own."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from commands import TORCHRUN, assert_refused, command, shared
from PIL import Image

TINY = ("--width", "4", "--depth", "1", "--patch", "8", "--batch", "4", "--warm-up", "8")
SHORT = ("--steps", "6", "--snapshot", "12", "--device", "cpu")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six pictures of waves."""
    folder = tmp_path_factory.mktemp("photos")
    y, x = np.mgrid[:48, :64][..., None]
    for number in range(6):
        draw = np.random.default_rng(number)
        waves = np.sin(x * draw.uniform(0.1, 1, 3) + y * draw.uniform(0.1, 1, 3))
        Image.fromarray((128 + 100 * waves).astype(np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def run_folder(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "waves"
    result = command("superres.train", "--data", photos, "--scale", 2, *TINY, *SHORT, "--out", out)
    assert result.returncode == 0, result.stderr
    assert f"--weights {out}" in result.stdout
    return out


def test_commands_are_listed_and_explained() -> None:
    listed = command("superres")
    assert listed.returncode == 0, listed.stderr
    for name in ("train", "upscale", "compare", "evaluate"):
        assert f"python -m superres.{name}" in listed.stdout
        result = command(f"superres.{name}", "--help")
        assert result.returncode == 0, result.stderr
        assert f"python -m superres.{name}" in result.stdout and "--device" in result.stdout


def test_weights_are_compared_on_a_sheet(photos: Path, tmp_path: Path) -> None:
    out, names = tmp_path / "sheet.png", ("x4-fast", "x4-base", "x4-fast-gan")
    arguments = ("superres.compare", photos / "0.png", "--weights", *names, "--out", out, "--side", 16, "--crops", 2)
    result = command(*arguments, "--device", "cpu")
    assert result.returncode == 0, result.stderr
    assert "x4-fast and x4-fast-gan differ by" in result.stdout and f"wrote {out}" in result.stdout
    with Image.open(out) as sheet:
        assert sheet.width > 4 * 64 and sheet.height > 2 * 64 + 4 * 48  # two rows of four, and a map
    assert_refused(command(*arguments), "--overwrite")
    assert_refused(command("superres.compare", photos / "0.png", "--weights", "x4-fast"), "two or more")
    assert_refused(command("superres.compare", tmp_path / "lost.png"), "no such file")


def test_train_leaves_everything_behind(run_folder: Path) -> None:
    names = {path.name for path in run_folder.iterdir()}
    assert {"config.json", "model.safetensors", "README.md", "checkpoints", "metrics.jsonl"} <= names
    assert list((run_folder / "samples").glob("*.png"))
    rows = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    assert any("psnr_y" in row for row in rows)
    assert "python -m superres.train" in (run_folder / "README.md").read_text()


def test_the_twin_is_trained_and_blended(run_folder: Path, photos: Path, tmp_path: Path) -> None:
    twin, flags = Path(f"{run_folder}-gan"), ("--batch", "2", "--critic-width", "8", "--warm-up", "8", *SHORT)

    def train(patch: int) -> subprocess.CompletedProcess[str]:
        begins = ("--core", "gan", "--weights", run_folder, "--out", twin)
        return command("superres.train", *begins, "--data", photos, "--patch", patch, *flags)

    assert_refused(train(32), "smaller than 64 pixels")
    result = train(16)
    assert result.returncode == 0, result.stderr
    for sharpness in (0, 0.5, 1):
        out = tmp_path / f"{sharpness}.png"
        done = command(
            "superres.upscale", photos / "0.png", "--weights", run_folder, "--sharpness", sharpness, "--out", out
        )
        assert done.returncode == 0, done.stderr
    assert len({(tmp_path / f"{sharpness}.png").read_bytes() for sharpness in (0, 0.5, 1)}) == 3


def test_upscale_and_evaluate(run_folder: Path, photos: Path, tmp_path: Path) -> None:
    result = command("superres.upscale", photos, "--weights", run_folder, "--out", tmp_path / "large")
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in (tmp_path / "large").iterdir()) == [f"{number}_x2.png" for number in range(6)]
    assert Image.open(tmp_path / "large" / "0_x2.png").size == (128, 96)
    again = command("superres.upscale", photos, "--weights", run_folder, "--out", tmp_path / "large")
    assert again.returncode == 0 and "skipped 6 files" in again.stdout
    measured = command(
        "superres.evaluate", "--weights", run_folder, "--data", tmp_path / "large", "--out", tmp_path / "found"
    )
    assert measured.returncode == 0, measured.stderr
    assert {path.name for path in (tmp_path / "found").iterdir()} == {"evaluation.json", "report.html", "crops.png"}


def test_bad_input_is_one_line(run_folder: Path, photos: Path, tmp_path: Path) -> None:
    def upscale(*words: object) -> subprocess.CompletedProcess[str]:
        return command("superres.upscale", *words, "--weights", run_folder)

    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "half.png").write_bytes((photos / "0.png").read_bytes()[:500])
    assert_refused(upscale("missing.png"), "missing.png", "no such file")
    assert_refused(upscale(tmp_path / "text.png"), "text.png", "not a picture")
    assert_refused(upscale(tmp_path / "half.png"), "half.png", "cannot be read")
    assert_refused(upscale(photos / "0.png", "--scale", 0), "--scale")
    assert_refused(command("superres.upscale", photos / "0.png", "--weights", tmp_path), str(tmp_path))
    assert_refused(command("superres.train", "--data", tmp_path / "none"), "--data", "no such")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half.png", "text.png"]
    some = upscale(tmp_path / "half.png", photos / "1.png", "--out", tmp_path / "out")
    assert some.returncode == 1 and (tmp_path / "out" / "1_x2.png").is_file()


def test_processes_share_a_folder_and_wait_for_each_other(run_folder: Path, photos: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "large"
    shutil.copytree(photos, folder)
    (folder / "0.png").write_bytes(b"no picture")
    words = ("superres.upscale", folder, "--weights", run_folder, "--out", out, "--device", "cpu")
    result = command(*TORCHRUN, *words)
    assert result.returncode == 1
    assert "0.png is not a picture" in result.stderr and "1 of 6 failed" in result.stderr
    assert sorted(path.name for path in out.iterdir()) == [f"{number}_x2.png" for number in range(1, 6)]
    assert all(result.stdout.count(f"wrote {out / f'{number}_x2.png'}") == 1 for number in range(1, 6))

    (out / "3_x2.png").unlink()
    shutil.copy(folder / "1.png", folder / "0.png")
    again = shared(*words)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("skipped 4 files") == 1 and again.stdout.count("wrote ") == 2
    alone = command(*words[:-4], "--out", tmp_path / "alone", "--device", "cpu")
    assert alone.returncode == 0
    for path in out.iterdir():
        assert path.read_bytes() == (tmp_path / "alone" / path.name).read_bytes()
