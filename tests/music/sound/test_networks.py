"""The generator and the critic of notes: shapes, and what they are told."""

import pytest
import torch
from torch import Tensor

from music.sound.config import FRAMES, NO_PITCH, WIDTHS
from music.sound.networks import Critic, Generator, NetworkConfig, Note, without_ripple
from music.sound.pitch import in_tune
from music.sound.spectrograms import BINS, to_sounds


def note(*pitches: int, label: int = 0) -> Note:
    pitch = torch.tensor(pitches)
    return torch.full_like(pitch, label), pitch, torch.full_like(pitch, 85)


@pytest.mark.parametrize("seconds", [1, 2, 4])
def test_generator_and_critic_fit_together(seconds: int) -> None:
    config = NetworkConfig(seconds, WIDTHS["debug"], 8, classes=3)
    told = note(60, 40, 100, NO_PITCH)
    maps = Generator(config)(torch.randn(4, 8), told)
    assert maps.shape == (4, 2, BINS, seconds * FRAMES)
    assert maps[:, 0].min() >= -1 and maps[:, 1].abs().max() <= 1
    assert Critic(config)(maps, told).shape == (4,)


def test_an_even_envelope_of_harmonics_is_in_tune() -> None:
    generator, pitch = Generator(NetworkConfig(1, WIDTHS["debug"], 8, classes=3)), (48, 69, 81)
    torch.nn.init.zeros_(generator.trunk.last[1].weight)
    with torch.no_grad():
        sounds = to_sounds(generator(torch.randn(3, 8), note(*pitch)), torch.tensor(pitch))
    assert in_tune(sounds, torch.tensor(pitch)).all()


def test_weights_of_one_class_are_that_class_and_others_lie_between() -> None:
    torch.manual_seed(0)
    generator, z = Generator(NetworkConfig(1, WIDTHS["debug"], 8, classes=2)), torch.randn(1, 8)
    torch.nn.init.normal_(generator.condition.label.embedding.weight)

    def made(label: Tensor) -> Tensor:
        return generator(z, (label, torch.tensor([60]), torch.tensor([85])))

    with torch.no_grad():
        first, second = made(torch.tensor([0])), made(torch.tensor([1]))
        assert torch.allclose(made(torch.tensor([[1.0, 0.0, 0.0]])), first, atol=1e-5)
        between = made(torch.tensor([[0.5, 0.5, 0.0]]))
    assert (between - first).abs().mean() > 0 and (between - second).abs().mean() > 0


def test_the_instrument_can_be_left_untold_and_the_pitch_stays() -> None:
    condition = Generator(NetworkConfig(1, WIDTHS["debug"], 8, classes=2)).condition
    label, pitch, _ = condition.drop(note(60, 61, label=1), torch.tensor([True, False]))
    assert label.tolist() == [2, 1] and pitch.tolist() == [60, 61]


def test_the_critic_does_not_hear_the_phase_of_silence() -> None:
    critic, told = Critic(NetworkConfig(1, WIDTHS["debug"], 8, classes=1)).eval(), note(60, 60, 60, 60)
    silent = torch.stack([-torch.ones(4, BINS, FRAMES), torch.rand(4, BINS, FRAMES)], 1)
    other = torch.stack([-torch.ones(4, BINS, FRAMES), torch.rand(4, BINS, FRAMES)], 1)
    assert torch.allclose(critic(silent, told), critic(other, told), atol=1e-5)


def test_nothing_alternates_from_frame_to_frame() -> None:
    maps = torch.randn(2, 2, 8, 12)
    ripple = torch.tensor([1.0, -1.0]).repeat(6)
    assert torch.allclose(without_ripple(maps + ripple)[..., 1:-1], without_ripple(maps)[..., 1:-1], atol=1e-6)
    still = torch.full((1, 2, 8, 12), 3.0)
    assert torch.equal(without_ripple(still), still)
    assert torch.allclose(without_ripple(torch.tensor([[[[0.0, 4.0, 0.0]]]])), torch.tensor([1.0, 2.0, 1.0]))
