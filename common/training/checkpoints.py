"""Checkpoints: one safetensors file each, holding every tensor of a run and, as JSON in its header, everything else."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from common.cores.game import Player
from common.data.arrays import digest, digest_of
from common.errors import UserError
from common.weights import load_exactly, write_tensors

FORMAT, OLDER = "quartet-checkpoint-2", "quartet-checkpoint-1"  # which had no digest
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
        said = json.dumps(facts)
        header = {"format": FORMAT, "facts": said, "digest": _digest(tensors, said)}
        write_tensors(path, tensors, header)
        paths = self.paths()
        now = paths.index(path) + 1
        for other in [*paths[: max(now - KEPT, 0)], *paths[now:]]:  # later ones a resumed run could not read
            other.unlink()
        return path

    def load(self, or_older: bool = False) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Read the newest checkpoint: its tensors on the CPU, and its facts.

        Args:
            or_older: if it is damaged, say so and read the one before it, if there is one.

        Raises:
            UserError: there is none, or it is damaged or not a checkpoint of this program.
        """
        paths = self.paths()
        if not paths:
            raise UserError(f"no checkpoint in {self.folder}; leave out --resume to start anew")
        while True:
            newest, older = paths.pop(), paths
            try:
                return _read(newest)
            except (SafetensorError, OSError, ValueError) as error:
                problem = f"{newest} is {error if isinstance(error, ValueError) else f'truncated or damaged ({error})'}"
                if not older:
                    raise UserError(f"{problem}; there is none before it to go on from") from error
                if not or_older:
                    raise UserError(f"{problem}; remove it to go on from {older[-1].name}") from error
                print(f"{problem}; goes on from {older[-1].name}", file=sys.stderr)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and facts of a checkpoint; ValueError if they are not what was written."""
    with safe_open(path, framework="pt") as file:
        header = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    if header.get("format") not in (FORMAT, OLDER) or "facts" not in header:
        raise ValueError("not a checkpoint of this program")
    if header["format"] == FORMAT and header.get("digest") != _digest(tensors, header["facts"]):
        raise ValueError("damaged (its content has another digest)")
    return tensors, json.loads(header["facts"])


def _digest(tensors: Mapping[str, Tensor], facts: str) -> str:
    return digest(f"{digest_of(tensors)} {facts}".encode())


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
