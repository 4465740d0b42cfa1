"""Checkpoints: everything comes back, damage is told with the way out, and the one before is kept."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from common.cores.game import Player
from common.errors import UserError
from common.training.checkpoints import Checkpoints, player_tensors, restore_player
from common.weights import load_exactly


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints")


def tensors(value: float) -> dict[str, Tensor]:
    return {"a": torch.full((50, 3), value), "b.step": torch.tensor(value)}


def message(caught: pytest.ExceptionInfo[UserError]) -> str:
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_tensors_and_facts_come_back(checkpoints: Checkpoints) -> None:
    facts = {"step": 3, "best": None, "figures": {"é": 0.1 + 0.2}, "nested": [1, 2.5, "x"]}
    path = checkpoints.save(3, tensors(1.5), facts)
    assert path == checkpoints.folder / "step-000000003.safetensors"
    assert os.listdir(path.parent) == [path.name]
    loaded, told = checkpoints.load()
    assert told == facts
    assert loaded.keys() == tensors(0).keys()
    assert all(torch.equal(loaded[name], value) for name, value in tensors(1.5).items())


def test_the_newest_two_are_kept(checkpoints: Checkpoints) -> None:
    for step in (9, 10, 100, 1_000_000):
        checkpoints.save(step, tensors(step), {"step": step})
    assert [path.stem for path in checkpoints.paths()] == ["step-000000100", "step-001000000"]
    assert checkpoints.load()[1] == {"step": 1_000_000}


def test_tensors_of_any_layout_and_type_come_back(checkpoints: Checkpoints) -> None:
    images = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    saved = {"last": images, "across": torch.randn(3, 4).T, "half": torch.randn(3).bfloat16(), "count": torch.tensor(7)}
    checkpoints.save(1, saved, {})
    loaded, _ = checkpoints.load()
    assert all(torch.equal(loaded[name], value) and loaded[name].dtype == value.dtype for name, value in saved.items())


def test_nothing_to_resume_is_told(checkpoints: Checkpoints) -> None:
    with pytest.raises(UserError, match=r"no checkpoint in .*leave out --resume") as caught:
        checkpoints.load()
    message(caught)


@pytest.mark.parametrize("damage", ["truncated", "cut short", "empty", "text", "foreign"])
def test_a_damaged_checkpoint_is_told_and_the_one_before_still_there(checkpoints: Checkpoints, damage: str) -> None:
    older, newest = (checkpoints.save(step, tensors(step), {"step": step}) for step in (1, 2))
    whole = newest.read_bytes()
    if damage == "foreign":
        save_file(tensors(0), newest, {"format": "pt"})
    else:
        newest.write_bytes(
            {"truncated": whole[:-7], "cut short": whole[:40], "empty": b"", "text": b"hello " * 99}[damage]
        )
    with pytest.raises(UserError) as caught:
        checkpoints.load()
    assert str(newest) in message(caught)
    assert f"remove it to go on from {older.name}" in message(caught)
    newest.unlink()
    assert checkpoints.load()[1] == {"step": 1}


def test_a_damaged_checkpoint_without_another_is_told(checkpoints: Checkpoints) -> None:
    path = checkpoints.save(1, tensors(1), {})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="there is none before it"):
        checkpoints.load()


def test_a_safetensors_file_without_any_header_is_foreign(checkpoints: Checkpoints) -> None:
    checkpoints.folder.mkdir()
    save_file(tensors(0), checkpoints.folder / "step-000000001.safetensors")
    with pytest.raises(UserError, match="is not a checkpoint of this program"):
        checkpoints.load()


# --- players


def trained(seed: int, steps: int = 3) -> tuple[Player, nn.Module, torch.optim.Optimizer]:
    """A player after some steps, its average and its optimiser."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
    network.register_parameter("scale", nn.Parameter(torch.tensor(2.0)))  # of the shape of Adam's step count
    average = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4))
    average.register_parameter("scale", nn.Parameter(torch.tensor(1.0)))
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    for _ in range(steps):
        optimizer.zero_grad()
        (network(torch.randn(5, 2, 6, 6)) * network.scale).square().mean().backward()
        optimizer.step()
    return Player(network, lambda batch, draw: (torch.zeros(()), {})), average, optimizer


def copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in state.items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_player_comes_back_with_average_and_optimiser(checkpoints: Checkpoints) -> None:
    saved = player_tensors("critic", *trained(0))
    for name in (
        "critic.network.1.running_mean",
        "critic.average.0.weight",
        "critic.optimizer.0.exp_avg_sq",
        "critic.optimizer.0.step",
    ):
        assert name in saved
    checkpoints.save(1, saved, {})
    other = trained(1, steps=5)
    restore_player("critic", *other, checkpoints.load()[0])
    assert same(player_tensors("critic", *other), saved)
    parameter = next(other[0].network.parameters())
    assert other[2].state[parameter]["exp_avg"].stride() == parameter.stride()


def test_a_restored_player_goes_on_exactly(checkpoints: Checkpoints) -> None:
    def step(player: Player, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        player.network(torch.ones(5, 2, 6, 6)).square().sum().backward()
        optimizer.step()

    first, second = trained(0), trained(1)
    restore_player("p", *second, copied(player_tensors("p", *first)))
    for player, _, optimizer in (first, second):
        step(player, optimizer)
    assert same(player_tensors("p", *first), player_tensors("p", *second))


def test_restoring_copies_and_forgets_what_was_there() -> None:
    fresh = copied(player_tensors("p", *trained(0, steps=0)))  # before the first step an optimiser has no state
    player = trained(1)
    restore_player("p", *player, fresh)
    assert same(player_tensors("p", *player), fresh)

    saved = copied(player_tensors("p", *trained(0)))
    kept = copied(saved)
    restore_player("p", *player, saved)
    player[2].zero_grad()
    player[0].network(torch.ones(5, 2, 6, 6)).sum().backward()
    player[2].step()
    assert same(saved, kept)  # Adam counts its steps in place


def test_a_checkpoint_of_another_model_is_told() -> None:
    player = trained(0)
    saved = player_tensors("p", *player)
    for changed, said in [
        ({name: value for name, value in saved.items() if name != "p.network.0.bias"}, "lacks the tensor 0.bias"),
        (saved | {"p.average.0.bias": torch.zeros(5)}, r"0.bias of shape \(5,\) where \(4,\)"),
        (saved | {"p.network.7.weight": torch.zeros(5)}, "unknown tensor 7.weight"),
    ]:
        with pytest.raises(UserError, match=f"the checkpoint's p .*{said}") as caught:
            restore_player("p", *player, changed)
        message(caught)


def test_load_exactly_changes_nothing_where_it_refuses() -> None:
    network = nn.Linear(2, 2)
    before = copied(network.state_dict())
    with pytest.raises(UserError):
        load_exactly(network, {"weight": torch.zeros(2, 2), "bias": torch.zeros(3)}, "it")
    assert same(dict(network.state_dict()), before)


def test_files_are_plain_safetensors(checkpoints: Checkpoints) -> None:
    assert load_file(checkpoints.save(1, tensors(4), {})).keys() == tensors(0).keys()


@pytest.mark.parametrize("place", [0.02, 0.3, 0.5, 0.9, 0.999])
def test_one_flipped_bit_is_found_and_the_one_before_is_used_if_asked(
    checkpoints: Checkpoints, place: float, capsys: pytest.CaptureFixture[str]
) -> None:
    older, newest = (checkpoints.save(step, tensors(step), {"step": step}) for step in (1, 2))
    content = bytearray(newest.read_bytes())
    content[int(place * len(content))] ^= 1
    newest.write_bytes(content)
    with pytest.raises(UserError, match=rf"{newest.name} is .*; remove it to go on from {older.name}"):
        checkpoints.load()
    loaded, facts = checkpoints.load(or_older=True)
    assert facts == {"step": 1} and all(torch.equal(loaded[name], value) for name, value in tensors(1).items())
    assert f"{newest.name} is " in (said := capsys.readouterr().err) and f"goes on from {older.name}" in said
    checkpoints.save(3, tensors(3), {"step": 3})
    checkpoints.save(1, tensors(1), {"step": 1})
    assert [path.stem for path in checkpoints.paths()] == ["step-000000001"]


def test_a_checkpoint_of_before_digests_is_read(checkpoints: Checkpoints) -> None:
    checkpoints.folder.mkdir()
    header = {"format": "quartet-checkpoint-1", "facts": json.dumps({"step": 1})}
    save_file(tensors(1), checkpoints.folder / "step-000000001.safetensors", header)
    assert checkpoints.load()[1] == {"step": 1}
