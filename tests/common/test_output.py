"""What becomes of the output of commands where it cannot go on."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from common.cli import list_commands


def test_a_reader_that_goes_away_from_a_list_is_no_error(root: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "image"], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr.read() == b""


LONG_ANSWER = (
    "from common.cli import run\nfrom common.config import DeviceConfig\n"
    "def main(config: DeviceConfig) -> None:\n"
    "    for _ in range(100_000): print('a long answer')\n"
    "run(main, 'long')"
)


def test_a_reader_that_goes_away_is_no_error(root: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LONG_ANSWER], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "a long answer\n"
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr
        assert process.stderr.read() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", [["-m", "text"], ["-m", "text.generate", "--help"], ["-c", LONG_ANSWER]])
def test_a_full_output_is_one_line(root: Path, arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=root, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert re.fullmatch(r"\S+: cannot write: No space left on device; make room, .*\n", done.stderr)


def test_a_command_that_is_a_package_is_described_as_what_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    list_commands("image", ("data", "train"))
    assert "look at a data set" in capsys.readouterr().out.splitlines()[0]
