"""What all tests of commands share: which there are, one as a user types it, and how bad input must end."""

import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOMAINS = ["image", "text", "music", "superres"]
PACKAGES = ["common", *DOMAINS, "studio"]
MODULES = sorted(path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
COMMANDS = [path for path in MODULES if "\n    run(main, PROGRAM)" in (ROOT / path).read_text(encoding="utf-8")]

TORCHRUN = ("torch.distributed.run", "--standalone", "--nproc-per-node", 2, "-m")

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
        os.dup2(os.open(name, os.O_WRONLY | os.O_APPEND), descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = str(cwd)
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def _ended(words: list[str], cwd: Path, ranks: list[dict[str, str]]) -> subprocess.CompletedProcess[str]:
    """What processes that run the same, each with more in its environment, print together, and the worst exit code."""
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder, name) for name in ("stdout", "stderr")]
        for path in said:
            path.touch()
        arguments = [(words, cwd, os.environ | more, [str(path) for path in said]) for more in ranks]
        processes = [FORKS.Process(target=_run, args=given) for given in arguments]
        for process in processes:
            process.start()
        for process in processes:
            process.join(300)
        codes = [process.exitcode for process in processes if process.exitcode is not None]
        if len(codes) < len(processes):
            for process in processes:
                process.kill()
            raise subprocess.TimeoutExpired(words, 300)
        return subprocess.CompletedProcess(words, max(codes, key=abs), *(path.read_text("utf-8") for path in said))


def command(*words: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run `python -m ...` in a process of its own and return what it printed."""
    return _ended([str(word) for word in words], cwd, [{}])


def shared(*words: object) -> subprocess.CompletedProcess[str]:
    """`command` in two processes that know of each other as if torchrun had started them.

    Some tests use TORCHRUN itself; it has every process import the large libraries anew.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [known | {"RANK": rank, "LOCAL_RANK": rank, "OMP_NUM_THREADS": "1"} for rank in ("0", "1")]
    return _ended([str(word) for word in words], ROOT, ranks)


def alone_and_shared(folder: Path, *words: object, out: str = "made") -> tuple[Path, Path, str]:
    """What a command writes by --out in one process and in two, on one thread each, and what the two print.

    Args:
        out: a file or folder in the folder.
    """
    paths, said = [], ""
    for name, start in (("alone", command), ("shared", shared)):
        (folder / name).mkdir(parents=True)
        paths.append(folder / name / out)
        result = start(*words, "--threads", 1, "--device", "cpu", "--out", paths[-1])
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
