"""Translators and critics: shapes, how far they see, gradients."""

import json
from typing import get_args

import pytest
import torch
from reaches import reach

from image.config import Finish
from image.translate.config import TaskName
from image.translate.networks import PatchCritic, Translator, TranslatorConfig
from image.translate.tasks import TASKS

tasks = pytest.mark.parametrize("task", list(TASKS))
finishes = pytest.mark.parametrize("finish", get_args(Finish))


def shaken(config: TranslatorConfig) -> Translator:
    """Whose biases and last layers are not 0, so that all of its paths are open."""
    torch.manual_seed(0)
    network = Translator(config).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return network


@tasks
@finishes
def test_shapes_and_config(task: TaskName, finish: Finish) -> None:
    config = TranslatorConfig(task, 4, finish=finish)
    assert TranslatorConfig(**json.loads(json.dumps(config.as_json()))) == config
    network = Translator(config)
    assert config.stride == 32
    source = torch.rand(2, TASKS[task].inputs, 32, 64)
    assert network(source).shape == (2, TASKS[task].outputs, 32, 64)


@finishes
@pytest.mark.parametrize("depth", [1, 2])
def test_an_output_sees_no_further_than_the_radius(depth: int, finish: Finish) -> None:
    network = shaken(TranslatorConfig("edges", 4, depth, finish))
    radius, stride = network.config.radius, network.config.stride
    source = torch.rand(1, 1, stride, (2 * radius // stride + 3) * stride, dtype=torch.float64)
    assert 0.6 * radius < reach(network, source, stride) <= radius


@tasks
def test_the_critic_judges_patches_of_70_pixels(task: TaskName) -> None:
    critic = PatchCritic(task, 8).eval()
    source = torch.rand(1, TASKS[task].inputs, 128, 128)
    output = torch.rand(1, TASKS[task].outputs, 128, 128, requires_grad=True)
    logits = critic(output, source)
    assert logits.shape == (1, 1, 14, 14)
    (gradient,) = torch.autograd.grad(logits[0, 0, 7, 7], output)
    seen = gradient[0].abs().sum(0) > 0
    assert seen.any(0).sum() == 70 and seen.any(1).sum() == 70


@finishes
def test_only_a_shuffle_leaves_a_pattern_on_flat_areas(finish: Finish) -> None:
    network = shaken(TranslatorConfig("edges", 4, 1, finish))
    side = 4 * (network.config.radius // 4 + 1)
    with torch.no_grad():
        inner = network(torch.ones(1, 1, 2 * side + 4, 2 * side + 4, dtype=torch.float64))[..., side:-side, side:-side]
    assert ((inner - inner[..., :1, :1]).abs().max() > 1e-3) == (finish == "shuffle")


@tasks
@finishes
def test_gradients_reach_every_parameter(task: TaskName, finish: Finish) -> None:
    network = Translator(TranslatorConfig(task, 4, finish=finish))
    source = torch.rand(2, TASKS[task].inputs, 64, 64)
    if task == "inpaint":
        source[:, 3] = 1  # all is a hole
    network(source).square().sum().backward()
    last = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert not last
