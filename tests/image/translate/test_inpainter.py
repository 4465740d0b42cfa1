"""The network that fills holes: where it starts, how far it sees, what its critic judges, and old weights."""

import pytest
import torch
from reaches import reach

from common.randomness import Draw
from image.translate.exemplars import guessed
from image.translate.holes import holes
from image.translate.inpainter import HoleCritic, Inpainter, InpainterConfig
from image.translate.models import load_translation_model
from image.translate.networks import Translator, TranslatorConfig


def test_a_new_network_says_the_middle_between_the_surface_and_the_mean_copy() -> None:
    pictures = torch.rand(2, 3, 32, 64)
    source = guessed(pictures, holes(Draw(0, rows=2), 32, 64))
    found = Inpainter(InpainterConfig("inpaint", 4))(source)
    torch.testing.assert_close(found, 0.5 * source[:, :3] + 0.25 * (source[:, 4:7] + source[:, 7:]))
    around = source[:, 3:4].expand_as(found) == 0
    assert torch.equal(found[around], pictures[around])


@pytest.mark.parametrize("dilations", [(), (1, 2), (4, 1)])
def test_an_output_sees_no_further_than_the_radius(dilations: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = Inpainter(InpainterConfig("inpaint", 4, dilations)).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    radius, stride = network.config.radius, network.config.stride
    source = torch.rand(1, 10, stride, (2 * radius // stride + 3) * stride, dtype=torch.float64)
    source[:, 3] = 1
    assert 0.6 * radius < reach(network, source, stride) <= radius


def test_it_sees_further_than_the_largest_hole_is_wide() -> None:
    assert InpainterConfig("inpaint", 32).radius > 0.57 * 128


def test_the_critic_judges_nothing_but_the_hole() -> None:
    source = torch.zeros(1, 10, 128, 128)
    source[:, 3, 64:, 64:] = 1
    logits = HoleCritic("inpaint", 4)(torch.rand(1, 3, 128, 128), source)[0, 0]
    assert not logits[:7].any() and not logits[:, :7].any() and logits[7:, 7:].all()


def test_weights_of_the_first_network_for_holes_are_read_and_know_nothing_of_surfaces() -> None:
    torch.manual_seed(0)
    old = Translator(TranslatorConfig(**{"task": "inpaint", "width": 4, "depth": 1}))
    pictures, hole = torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32)
    hole[..., 8:20, 8:20] = 1
    grey = torch.cat([pictures * (1 - hole), hole], 1)
    assert torch.equal(old(grey), old(guessed(pictures, hole)))


def test_bundled_weights_fill() -> None:
    model = load_translation_model("inpaint")
    source = guessed(torch.rand(1, 3, 64, 64), holes(Draw(0), 64, 64))
    made = model.translate(source)
    around = source[:, 3:4].expand_as(made) == 0
    assert torch.equal(made[around], source[:, :3][around])
