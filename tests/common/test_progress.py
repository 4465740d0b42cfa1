"""Progress bars on terminals that tell their width, and on those that tell none."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest


def shown(root: Path, columns: int, *words: str) -> str:
    """All that a Python program writes to a terminal of so many columns at its stderr."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if columns else 0, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, *words], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, stderr=theirs
    ) as process:
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 4096):
                said += part
        except OSError:  # how Linux says that the other side is closed
            pass
        assert process.wait() == 0, said
    os.close(ours)
    return said.decode()


@pytest.mark.parametrize(("columns", "width"), [(0, 79), (40, 39), (200, 199)])
def test_bars_are_as_wide_as_the_terminal_or_as_usual(columns: int, width: int, root: Path) -> None:
    script = (
        "from common.progress import progress_bar\n"
        "with progress_bar(total=4, disable=None, bar_format='{percentage:3.0f}% |{bar}|', mininterval=0) as bar:\n"
        "    bar.update(2)\n"
    )
    lines = shown(root, columns, "-c", script).replace("\n", "\r").split("\r")
    halves = [line for line in lines if " 50% |" in line]
    assert halves and all(len(line) == width for line in halves)


@pytest.mark.parametrize("columns", [0, 80])
def test_training_shows_its_speed_the_time_left_and_the_newest_sheet(columns: int, root: Path, tmp_path: Path) -> None:
    program, out = "tests/common/training/tiny_games.py", tmp_path / "run"
    said = shown(root, columns, program, "--game", "plain", "--steps", "200", "--snapshot", "400", "--out", str(out))
    assert re.search(r"\d\d:\d\d left, \d+ examples/s, samples/000000400\.txt, plain \d", said)
