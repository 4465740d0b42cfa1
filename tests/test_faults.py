"""What a killed process leaves, in a short run of the benchmark."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
def test_nothing_is_left_in_pieces_by_a_killed_process() -> None:
    command = [sys.executable, ROOT / "benchmarks" / "faults.py", "--tries", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["training", "pictures", "weights"]
    assert done.stdout.count("1 tries, 0 failures") == 3
