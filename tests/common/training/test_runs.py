"""What a run says of itself: how long it took, and whether it saw too little to show anything."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Timer

import pytest
from filelock import FileLock

from common.config import RunConfig
from common.errors import UserError
from common.training.runs import (
    EARLY,
    check_folder,
    decided,
    hint_if_early,
    holding,
    in_minutes,
    is_running,
    open_run,
    recorded,
)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "under a minute"),
        (59.9, "under a minute"),
        (60, "1 minute"),
        (89, "1 minute"),
        (91, "2 minutes"),
        (5_520, "92 minutes"),
        (60_000, "1,000 minutes"),
    ],
)
def test_minutes_are_told_in_words(seconds: float, words: str) -> None:
    assert in_minutes(seconds) == words


def hint(settings: RunConfig, seen: int, seconds: float, capsys: pytest.CaptureFixture[str], *what: str) -> str:
    hint_if_early(settings, seen, seconds, *what)
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def test_a_run_that_saw_little_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    said = hint(RunConfig(minutes=1), 1_280, 61.0, capsys)
    assert "after 1,280 images" in said and said.endswith("give the same flags and --resume --minutes 12\n")
    assert said.count("\n") == 1
    assert "after 64 windows" in hint(RunConfig(), 64, 1.0, capsys, "windows")


@pytest.mark.parametrize(
    ("limits", "instead"),
    [
        ({"examples": 600}, "--minutes 11 in place of --examples 600\n"),
        ({"steps": 10}, "--minutes 11 in place of --steps 10\n"),
        ({"steps": 10, "examples": 600}, "in place of --steps 10 and --examples 600\n"),
        ({"steps": 11, "examples": 641}, "--minutes 11\n"),
    ],
)
def test_limits_that_were_reached_are_to_be_left_out(
    limits: dict[str, int], instead: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hint(RunConfig(**limits), 640, 1.0, capsys).endswith(instead)  # type: ignore[arg-type]


def test_a_run_of_before_its_limit_was_called_examples_is_resumed(tmp_path: Path) -> None:
    settings = RunConfig(out=tmp_path / "run", examples=640)
    open_run(tmp_path / "run", settings)
    record = tmp_path / "run" / "run.json"
    then = json.loads(record.read_text())
    then["images"] = then.pop("examples")
    del then["threads"]
    record.write_text(json.dumps(then))
    open_run(tmp_path / "run", replace(settings, examples=1_280, threads=1, resume=True))
    with pytest.raises(UserError, match="was started with --seed 0, not 1"):
        open_run(tmp_path / "run", replace(settings, seed=1, resume=True))


def test_a_run_that_saw_enough_hears_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert hint(RunConfig(examples=EARLY), EARLY, 60.0, capsys) == ""
    hint_if_early(RunConfig(), 6_000, 60.0, early=6_000)
    assert capsys.readouterr().out == ""


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_whose_data_changed_is_not_resumed_and_stays_as_it_is(tmp_path: Path) -> None:
    out, settings = tmp_path / "run", RunConfig(steps=1)
    open_run(out, settings, lambda: "of some data", {"vocabulary.model": b"old"})
    before, again = snapshot(out), replace(settings, resume=True)
    open_run(out, again, lambda: "of some data", {"vocabulary.model": b"old"})
    with pytest.raises(UserError, match=r"--resume: the data are not those .*run was started with; bring back"):
        open_run(out, again, lambda: "of others", {"vocabulary.model": b"new"})
    assert snapshot(out) == before


def test_a_run_of_before_data_were_recorded_goes_on_with_its_own_vocabulary_alone(tmp_path: Path) -> None:
    out, settings = tmp_path / "run", RunConfig(steps=1)
    open_run(out, settings, None, {"vocabulary.model": b"old"})
    before, again = snapshot(out), replace(settings, resume=True)
    open_run(out, again, lambda: "of some data", {"vocabulary.model": b"old"})
    with pytest.raises(UserError, match=r"vocabulary\.model is not what these data make; bring back"):
        open_run(out, again, lambda: "of others", {"vocabulary.model": b"new"})
    assert snapshot(out) == before


def test_what_was_half_written_is_swept_when_a_run_goes_on(tmp_path: Path) -> None:
    out, settings = tmp_path / "run", RunConfig(steps=1)
    open_run(out, settings)
    (out / "checkpoints").mkdir()
    left = [out / ".config.part-abcdefgh.json", out / "checkpoints" / ".step-000000050.part-12345678.safetensors"]
    for path in left:
        path.touch()
    open_run(out, replace(settings, resume=True))
    assert not any(path.exists() for path in left)


HOLDER = """
import sys
from pathlib import Path
from common.training.runs import holding
with holding(Path(sys.argv[1])):
    print("holding", flush=True)
    sys.stdin.readline()
