"""What a run says of itself once its pace is known."""

import re
from pathlib import Path

import pytest
from tiny_games import DATA, Glance, TinyConfig, plain_game

from common.training.forecast import TIMED, Milestone, forecast, time_between
from common.training.runs import open_run
from common.training.trainer import Trainer

MINUTE, HOUR, DAY = 60, 3_600, 86_400


@pytest.mark.parametrize(
    ("least", "most", "words"),
    [
        (1, 59, "under a minute"),
        (60, 61, "about 1 minute"),
        (12 * MINUTE, 12.4 * MINUTE, "about 12 minutes"),
        (90 * MINUTE, 90 * MINUTE, "about 90 minutes"),
        (5 * HOUR, 5 * HOUR, "about 5 hours"),
        (5.3 * HOUR, 10.7 * HOUR, "about 5 to 11 hours"),
        (30 * MINUTE, 3 * HOUR, "about 1 to 3 hours"),
        (2 * DAY, 4 * DAY, "about 2 to 4 days"),
    ],
)
def test_spans_of_time_in_words(least: float, most: float, words: str) -> None:
    assert time_between(least, most) == words


def test_a_forecast_says_what_is_to_be_seen_when() -> None:
    stones = [Milestone("first shapes", 30_000, 30_000), Milestone("clear pictures", 1_000_000, 2_000_000)]
    told = forecast(52, "images", stones)
    assert told == "about 52 images/s here: first shapes in about 10 minutes, clear pictures in about 5 to 11 hours"
    assert forecast(1.26, "texts", stones[:1]).startswith("about 1.3 texts/s here: first shapes in about 7 hours")
    assert forecast(52, "images", []) == "about 52 images/s here"


def fit(config: TinyConfig) -> None:
    assert config.out is not None
    open_run(config.out, config)
    Trainer(config, config.out).fit(plain_game(), DATA, Glance(), [Milestone("a line", 10**9, 10**9)])


def test_a_run_says_once_what_to_expect_and_when_it_ends(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fit(TinyConfig(steps=60, minutes=5, out=tmp_path / "run"))
    said = re.findall(r"^about [\d,.]+ examples/s here: a line in about .*; this run takes .*$", *_stderr(capfd))
    assert len(said) == 1
    fit(TinyConfig(steps=70, out=tmp_path / "run", resume=True))
    assert "a line" not in capfd.readouterr().err


def _stderr(capfd: pytest.CaptureFixture[str]) -> tuple[str, re.RegexFlag]:
    return capfd.readouterr().err, re.MULTILINE


def test_a_run_that_ends_before_its_pace_is_known_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fit(TinyConfig(steps=TIMED[1] - 1, out=tmp_path / "run"))
    assert "a line" not in capfd.readouterr().err


@pytest.mark.parametrize("steps", [3, 1_000])
def test_a_trial_plays_a_few_steps_and_keeps_nothing(steps: int, tmp_path: Path) -> None:
    trainer = Trainer(TinyConfig(steps=steps), tmp_path)
    assert trainer.measure(plain_game(), DATA) > 0
    assert trainer.progress.step == min(steps, TIMED[1])
    assert {path.name for path in tmp_path.rglob("*") if path.suffix in (".safetensors", ".json", ".png")} == set()
