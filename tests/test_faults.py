"""What killed processes leave and what broken files do, in short runs of the benchmarks."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


# And those of disks that root alone can mount.
KINDS = ["training", "bit", "clock", "NaN", "pictures", "film", "cache", "damaged-cache", "weights", "permission"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
def test_nothing_is_left_in_pieces_by_faults() -> None:
    command = [sys.executable, ROOT / "benchmarks" / "faults.py", "--tries", "1", "--kinds", *KINDS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == KINDS
    assert done.stdout.count("1 tries, 0 failures") == len(KINDS)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
def test_spoiled_files_are_read_or_refused(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "benchmarks" / "fuzz.py", "--tries", "20", "--out", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("20 tries") == done.stdout.count("0 failures") == 12
