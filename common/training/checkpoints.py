"""Checkpoints: one safetensors file each, holding every tensor of a run and, as JSON in its header, everything else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from common.cores.game import Player
from common.errors import UserError
from common.files import replacing
from common.weights import load_exactly

FORMAT = "quartet-checkpoint-1"
KEPT = 2  # the newest, and the one before it


class Checkpoints:
    """The checkpoints of one run, `step-<steps>.safetensors` in a folder, of which the newest two are kept."""

    def __init__(self, folder: Path):
        self.folder = folder

    def paths(self) -> list[Path]:
        """The checkpoints that are there, oldest first."""
        return sorted(self.folder.glob("step-*.safetensors"))

    def save(self, step: int, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Path:
        """Write a checkpoint, whole or not at all, and drop all but the newest two.

        Raises:
            UserError: the disk is full or the folder cannot be written; the checkpoints before it are unharmed.
        """
        path = self.folder / f"step-{step:09d}.safetensors"
        header = {"format": FORMAT, "facts": json.dumps(facts)}
        with replacing(path) as temporary:
            try:
                save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, header)
            except SafetensorError as error:  # safetensors reports the operating system's refusals as its own error
                raise OSError(str(error)) from error
        for old in self.paths()[:-KEPT]:
            old.unlink()
        return path

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Read the newest checkpoint: its tensors on the CPU, and its facts.

        Raises:
            UserError: there is none, or it is truncated or not a checkpoint of this program.
        """
        paths = self.paths()
        if not paths:
            raise UserError(f"no checkpoint in {self.folder}; leave out --resume to start anew")
        newest, older = paths[-1], paths[:-1]
        advice = f"remove it to go on from {older[-1].name}" if older else "there is none before it to go on from"
        try:
            with safe_open(newest, framework="pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, OSError) as error:
            raise UserError(f"{newest} is truncated or damaged ({error}); {advice}") from error
        if header.get("format") != FORMAT:
            raise UserError(f"{newest} is not a checkpoint of this program; {advice}")
        return tensors, json.loads(header["facts"])


def player_tensors(
    name: str, player: Player, average: nn.Module | None, optimizer: torch.optim.Optimizer
) -> dict[str, Tensor]:
    """Every tensor that a player's future depends on, by a unique name. They are the live tensors, not copies."""
    tensors = {f"{name}.network.{key}": value for key, value in player.network.state_dict().items()}
    if average is not None:
        tensors |= {f"{name}.average.{key}": value for key, value in average.state_dict().items()}
    for key, slot, value in _moments(optimizer):
        tensors[f"{name}.optimizer.{key}.{slot}"] = value
    return tensors


def restore_player(
    name: str, player: Player, average: nn.Module | None, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    """Copy saved tensors back into a player, its average and its optimiser.

    Raises:
        UserError: a tensor is missing or has another shape: the checkpoint is of another model.
    """
    networks = [("network", player.network)] + ([("average", average)] if average is not None else [])
    for part, network in networks:
        prefix = f"{name}.{part}."
        saved = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        load_exactly(network, saved, f"the checkpoint's {name}")
    prefix = f"{name}.optimizer."
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(prefix):
            number, slot = key.removeprefix(prefix).split(".")
            state.setdefault(int(number), {})[slot] = value
    optimizer.state.clear()
    for index, slots in state.items():
        parameter = parameters[index]
        # Copies, because the optimiser writes into them. Moments take their parameter's layout, or the fused kernels
        # would walk memory in another order.
        optimizer.state[parameter] = {slot: _like(parameter, value) for slot, value in slots.items()}


def _like(parameter: Tensor, value: Tensor) -> Tensor:
    layout = parameter if value.shape == parameter.shape else value
    return torch.empty_like(layout, dtype=value.dtype, device=parameter.device).copy_(value)


def _moments(optimizer: torch.optim.Optimizer) -> Iterator[tuple[int, str, Tensor]]:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for index, parameter in enumerate(parameters):
        for slot, value in optimizer.state.get(parameter, {}).items():
            yield index, slot, value
