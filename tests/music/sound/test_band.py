"""A piece played by made instruments: when and how long notes sound, how loud, from where, and what is refused."""

import wave
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import torch
from torchaudio import functional

from common.cli import parse
from common.errors import UserError
from music.generate import main
from music.io.sound import LOUDNESS, PEAK, RATE, TAIL
from music.sound.band import RELEASE, play
from music.sound.config import HOP
from music.sound.config import RATE as NATIVE
from music.sound.models import SoundModel, load_sound_model

DYING = RELEASE * HOP / NATIVE  # seconds


@pytest.fixture(scope="module")
def model(weights: str) -> SoundModel:
    return load_sound_model(weights)


def piece(*voices: tuple[tuple[int, float, float], ...]) -> pretty_midi.PrettyMIDI:
    """Voices of notes: pitch, start and end in seconds."""
    midi = pretty_midi.PrettyMIDI()
    for number, notes in enumerate(voices):
        instrument = pretty_midi.Instrument(0, name=f"voice {number + 1}")
        instrument.notes = [pretty_midi.Note(90, *note) for note in notes]
        midi.instruments.append(instrument)
    return midi


def loudest(audio: torch.Tensor, start: float, end: float) -> float:
    return float(audio[:, round(start * RATE) : round(end * RATE)].abs().max())


def test_notes_sound_as_long_as_they_are_written(model: SoundModel) -> None:
    short, long = 0.1, 2.0
    (audio,) = play(piece(((60, 1.0, 1.0 + short), (62, 2.0, 2.0 + long))), model, "cello")
    assert audio.shape == (2, pytest.approx((2 + long + TAIL) * RATE, abs=2)) and audio.dtype == torch.float32
    sounding = loudest(audio, 0, 9)
    assert loudest(audio, 0, 0.97) < 0.001 * sounding  # the filter that resamples rings for milliseconds
    assert loudest(audio, 1, 1 + short) > 0.05 * sounding
    assert loudest(audio, 1 + short + DYING + 0.03, 1.97) < 0.001 * sounding
    assert loudest(audio, 3.8, 4) > 0.05 * sounding
    assert loudest(audio, 4 + DYING + 0.03, 9) < 0.001 * sounding


def test_the_whole_is_as_loud_as_by_a_soundfont_and_does_not_clip(model: SoundModel) -> None:
    parts = play(piece(((72, 0, 2), (74, 2, 4)), ((48, 0, 4),)), model, "flute, cello")
    whole = torch.stack(parts).sum(0)
    measured = float(functional.loudness(whole / 8, RATE)) + 20 * np.log10(8)
    peak = float(whole.abs().max())
    assert measured == pytest.approx(LOUDNESS, abs=0.3) or (peak == pytest.approx(PEAK) and measured < LOUDNESS)
    assert peak <= PEAK + 1e-6


def test_voices_stand_from_left_to_right(model: SoundModel) -> None:
    left, middle, right = (part.square().sum(1) for part in play(piece(*[((60, 0.0, 1.0),)] * 3), model, "cello"))
    assert left[0] > left[1] and right[1] > right[0]
    assert float(middle[0]) == pytest.approx(float(middle[1]), rel=1e-3)


def test_a_seed_is_a_band_and_instruments_differ(model: SoundModel) -> None:
    midi = piece(((60, 0.0, 1.0),))
    first = play(midi, model, "cello")[0]
    assert torch.equal(first, play(midi, model, "cello")[0])
    others = [play(midi, model, "cello", seed=1), play(midi, model, "0.5 cello + 0.5 flute")]
    assert all(not torch.equal(first, other) for (other,) in others)


def test_nothing_to_play_is_silence(model: SoundModel) -> None:
    silent = play(piece((), ((60, 0.0, 1.0),)), model, "cello")[0]
    assert not silent.any()


def test_what_lies_beyond_an_instrument_is_told(model: SoundModel, capsys: pytest.CaptureFixture[str]) -> None:
    play(piece(((60, 0.0, 0.2), (50, 0.3, 0.5))), model, "flute")
    assert "1 of the 2 notes of voice 1 lie beyond flute (C4 to C7)" in capsys.readouterr().err
    play(piece(((60, 0.0, 0.2), (50, 0.3, 0.5))), model, "flute + cello")
    assert not capsys.readouterr().err


def test_drums_and_too_many_players_are_refused(model: SoundModel) -> None:
    midi = piece(((60, 0.0, 1.0),))
    with pytest.raises(UserError, match="--band names 2, and the piece has 1: voice 1"):
        play(midi, model, "flute, cello")
    midi.instruments[0].is_drum = True
    with pytest.raises(UserError, match="--band plays no drums"):
        play(midi, model, "flute")


def generate(*flags: str) -> None:
    config = parse(main, "music.generate", ["--device", "cpu", "--bars", "2", "--candidates", "1", *flags])
    config.check_inputs()
    main(config)


def test_the_command_plays_with_a_band(weights: str, tmp_path: Path) -> None:
    out, stems = tmp_path / "song.wav", tmp_path / "stems"
    band = ("--band", "flute, english horn, cello", "--band-weights", weights)
    generate(*band, "--out", str(out), "--stems", str(stems))

    def samples(path: Path) -> np.ndarray:
        with wave.open(str(path)) as file:
            return np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(int)

    alone = sum(samples(path) for path in sorted(stems.glob("*.wav")))
    assert len(list(stems.glob("*.wav"))) == 4
    assert np.abs(alone - samples(out)).max() <= 4  # each is rounded


def test_nothing_else_is_written(weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    generate("--band", "cello", "--band-weights", weights, "--out", "song.wav", "song.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["song.png", "song.wav"]


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--band", "kazoo"), "--band kazoo: kazoo is unknown; there are flute, cello"),
        (("--band", "flute,"), "--band .*: nothing is unknown"),
        (("--band", "flute", "--out", "song.mid"), "--band means something to sound alone"),
        (("--band", "flute, flute, flute, flute, cello"), "--band names 5, and chorales writes 4: Soprano, Alto"),
        (("--band", "flute", "--instruments", "violin"), "--instruments is heard by nobody where --band plays"),
        (("--band-weights", "here", "--out", "song.wav"), "--band-weights means something with --band"),
    ],
)
def test_what_is_mistyped_is_refused(
    flags: tuple[str, ...], named: str, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = flags if "--band-weights" in flags else ("--band-weights", weights, *flags)
    with pytest.raises((UserError, SystemExit), match=named):
        generate("--out", "song.wav", *given) if "--out" not in flags else generate(*given)
    assert not list(tmp_path.iterdir())
