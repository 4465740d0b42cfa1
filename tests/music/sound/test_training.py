"""A training from the command to weights: folder of one's own, verdicts, resume."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from common.cli import parse
from common.errors import UserError
from music.sound.config import TrainConfig
from music.sound.data.loading import SoundData, load_sounds
from music.sound.games import build_game, network_config, settled, to_batch_maps
from music.sound.judge import Judge, load_judge
from music.sound.models import load_sound_model
from music.sound.monitor import SoundMonitor
from music.sound.train import main

CPU = torch.device("cpu")
TINY = ["--net-size", "debug", "--latent", "8", "--batch", "8", "--snapshot", "32", "--device", "cpu", "--seed", "3"]
TINY += ["--final-lr", "1"]  # a learning rate that does not depend on where the run ends


@pytest.fixture(scope="module")
def judge(notes: SoundData) -> Judge:
    return load_judge(notes)


def monitor(notes: SoundData, judge: Judge) -> SoundMonitor:
    config = TrainConfig(net_size="debug", latent=8, examples=16)
    blind = replace(notes, test=None)  # type: ignore[arg-type]
    return SoundMonitor(config, blind, network_config(config, notes), judge, CPU)


def test_the_judge_tells_held_out_notes_apart(notes: SoundData, judge: Judge) -> None:
    found = judge.labels(judge.features([notes.test.tensors["wave"]]), notes, torch.empty(0))
    assert (found == notes.test.tensors["label"]).float().mean() > 0.9


def test_a_verdict_is_repeatable_and_never_sees_held_out_sounds(notes: SoundData, judge: Judge) -> None:
    eyes = monitor(notes, judge)
    torch.manual_seed(0)
    product = build_game(eyes.config, eyes.network).players["generator"].network.eval()
    first, second = eyes.judge(product, 100), eyes.judge(product, 200)
    assert first == second and first.score == first.figures["frechet"] > 0
    assert {"coverage", "pitch_match", "class_match"} <= set(first.figures)
    assert all(map(math.isfinite, first.figures.values()))


def test_real_notes_in_the_samples_place_are_far_nearer(notes: SoundData, judge: Judge) -> None:
    eyes = monitor(notes, judge)
    product = build_game(eyes.config, eyes.network).players["generator"].network.eval()
    from common.evaluation.metrics import frechet_distance, halves

    assert frechet_distance(*halves(eyes.real)) < 0.3 * eyes.judge(product, 0).figures["frechet"]


def test_what_the_critic_sees_of_few_hits_is_augmented(hits: Path, notes: SoundData) -> None:
    assert settled(TrainConfig(), load_sounds(str(hits)), "").augment == ("translation", "cutout")
    assert settled(TrainConfig(core="gan"), notes, "").augment == ()


def test_batches_become_maps(notes: SoundData) -> None:
    batch = notes.train.gather(torch.arange(4))
    assert to_batch_maps(batch).shape == (4, 2, 512, 64)


def test_training_stops_and_goes_on_to_the_same_weights(hits: Path, tmp_path: Path) -> None:
    def train(out: str, *more: str) -> None:
        main(parse(main, "music.sound.train", ["--data", str(hits), *TINY, "--out", str(tmp_path / out), *more]))

    train("whole", "--examples", "64")
    train("parts", "--examples", "32")
    train("parts", "--examples", "64", "--resume")
    whole, parts = (load_sound_model(str(tmp_path / name)) for name in ("whole", "parts"))
    assert whole.classes == ("hat", "kick") and whole.ranges == ()
    rows = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert any("frechet" in row for row in rows)
    assert list((tmp_path / "whole" / "samples").glob("*.png"))
    assert "python -m music.sound.train" in (tmp_path / "whole" / "README.md").read_text("utf-8")
    last = [sorted((tmp_path / name / "samples").glob("*.png"))[-1].read_bytes() for name in ("whole", "parts")]
    assert last[0] == last[1]
    assert parts.config == whole.config


def test_settings_of_no_use_are_refused() -> None:
    with pytest.raises(UserError, match="--seconds must be 1, 2 or 4"):
        TrainConfig(seconds=3)
    with pytest.raises(UserError, match="--batch must be a multiple of 4"):
        TrainConfig(batch=6)
