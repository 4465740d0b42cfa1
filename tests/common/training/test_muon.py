"""Muon: orthogonal updates of matrices beside AdamW for everything else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_trainer import fit, newest, same
from tiny_games import TinyConfig, plain_game
from torch import Tensor, nn

from common.config import Optimizer
from common.errors import UserError
from common.training.muon import RMS, Muon, matrices, orthogonal
from common.training.runs import SETTINGS

LR, DECAY = 0.01, 0.1


def muon(parameter: nn.Parameter, matrix: bool = True) -> Muon:
    return Muon([{"params": [parameter], "matrix": matrix}], lr=LR, weight_decay=DECAY, fused=True)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(16, 16), (40, 16), (16, 40)])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_singular_values_come_to_lie_around_one(shape: tuple[int, int], scale: float) -> None:
    matrix = noise(*shape) * scale
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonal(matrix[None])[0]
    turned = left.T @ found @ right.T
    assert turned.diagonal().min() > 0.6 and turned.diagonal().max() < 1.3
    assert (turned - turned.diagonal().diag()).abs().max() < 1e-3
    assert not orthogonal(torch.zeros(1, *shape)).any()


@pytest.mark.parametrize("shape", [(20, 30), (30, 20)])
def test_steps_are_those_of_torch(shape: tuple[int, int]) -> None:
    """Which computes in bf16: an update has 8 bits there."""
    ours, theirs = nn.Parameter(noise(*shape)), nn.Parameter(noise(*shape))
    reference = torch.optim.Muon([theirs], LR, DECAY, adjust_lr_fn="match_rms_adamw")
    optimizer = muon(ours)
    for seed in range(1, 4):
        before = theirs.detach().clone()
        ours.grad, theirs.grad = noise(*shape, seed=seed), noise(*shape, seed=seed)
        optimizer.step()
        reference.step()
        size = (theirs - before).abs().max().item()
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0.03 * size)
        ours.data.copy_(theirs)


def test_an_update_is_as_large_as_adams_usually_is() -> None:
    parameter = nn.Parameter(torch.zeros(48, 100))
    parameter.grad = noise(48, 100)
    muon(parameter).step()
    assert parameter.detach().square().mean().sqrt().item() == pytest.approx(RMS * LR, rel=0.2)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_is_a_matrix_of_its_filters(layout: torch.memory_format) -> None:
    flat, filters = nn.Parameter(noise(16, 36)), nn.Parameter(noise(16, 36).view(16, 4, 3, 3).to(memory_format=layout))
    flat.grad, filters.grad = noise(16, 36, seed=1), noise(16, 36, seed=1).view(16, 4, 3, 3)
    muon(flat).step()
    muon(filters).step()
    torch.testing.assert_close(filters.detach().flatten(1), flat.detach())


def test_matrices_of_one_shape_move_together_as_each_would_alone() -> None:
    together, alone = ([nn.Parameter(noise(*shape)) for shape in ((20, 30), (30, 20), (20, 30))] for _ in range(2))
    optimizers = [
        Muon([{"params": together, "matrix": True}], LR, weight_decay=DECAY),
        *(muon(parameter) for parameter in alone),
    ]
    for seed in (1, 5):
        for number, (one, other) in enumerate(zip(together, alone, strict=True)):
            one.grad, other.grad = (noise(*one.shape, seed=seed + number) * 10**number for _ in range(2))
        for optimizer in optimizers:
            optimizer.step()
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_what_is_no_matrix_moves_as_by_adamw() -> None:
    ours, theirs = nn.Parameter(noise(20, 30)), nn.Parameter(noise(20, 30))
    reference, optimizer = torch.optim.AdamW([theirs], LR, weight_decay=DECAY), muon(ours, matrix=False)
    for seed in range(1, 4):
        ours.grad, theirs.grad = noise(20, 30, seed=seed), noise(20, 30, seed=seed)
        optimizer.step()
        reference.step()
    torch.testing.assert_close(ours, theirs)


def test_a_step_of_numbers_that_are_none_is_skipped() -> None:
    parameter = nn.Parameter(noise(20, 30))
    optimizer = muon(parameter)
    parameter.grad = noise(20, 30, seed=1)
    optimizer.step()
    before, mean = parameter.detach().clone(), optimizer.state[parameter]["mean"].clone()
    parameter.grad = torch.full((20, 30), torch.nan)
    vars(optimizer)["found_inf"] = torch.ones(())
    optimizer.step()
    assert torch.equal(parameter, before) and torch.equal(optimizer.state[parameter]["mean"], mean)


def test_tables_of_embeddings_and_narrow_matrices_are_none() -> None:
    table, wide, narrow = nn.Embedding(40, 32), nn.Linear(32, 32), nn.Linear(32, 1)
    tied = nn.Linear(32, 40)
    tied.weight = table.weight
    depthwise, filters = nn.Conv2d(32, 32, 3, groups=32), nn.Conv2d(2, 32, 3)
    network = nn.ModuleList([table, wide, narrow, tied, depthwise, filters])
    assert matrices(network) == {wide.weight, filters.weight}


def train(out: Path, name: Optimizer = "adam", **settings: object) -> dict[str, Tensor]:
    """The newest checkpoint of a run whose game learns by that where the settings name nothing."""
    game = plain_game(width=16)
    player = game.players["plain"]
    player.optimizer = replace(player.optimizer, name=name)
    fit(game, TinyConfig(out=out, final_lr=1, **settings))  # type: ignore[arg-type]
    return newest(out)


def test_a_run_goes_on_exactly_and_is_another_than_adams(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", steps=8, optimizer="muon")
    train(tmp_path / "part", steps=3, optimizer="muon")
    assert same(whole, train(tmp_path / "part", steps=8, optimizer="muon", resume=True))
    assert "plain.optimizer.0.mean" in whole
    assert not same(whole, train(tmp_path / "adam", steps=8))


def test_a_game_has_a_default_that_settings_overrule(tmp_path: Path) -> None:
    named = train(tmp_path / "named", steps=4, optimizer="muon")
    assert same(named, train(tmp_path / "default", "muon", steps=4))
    adam = train(tmp_path / "adam", steps=4)
    assert same(adam, train(tmp_path / "overruled", "muon", steps=4, optimizer="adam"))


def test_a_run_of_before_there_was_a_choice_goes_on_by_adam(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", steps=8)
    train(tmp_path / "old", steps=3)
    settings = json.loads((tmp_path / "old" / SETTINGS).read_text())
    del settings["optimizer"]
    (tmp_path / "old" / SETTINGS).write_text(json.dumps(settings))
    with pytest.raises(UserError, match="--optimizer None, not muon"):
        train(tmp_path / "old", steps=8, resume=True, optimizer="muon")
    assert same(whole, train(tmp_path / "old", "muon", steps=8, resume=True))
