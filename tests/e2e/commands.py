"""What all tests of commands share: which there are, one as a user types it, and how bad input must end."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOMAINS = ["image", "text", "music", "superres"]
PACKAGES = ["common", *DOMAINS, "studio"]
MODULES = sorted(path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
COMMANDS = [path for path in MODULES if "\n    run(main, PROGRAM)" in (ROOT / path).read_text(encoding="utf-8")]


def dotted(path: Path) -> str:
    """The module that a file, relative to the repository, is."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def command(*words: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run `python -m ...` and return what it printed."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )


def assert_refused(result: subprocess.CompletedProcess[str], *named: str) -> None:
    """One line on stderr that names what is wrong, exit code 2, and no traceback."""
    assert result.returncode == 2, result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in named:
        assert word in result.stderr
