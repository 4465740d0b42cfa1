"""What a translator is given, and what becomes of what it says."""

import pytest
import torch
from torch import Tensor

from common.randomness import Draw
from image.translate.chroma import rounded_luma
from image.translate.config import TaskName
from image.translate.tasks import TASKS

BATCH = {
    "picture": torch.randint(0, 256, (3, 3, 32, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
}
PAIRS = BATCH | {"source": BATCH["picture"].flip(3)}
tasks = pytest.mark.parametrize("name", list(TASKS))


@tasks
def test_sources_and_targets_have_the_channels_that_are_said(name: TaskName) -> None:
    task = TASKS[name]
    source = task.source(PAIRS, Draw(0, rows=3), True)
    assert task.seen(source).shape == (3, task.inputs, 32, 40) and task.target(PAIRS).shape == (3, task.outputs, 32, 40)
    for shown in (task.shown(source), task.picture(source, torch.zeros(3, task.outputs, 32, 40))):
        assert shown.dtype == torch.uint8 and shown.shape == (3, 3, 32, 40)
    weight = task.weight(source, task.target(PAIRS), 2.0)
    assert weight is None or weight.shape == (3, 1, 32, 40)


@tasks
def test_sources_are_a_function_of_the_draw(name: TaskName) -> None:
    def source(seed: int, vary: bool) -> Tensor:
        return TASKS[name].source(PAIRS, Draw(seed, rows=3), vary)

    assert torch.equal(source(0, True), source(0, True))
    assert torch.equal(source(0, True), source(1, True)) == (name == "pairs")
    assert torch.equal(source(0, False), source(1, False)) == (name != "inpaint")


@tasks
def test_what_the_network_should_say_makes_the_true_picture(name: TaskName) -> None:
    task = TASKS[name]
    source = task.source(PAIRS, Draw(0, rows=3), False)
    made = task.picture(source, task.keep(source, task.target(PAIRS)))
    assert (made.int() - PAIRS["picture"].int()).abs().max() <= (5 if name == "colorize" else 0)  # luma is rounded


def test_colours_leave_the_luma() -> None:
    task = TASKS["colorize"]
    source = task.source(BATCH, Draw(0, rows=3), False)
    made = task.picture(source, torch.randn(3, 2, 32, 40))
    assert torch.equal(rounded_luma(made), rounded_luma(BATCH["picture"]))


def test_colourful_places_count_for_more() -> None:
    target = torch.tensor([[0.0, 0.6], [0.0, 0.8]]).view(1, 2, 1, 2)  # strengths 0 and 1
    weight = TASKS["colorize"].weight
    assert weight(target, target, 0.0) is None
    assert weight(target, target, 3.0).flatten().tolist() == pytest.approx([1, 4])  # type: ignore[union-attr]


def test_a_surface_is_seen_in_a_hole_and_nothing_changed_around() -> None:
    task = TASKS["inpaint"]
    source = task.source(BATCH, Draw(0, rows=3), True)
    hole, pictures = source[:, 3:4], BATCH["picture"]
    around = hole.expand(-1, 3, -1, -1) == 0
    assert torch.equal(task.shown(source)[around], pictures[around]) and (task.shown(source)[~around] == 128).all()
    assert not task.seen(source)[:, :3][~around].any() and torch.equal(task.seen(source)[:, 3:], hole)
    kept = task.keep(source, torch.full((3, 3, 32, 40), 9.0))
    assert (kept[~around] == 9).all() and torch.equal(kept[around], source[:, :3][around])
    assert torch.equal(task.weight(source, source, 0.0), hole)  # type: ignore[arg-type]
