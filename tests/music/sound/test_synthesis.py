"""The synthesiser of harmonics and noise: by hand, against plain sines, and its gradients."""

import math

import pytest
import torch
from torch import Tensor

from music.sound.config import HOP, RATE
from music.sound.pitch import in_tune
from music.sound.spectrograms import hertz
from music.sound.synthesis import (
    BANDS,
    FINER,
    HARMONICS,
    LOUDEST,
    LOWEST,
    ROWS,
    amplitudes,
    filtered,
    oscillated,
    synthesise,
    trembling,
    unlimited,
)

FRAMES = 64
SILENT = -60.0


def score(count: int = 1) -> Tensor:
    """Of silence, in tune and without stiffness."""
    scores = torch.full((count, 1, ROWS, FRAMES), SILENT)
    scores[:, :, HARMONICS + BANDS] = 0
    return scores


def test_equal_steps_are_about_equal_steps_in_loudness() -> None:
    assert float(amplitudes(torch.tensor(SILENT))) == pytest.approx(1e-7)
    assert float(amplitudes(torch.tensor(60.0))) == pytest.approx(LOUDEST)
    assert float(amplitudes(torch.tensor(0.0))) == pytest.approx(LOUDEST * 0.5 ** math.log(10), rel=1e-4)
    low, middle, high = amplitudes(torch.tensor([-6.0, -5.0, -4.0])).log().tolist()
    assert high - middle == pytest.approx(middle - low, rel=0.02)


def test_harmonics_are_sines_with_amplitudes_on_straight_lines() -> None:
    loudness = torch.rand(2, 3, 5, dtype=torch.float64)
    frequency, stiffness = torch.tensor([220.0, 331.7]), torch.tensor([0.0, 0.003])
    made = oscillated(loudness.float(), frequency, stiffness)[:, ::FINER].double()
    time = torch.arange(4 * HOP, dtype=torch.float64)
    before, share = (time // HOP).long(), time % HOP / HOP
    for note in range(2):
        wanted = torch.zeros(4 * HOP, dtype=torch.float64)
        for k in range(1, 4):
            order = LOWEST * k
            partial = order * math.sqrt(1 + float(stiffness[note]) * order**2) * float(frequency[note])
            level = loudness[note, k - 1]
            line = level[before] * (1 - share) + level[before + 1] * share
            wanted += line * torch.sin(2 * math.pi * partial * time / RATE)
        torch.testing.assert_close(made[note], wanted, atol=2e-4, rtol=0)


def test_harmonics_above_half_the_rate_do_not_sound() -> None:
    loudness = torch.zeros(1, HARMONICS, FRAMES)
    loudness[:, 5:] = 1
    assert oscillated(loudness, torch.tensor([3000.0]), torch.zeros(1)).abs().max() == 0


def test_a_score_is_in_tune_at_any_pitch() -> None:
    pitch = torch.tensor([40, 57, 69, 84])
    scores = score(4)
    scores[:, :, 1:16:2] = -1
    sounds = synthesise(scores, pitch)
    assert sounds.shape == (4, (FRAMES - 1) * HOP) and sounds.abs().max() <= 1
    assert in_tune(sounds, pitch).all()
    scores[:, :, HARMONICS + BANDS] = -30
    assert in_tune(synthesise(scores, pitch), pitch - 0.4).all()


def test_vibrato_is_played_faster_and_slower() -> None:
    time = torch.arange(FINER * FRAMES * HOP, dtype=torch.float64) / (FINER * RATE)
    fine = torch.sin(2 * math.pi * 3_000 * time).float()[None]
    still = trembling(fine, torch.zeros(1, FRAMES + 1))
    torch.testing.assert_close(still, fine[:, ::FINER], atol=1e-5, rtol=0)
    lower = trembling(fine, torch.full((1, FRAMES + 1), -12.0))[0, 10:-10].double()
    slow = torch.sin(2 * math.pi * 1_500 * torch.arange(FRAMES * HOP, dtype=torch.float64) / RATE)[10:-10]
    torch.testing.assert_close(lower, slow, atol=5e-3, rtol=0)


def test_noise_lies_in_its_bands() -> None:
    magnitudes = torch.zeros(1, BANDS, FRAMES)
    magnitudes[:, 16] = 1  # a quarter of the way up: around 2,031 Hz
    spectrum = torch.fft.rfft(filtered(magnitudes)[0]).abs().square()
    near = round(2_031 / (RATE / 2) * len(spectrum))
    width = round(2 * RATE / 2 / BANDS / (RATE / 2) * len(spectrum))
    assert spectrum[near - width : near + width].sum() > 0.95 * spectrum.sum()
    flat = filtered(torch.ones(1, BANDS, FRAMES))[0, HOP:-HOP]
    assert float(flat.square().mean()) == pytest.approx(1, rel=0.05)


def test_the_same_score_is_the_same_sound_and_a_loud_one_is_not_clipped() -> None:
    scores, pitch = score(), torch.tensor([60])
    scores[:, :, : HARMONICS + BANDS] = 0
    loud = unlimited(scores, pitch)
    assert loud.abs().max() > 1
    torch.testing.assert_close(synthesise(scores, pitch), loud / loud.abs().max())


def test_all_rows_have_gradients() -> None:
    scores = torch.full((1, 1, ROWS, FRAMES), -2.0, requires_grad=True)
    unlimited(scores, torch.tensor([30])).square().sum().backward()
    assert scores.grad is not None
    moved = scores.grad[0, 0].abs().sum(1) > 0
    top = int(0.95 * RATE / 2 / float(hertz(torch.tensor(30.0))))  # lower, for partials of stiff strings lie higher
    assert moved[: top // 2].all() and moved[HARMONICS:].all()
