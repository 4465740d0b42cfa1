"""The trainer's eyes on a composer: what they draw, measure and write down, and what they never look at."""

import json
import math
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from common.cli import command, parse
from common.errors import UserError
from common.training.beginning import begin_with
from music.config import TrainConfig
from music.data.loading import MusicData
from music.games import build_game, network_config
from music.metrics import measure
from music.models import load_music_model
from music.monitor import GUIDANCES, TEMPERATURES, WORST, MusicMonitor, features, misfit, overlap, usual_metres
from music.networks import Composer
from music.train import main

FACTS = {"images": 80, "seconds": 90.0, "hardware": "1 CPU threads", "best_images": 40, "figures": {"misfit": 2.5}}


def monitor(data: MusicData, **settings: Any) -> tuple[MusicMonitor, Composer]:
    config = TrainConfig(data="tunes", bars=2, net_size="debug", latent=8, bar_latent=4, **settings)
    network = network_config(config, data.spec)
    torch.manual_seed(0)
    return MusicMonitor(config, data, network, torch.device("cpu")), Composer(network).eval()


def blind(data: MusicData) -> MusicData:
    """The data with nothing held out to look at."""
    return replace(data, test=None)  # type: ignore[arg-type]


def test_a_sheet_shows_the_same_latents_every_time(data: MusicData, tmp_path: Path) -> None:
    eyes, product = monitor(blind(data))
    for name in ("a", "b"):
        eyes.sheet(product, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    width, height = Image.open(tmp_path / "a.png").size
    assert width > 200 and height > 200


def test_a_verdict_is_repeatable_and_never_sees_held_out_tunes(data: MusicData) -> None:
    (eyes, product), (others, _) = monitor(blind(data)), monitor(blind(data))
    first, second = eyes.judge(product, 100), others.judge(product, 200)
    assert first == second
    assert first.score == first.figures["misfit"] > 0
    assert {"overlap", "coverage", "notes_per_bar"} <= set(first.figures)
    assert all(map(math.isfinite, first.figures.values()))


def test_each_look_draws_in_some_ways_near_the_latest_and_keeps_the_best(data: MusicData) -> None:
    eyes, product = monitor(data)
    before, lowest = (0.6, 2.0), math.inf
    for _ in range(2):
        figures = eyes.judge(product, 0).figures
        chosen, steps = (figures["temperature"], figures["guidance"]), 0
        for values, old, new in zip((TEMPERATURES, GUIDANCES), before, chosen, strict=True):
            steps += abs(values.index(old) - values.index(new))
        assert steps <= 1 and figures["misfit"] <= lowest
        before, lowest = chosen, figures["misfit"]
        facts = eyes.describe(FACTS)[0]
        assert (facts["temperature"], facts["guidance"]) == chosen == (eyes.state()["temperature"], chosen[1])


def test_silence_is_a_finite_and_bad_verdict(data: MusicData) -> None:
    eyes, product = monitor(data)
    some = eyes.judge(product, 0)
    with torch.no_grad():
        bias = product.vae.decoder.last.bias
        bias.fill_(-50)
        bias[:: sum(product.notation.splits[0])] = 50  # the first output of every track
    silent = eyes.judge(product, 0)
    assert silent.figures["notes_per_bar"] == 0 and silent.figures["overlap"] < 0.2
    assert silent.score is not None and some.score is not None and some.score < silent.score < math.inf


def test_weights_that_are_not_finite_never_win(data: MusicData) -> None:
    eyes, product = monitor(data)
    with torch.no_grad():
        product.vae.decoder.last.bias[0] = math.nan
    verdict = eyes.verdict(product, 0)
    assert verdict.score == math.inf and verdict.warning is not None and "not finite" in verdict.warning


def test_the_music_itself_fits_best(data: MusicData) -> None:
    eyes, _ = monitor(data)
    overlaps = overlap(eyes.real, eyes.real)
    assert overlaps == pytest.approx([1] * len(overlaps))
    assert misfit(eyes.typical, eyes.typical, overlaps) == pytest.approx(0)
    shifted = [replace(score, pitch=score.onset) for score in eyes.real]
    assert misfit(measure(shifted), eyes.typical, overlap(shifted, eyes.real)) > 0.05


def test_misfit_by_hand() -> None:
    typical = {"a": 2.0, "b": 0.0, "c": math.nan, "d": 1.0}
    # relative errors 1/2, min(0.1 / 0.05, 3) and, where the samples have none, the worst; "c" does not count
    found = {"a": 3.0, "b": 0.1, "c": 5.0, "d": math.nan}
    assert misfit(found, typical, [0.5, 1.0]) == pytest.approx((0.5 + 2 + WORST) / 3 + 0.25)
    assert misfit(found | {"b": 99.0}, typical, [1.0]) == pytest.approx((0.5 + 2 * WORST) / 3)


def test_coverage_compares_harmony_and_rhythm(data: MusicData) -> None:
    eyes, _ = monitor(data)
    rows = features(eyes.rolls, eyes.network)
    assert rows.shape == (len(eyes.real), 3 * 8 * 12 + 3 * 32)
    octave = features(torch.roll(eyes.rolls, 12, dims=4), eyes.network)
    fifth = features(torch.roll(eyes.rolls, 7, dims=4), eyes.network)
    assert torch.isfinite(rows).all() and not torch.allclose(rows, fifth)
    stays = eyes.rolls[..., -12:].sum((1, 2, 3, 4)) == 0  # no note would come back at the bottom
    assert stays.any()
    torch.testing.assert_close(rows[stays], octave[stays])


def test_usual_metres_are_by_style(data: MusicData) -> None:
    metres = usual_metres(data)
    assert (metres["march"], metres["waltz"]) == ("4/4", "3/4") and set(metres) == {"", "march", "waltz"}


@pytest.mark.parametrize("settings", [{}, {"core": "gan", "lr": 1e-3, "penalty": 2.0, "betas": (0.5, 0.9)}])
def test_the_card_holds_the_command_that_made_the_weights(settings: dict[str, Any], data: MusicData) -> None:
    eyes, product = monitor(data, **settings)
    config, card = eyes.describe(FACTS)
    assert json.loads(json.dumps(config, allow_nan=False))["metres"] == usual_metres(data)
    assert {style: own["voices"] for style, own in config["styles"].items()} == {"march": 3, "waltz": 3}
    assert config["typical"]["in_scale"] == 1 and config["data"] == {"name": "tunes"}
    line = command("music.train", eyes.config)
    assert f"`{line}`" in card and "| misfit | 2.5 |" in card and "march, waltz" in card
    assert parse(main, "music.train", shlex.split(line)[3:]) == eyes.config
    assert build_game(eyes.config, eyes.network).players
    assert isinstance(product, Composer)


def test_the_alarm_remembers(data: MusicData) -> None:
    eyes, product = monitor(data)
    eyes.judge(product, 70_000)
    fresh, _ = monitor(data)
    fresh.restore(json.loads(json.dumps(eyes.state())))
    assert fresh.state() == eyes.state()
    fresh.restore({name: value for name, value in eyes.state().items() if name not in ("temperature", "guidance")})


def test_a_run_leaves_sheets_figures_and_weights(run_folder: Path) -> None:
    assert [path.stem for path in (run_folder / "samples").glob("*.png")] == ["000000192"]
    rows = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    assert any("misfit" in row for row in rows) and any("elbo" in row for row in rows)
    assert "python -m music.train" in (run_folder / "README.md").read_text()


def test_a_critic_may_listen(tunes: Path, tmp_path: Path) -> None:
    settings = {"net_size": "debug", "latent": 8, "bar_latent": 4, "steps": 8, "batch": 16, "snapshot": 64}
    main(TrainConfig(data=str(tunes), bars=2, core="gan", device="cpu", out=tmp_path / "run", **settings))  # type: ignore[arg-type]
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert any("penalty" in row and "content" in row for row in rows)


@pytest.mark.parametrize("core", ["gan", "vae"])
def test_a_run_begins_with_trained_weights(
    core: str, run_folder: Path, tunes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, begun = tmp_path / "run", load_music_model(str(run_folder))
    settings: dict[str, Any] = {"steps": 1, "batch": 16, "lr": 1e-9, "average": 1e-6, "device": "cpu"}
    main(TrainConfig(data=str(tunes), core=core, weights=str(run_folder), out=out, **settings))  # type: ignore[arg-type]
    count = len(begun.network.state_dict())
    alone = "; the critic is new and learns alone for 10,000 examples" if core == "gan" else ""
    assert f"music.train: took {count} of {count} tensors of {run_folder.name}{alone}\n" in capsys.readouterr().err
    after = load_music_model(str(out))
    assert after.config == begun.config
    for name, tensor in begun.network.state_dict().items():
        torch.testing.assert_close(after.network.state_dict()[name], tensor, atol=1e-3, rtol=1e-3)


def test_weights_of_nothing_alike_are_told(run_folder: Path, data: MusicData) -> None:
    model = load_music_model(str(run_folder))
    other = replace(model.config, width=4, latent=3, bar_latent=5)
    game = build_game(TrainConfig(net_size="debug", latent=3, bar_latent=5), other)
    with pytest.raises(UserError, match="none of their layers fit"):
        begin_with(game, model.name, model.network.state_dict())


@pytest.mark.parametrize(
    ("asked", "flag"),
    [
        ({"weights": "chorales", "bars": 8}, "--bars"),
        ({"weights": "chorales", "net_size": "large"}, "--net-size"),
        ({"bars": 1}, "--bars"),
        ({"bars": 17}, "--bars"),
        ({"bar_latent": 0}, "--bar-latent"),
        ({"batch": 18}, "--batch"),
        ({"core": "vae", "loss": "hinge"}, "--loss"),
        ({"core": "vae", "content": 2.0}, "--content"),
        ({"batch": 24, "accumulate": 4}, "--batch"),
    ],
)
def test_settings_of_no_use_are_told(asked: dict[str, object], flag: str) -> None:
    with pytest.raises(Exception, match=flag):
        TrainConfig(**asked)  # type: ignore[arg-type]
