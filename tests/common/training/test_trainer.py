"""Runs: exact resumption, limits, the stability guard, averages, disks that fill up, and several processes."""

import json
import math
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_games import DATA, Glance, TinyConfig, main, plain_game, play
from torch import Tensor, nn
from two_processes import gradients

from common.cli import run
from common.config import PrecisionConfig
from common.cores.game import Game, OptimizerConfig, Player
from common.errors import UserError
from common.randomness import Draw
from common.training.checkpoints import Checkpoints
from common.training.devices import accelerator_for
from common.training.learner import Learner
from common.training.monitor import Progress, Verdict
from common.training.runs import check_batch, introduce, open_run
from common.training.trainer import LOG_EVERY, LOOKS, PATIENCE, Trainer
from common.weights import load_tensors

NAN = float("nan")


def fit(game: Game, config: TinyConfig, monitor: Glance | None = None) -> tuple[Trainer, Progress]:
    assert config.out is not None
    open_run(config.out, config)
    trainer = Trainer(config, config.out)
    return trainer, trainer.fit(game, DATA, monitor or Glance())


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    """Whether two sets of tensors are equal bit for bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def newest(out: Path) -> dict[str, Tensor]:
    """A copy of the newest checkpoint's tensors (`load_file` maps the file, and tests damage files)."""
    tensors = load_file(Checkpoints(out / "checkpoints").paths()[-1])
    return {name: tensor.clone() for name, tensor in tensors.items()}


def weights(out: Path) -> dict[str, Tensor]:
    return load_tensors(out / "model.safetensors")


def start(root: Path, *words: object) -> "subprocess.Popen[str]":
    """Start a Python process in the repository."""
    environment = os.environ | {"PYTHONPATH": str(root)}
    command = [sys.executable, *map(str, words)]
    return subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


# --- resume is exact


def test_a_killed_and_resumed_run_is_the_same_run(root: Path, tmp_path: Path) -> None:
    """14 steps equal 10 steps, kill -9, resumption from the checkpoint after 9, and the rest.

    For a GAN with BatchNorm and spectral norm, one with an adaptive augmentation, a VAE, and one whose critics join
    after the kill.
    """
    flags = ["--game", "all", "--steps", 14, "--snapshot", 24, "--warm-up", 50]
    killed = start(root, "tests/common/training/tiny_games.py", *flags, "--kill-at", 10, "--out", tmp_path / "killed")
    config = TinyConfig(game="all", steps=14, snapshot=24, warm_up=50, out=tmp_path / "whole")
    play("all", config)
    said = killed.communicate(timeout=120)
    assert killed.returncode == -signal.SIGKILL, said
    paths = Checkpoints(tmp_path / "killed" / "checkpoints").paths()
    assert [path.stem for path in paths] == ["step-000000006", "step-000000009"]
    assert not any(name.startswith("joined-critic.optimizer") for name in load_tensors(paths[-1]))  # it has yet to join
    assert load_tensors(tmp_path / "killed" / "model.safetensors")  # complete from the first checkpoint on

    play("all", replace(config, out=tmp_path / "killed", resume=True))
    whole, resumed = newest(tmp_path / "whole"), newest(tmp_path / "killed")
    parts = {".".join(name.split(".")[:2]) for name in whole}
    for player in (
        "dcgan-critic",
        "dcgan-generator",
        "adaptive-critic",
        "adaptive-generator",
        "joined-critic",
        "joined-vae",
        "vae-vae",
    ):
        assert {f"{player}.network", f"{player}.optimizer"} <= parts
    assert {"dcgan-generator.average", "adaptive-generator.average", "vae-vae.average"} <= parts
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []
    assert whole.keys() == resumed.keys()
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    assert len({tuple(code) for code in whole["joined-vae.network.sampler.points"].tolist()}) == 50
    assert whole["adaptive-critic.network.augmentation.strength"] != 0.5
    assert all(torch.isfinite(value).all() for value in whole.values())


def test_resuming_again_and_again_changes_nothing(tmp_path: Path) -> None:
    play("plain", TinyConfig(steps=12, out=tmp_path / "whole"))
    for limit in (3, 4, 9, 12):
        # A limit is free to change, and this game's learning rate is not scheduled.
        play("plain", TinyConfig(steps=limit, final_lr=1.0, out=tmp_path / "parts", resume=limit > 3))
    play("plain", TinyConfig(steps=12, final_lr=1.0, out=tmp_path / "flat"))
    assert same(newest(tmp_path / "flat"), newest(tmp_path / "parts"))
    assert not same(newest(tmp_path / "flat"), newest(tmp_path / "whole"))  # the cosine did something there


