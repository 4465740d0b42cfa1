"""One style of command line: help at once, bad input in one line and exit code 2, Ctrl-C in 130."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
import torch
from PIL import Image
from tyro.conf import Positional, arg

from common.cli import THREADS, command, parse, run, with_settings
from common.config import (
    AugmentConfig,
    GanConfig,
    OutputConfig,
    RunConfig,
    ThreadConfig,
    VaeConfig,
    require,
    require_unset,
)
from common.errors import UserError
from common.pictures.sheets import save_picture
from common.provenance.reading import read_record
from common.provenance.record import made_by, recording


@dataclass(frozen=True, kw_only=True)
class PaintConfig(RunConfig):
    """Settings of a command."""

    colour: Literal["red", "blue"] = "red"  # of the paint
    coats: int = 1  # how many
    matt: bool = False  # whether it shines
    sizes: tuple[int, ...] = ()  # of brushes


def paint(config: PaintConfig) -> None:
    """Paint it."""


def asked(*arguments: str) -> PaintConfig:
    return parse(paint, "image.paint", list(arguments))


def test_a_command_line_makes_a_config() -> None:
    assert asked() == PaintConfig()
    config = asked("--colour", "blue", "--coats", "3", "--matt", "--sizes", "1", "2", "--out", "here")
    assert config == PaintConfig(colour="blue", coats=3, matt=True, sizes=(1, 2), out=Path("here"))


BAD = {
    "unknown flag": ["--colr", "red"],
    "bad value": ["--coats", "many"],
    "fraction": ["--coats", "1.5"],
    "bad choice": ["--colour", "green"],
    "missing value": ["--coats"],
    "stray word": ["red"],
    "value for a switch": ["--matt", "yes"],
    "out of range": ["--steps", "-1"],
    "not a number": ["--minutes", "nan"],
    "two that exclude each other": ["--resume", "--overwrite"],
}


def outcome(command: Callable[..., None], program: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """The exit code of a command run with these arguments."""
    monkeypatch.setattr(sys, "argv", [program, *arguments])
    with pytest.raises(SystemExit) as stop:
        run(command, program)
    return stop.value.code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--coats", "many"], "--coats takes a whole number, not 'many'"),
        (["--minutes", "soon"], "--minutes takes a number, not 'soon'"),
    ],
)
def test_a_value_of_another_type_is_told_in_plain_words(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(paint, "image.paint", monkeypatch, *arguments) == 2
    error = capsys.readouterr().err
    assert said in error and "instantiated" not in error


@pytest.mark.parametrize(
    ("arguments", "question"),
    [
        (["--minuts", "3"], "; did you mean --minutes? --help"),
        (["--finallr=0.5"], "; did you mean --final-lr? --help"),
        (["--final_lrr", "0.5"], "; did you mean --final-lr? --help"),
        (["-seed", "1"], "; did you mean --seed? --help"),
        (["--coat", "1", "--batchh", "2", "--coat", "3"], "; did you mean --coats and --batch? --help"),
        (["--zebra", "minutes"], "minutes; --help"),
        (["red", "-5"], "; --help"),
    ],
)
def test_a_misspelt_flag_is_answered_with_the_one_meant(
    arguments: list[str], question: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(paint, "image.paint", monkeypatch, *arguments) == 2
    error = capsys.readouterr().err
    assert question in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--coats", "1", "--coats", "2"],
        ["--coats=1", "--coats=1"],
        ["--matt", "--coats", "1", "--matt"],
        ["--final-lr", "0.1", "--final_lr", "0.2"],
        ["--sizes", "1", "2", "--colour", "blue", "--sizes", "3"],
    ],
)
def test_a_flag_that_is_given_twice_is_refused(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(paint, "image.paint", monkeypatch, *arguments) == 2
    flag = max((word.partition("=")[0] for word in arguments), key=lambda word: (arguments.count(word), len(word)))
    said = capsys.readouterr().err
    assert flag.replace("_", "-") in said and "is given 2 times; name it once" in said and said.count("\n") == 1


def test_a_flag_is_called_as_it_was_named_everywhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @dataclass(frozen=True, kw_only=True)
    class CountConfig(RunConfig):
        examples: Annotated[int | None, arg(name="images")] = None

    def main(config: CountConfig) -> None:
        print(command("image.count", config))

    for arguments, said in ((["--images", "0"], "--images must be above 0"), (["--image", "1"], "mean --images?")):
        assert outcome(main, "image.count", monkeypatch, *arguments) == 2
        assert said in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["image.count", "--images", "5"])
    run(main, "image.count")
    assert capsys.readouterr().out == "python -m image.count --images 5\n"


def test_only_misspelt_flags_are_guessed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(paint, "image.paint", monkeypatch, "--coats", "many") == 2
    assert "did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(paint, "image.paint", monkeypatch, *arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("image.paint: ")
    assert said.err.count("\n") == 1
    assert said.err.endswith("\n")
    assert not set(said.err) & set("│╭╰─╮╯")
    assert any(word.lstrip("-") in said.err for word in arguments)


def test_help_goes_to_stdout_with_exit_code_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(paint, "image.paint", monkeypatch, "--help") in (0, None)
    said = capsys.readouterr()
    assert said.err == ""
    for expected in ("python -m image.paint", "Paint it.", "--colour", "of the paint", "--minutes", "--resume"):
        assert expected in said.out


def test_an_error_that_the_user_can_mend_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(config: PaintConfig) -> None:
        raise UserError("--colour red is sold out; try blue")

    assert outcome(main, "image.paint", monkeypatch) == 2
    assert capsys.readouterr().err == "image.paint: --colour red is sold out; try blue\n"


def test_ctrl_c_is_exit_code_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def main(config: PaintConfig) -> None:
        raise KeyboardInterrupt

    assert outcome(main, "image.paint", monkeypatch) == 130
    assert capsys.readouterr().err == "image.paint: interrupted\n"


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def main(config: PaintConfig) -> None:
        _ = 1 / 0

    monkeypatch.setattr(sys, "argv", ["image.paint"])
    with pytest.raises(ZeroDivisionError):
        run(main, "image.paint")


# --- in processes of their own


def test_help_of_training_imports_no_torch(root: Path) -> None:
    script = (
        "import runpy, sys\n"
        "sys.argv[1:] = ['--help']\n"
        "try:\n    runpy.run_module('image.train', run_name='__main__')\n"
        "except SystemExit as stop:\n    print('CODE', stop.code)\n"
        "heavy = {'torch', 'accelerate', 'torchvision', 'sklearn', 'matplotlib', 'scipy'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True)
    assert done.stderr == ""
    assert "CODE 0" in done.stdout
    assert "HEAVY []" in done.stdout
    for flag in (
        "--data",
        "--core",
        "--steps",
        "--images",
        "--minutes",
        "--threads",
        "--seed",
        "--device",
        "--precision",
        "--resume",
    ):
        assert flag in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_an_encoding_lacks_is_printed_by_its_number(encoding: str, root: Path) -> None:
    script = (
        "from common.cli import run\nfrom common.config import ThreadConfig\n"
        "def main(config: ThreadConfig) -> None: print('Caf\\u00e9 \\u2013 \\udc80')\n"  # the last is no character
        "run(main, 'short')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, env=os.environ | {"PYTHONIOENCODING": encoding}, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == "Caf\u00e9 \u2013 \udc80\n".encode(encoding, "backslashreplace")


@pytest.mark.parametrize(
    ("flags", "environment", "threads", "waiting"),
    [
        ((), {}, "None", "PASSIVE"),
        (("--threads", "3"), {}, "3", "PASSIVE"),
        (("--threads", "3"), {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "ACTIVE"}, "3", "ACTIVE"),
        ((), {"OMP_NUM_THREADS": "1"}, "1", "PASSIVE"),
    ],
)
def test_threads_are_told_before_torch_loads(
    flags: tuple[str, ...], environment: dict[str, str], threads: str, waiting: str, root: Path
) -> None:
    script = (
        "import os, sys\nfrom common.cli import run\nfrom common.config import ThreadConfig\n"
        "def main(config: ThreadConfig) -> None:\n"
        "    print('torch' in sys.modules, *map(os.environ.get, ('OMP_NUM_THREADS', 'OMP_WAIT_POLICY')))\n"
        "run(main, 'short')"
    )
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    done = subprocess.run(
        [sys.executable, "-c", script, *flags], cwd=root, env=inherited | environment, capture_output=True, text=True
    )
    assert done.stdout == f"False {threads} {waiting}\n"


def test_threads_are_told_to_a_torch_that_has_loaded_already(monkeypatch: pytest.MonkeyPatch) -> None:
    def main(config: ThreadConfig) -> None:
        assert torch.get_num_threads() == 2

    before = torch.get_num_threads()
    for name in THREADS:
        monkeypatch.setenv(name, "1")  # which is what it is set back to
    monkeypatch.setattr(sys, "argv", ["short", "--threads", "2"])
    run(main, "short")
    torch.set_num_threads(before)


# --- configs check themselves, however they are combined


@dataclass(frozen=True, kw_only=True)
class EverythingConfig(RunConfig, AugmentConfig, GanConfig, VaeConfig):
    """As a train command combines them."""

    width: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.width > 0, "width", "must be above 0")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("examples", -1),
        ("minutes", 0.0),
        ("threads", 0),
        ("device", "gpu"),
        ("device", "cuda:x"),
        ("batch", 0),
        ("accumulate", 3),
        ("snapshot", 0),
        ("warm_up", -1),
        ("final_lr", 1.5),
        ("latent", 0),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("average", 0.0),
        ("augment_strength", 1.5),
        ("augment_images", 0.0),
        ("augment_warm_up", -0.5),
        ("penalty", -1.0),
        ("penalty_end", -1.0),
        ("penalty_every", 0),
        ("critic_lr", 0.0),
        ("betas", (0.0, 1.0)),
        ("condition_dropout", 1.1),
        ("beta", -1.0),
        ("beta_warm_up", -1.0),
        ("free_bits", -0.1),
        ("width", 0),
    ],
)
def test_a_value_out_of_range_is_told_with_its_flag(field: str, value: object) -> None:
    with pytest.raises(UserError) as caught:
        EverythingConfig(**{field: value})  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"--{field.replace('_', '-')} ")
    assert "\n" not in str(caught.value)


def test_settings_that_a_core_does_not_read_are_refused() -> None:
    config = EverythingConfig(loss="hinge", latent=8, condition_dropout=0.5)
    require_unset(config, "gan", VaeConfig)
    with pytest.raises(UserError, match=r"^--loss means nothing with --core vae"):
        require_unset(config, "vae", GanConfig)
    require_unset(EverythingConfig(condition_dropout=0.5), "vae", GanConfig, read=("condition_dropout",))


@dataclass(frozen=True, kw_only=True)
class SketchConfig(OutputConfig):
    """Settings of a command that writes a picture."""

    paths: Positional[tuple[str, ...]] = ()  # of what is sketched
    out: Path = Path("sketch.png")
    words: tuple[str, ...] = ()  # written below
    rough: bool = False
    seed: int = 0

    @property
    def source(self) -> str:
        return "digits-cgan"


def sketch(config: SketchConfig) -> None:
    """Sketch it."""
    save_picture(Image.new("RGB", (4, 4)), config.out)


def sketched(*arguments: str) -> SketchConfig:
    return parse(sketch, "image.sketch", with_settings(list(arguments), "image.sketch"))


def test_a_result_says_how_it_was_made_unless_that_is_turned_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["photo.png", "--words", "a b", "it's", "--rough", "--seed", "7", "--out", str(tmp_path / "a.png")]
    monkeypatch.setattr(sys, "argv", ["sketch", *words])
    run(sketch, "image.sketch")
    record = read_record(tmp_path / "a.png").record
    assert record["command"] == """python -m image.sketch --words 'a b' 'it'"'"'s' --rough --seed 7"""
    assert record["seed"] == 7 and list(record["weights"]) == ["digits-cgan"]
    monkeypatch.setattr(sys, "argv", ["sketch", "--no-provenance", "--out", str(tmp_path / "b.png")])
    run(sketch, "image.sketch")
    with pytest.raises(UserError, match="does not say how it was made"):
        read_record(tmp_path / "b.png")


def test_settings_are_taken_from_a_result_and_flags_beside_it_win(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = str(tmp_path / "a.png")
    words = ["photo.png", "--words", "a b", "it's", "--rough", "--seed", "7", "--out", made]
    monkeypatch.setattr(sys, "argv", ["sketch", *words])
    run(sketch, "image.sketch")
    again = sketched("--settings-from", made)
    assert (again.words, again.rough, again.seed, again.paths, again.out) == (
        ("a b", "it's"),
        True,
        7,
        (),
        Path("sketch.png"),
    )
    other = sketched("other.png", "--seed=8", f"--settings_from={made}", "--words", "new")
    assert (other.words, other.rough, other.seed, other.paths) == (("new",), True, 8, ("other.png",))
    with pytest.raises(UserError, match=r"was made by image.sketch; name a file that image.paint made"):
        with_settings(["--settings-from", made], "image.paint")
    with pytest.raises(UserError, match=r"nowhere.png: no such file"):
        sketched("--settings-from", str(tmp_path / "nowhere.png"))


@pytest.mark.parametrize("written", ["--overwrite --out {}", "--out={}", "--threads 9 --settings-from {}"])
def test_settings_of_a_stranger_do_not_say_where_results_go(written: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim.png"
    line = f"python -m image.sketch --rough {written.format(victim)} --seed 7"
    with recording(made_by("image.sketch", line, 7, (), False)):
        save_picture(Image.new("RGB", (4, 4)), tmp_path / "made.png")
    taken = sketched("--settings-from", str(tmp_path / "made.png"))
    assert (taken.rough, taken.seed, taken.out, taken.threads) == (True, 7, Path("sketch.png"), None)
