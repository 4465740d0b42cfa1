"""What a user has in the working folder by the names of our packages, and what is said of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DOMAINS = ["image", "text", "music", "superres"]


def python(root: Path, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in a folder, on a machine where Quartet is installed."""
    installed = os.environ | {"PYTHONPATH": str(root)}
    return subprocess.run([sys.executable, *words], cwd=folder, env=installed, capture_output=True, text=True)


@pytest.fixture(params=["common.py", "common/__init__.py"])
def theirs(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A module or package of the user's own, which must not be run."""
    path = tmp_path / request.param
    path.parent.mkdir(exist_ok=True)
    path.write_text("raise SystemExit('their code was run')")
    return path


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_common_of_the_users_own_is_named_in_one_line(domain: str, theirs: Path, root: Path, tmp_path: Path) -> None:
    for command in (f"{domain}.evaluate", domain):
        done = python(root, tmp_path, "-m", command, "--help")
        assert done.returncode == 1 and done.stderr.count("\n") == 1
        assert f"{theirs} is found in the place of Quartet's own" in done.stderr
        assert f"rename it, or run python -P -m {domain}" in done.stderr
    assert "python -m" in python(root, tmp_path, "-P", "-m", domain).stdout


def test_programs_that_import_us_are_told_too(theirs: Path, root: Path, tmp_path: Path) -> None:
    done = python(root, tmp_path, "-c", "import music")
    assert done.returncode == 1 and f"ImportError: {theirs} is found" in done.stderr


def test_data_folders_may_be_called_as_our_packages(root: Path, tmp_path: Path) -> None:
    for name in ("common", *DOMAINS):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.txt").touch()
    done = python(root, tmp_path, "-m", "music.generate", "--weights", "nothing")
    assert "bundled are chorales" in done.stderr