def test_a_run_of_before_the_order_was_recorded_goes_on_in_the_old_one(tmp_path: Path) -> None:
    config = TinyConfig(steps=4, final_lr=1, out=tmp_path / "run")
    open_run(tmp_path / "run", config)
    begun = Trainer(config, tmp_path / "run")
    begun.order = "shuffled"
    begun.fit(plain_game(), DATA, Glance())
    record = tmp_path / "run" / "run.json"
    assert json.loads(record.read_text()).pop("order") == "keyed"
    record.write_text(json.dumps({k: v for k, v in json.loads(record.read_text()).items() if k != "order"}))
    trainer, _ = fit(plain_game(), replace(config, steps=8, resume=True))
    assert trainer.order == "shuffled"
    whole = Trainer(replace(config, steps=8, out=tmp_path / "whole"), tmp_path / "whole")
    whole.order = "shuffled"
    whole.fit(plain_game(), DATA, Glance())
    fit(plain_game(), TinyConfig(steps=8, final_lr=1, out=tmp_path / "new"))
    assert same(newest(tmp_path / "whole"), newest(tmp_path / "run"))
    assert not same(newest(tmp_path / "new"), newest(tmp_path / "run"))


def test_resuming_a_finished_run_leaves_it_as_it_is(tmp_path: Path) -> None:
    config = TinyConfig(steps=4, out=tmp_path / "run")
    first = play("plain", config)
    before, log = newest(tmp_path / "run"), (tmp_path / "run" / "metrics.jsonl").read_text()
    again = play("plain", replace(config, resume=True))
    assert again.step == first.step == 4
    assert same(before, newest(tmp_path / "run"))
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == log


def test_the_log_is_well_formed_and_has_no_row_twice(tmp_path: Path) -> None:
    config = TinyConfig(steps=120, snapshot=320, out=tmp_path / "run")
    monitor = Glance([3.0] * 10)
    play("plain", config, monitor)
    log = tmp_path / "run" / "metrics.jsonl"
    whole = [[*sorted(row), row["step"]] for row in rows(tmp_path / "run")]
    assert [row["step"] for row in rows(tmp_path / "run")] == [40, 50, 80, 100, 120, 120]
    assert rows(tmp_path / "run")[0].keys() == {"step", "images", "seconds", "score"}
    assert rows(tmp_path / "run")[1].keys() == {"step", "images", "seconds", "plain", "images_per_second", "skipped"}
    assert rows(tmp_path / "run")[1]["images"] == 400

    # A crash after step 100: the log is ahead of the checkpoint, and its last row was cut off.
    (tmp_path / "run" / "checkpoints" / "step-000000120.safetensors").unlink()
    log.write_text("".join(line + "\n" for line in log.read_text().splitlines()[:-1]) + '{"step": 120, "ima')
    play("plain", replace(config, resume=True), Glance([3.0] * 10))
    assert [[*sorted(row), row["step"]] for row in rows(tmp_path / "run")] == whole


# --- what a run is refused


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> tuple[object, str]:
    """Run the tiny train command in this process: exit code and stderr."""
    monkeypatch.setattr(sys, "argv", ["tiny", *map(str, words)])
    try:
        run(main, "tiny")
        code: object = 0
    except SystemExit as stop:
        code = stop.code
    return code, capsys.readouterr().err


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *words: command(monkeypatch, capsys, *words)


def refused(outcome: tuple[object, str], *said: str) -> None:
    """Exit code 2, and one line that says all of that."""
    code, error = outcome
    assert (code, error.count("\n"), error[:6]) == (2, 1, "tiny: "), outcome
    for word in said:
        assert word in error


