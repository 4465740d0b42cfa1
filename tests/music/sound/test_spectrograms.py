"""Maps of sounds: there and back, and what is in tune."""

import math

import pytest
import torch
from torch import Tensor

from music.sound.config import HOP, NO_PITCH, RATE, length
from music.sound.data.loading import SoundData
from music.sound.pitch import in_tune, pitches
from music.sound.spectrograms import BINS, MIDDLE, folded, hertz, partials, to_float, to_maps, to_sounds, unfolded


def harmonic(pitch: float, harmonics: int = 8) -> Tensor:
    """A note of eight harmonics, (1, samples)."""
    time = torch.arange(length(1)) / RATE
    f = float(hertz(torch.tensor(pitch)))
    return 0.2 * sum(torch.sin(2 * math.pi * k * f * time + k) / k for k in range(1, harmonics + 1))[None]  # type: ignore[index]


def snr(sound: Tensor, other: Tensor) -> float:
    """Signal to noise in dB."""
    return float(10 * (sound.square().sum() / (sound - other).square().sum()).log10())


@pytest.mark.parametrize("pitch", [36, 57, 96, NO_PITCH])
@pytest.mark.parametrize("seconds", [1, 2])
def test_sounds_come_back(pitch: int, seconds: int) -> None:
    noise = 0.2 * torch.randn(2, length(seconds), generator=torch.Generator().manual_seed(0)).clamp(-4, 4)
    maps = to_maps(noise, torch.tensor([pitch, pitch]))
    assert maps.shape == (2, 2, BINS, length(seconds) // HOP + 1)
    assert maps[:, 0].min() >= -1 and maps[:, 1].abs().max() <= 1
    assert snr(noise, to_sounds(maps, torch.tensor([pitch, pitch]))) > 25  # what lies at half the rate is lost


def test_notes_come_back_almost_exactly(notes: SoundData) -> None:
    batch = notes.train.gather(torch.arange(0, len(notes.train), 7))
    sounds = to_float(batch["wave"])
    back = to_sounds(to_maps(sounds, batch["pitch"]), batch["pitch"])
    assert min(snr(one, other) for one, other in zip(sounds, back, strict=True)) > 50


def test_silence_is_silence() -> None:
    maps = to_maps(torch.zeros(1, length(1)), torch.tensor([60]))
    assert torch.equal(maps[:, 0], torch.full_like(maps[:, 0], -1))
    assert to_sounds(maps, torch.tensor([60])).abs().max() < 1e-6


@pytest.mark.parametrize("pitch", [45, 60, 84])
def test_a_note_in_tune_has_no_steps_of_its_own(pitch: int) -> None:
    maps = to_maps(harmonic(pitch), torch.tensor([pitch]))
    loud = (maps[0, 0] > 0.3)[:, 4:-4]
    assert maps[0, 1, :, 4:-4][loud].abs().mean() < 0.02
    sharp = to_maps(harmonic(pitch + 0.4), torch.tensor([pitch]))
    assert sharp[0, 1, :, 4:-4][loud].abs().mean() > 0.05


def test_the_partials_of_a_pitch_make_that_pitch() -> None:
    pitch = torch.tensor([48, 69, 81])
    steps = torch.zeros(3, BINS, 64)
    log = 1 + partials(torch.device("cpu"))[pitch] / 4.6 - 0.3
    sounds = to_sounds(torch.stack([log[:, :, None].expand(-1, -1, 64), steps], 1), pitch)
    spectrum = torch.fft.rfft(sounds).abs()
    for own, wanted in zip(spectrum, 440 * 2 ** ((pitch - 69) / 12), strict=True):
        place = wanted.item() * sounds.shape[1] / RATE
        first = own[round(place / 2) : round(1.5 * place)]  # the octave around the first partial
        assert round(place / 2) + first.argmax().item() == pytest.approx(place, rel=0.03)
        assert first.max() > 0.2 * own[round(place / 2) :].max()  # two bins share what lies between them


def test_folding_loses_nothing() -> None:
    maps = torch.randn(2, 3, 16, 4)
    assert folded(maps, 4).shape == (2, 12, 4, 4)
    assert torch.equal(unfolded(folded(maps, 4), 4), maps)


def test_pitches_are_found_to_ten_cents() -> None:
    wanted = torch.arange(40, 96, 5.0)
    sounds = torch.cat([harmonic(float(pitch)) for pitch in wanted])
    assert (pitches(sounds) - wanted).abs().max() <= 0.11


def test_pitches_of_real_notes_are_found(notes: SoundData) -> None:
    sounds, pitch = to_float(notes.train.tensors["wave"]), notes.train.tensors["pitch"]
    assert in_tune(sounds, pitch).float().mean() >= 0.97
    assert not in_tune(sounds, pitch + 1).any() or in_tune(sounds, pitch + 1).float().mean() < 0.03


def test_what_is_louder_than_full_scale_is_softer_and_not_clipped() -> None:
    time = torch.arange(length(1)) / RATE
    tone = 0.9 * torch.sin(2 * torch.pi * 440 * time)[None]
    maps = to_maps(tone, torch.tensor([69]))
    louder = maps.clone()
    louder[:, 0] += math.log(4) / MIDDLE  # four times the magnitude
    sound = to_sounds(louder, torch.tensor([69]))
    assert float(sound.abs().max()) == pytest.approx(1)
    assert int((sound.abs() > 0.999).sum()) < 1_000  # of 16,128; of a clipped one more than half would be
    middle = slice(4_000, 12_000)
    assert torch.allclose(sound[:, middle] / sound.abs().max(), tone[:, middle] / 0.9, atol=0.05)
