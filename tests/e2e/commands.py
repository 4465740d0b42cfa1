"""What all tests of commands share: which there are, one as a user types it, and how bad input must end."""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOMAINS = ["image", "text", "music", "superres"]
PACKAGES = ["common", *DOMAINS, "studio"]
MODULES = sorted(path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
COMMANDS = [path for path in MODULES if "\n    run(main, PROGRAM)" in (ROOT / path).read_text(encoding="utf-8")]

# The "--" keeps torchrun from taking --n for a short form of one of its own flags.
STARTED = ("torch.distributed.run", "--standalone", "--nproc-per-node", 2, "-m", "--")

# Commands begin in processes that have imported the large libraries already: importing them anew for each of some
# hundred commands was a third of the suite's time. Our own packages are imported by each command itself.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["torch", "torchvision", "scipy.stats", "PIL.Image", "safetensors.torch", "tyro"])


def dotted(path: Path) -> str:
    """The module that a file, relative to the repository, is."""
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _run(words: list[str], cwd: Path, environment: dict[str, str], said: list[str]) -> None:
    """`python -m WORDS` in this process, which was made for it; what it prints goes to the files SAID."""
    for name, descriptor in zip(said, (1, 2), strict=True):
        os.dup2(os.open(name, os.O_WRONLY), descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = str(cwd)
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def command(*words: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run `python -m ...` in a process of its own and return what it printed."""
    typed = [str(word) for word in words]
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder, name) for name in ("stdout", "stderr")]
        for path in said:
            path.touch()
        process = FORKS.Process(target=_run, args=(typed, cwd, dict(os.environ), [str(path) for path in said]))
        process.start()
        process.join(300)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(typed, 300)
        return subprocess.CompletedProcess(typed, process.exitcode, *(path.read_text("utf-8") for path in said))


def alone_and_shared(folder: Path, *words: object, out: str = "made") -> tuple[Path, Path, str]:
    """What a command writes by --out in one process and in two, on one thread each, and what the two print.

    Args:
        out: a file or folder in the folder.
    """
    paths, said = [], ""
    for name, launcher in (("alone", ()), ("shared", STARTED)):
        (folder / name).mkdir(parents=True)
        paths.append(folder / name / out)
        result = command(*launcher, *words, "--threads", 1, "--device", "cpu", "--out", paths[-1])
        assert result.returncode == 0, result.stderr
        said = result.stdout
    return paths[0], paths[1], said


def assert_same_files(alone: Path, shared: Path) -> None:
    """Two folders hold the same files, byte for byte."""
    names = sorted(path.name for path in alone.iterdir())
    assert names == sorted(path.name for path in shared.iterdir())
    assert all((alone / name).read_bytes() == (shared / name).read_bytes() for name in names)


def assert_refused(result: subprocess.CompletedProcess[str], *named: str) -> None:
    """One line on stderr that names what is wrong, exit code 2, and no traceback."""
    assert result.returncode == 2, result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in named:
        assert word in result.stderr
