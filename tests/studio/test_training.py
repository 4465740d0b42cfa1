"""Trainings that the page begins, and runs that it shows."""

import json
import signal
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from small_sounds import tone, write
from small_tunes import save_tunes

from common.errors import UserError
from common.training.runs import holding, is_running, recorded
from studio import training
from studio.choices import chosen, offered
from studio.runs import (
    best_figure,
    curve,
    figures,
    has_weights,
    last_warning,
    newest_sheet,
    program_of,
    row,
    rows,
    run_folders,
    seconds_left,
    settings_of,
    told_command,
)
from studio.shop import Shop
from studio.training import INTERRUPTED, Trainings, trainer_in


@pytest.fixture
def trainings(tmp_path: Path) -> Iterator[Trainings]:
    made = Trainings(tmp_path / "runs", "cpu", is_local=True)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


def start(trainings: Trainings, name: str, **given: Any) -> tuple[str, str]:
    usual = {"domain": "Images", "known": "digits", "typed": "", "upload": None, "minutes": 5}
    settings = given.pop("settings", ())
    return trainings.start(*(usual | given).values(), name, *settings)


def pictures(path: Path) -> Path:
    """A .zip of pictures."""
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(40):
            with archive.open(f"{number}.png", "w") as file:
                Image.new("L", (8, 8), number).save(file, "png")
    return path


def ended(trainings: Trainings) -> int:
    assert trainings.process is not None
    return trainings.process.wait(120)


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.2)
    raise AssertionError("it never came")


def test_a_training_is_begun_watched_stopped_and_gone_on_with(
    trainings: Trainings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "WAITED", 300.0)  # a machine may be busy
    upload = pictures(tmp_path / "my pictures.zip")
    name, line = start(trainings, "tiny", upload=upload)
    folder = trainings.root / name
    kept = trainings.root / "tiny.zip"
    assert line == f"python -m image.train --data {kept} --device cpu --out {folder} --minutes 5"
    upload.unlink()
    assert trainings.runs(name) and not trainings.prepares(name)
    assert row(name, folder)[:3] == ["tiny", "Images", "running"]
    with pytest.raises(UserError, match="tiny trains; one training at a time"):
        start(trainings, "another")
    anew = Trainings(trainings.root, "cpu")  # as after the page was served anew
    with pytest.raises(UserError, match="tiny trains; one training at a time"):
        start(anew, "another")
    with pytest.raises(UserError, match="tiny trains; one training at a time"):
        anew.go_on(name, 1)
    left = seconds_left(folder)
    assert left is None or 0 < left < 300
    assert trainings.process is not None and trainer_in(folder) is not None

    wait_until(lambda: bool(rows(folder)))
    anew.stop(name)
    with pytest.raises(UserError, match=r"tiny is (ending|not running)"):
        anew.stop(name)
    assert ended(trainings) == INTERRUPTED
    assert not trainings.failure(name) and "interrupted; saved after" in trainings.said(name)
    assert has_weights(folder) and newest_sheet(folder) and best_figure(folder).startswith("frechet")
    seen = rows(folder)[-1]["images"]
    assert row(name, folder)[2:4] == ["", f"{seen:,}"]
    with pytest.raises(UserError, match="tiny is not running"):
        trainings.stop(name)

    _, line = trainings.go_on(name, 5)  # longer than it may take until it is stopped
    assert "--resume" in line and "--minutes 6 " in line and f"--data {kept} " in line
    wait_until(lambda: recorded(folder)["minutes"] == 6 and rows(folder)[-1]["images"] > seen)
    trainings.stop(name)
    assert ended(trainings) == INTERRUPTED


def texts(folder: Path) -> Path:
    words = ("the sea", "a ship", "my friend", "the old king")
    path = folder / "texts.txt"
    path.write_text("".join(f"{one} sees {other} {n}\n" for one in words for other in words for n in range(12)))
    return path


def tones(folder: Path) -> Path:
    for name in ("low", "high"):
        for number in range(8):
            write(folder / "sounds" / name / f"{number}.wav", tone(1.0, 110 * (number + 1) * (1 + (name == "high"))))
    return folder / "sounds"


def tunes(folder: Path) -> Path:
    return save_tunes(folder / "tunes")


def photos(folder: Path) -> Path:
    (folder / "photos").mkdir()
    for number in range(8):
        Image.radial_gradient("L").rotate(40 * number).resize((160, 160)).save(folder / "photos" / f"{number}.png")
    return folder / "photos"


@pytest.mark.parametrize(
    ("domain", "made", "settings"),
    [
        ("Text", texts, ("vae", "", "debug")),
        ("Music", tunes, ("", None, "debug")),
        ("Sounds", tones, ("gan", "", "debug", "", "")),
        ("Super-resolution", photos, ("", "fast", "", "")),
    ],
)
def test_every_domain_trains_with_settings_of_its_own(
    trainings: Trainings, tmp_path: Path, domain: str, made: Callable[[Path], Path], settings: tuple[str | None, ...]
) -> None:
    data = made(tmp_path)
    name, line = start(trainings, "mine", domain=domain, typed=str(data), minutes=0.02, settings=settings)
    folder = trainings.root / name
    assert ended(trainings) == 0, trainings.said(name)
    assert has_weights(folder)
    assert row(name, folder)[1] == domain
    told = recorded(folder)
    assert {setting: told[setting] for setting in chosen(settings)} == chosen(settings)
    assert ("--net-size debug" in line) == ("debug" in settings)