def test_an_existing_run_is_never_touched_unasked(tiny: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert tiny("--steps", 3, "--out", out)[0] == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    refused(tiny("--steps", 3, "--out", out), str(out), "--resume", "--overwrite")
    refused(tiny("--steps", 3, "--out", out, "--resume", "--seed", 1), "--seed 0, not 1")
    refused(tiny("--steps", 3, "--out", out, "--resume", "--batch", 16), "--batch 8, not 16")
    refused(tiny("--steps", 3, "--out", out, "--resume", "--game", "vae"), "--game plain, not vae")
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert tiny("--steps", 5, "--out", out, "--resume", "--snapshot", 99)[0] == 0  # what may change
    assert tiny("--steps", 2, "--out", out, "--overwrite", "--seed", 1)[0] == 0
    assert [path.stem for path in (out / "checkpoints").iterdir()] == ["step-000000002"]


def test_what_is_no_run_is_never_touched(tiny: Any, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("ten years of work")
    (tmp_path / "file").write_text("")
    refused(tiny("--steps", 3, "--out", tmp_path / "thesis"), "thesis exists")
    refused(tiny("--steps", 3, "--out", tmp_path / "thesis", "--overwrite"), "is not a run", "nothing in it is touched")
    refused(tiny("--steps", 3, "--out", tmp_path / "thesis", "--resume"), "holds no run")
    refused(tiny("--steps", 3, "--out", tmp_path / "none", "--resume"), "holds no run")
    for flags in ([], ["--overwrite"], ["--resume"]):
        refused(tiny("--steps", 3, "--out", tmp_path / "file", *flags), "file")
    refused(tiny("--steps", 3, "--out", tmp_path / "file" / "deeper"), "cannot write")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "ten years of work"
    (tmp_path / "empty").mkdir()
    assert tiny("--steps", 1, "--out", tmp_path / "empty")[0] == 0


def test_a_run_needs_an_end_and_batches_that_can_be_split(tiny: Any, tmp_path: Path) -> None:
    refused(tiny("--out", tmp_path / "a"), "--steps, --examples or --minutes")
    refused(tiny("--out", tmp_path / "b", "--steps", 1, "--accumulate", 3), "--accumulate 3 must divide --batch 8")


@pytest.mark.parametrize("damage", ["truncated", "foreign"])
def test_a_damaged_checkpoint_is_told_and_the_one_before_resumes(tiny: Any, tmp_path: Path, damage: str) -> None:
    out = tmp_path / "run"
    assert tiny("--steps", 6, "--snapshot", 32, "--out", out)[0] == 0
    older, damaged = Checkpoints(out / "checkpoints").paths()
    whole = newest(out)
    if damage == "truncated":
        damaged.write_bytes(damaged.read_bytes()[:-100])
    else:
        save_file({"weight": torch.zeros(3)}, damaged, {"format": "pt"})
    flags = ("--steps", 6, "--snapshot", 32, "--out", out, "--resume")
    refused(tiny(*flags), str(damaged), f"remove it to go on from {older.name}")
    assert older.exists()
    damaged.unlink()
    assert tiny(*flags)[0] == 0
    assert same(whole, newest(out))


# --- Ctrl-C


def test_auto_begins_goes_on_and_passes_over_a_damaged_checkpoint(tiny: Any, tmp_path: Path) -> None:
    out, flags = tmp_path / "run", ("--snapshot", 16, "--resume", "auto")
    assert tiny("--steps", 4, "--out", out, *flags)[0] == 0
    older, damaged = Checkpoints(out / "checkpoints").paths()
    damaged.write_bytes(damaged.read_bytes()[:-1] + bytes([damaged.read_bytes()[-1] ^ 1]))
    code, said = tiny("--steps", 4, "--out", out, *flags)[:2]
    assert code == 0 and f"goes on from {older.name}" in said
    assert tiny("--steps", 4, "--out", tmp_path / "whole", "--snapshot", 16)[0] == 0
    assert same(newest(out), newest(tmp_path / "whole"))
    refused(tiny("--steps", 4, "--out", out, "--resume", "always"), "--resume")


def test_ctrl_c_saves_and_exits_with_130(root: Path, tmp_path: Path) -> None:
    out, pictures = tmp_path / "run", tmp_path / "pictures"
    pictures.mkdir()
    for number, pixels in enumerate(DATA.tensors["image"]):
        Image.fromarray(pixels[0].numpy()).save(pictures / f"{number}.png")
    flags = ["--data", pictures, "--net-size", "debug", "--steps", 100_000, "--snapshot", 10**9, "--out", out]
    with start(root, "-m", "image.train", *flags) as process:
        deadline = time.monotonic() + 120
        while not (out / "metrics.jsonl").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    assert "stopping: measures and saves" in error
    last = error.splitlines()[-1]
    assert last.startswith("image.train: interrupted")
    assert "Traceback" not in error
    assert "\r" not in error
    _, facts = Checkpoints(out / "checkpoints").load()
    assert facts["step"] >= LOG_EVERY
    assert rows(out)[-1]["step"] == facts["step"]
    assert (out / "config.json").exists()
    assert (out / "README.md").exists()
    assert load_tensors(out / "model.safetensors")
    assert len(list((out / "samples").iterdir())) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_can_be_resumed_exactly(number: signal.Signals, tmp_path: Path) -> None:
    sent: list[int] = []

    def interrupt(draw: Draw, loss: Tensor) -> Tensor:
        if draw.step == 3 and not sent:
            sent.append(number)
            os.kill(os.getpid(), number)
        return loss

    handler = signal.getsignal(number)
    config = TinyConfig(steps=7, out=tmp_path / "run")
    with pytest.raises(KeyboardInterrupt, match="go on with --resume"):
        fit(plain_game(interrupt), config)
    assert signal.getsignal(number) == handler
    assert [path.stem for path in Checkpoints(tmp_path / "run" / "checkpoints").paths()] == ["step-000000004"]
    fit(plain_game(interrupt), replace(config, resume=True))
    fit(plain_game(), replace(config, out=tmp_path / "whole"))
    assert same(newest(tmp_path / "whole"), newest(tmp_path / "run"))


# --- limits


def test_steps_and_images_stop_exactly(tmp_path: Path) -> None:
    limits = [
        {"steps": 7},
        {"examples": 40},
        {"examples": 41},
        {"steps": 3, "examples": 999},
        {"steps": 999, "examples": 16},
    ]
    done = [play("plain", TinyConfig(out=tmp_path / str(i), **limit)) for i, limit in enumerate(limits)]  # type: ignore[arg-type]
    assert [(progress.step, progress.images) for progress in done] == [(7, 56), (5, 40), (6, 48), (3, 24), (2, 16)]


def test_minutes_stop_and_save(tmp_path: Path) -> None:
    progress = play("plain", TinyConfig(minutes=0.3 / 60, steps=10**9, out=tmp_path / "run"))
    assert 0 < progress.step < 10**9
    assert progress.seconds >= 0.3
    assert Checkpoints(tmp_path / "run" / "checkpoints").load()[1]["step"] == progress.step
    longer = (progress.seconds + 0.1) / 60
    again = play("plain", TinyConfig(minutes=longer, steps=10**9, out=tmp_path / "run", resume=True))
    assert again.step > progress.step
    assert again.seconds >= 60 * longer


def test_the_learning_rate_warms_up_and_follows_a_cosine(tmp_path: Path) -> None:
    trainer, _ = fit(plain_game(), TinyConfig(steps=1, warm_up=16, final_lr=0.2, out=tmp_path / "run"))
    for step, warm in [(0, 0.5), (1, 1.0), (5, 1.0), (10, 1.0)]:
        trainer.config = replace(trainer.config, steps=10)
        trainer.progress = Progress(step=step, images=8 * step)
        share = 0.2 + 0.8 * (1 + math.cos(math.pi * step / 10)) / 2
        assert trainer._lr_scale() == pytest.approx(warm * share)


# --- the stability guard


class Diary:
    """Makes a loss non-finite at some steps, and keeps the state of the network at the start of every step."""

    def __init__(self, *bad: int, kind: str = "loss"):
        self.bad, self.kind = set(bad), kind
        self.game = plain_game(self.spoil)
        self.network = self.game.players["plain"].network
        self.states: dict[int, dict[str, Tensor]] = {}
        self.network.register_forward_pre_hook(lambda module, inputs: self.keep())

    def keep(self) -> None:
        floats = {name: value for name, value in self.network.state_dict().items() if value.is_floating_point()}
        self.states[len(self.states)] = {name: value.clone() for name, value in floats.items()}

    def spoil(self, draw: Draw, loss: Tensor) -> Tensor:
        if draw.step not in self.bad:
            return loss
        if self.kind == "gradient":
            zero = 0 * self.network.layers[0].weight.sum()
            return loss + zero.sqrt()  # finite itself, but its slope is 0 * inf
        return loss * float(self.kind if self.kind != "loss" else NAN)


def moments(trainer: Trainer) -> list[float]:
    """Adam's step counts."""
    return [slots["step"].item() for slots in trainer.learners["plain"].optimizer.state.values()]


@pytest.mark.parametrize("kind", ["loss", "inf", "-inf", "gradient"])
def test_a_non_finite_step_is_skipped_and_counted(kind: str, tmp_path: Path) -> None:
    diary = Diary(2, 4, kind=kind)
    trainer, progress = fit(diary.game, TinyConfig(steps=6, out=tmp_path / "run"))
    changed = [not same(diary.states[step], diary.states[step + 1]) for step in range(5)]
    assert changed == [True, True, False, True, False]
    names = diary.states[0].keys()
    assert {"layers.0.weight", "layers.1.running_mean", "layers.1.running_var"} <= names
    assert progress.skipped == 2
    assert progress.returns == 0
    assert moments(trainer) == [4.0] * 6
    (row,) = [row for row in rows(tmp_path / "run") if "skipped" in row]
    assert row["skipped"] == 2
    assert math.isfinite(row["plain"])  # over the four steps that counted


def test_the_other_player_s_statistics_survive_a_broken_turn(tmp_path: Path) -> None:
    """A generator that paints NaN would poison the running statistics of a critic with BatchNorm."""
    generator, critic = nn.Linear(2, 64), nn.Sequential(nn.BatchNorm1d(64), nn.Linear(64, 1))

    def generator_loss(batch: Any, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        images = generator(draw.normal(2)) * (NAN if draw.step == 1 else 1)
        return critic(images).mean(), {}

    def critic_loss(batch: Any, draw: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        return critic(batch["image"].flatten(1) / 255).mean(), {}

    players = {"critic": Player(critic, critic_loss), "generator": Player(generator, generator_loss)}
    fit(Game(players, "generator"), TinyConfig(steps=3, out=tmp_path / "run"))
    assert all(torch.isfinite(value).all() for value in critic.state_dict().values())
    assert all(torch.isfinite(value).all() for value in newest(tmp_path / "run").values())


def test_a_run_of_non_finite_steps_returns_to_the_last_good_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diary = Diary(*range(30, 30 + PATIENCE))
    trainer, progress = fit(
        diary.game, TinyConfig(steps=LOG_EVERY + 2, snapshot=20 * 8, final_lr=1, out=tmp_path / "run")
    )
    # snapshots after 20 steps, and none after 40: that is too soon after step 39, which was still being skipped; at a
    # snapshot the loss is looked at once more
    later = {step: diary.states[step + 1] for step in range(20, LOG_EVERY + 2)}
    assert same(later[30], later[30 + PATIENCE])
    assert same(later[LOG_EVERY], later[20])
    assert (progress.returns, progress.lr_scale, progress.skipped) == (1, 0.5, PATIENCE)
    assert trainer.learners["plain"].optimizer.param_groups[0]["lr"] == pytest.approx(0.5e-2)
    warnings = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert len(warnings) == 1
    assert "last good weights" in warnings[0]
    assert "learning rate now x0.5" in warnings[0]


def test_nine_in_a_row_are_no_reason_to_return(tmp_path: Path) -> None:
    bad = [*range(10, 10 + PATIENCE - 1), *range(25, 25 + PATIENCE - 1)]
    _, progress = fit(Diary(*bad).game, TinyConfig(steps=LOG_EVERY, out=tmp_path / "run"))
    assert (progress.returns, progress.lr_scale, progress.skipped) == (0, 1.0, 2 * PATIENCE - 2)


def test_every_return_is_to_the_same_state_optimiser_included(tmp_path: Path) -> None:
    late = 3 * LOG_EVERY - PATIENCE  # in the third look's time, and again in the fourth's; a snapshot after step 120
    diary = Diary(*range(late, late + PATIENCE), *range(late + LOG_EVERY, late + LOG_EVERY + PATIENCE))
    config = TinyConfig(steps=3 * LOG_EVERY, snapshot=120 * 8, out=tmp_path / "run")
    trainer, progress = fit(diary.game, config)
    assert progress.returns == 1
    counts = moments(trainer)
    trainer, progress = fit(diary.game, replace(config, steps=4 * LOG_EVERY, resume=True, snapshot=10**9))
    assert progress.returns == 2
    assert progress.lr_scale == 0.25
    assert moments(trainer) == counts == [120.0] * 6


def test_a_run_that_stays_non_finite_gives_up_with_finite_weights(tmp_path: Path) -> None:
    out = tmp_path / "run"
    diary = Diary(*range(20, 1000))
    with pytest.raises(
        UserError, match=r"non-finite 4 times.*last good weights are in .*run.*lower learning rate"
    ) as caught:
        fit(diary.game, TinyConfig(steps=1000, snapshot=16 * 8, out=out))
    assert "\n" not in str(caught.value)
    assert [path.stem for path in Checkpoints(out / "checkpoints").paths()] == ["step-000000016"]
    for tensors in (newest(out), load_tensors(out / "model.safetensors")):
        assert all(torch.isfinite(value).all() for value in tensors.values())
    assert all(torch.isfinite(value).all() for value in diary.network.state_dict().values())


def test_a_run_that_never_was_finite_says_that_nothing_was_saved(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No weights were saved"):
        fit(Diary(*range(1000)).game, TinyConfig(steps=1000, out=tmp_path / "run"))
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize("steps", [1, 3, LOG_EVERY])
def test_weights_that_make_no_finite_loss_are_not_saved(steps: int, tmp_path: Path) -> None:
    game = plain_game()
    game.players["plain"].optimizer = OptimizerConfig(lr=1e30)
    with pytest.raises(UserError, match=r"non-finite, and no weights were saved. Try a lower learning rate"):
        fit(game, TinyConfig(steps=steps, out=tmp_path / "run"))
    assert not (tmp_path / "run" / "model.safetensors").exists()
    assert not list((tmp_path / "run").glob("checkpoints/*"))


def test_weights_that_became_useless_late_leave_the_ones_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    game = plain_game()
    spoilt = Glance(on_judge=lambda number: setattr(game.players["plain"], "optimizer", OptimizerConfig(lr=1e30)))
    fit(game, TinyConfig(steps=12, snapshot=80, out=tmp_path / "run"), spoilt)
    assert [path.stem for path in Checkpoints(tmp_path / "run" / "checkpoints").paths()] == ["step-000000010"]
    assert all(torch.isfinite(value).all() for value in load_tensors(tmp_path / "run" / "model.safetensors").values())
    assert "those saved before are in" in capsys.readouterr().err


def test_a_run_that_ends_on_a_skipped_step_is_saved_and_goes_on_exactly(tmp_path: Path) -> None:
    bad = [3, 8, 9, 10]  # the first part ends in the middle of the three
    fit(Diary(*bad).game, TinyConfig(steps=10, final_lr=1, out=tmp_path / "run"))
    assert all(torch.isfinite(value).all() for value in load_tensors(tmp_path / "run" / "model.safetensors").values())
    trainer, progress = fit(Diary(*bad).game, TinyConfig(steps=12, final_lr=1, out=tmp_path / "run", resume=True))
    whole, expected = fit(Diary(*bad).game, TinyConfig(steps=12, final_lr=1, out=tmp_path / "whole"))
    assert same(newest(tmp_path / "whole"), newest(tmp_path / "run"))
    assert progress.skipped == expected.skipped == 4
    for first, second in zip(trainer.learners["plain"].guard, whole.learners["plain"].guard, strict=True):
        assert torch.equal(first, second)
    assert whole.learners["plain"].longest == 3


# --- the average


def averaging(half_life: float | None, tmp_path: Path) -> tuple[Learner, nn.Module]:
    """A learner whose average is all ones, while its network is all zeros."""
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    for tensor in network.state_dict().values():
        tensor.fill_(1)
    accelerator = accelerator_for(PrecisionConfig(device="cpu"), tmp_path)
    learner = Learner(Player(network, lambda batch, draw: (torch.zeros(()), {}), average=half_life), accelerator)
    for tensor in network.state_dict().values():
        tensor.zero_()
    return learner, network


@pytest.mark.parametrize("batch", [1, 10, 100])
def test_after_the_half_life_half_of_the_old_value_is_left(batch: int, tmp_path: Path) -> None:
    learner, _ = averaging(100.0, tmp_path)
    for number in range(100 // batch):
        learner.update_average(10**9 + number * batch, batch)
    assert not learner.product.training
    for name, value in learner.product.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, torch.full_like(value, 0.5), rtol=1e-5, atol=0)
        else:
            assert value.item() == 0, name  # counts are copied


def test_early_averages_are_short(tmp_path: Path) -> None:
    learner, _ = averaging(1e6, tmp_path)
    learner.update_average(200, 10)
    expected = 0.5 ** (10 / (200 * 0.05))
    torch.testing.assert_close(learner.product[0].weight, torch.full((2, 2), expected))


def test_without_an_average_the_network_itself_is_the_product(tmp_path: Path) -> None:
    learner, network = averaging(None, tmp_path)
    learner.update_average(100, 10)
    assert learner.product is network
    assert learner.average is None


# --- keep-best, sheets and what is said


def test_the_best_weights_are_kept(tmp_path: Path) -> None:
    kept: list[dict[str, Tensor]] = []
    out = tmp_path / "run"
    monitor = Glance(
        [3.0, 1.0, 2.0, NAN, 1.0], on_judge=lambda number: kept.append(weights(out)) if number > 1 else None
    )
    config = TinyConfig(steps=5, snapshot=8, out=out)
    _, progress = fit(plain_game(), config, monitor)
    assert (progress.best, progress.best_images, progress.figures) == (1.0, 16, {"score": 1.0})
    assert same(kept[1], kept[2])
    assert same(kept[1], kept[3])
    assert same(kept[1], weights(out))
    assert not same(kept[0], kept[1])
    assert (out / "README.md").read_text() == "after 16 images\n"

    resumed = Glance([9.0] * 6 + [0.5])
    _, progress = fit(plain_game(), replace(config, steps=6, resume=True), resumed)
    assert progress.best_images == 16
    assert same(kept[1], weights(out))
    _, progress = fit(plain_game(), replace(config, steps=7, resume=True), resumed)
    assert progress.best == 0.5
    assert progress.best_images == 56
    assert not same(kept[1], weights(out))


class Blunt(Glance):
    """A monitor whose scores get no lower than 1."""

    def judge(self, network: nn.Module, images: int) -> Verdict:
        verdict = super().judge(network, images)
        return replace(verdict, saturated=verdict.score == 1.0)


def test_of_weights_that_are_as_good_as_a_score_can_tell_the_latest_are_kept(tmp_path: Path) -> None:
    config = TinyConfig(steps=5, snapshot=8, out=tmp_path / "run")
    _, progress = fit(plain_game(), config, Blunt([3.0, 1.0, 2.0, 1.0, 3.0]))
    assert (progress.best, progress.best_images, progress.better_images) == (1.0, 32, 16)


def test_a_run_whose_score_can_tell_no_more_is_done_all_the_same(tmp_path: Path) -> None:
    config = TinyConfig(steps=30, snapshot=8, stop_when_done=True, out=tmp_path / "run")
    _, progress = fit(plain_game(), config, Blunt([3.0] + [1.0] * 29))
    assert progress.images == progress.best_images == 16 + LOOKS * 8


def test_a_checkpoint_that_does_not_tell_when_it_got_better_goes_on(tmp_path: Path) -> None:
    config = TinyConfig(steps=4, snapshot=8, out=tmp_path / "run")
    trainer, progress = fit(plain_game(), config, Glance([2.0, 1.0, 3.0, 3.0]))
    facts = asdict(progress)
    del facts["better_images"]
    trainer._restore(trainer._state(), facts)
    assert trainer.progress == progress and progress.better_images == 16


def test_a_run_that_gets_no_better_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = TinyConfig(steps=30, snapshot=8, stop_when_done=True, out=tmp_path / "run")
    _, progress = fit(plain_game(), config, Glance([3.0, 1.0] + [2.0] * 28))
    assert (progress.best_images, progress.images) == (
        16,
        16 + LOOKS * 8,
    )  # so many looks, as the best was reached early
    assert "nothing better since 16 examples" in capsys.readouterr().err
    late = replace(config, out=tmp_path / "late")
    _, progress = fit(plain_game(), late, Glance([20.0 - look for look in range(10)] + [20.0] * 20))
    assert (progress.best_images, progress.images) == (80, 160)  # as much again as the best took
    _, progress = fit(plain_game(), replace(late, stop_when_done=False, resume=True), Glance([2.0] * 30))
    assert progress.images == 240


def test_without_a_score_the_latest_weights_are_kept(tmp_path: Path) -> None:
    trainer, progress = fit(plain_game(), TinyConfig(steps=3, snapshot=8, out=tmp_path / "run"))
    assert progress.best is None
    assert progress.best_images == 24
    latest = {name: tensor.half() for name, tensor in trainer.learners["plain"].product.state_dict().items()}
    assert same(weights(tmp_path / "run"), latest)
    assert sorted(path.name for path in (tmp_path / "run" / "samples").iterdir()) == [
        "000000008.txt", "000000016.txt", "000000024.txt"
    ]  # fmt: skip
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))


def test_a_run_is_quiet_where_nobody_looks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play("plain", TinyConfig(steps=60, snapshot=30 * 8, out=tmp_path / "run"), Glance([2.0, 1.0]))
    said = capsys.readouterr()
    assert said.out == ""
    assert "\r" not in said.err
    pace, *looks = said.err.splitlines()
    assert pace.startswith("about ") and pace.endswith("this run takes under a minute")
    assert [line.split() for line in looks] == [
        ["240", "examples", "score", "2", "(best", "so", "far)"],
        ["480", "examples", "score", "1", "(best", "so", "far)"],
    ]


# --- full disks


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The nearest thing to a full disk that a test may ask for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(("limit", "file"), [(150_000, "step-000000004.safetensors"), (15_000, "model.safetensors")])
def test_a_full_disk_loses_nothing(limit: int, file: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    config = TinyConfig(steps=2, final_lr=1, out=out)
    fit(plain_game(width=200), config)  # weights of 25 kB, and a checkpoint of 250 kB
    before = newest(out), weights(out)
    with files_of_at_most(limit), pytest.raises(UserError, match=f"cannot write .*{file}: .*unharmed") as caught:
        fit(plain_game(width=200), replace(config, steps=4, resume=True))
    assert "\n" not in str(caught.value)
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step-000000002.safetensors"]
    assert same(before[0], newest(out))
    assert file != "model.safetensors" or same(before[1], weights(out))
    fit(plain_game(width=200), replace(config, steps=4, resume=True))
    fit(plain_game(width=200), replace(config, steps=4, out=tmp_path / "whole"))
    assert same(newest(tmp_path / "whole"), newest(out))


def test_a_really_full_disk_is_one_line(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")

    def fill(number: int) -> None:
        if number == 2:
            with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
                while True:
                    filler.write(bytes(4096))

    try:
        config = TinyConfig(steps=200, snapshot=8 * 8, out=disk / "run")
        with pytest.raises(UserError, match=r"cannot write .*No space left") as caught:
            fit(plain_game(width=200), config, Glance(on_judge=fill))
        assert "\n" not in str(caught.value)
        assert [path.stem for path in Checkpoints(disk / "run" / "checkpoints").paths()] == ["step-000000008"]
        assert newest(disk / "run")
        assert weights(disk / "run")
        (disk / "filler").unlink()
        assert fit(plain_game(width=200), replace(config, steps=9, resume=True))[1].step == 9
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)  # lazy, because TensorBoard's file is still open


# --- one process or two, one part or two


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    return gradients(tmp_path_factory.mktemp("whole") / "run")


PLAYERS = {"adaptive-critic", "adaptive-generator", "vae-vae"}


def close(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    """To 1e-6, of the largest entry where that is above 1."""
    assert first.keys() == second.keys()
    assert {name.split(".")[0] for name in first} == PLAYERS
    for name, value in first.items():
        scale = max(1.0, value.abs().max().item())
        torch.testing.assert_close(
            second[name], value, rtol=0, atol=1e-6 * scale, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_two_processes_equal_one(whole: dict[str, Tensor], root: Path, tmp_path: Path) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2]
    with start(root, *launcher, "tests/common/training/two_processes.py", tmp_path) as process:
        _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    close(whole, load_file(tmp_path / "gradients.safetensors"))


def test_of_two_processes_one_that_is_told_to_stop_stops_both(root: Path, tmp_path: Path) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2]
    flags = ["--steps", 10 * LOG_EVERY, "--stop-at", 3, "--out", tmp_path]
    with start(root, *launcher, "tests/common/training/tiny_games.py", *flags) as process:
        _, error = process.communicate(timeout=300)
    assert error.count(f"saved after {8 * LOG_EVERY} examples in {tmp_path}; go on with --resume") == 2, error
    assert [path.stem for path in Checkpoints(tmp_path / "checkpoints").paths()] == [f"step-{LOG_EVERY:09d}"]


def test_processes_that_would_begin_apart_are_refused(root: Path, tmp_path: Path) -> None:
    """As on two machines whose --out is on disks of their own."""
    play("plain", TinyConfig(steps=4, out=tmp_path / "0"))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, "--no-python", "bash", "-c"]
    script = f"{sys.executable} tests/common/training/tiny_games.py --steps 8 --resume auto --out {tmp_path}/$RANK"
    with start(root, *launcher, script) as process:
        _, error = process.communicate(timeout=300)
    told = "tiny: the processes begin at step 4 with 50 examples and step 0 with 50 examples; --data must be the same"
    assert process.returncode == 1 and told in error, error


def test_parts_of_a_batch_equal_the_whole(whole: dict[str, Tensor], tmp_path: Path) -> None:
    parts = gradients(tmp_path / "run", accumulate=2)
    close(whole, parts)
    strength = "adaptive-critic.augmentation.strength"
    assert whole[strength] != 0.5
    assert whole[strength] == pytest.approx(parts[strength].item(), abs=1e-6)


def test_parts_average_what_batch_norm_sees(tmp_path: Path) -> None:
    """As processes do: one step's running mean is that of the parts' means, which is the whole batch's."""
    found = []
    for accumulate in (1, 2, 4):
        game = plain_game()
        fit(game, TinyConfig(steps=1, accumulate=accumulate, out=tmp_path / str(accumulate)))
        found.append(game.players["plain"].network.layers[1].running_mean.clone())
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


@pytest.mark.parametrize(
    ("batch", "training", "fits"), [(64, 41, True), (65, 41, False), (99, 99, True), (99, 98, False)]
)
def test_a_batch_fits_the_training_set(batch: int, training: int, fits: bool) -> None:
    with nullcontext() if fits else pytest.raises(UserError, match=f"--batch {batch} is more than the {training}"):
        check_batch(TinyConfig(batch=batch), training)


@pytest.mark.parametrize(("training", "warned"), [(999, True), (1000, False)])
def test_a_run_says_what_it_trains_on(training: int, warned: bool, capsys: pytest.CaptureFixture[str]) -> None:
    introduce("tiny", Path("run"), "examples", training, 7)
    said = capsys.readouterr().err
    assert f"tiny: {training:,} training examples, 7 held out; writing to run" in said
    assert ("little variety" in said) == warned


def test_the_first_process_alone_opens_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_run(tmp_path / "run", TinyConfig(steps=1))
    monkeypatch.setenv("RANK", "1")
    open_run(tmp_path / "run", TinyConfig(steps=1))
    open_run(tmp_path / "run", TinyConfig(steps=1, overwrite=True))
    assert (tmp_path / "run" / "run.json").exists()


def test_a_gradient_s_norm_is_clipped(tmp_path: Path) -> None:
    game = plain_game(lambda draw, loss: 1000 * loss)
    game.players["plain"].optimizer = OptimizerConfig(clip=0.5)
    fit(game, TinyConfig(steps=1, out=tmp_path / "run"))
    norm = torch.nn.utils.get_total_norm([p.grad for p in game.players["plain"].network.parameters()])
    assert norm.item() == pytest.approx(0.5, rel=1e-4)
