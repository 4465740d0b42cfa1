"""Sounds to learn from: recordings of all kinds, and notes that a soundfont plays."""

import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from small_sounds import tone, write

from common.data.folders import File
from common.errors import UserError
from music.sound.config import RATE, length
from music.sound.data.loading import load_sounds
from music.sound.data.recordings import read
from music.sound.data.sources import play
from music.sound.instruments import INSTRUMENTS, VELOCITIES, Voice


def test_sub_folders_are_classes_and_some_is_held_out(folder: Path) -> None:
    data = load_sounds(str(folder))
    assert data.classes == ("high", "low") and not data.pitched
    assert len(data.train) + len(data.test) == 20 and len(data.test) > 0
    assert data.train.tensors["wave"].dtype == torch.int16
    assert data.train.tensors["wave"].shape[1] == length(1)
    assert set(data.train.tensors["label"].tolist()) == {0, 1}


def test_a_zip_holds_the_same_sounds_as_its_folder(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "sounds.zip", "w") as archive:
        for path in sorted(folder.rglob("*.wav")):
            archive.write(path, path.relative_to(folder))
    packed, loose = load_sounds(str(tmp_path / "sounds.zip")), load_sounds(str(folder))
    assert torch.equal(packed.train.tensors["wave"], loose.train.tensors["wave"])


def test_rates_and_channels_become_one_and_silence_goes(tmp_path: Path) -> None:
    silence = np.zeros(48_000)
    padded = np.concatenate([silence, tone(0.5, rate=48_000), silence])
    write(tmp_path / "a.wav", np.stack([padded, padded]), 48_000)
    write(tmp_path / "b.wav", tone(0.5, 441, rate=8_000), 8_000)
    data = load_sounds(str(tmp_path))
    waves = torch.cat([data.train.tensors["wave"], data.test.tensors["wave"]]).float() / 32767
    assert len(waves) == 2
    for sound in waves:
        spectrum = torch.fft.rfft(sound[: RATE // 2]).abs()
        assert abs(int(spectrum.argmax()) * 2 - 440) <= 4
        assert sound[:100].abs().max() > 0.05  # begins at once
        assert sound[RATE * 6 // 10 :].abs().max() == 0  # and ends after half a second
    levels = waves.square().mean(1).sqrt()
    assert levels[0] / levels[1] == pytest.approx(1, abs=0.15)


def encode(path: Path, sound: np.ndarray, codec: str, rate: int) -> None:
    """Write (samples,) with a codec of FFmpeg's."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate = rate
        for part in av.AudioResampler(stream.format, "mono", rate, stream.codec_context.frame_size or None).resample(
            frame
        ):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(("ending", "codec"), [("flac", "flac"), ("ogg", "libopus"), ("mp3", "libmp3lame")])
def test_packed_sounds_are_read(tmp_path: Path, ending: str, codec: str) -> None:
    for number in range(2):
        encode(tmp_path / f"{number}.{ending}", tone(0.5, 440 + number, 48_000), codec, 48_000)
    data = load_sounds(str(tmp_path))
    assert data.skipped == {}
    spectrum = np.abs(np.fft.rfft(data.train.tensors["wave"][0, 1_000 : 1_000 + RATE // 4].numpy()))
    assert abs(int(spectrum.argmax()) * 4 - 440) <= 8


def test_what_is_of_no_use_is_skipped_and_said(folder: Path) -> None:
    write(folder / "low" / "empty.wav", np.zeros(8_000))
    write(folder / "low" / "nothing.wav", np.zeros(0))
    write(folder / "low" / "short.wav", tone(0.05))
    write(folder / "low" / "long.wav", tone(5))
    write(folder / "low" / "hour.wav", np.zeros(8_000 * 3_600), 8_000)
    write(folder / "low" / "clipped.wav", (4 * tone(0.5)).clip(-1, 1))
    write(folder / "low" / "eight.wav", np.stack([tone(0.5)] * 8))
    write(folder / "low" / "slow.wav", tone(0.5, rate=100), 100)
    coded = (folder / "low" / "0.wav").read_bytes()
    (folder / "low" / "coded.wav").write_bytes(coded[:20] + b"\x34\x12" + coded[22:])  # a format that nobody knows
    (folder / "low" / "text.wav").write_text("no sound at all", encoding="utf-8")
    (folder / "low" / "notes.txt").write_text("about these sounds", encoding="utf-8")
    reasons = {Path(name).stem: reason for name, reason in load_sounds(str(folder)).skipped.items()}
    assert reasons.pop("text").startswith("damaged")
    assert reasons == {
        "empty": "empty",
        "nothing": "empty",
        "short": "shorter than 0.1 seconds",
        "long": "longer than 4 seconds",
        "hour": "longer than 4 seconds",
        "clipped": "clipped",
        "eight": "more than 2 channels",
        "slow": "a rate of 100 samples a second",
        "coded": "sound in a coding that cannot be read",
        "notes": "no sounds, by its ending",
    }


@pytest.mark.parametrize("rate", [8_000, 12_347, 44_100, 44_101, 192_000])
def test_any_rate_keeps_the_pitch(rate: int, tmp_path: Path) -> None:
    write(tmp_path / "tone.wav", tone(1, 500, rate), rate)
    wave = read(File(tmp_path / "tone.wav"))
    assert len(wave) == pytest.approx(RATE, rel=0.002)
    assert np.abs(np.fft.rfft(wave)).argmax() == pytest.approx(500, abs=1)


def test_data_of_no_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound at all", encoding="utf-8")
    with pytest.raises(UserError, match="no sound can be used of its 1 files"):
        load_sounds(str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no sounds among its 0 files"):
        load_sounds(str(tmp_path / "empty"))
    write(tmp_path / "one" / "only.wav", tone(0.5))
    with pytest.raises(UserError, match="two different sounds"):
        load_sounds(str(tmp_path / "one"))


def test_a_soundfont_plays_every_pitch_at_every_velocity() -> None:
    waves = play(Voice(INSTRUMENTS["flute"].program, "pipes", 69, 70), 1)
    assert waves.shape == (2 * len(VELOCITIES), length(1)) and waves.dtype == np.float32
    middle = waves[:, RATE // 4 : RATE // 4 + RATE // 2]
    peaks = np.abs(np.fft.rfft(middle)).argmax(1) * 2.0
    assert peaks[:3] == pytest.approx(440, rel=0.02) and peaks[3:] == pytest.approx(466.2, rel=0.02)
    levels = np.abs(middle).max(1)
    assert (np.diff(levels[:3]) > 0).all() and (np.diff(levels[3:]) > 0).all()  # louder with the velocity


def test_instruments_are_within_midi_and_named_once() -> None:
    assert 38 <= len(INSTRUMENTS) <= 44
    assert len({voice.program for voice in INSTRUMENTS.values()}) == len(INSTRUMENTS)
    assert all(0 <= voice.low < voice.high <= 127 for voice in INSTRUMENTS.values())
