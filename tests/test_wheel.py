"""The wheel as people have it: built, installed where the repository is not to be seen, and used in a folder of theirs.

The folder has an `image/` of pictures and a `text.txt`, whose names are those of packages.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import COMMANDS, PACKAGES, ROOT, dotted
from PIL import Image

IGNORED = shutil.ignore_patterns("__pycache__")
Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: setuptools would find what an earlier build left in the repository."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=IGNORED)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", out, source)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the user works."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "image").mkdir()
    Image.linear_gradient("L").resize((24, 16)).save(folder / "image" / "grey.png")
    (folder / "text.txt").write_text("no module\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def python(wheel: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Python:
    """An interpreter that has the wheel, sees the dependencies of this one, and runs in the user's folder."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, symlinks=os.name != "nt")
    paths = sysconfig.get_paths("venv", {"base": str(home), "platbase": str(home)})
    executable = Path(paths["scripts"], "python")
    pip("--python", executable, "install", "--no-deps", "--no-index", "--no-compile", wheel)
    seen = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    # Of a folder that a .pth file names no .pth file is read, so that the finder of an editable install stays out.
    Path(paths["purelib"], "dependencies.pth").write_text("\n".join(seen), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [executable, *map(str, words)], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


def pip(*words: object) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_wheel_has_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    ours = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {f"{package}/py.typed" for package in PACKAGES} < ours
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == ours


def test_what_runs_is_what_was_installed(python: Python) -> None:
    code = f"import sys, {', '.join(PACKAGES)}; print(*(sys.modules[name].__file__ for name in {PACKAGES}), sep='\\n')"
    found = [Path(line) for line in python("-c", code).stdout.splitlines()]
    assert [path.parent.name for path in found] == PACKAGES
    assert all("site-packages" in path.parts and ROOT not in path.parents for path in found)


@pytest.mark.parametrize("path", COMMANDS, ids=dotted)
def test_every_command_has_help(python: Python, path: Path) -> None:
    name = dotted(path).removesuffix(".__main__")
    assert f"usage: python -m {name} " in python("-m", name, "--help").stdout


@pytest.mark.parametrize(
    ("words", "out"),
    [
        ("image.generate --n 4 --out samples.png", "samples.png"),
        ("music.generate --bars 4 --candidates 1 --out song.mid", "song.mid"),
        ("text.generate --n 2 --candidates 1 --out texts.txt", "texts.txt"),
        ("superres.upscale image/grey.png --out large.png", "large.png"),
    ],
)
def test_every_domain_generates_from_its_bundled_weights(python: Python, folder: Path, words: str, out: str) -> None:
    python("-m", *words.split())
    assert (folder / out).stat().st_size > 0
