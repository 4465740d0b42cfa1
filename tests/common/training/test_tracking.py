"""Trackers: several at once or none, what they are told, and what is said where one is missing or refuses."""

import json
import sys
from pathlib import Path

import pytest
from tiny_games import TinyConfig, play

from common.config import is_installed
from common.errors import UserError

# Stands in for the package, as far as accelerate calls it; writes down what it is told.
WANDB = """
import json, os
class Config(dict):
    def update(self, values, allow_val_change):
        note("config", values)
config = Config()
def note(*told):
    with open(os.environ["NOTES"], "a") as file:
        print(json.dumps(told), file=file)
class Run:
    def log(self, values, step):
        note("log", values, step)
    def finish(self):
        note("finish")
def init(**settings):
    if "REFUSES" in os.environ:
        raise RuntimeError("api_key not configured\\n(no-tty)")
    note("init", settings)
    return Run()
"""


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the stand-in was told, a line each."""
    site = tmp_path / "site"
    (site / "wandb-1.0.dist-info").mkdir(parents=True)
    (site / "wandb-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: wandb\nVersion: 1.0\n")
    (site / "wandb.py").write_text(WANDB)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("NOTES", str(tmp_path / "notes.jsonl"))
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    return tmp_path / "notes.jsonl"


def test_several_trackers_are_told_what_the_log_is(notes: Path, tmp_path: Path) -> None:
    config = TinyConfig(steps=9, out=tmp_path / "run", track=("tensorboard", "wandb"))
    config.check_inputs()
    play("plain", config)
    told = [json.loads(line) for line in notes.read_text().splitlines()]
    assert told[0] == ["init", {"project": "quartet", "name": "run", "dir": str(tmp_path / "run")}]
    assert told[1][0] == "config" and told[1][1]["steps"] == 9
    assert told[-1] == ["finish"]
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line[2] for line in told if line[0] == "log"] == [row["images"] for row in rows]
    assert set(told[2][1]) == set(rows[0]) - {"step", "images", "seconds"}
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))


def test_none_tracks_nothing(tmp_path: Path) -> None:
    config = TinyConfig(steps=3, out=tmp_path / "run", track=("none",))
    config.check_inputs()
    play("plain", config)
    assert not (tmp_path / "run" / "tensorboard").exists() and (tmp_path / "run" / "metrics.jsonl").is_file()


def test_who_follows_a_run_may_change_as_it_goes_on(tmp_path: Path) -> None:
    play("plain", TinyConfig(steps=3, out=tmp_path / "run", track=("none",)))
    play("plain", TinyConfig(steps=6, out=tmp_path / "run", resume=True))
    assert (tmp_path / "run" / "tensorboard").is_dir()


def test_a_tracker_that_refuses_is_told_in_a_line(notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFUSES", "1")
    with pytest.raises(UserError, match=r"^--track wandb: api_key not configured \(no-tty\); log in there"):
        play("plain", TinyConfig(steps=3, out=tmp_path / "run", track=("wandb",)))


@pytest.mark.skipif(is_installed("trackio"), reason="trackio is installed")
def test_a_missing_tracker_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trackio").mkdir()  # as the tracker itself might leave one
    with pytest.raises(UserError, match="--track trackio is not installed; `pip install trackio`"):
        TinyConfig(steps=3, track=("trackio",)).check_inputs()


def test_trackers_are_named_once_each_or_none_alone() -> None:
    with pytest.raises(UserError, match="--track none excludes all others"):
        TinyConfig(steps=3, track=("none", "wandb"))
    with pytest.raises(UserError, match="--track names one twice"):
        TinyConfig(steps=3, track=("wandb", "wandb"))
    with pytest.raises(UserError, match="--track names nothing"):
        TinyConfig(steps=3, track=())