def test_settings_are_those_that_a_command_has(tmp_path: Path) -> None:
    shop = Shop("cpu", tmp_path)
    of_images = offered(shop, "image.train")
    assert set(of_images) == {"core", "net", "net_size", "weights", "size"}
    assert {"cgan", "cvae"} <= set(of_images["core"])
    assert "fashion-cgan" in of_images["weights"]
    assert of_images["size"] == []
    assert set(offered(shop, "superres.train")) == {"core", "net", "weights"}
    assert chosen(("cvae", "", None, " ", " 32 ")) == {"core": "cvae", "size": "32"}


@pytest.mark.parametrize("name", ["", "..", "../a", "a/b", "/tmp/a", "a b", "ä", "a.b", "a\0", "x" * 65, "-m\n"])
def test_names_that_are_no_plain_names_are_refused(trainings: Trainings, name: str) -> None:
    with pytest.raises(UserError, match="a name of letters, digits, - and _"):
        start(trainings, name)
    with pytest.raises(UserError, match="there is no run"):
        trainings.stop(name)
    with pytest.raises(UserError, match="there is no run"):
        trainings.go_on(name, 1)
    assert not trainings.root.exists()


def test_what_the_command_refuses_the_page_does_and_nothing_is_left(trainings: Trainings, tmp_path: Path) -> None:
    for given, said in (
        ({"minutes": 0}, "--minutes must be above 0"),
        ({"typed": str(tmp_path / "nothing")}, "no such file or folder; built in are digits"),
        ({"known": "/etc"}, "--data /etc: not built in"),
        ({"domain": "Music", "typed": str(tmp_path)}, "--data"),  # the process says so
        ({"upload": tmp_path / "a.txt"}, r"a\.txt is no \.zip"),
        ({"settings": ("cgan", "", "", "", "huge")}, "--size huge is no size"),
        ({"settings": ("", "", "", "nothing")}, "--weights nothing"),
    ):
        with pytest.raises(UserError, match=said):
            start(trainings, "refused", **given)
        assert list(trainings.root.glob("*")) == []
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"no zip")
    with pytest.raises(UserError, match="--data"):
        start(trainings, "refused", upload=bad)
    assert list(trainings.root.glob("*")) == []


def test_a_run_that_is_there_is_not_overwritten(trainings: Trainings, tmp_path: Path) -> None:
    (trainings.root / "mine").mkdir(parents=True)
    (trainings.root / "mine" / "letter.txt").touch()
    with pytest.raises(UserError, match="mine exists"):
        start(trainings, "mine")
    with pytest.raises(UserError, match="mine exists; take another name"):
        start(trainings, "mine", upload=pictures(tmp_path / "a.zip"))
    assert [path.name for path in trainings.root.rglob("*")] == ["mine", "letter.txt"]


def test_uploads_are_limited(trainings: Trainings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "LARGEST", 10)
    with pytest.raises(UserError, match=r"a\.zip is larger than"):
        start(trainings, "large", upload=pictures(tmp_path / "a.zip"))


def test_paths_are_for_pages_of_this_machine_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no path of this machine is read; upload a"):
        start(Trainings(tmp_path / "runs", "cpu"), "theirs", typed=str(tmp_path))


def test_a_training_that_reads_its_data_is_listed_and_can_be_stopped(
    trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "WAITED", 0)
    name, _ = start(trainings, "soon")
    assert trainings.names() == [name]
    with pytest.raises(UserError, match="soon trains; one training at a time"):
        start(trainings, "another")
    trainings.stop(name)
    assert ended(trainings) in (-signal.SIGTERM, INTERRUPTED)
    assert not trainings.failure(name) and not trainings.prepares(name)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of a command, without its network."""
    folder = tmp_path / "runs" / "demo" / "digits"
    (folder / "samples").mkdir(parents=True)
    loss = {"critic": 1.0, "images_per_second": 9.0, "skipped": 0}
    lines = [{"step": step, "images": 64 * step, "seconds": 2.0 * step} | loss for step in range(1, 1_001)]
    look = {"step": 1_000, "images": 64_000, "seconds": 2_000.0, "frechet": 3.0}
    lines += [look | {"warning": "mode collapse"}, look | {"images": 70_000}]
    said = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(f'{said}{{"step": 1')
    (folder / "run.json").write_text(json.dumps({"minutes": 50, "data": "emoji", "betas": [0.0, 0.9], "images": 7}))
    (folder / "samples" / "000064000.png").touch()
    (folder / "samples" / ".000070000.part-abcdefgh.png").touch()
    return folder


def test_runs_that_commands_began_are_shown(run: Path) -> None:
    assert run_folders(run.parents[1]) == {"demo/digits": run}
    assert row("demo/digits", run) == ["demo/digits", "not known", "", "70,000", ""]
    lines = rows(run)
    assert (figures(lines, of_looks=False), figures(lines, of_looks=True)) == (["critic"], ["frechet"])
    points = curve(lines, ["critic", "frechet"])
    assert 300 < len(points) < 420 and points[0] == [64, "critic", 1.0]
    assert last_warning(lines) == "After 64,000 examples; the latest look found it no more: mode collapse"
    assert newest_sheet(run) == run / "samples" / "000064000.png"
    left = seconds_left(run)
    assert left is not None and 900 < left < 1_001
    with holding(run):
        assert row("demo/digits", run)[2] == "running"
    assert not is_running(run)


def test_settings_are_those_of_the_command_that_began_the_run(run: Path) -> None:
    with pytest.raises(UserError, match="which command trains there is not known"):
        settings_of(run)
    (run / "config.json").write_text('{"quartet": 1, "domain": "image", "kind": "gan"}')
    assert program_of(run) == "image.train"
    config = settings_of(run, minutes=60, resume=True)
    told = told_command("image.train", config)
    assert told == f"python -m image.train --data emoji --out {run} --minutes 60 --resume --betas 0 0.9"
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"program": "os.system"}))
    assert program_of(run) == ""