"""


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path) -> None:
    out, settings = tmp_path / "run", RunConfig(steps=1)
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(out)], stdin=-1, stdout=-1, text=True)
    assert process.stdout and process.stdout.readline()
    assert is_running(out)
    with pytest.raises(UserError, match=r"--out .*run: another run writes there; wait"), holding(out):
        pass
    with pytest.raises(UserError, match="another run writes there"):
        check_folder(out, settings)
    process.kill()
    process.wait()
    assert not is_running(out)
    with holding(out):
        open_run(out, settings)
    check_folder(out, replace(settings, resume=True))
    with holding(out):
        open_run(out, replace(settings, overwrite=True))
    assert json.loads((out / "run.json").read_text())["steps"] == 1


def test_a_refused_run_leaves_no_folder_but_touches_none_that_was_there(tmp_path: Path) -> None:
    new, old = tmp_path / "runs" / "new", tmp_path / "old"
    old.mkdir()
    for out in (new, old):
        with pytest.raises(UserError, match="holds no run"), holding(out):
            open_run(out, RunConfig(steps=1, resume=True))
    assert not new.exists() and old.is_dir()


def test_looking_whether_a_run_goes_on_makes_nothing_and_keeps_nobody_out(tmp_path: Path) -> None:
    assert not is_running(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    out, looked = tmp_path / "run", FileLock(tmp_path / "run" / ".lock", thread_local=False)
    out.mkdir()
    looked.acquire()
    Timer(0.1, looked.release).start()
    with holding(out):
        assert is_running(out)


def test_a_run_tells_its_command_and_the_limits_that_it_has_now(tmp_path: Path) -> None:
    out, settings = tmp_path / "run", RunConfig(minutes=1)
    open_run(out, settings, program="image.train")
    begun = recorded(out)
    open_run(out, replace(settings, minutes=None, steps=7, resume=True), program="image.train")
    assert recorded(out) == begun | {"minutes": None, "steps": 7}
    assert begun["program"] == "image.train"


def test_auto_begins_where_a_run_was_killed_as_it_began(tmp_path: Path) -> None:
    out, settings = tmp_path / "run", RunConfig(steps=1, resume="auto")
    out.mkdir()
    (out / ".run.json.part-abcdefgh.json").touch()  # as it wrote its settings
    check_folder(out, settings)
    open_run(out, decided(settings, out))
    assert {path.name for path in out.iterdir()} == {"run.json"}


def test_a_run_is_one_until_all_else_of_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, gone = tmp_path / "run", list[str]()
    open_run(out, RunConfig(steps=1))
    for name in ("a.jsonl", "z.jsonl"):
        (out / name).touch()
    monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: gone.append(path.name))
    open_run(out, RunConfig(steps=1, overwrite=True))
    assert [name for name in gone if not name.startswith(".")][-1] == "run.json" and {"a.jsonl", "z.jsonl"} < set(gone)


def test_auto_goes_on_where_there_is_a_checkpoint_and_else_begins(tmp_path: Path) -> None:
    out, settings = tmp_path / "run", RunConfig(steps=1, resume="auto")
    begun = decided(settings, out)
    assert (begun.resume, begun.overwrite) == (False, False)
    open_run(out, begun)
    check_folder(out, settings)
    again = decided(settings, out)  # it ended before its first checkpoint
    assert (again.resume, again.overwrite) == (False, True)
    open_run(out, again)
    (out / "checkpoints").mkdir()
    (out / "checkpoints" / "step-000000001.safetensors").touch()
    assert decided(settings, out) is settings
    check_folder(out, settings)
    with pytest.raises(UserError, match="was started with --seed 0, not 1"):
        open_run(out, replace(settings, seed=1))
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").touch()
    with pytest.raises(UserError, match="thesis exists"):
        check_folder(tmp_path / "thesis", settings)
