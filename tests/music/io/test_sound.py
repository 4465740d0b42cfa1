"""Pieces sound as loud as asked, never clip, and end in silence; what is no soundfont is one line."""

import wave
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import torch
from torchaudio import functional

from common.errors import UserError
from music.io import sound as module
from music.io.sound import FADE, LOUDNESS, PEAK, RATE, TAIL, render, render_stems, save_wav


def midi_of(*pitches: int, seconds: float = 1.0, program: int = 0, velocity: int = 90) -> pretty_midi.PrettyMIDI:
    midi = pretty_midi.PrettyMIDI()
    instrument = pretty_midi.Instrument(program)
    instrument.notes = [pretty_midi.Note(velocity, pitch, 0, seconds) for pitch in pitches]
    midi.instruments.append(instrument)
    return midi


def lufs(audio: torch.Tensor) -> float:
    """Measured with room below full scale, where torchaudio's filters would clip."""
    return float(functional.loudness(audio / 8, RATE)) + 20 * np.log10(8)


def test_the_sound_has_its_length_and_loudness() -> None:
    audio = render(midi_of(60, 64, 67, program=19))
    assert audio.dtype == torch.float32
    assert audio.shape[0] == 2
    assert audio.shape[1] / RATE == pytest.approx(1 + TAIL, abs=0.02)
    assert lufs(audio) == pytest.approx(LOUDNESS, abs=0.3)


def test_a_note_sounds_at_its_pitch() -> None:
    audio = render(midi_of(69, program=73))[0, :RATE]
    peak = int(torch.fft.rfft(audio * torch.hann_window(RATE)).abs().argmax())  # bins of 1 Hz
    assert peak == pytest.approx(440, abs=3)


def test_loud_music_is_scaled_down_and_not_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOUDNESS", 0.0)
    audio = render(midi_of(*range(40, 60), program=61, velocity=127))
    assert float(audio.abs().max()) == pytest.approx(PEAK, abs=1e-4)
    assert int((audio.abs() > PEAK - 1e-4).sum()) == 1
    assert lufs(audio) < 0


def test_stems_sum_to_the_whole() -> None:
    midi = midi_of(60, 64)
    midi.instruments += midi_of(40, program=32).instruments + midi_of(72, seconds=2.0, program=73).instruments
    midi.instruments += midi_of(38).instruments
    midi.instruments[-1].is_drum = True
    whole, stems = render(midi), render_stems(midi)
    assert len(stems) == 4 and all(stem.shape == whole.shape and stem.abs().max() > 0.01 for stem in stems)
    assert torch.stack(stems).sum(0) == pytest.approx(whole, abs=4e-3)


def test_what_still_sounds_at_the_end_fades_to_silence() -> None:
    midi = midi_of(49)
    midi.instruments[0].is_drum = True  # a crash cymbal, which rings on
    audio = render(midi)
    fade, tenth = int(FADE * RATE), RATE // 10
    before, late = (part.abs().max() for part in (audio[:, -fade - tenth : -fade], audio[:, -tenth:]))
    assert before > 0.001
    assert late < before / 4
    assert audio[:, -1].abs().max() == 0


def test_no_notes_are_silence() -> None:
    audio = render(pretty_midi.PrettyMIDI())
    assert audio.shape[1] > 0
    assert (audio == 0).all()


def test_the_midi_is_left_as_it_was_and_its_volumes_count() -> None:
    midi = midi_of(60, 72, seconds=2.0)
    midi.instruments[0].control_changes = [pretty_midi.ControlChange(7, 100, 0), pretty_midi.ControlChange(7, 10, 1)]
    audio = render(midi)
    assert [change.value for change in midi.instruments[0].control_changes] == [100, 10]
    assert not midi.text_events
    loud, soft = (audio[:, start : start + 22_050].pow(2).mean() for start in (0, 55_000))
    assert soft < loud / 100


def test_what_is_no_soundfont_is_one_line(tmp_path: Path) -> None:
    midi = midi_of(60)
    with pytest.raises(UserError, match=r"none\.sf2: cannot be read \(No such file"):
        render(midi, soundfont=tmp_path / "none.sf2")
    path = tmp_path / "not.sf2"
    for content in (
        b"",
        b"\xff\xd8 a JPEG" * 100,
        Path(pretty_midi.__file__).with_name("TimGM6mb.sf2").read_bytes()[:999],
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"not\.sf2: is no soundfont") as caught:
            render(midi, soundfont=path)
        assert "\n" not in str(caught.value)


def test_hours_are_refused() -> None:
    with pytest.raises(UserError, match="7200 seconds"):
        render(midi_of(60, seconds=7200.0))


def test_a_wav_holds_the_audio_in_16_bits(tmp_path: Path) -> None:
    audio = torch.tensor([[0.0, 0.5, -1.0, 2.0], [0.25, 0.0, 1.0, -3.0]])
    save_wav(audio, 8000, tmp_path / "x.wav")
    with wave.open(str(tmp_path / "x.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        samples = np.frombuffer(file.readframes(4), "<i2").reshape(4, 2)
    assert samples.tolist() == [[0, 8192], [16384, 0], [-32767, 32767], [32767, -32767]]


def test_a_wav_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*x\.wav"):
        save_wav(torch.zeros(2, 9), 8000, tmp_path / "file" / "x.wav")
    with pytest.raises(UserError, match=r"must end in \.wav"):
        save_wav(torch.zeros(2, 9), 8000, tmp_path / "x.mp3")
