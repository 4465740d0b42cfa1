"""The VAE that plays a synthesiser: shapes, its measure by hand, and that it learns."""

import json
import math
from pathlib import Path

import pytest
import torch

from common.cli import parse
from common.errors import UserError
from music.sound import games
from music.sound.config import FRAMES, TrainConfig, length
from music.sound.data.loading import SoundData
from music.sound.models import load_sound_model
from music.sound.networks import NetworkConfig
from music.sound.synthesis import ROWS
from music.sound.train import main
from music.sound.vae import FLOOR, SoundVae, Spectra, log_spectrum

CONFIG = NetworkConfig(1, 4, 8, classes=2, core="vae")


@pytest.mark.parametrize("seconds", [1, 2, 4])
def test_scores_are_as_long_as_sounds(seconds: int, notes: SoundData) -> None:
    vae = SoundVae(NetworkConfig(seconds, 4, 8, classes=2, core="vae")).eval()
    note = vae.read(notes.train.gather(torch.arange(3)))
    scores = vae.score(torch.randn(3, 8), note)
    assert scores.shape == (3, 1, ROWS, seconds * FRAMES)
    sounds = vae.play(scores, note[1])
    assert sounds.shape == (3, length(seconds))
    assert vae.encode(sounds, note).mean.shape == (3, 8)


def test_logarithms_of_a_sine_s_spectrum() -> None:
    sine = torch.sin(2 * math.pi * 1_000 * torch.arange(16_128) / 16_000)[None]
    for size in (512, 2048):
        log = log_spectrum(sine, size)
        assert float(log[0, size // 16, 20]) == pytest.approx(0, abs=1e-3)  # full scale, at 1 kHz of 16
        assert float(log[0, size // 4, 20]) < -6
    assert float(log_spectrum(torch.zeros(1, 4_096), 512).max()) == pytest.approx(math.log(FLOOR))


def test_the_measure_is_laplace_s_by_hand() -> None:
    silent = torch.zeros(1, length(1))
    spectra = Spectra().requires_grad_(False)
    spectra.log_spread.fill_(math.log(0.5))
    same = spectra.nll(silent, silent)
    assert float(same) == pytest.approx(math.log(2 * 0.5) * 64 * 63, abs=1e-3)
    noise = torch.randn(1, length(1), generator=torch.Generator().manual_seed(0))
    away = torch.stack([(log_spectrum(noise, size) - math.log(FLOOR)).mean() for size in (2048, 512, 128)]).mean()
    assert float(spectra.nll(silent, noise)) == pytest.approx(float(away) / 0.5 * 64 * 63, rel=1e-4)


def test_it_learns_notes(notes: SoundData) -> None:
    torch.manual_seed(0)
    vae = SoundVae(NetworkConfig(1, 4, 8, classes=2, core="vae"))
    batch = notes.train.gather(torch.arange(0, 16, 2))
    real, note = games.to_batch_sounds(batch), vae.read(batch)
    adam = torch.optim.Adam(vae.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        nll, kl = vae(real, torch.randn(8, 8), note)
        adam.zero_grad()
        (nll.mean() + kl.sum(1).mean()).backward()
        adam.step()
        losses.append(float(nll.detach().mean()))
    assert sum(losses[-5:]) < 0.75 * sum(losses[:5])


def test_a_training_leaves_weights_that_play(notes: SoundData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(games, "load_sounds", lambda data, seconds: notes)
    tiny = ["--core", "vae", "--net-size", "debug", "--latent", "8", "--batch", "8", "--device", "cpu"]
    main(parse(main, "music.sound.train", [*tiny, "--examples", "32", "--out", str(tmp_path / "run")]))
    model = load_sound_model(str(tmp_path / "run"))
    assert model.config.core == "vae" and model.classes == notes.classes
    first = model.sample(notes.test.gather(torch.arange(2)))
    assert first.shape == (2, length(1)) and torch.equal(first, model.sample(notes.test.gather(torch.arange(2))))
    begun = ["--weights", str(tmp_path / "run"), "--device", "cpu", "--examples", "32", "--batch", "8"]
    with pytest.raises(UserError, match="are of --core vae; leave --core out"):
        main(parse(main, "music.sound.train", [*begun, "--core", "gan", "--out", str(tmp_path / "again")]))
    main(parse(main, "music.sound.train", [*begun, "--out", str(tmp_path / "again")]))
    assert load_sound_model(str(tmp_path / "again")).config == model.config


def test_sounds_without_a_pitch_are_for_the_gan(hits: Path) -> None:
    with pytest.raises(UserError, match="--core vae makes notes, and the pitches of hits are not known"):
        games.prepare(TrainConfig(core="vae", data=str(hits), examples=32))


def test_notes_are_for_the_vae_and_runs_go_on_as_they_were(hits: Path, notes: SoundData, tmp_path: Path) -> None:
    assert games.settled(TrainConfig(), notes, "sound-notes").core == "vae"
    assert games.settled(TrainConfig(data=str(hits)), games.load_sounds(str(hits)), "sound-hits").core == "gan"
    (tmp_path / "run.json").write_text(json.dumps({"data": "instruments"}))
    assert games.settled(TrainConfig(out=tmp_path, resume=True), notes, "").core == "gan"
    (tmp_path / "run.json").write_text(json.dumps({"core": "vae"}))
    assert games.settled(TrainConfig(out=tmp_path, resume=True), notes, "").core == "vae"


def test_settings_of_the_other_core_are_refused() -> None:
    with pytest.raises(UserError, match="--penalty means nothing with --core vae"):
        TrainConfig(core="vae", penalty=1.0)
    with pytest.raises(UserError, match="--beta means nothing with --core gan"):
        TrainConfig(core="gan", beta=2.0)
