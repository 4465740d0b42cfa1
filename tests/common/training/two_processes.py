"""Trains a GAN with R1 and R2 and a VAE for a few steps and writes their gradients, in one process or in several.

As a script, under torchrun: `torchrun --nproc-per-node 2 tests/common/training/two_processes.py DIR`.
"""

import os
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tiny_games import DATA, Glance, TinyConfig, build, side_by_side
from torch import Tensor

from common.training.runs import open_run
from common.training.trainer import Trainer

# A learning rate of (almost) nothing: Adam's first steps are signs, and would enlarge rounding errors.
GAMES: dict[str, dict[str, Any]] = {
    "adaptive": {"loss": "relativistic", "penalty_every": 1, "lr": 1e-12},
    "vae": {"free_bits": 0.0, "lr": 1e-12},
}


def gradients(out: Path, accumulate: int = 1) -> dict[str, Tensor]:
    """The gradients of every player in the third step, and the strength of the augmentation after it."""
    config = TinyConfig(out=out, steps=3, batch=16, accumulate=accumulate)
    game = side_by_side({name: build(name, config, **settings) for name, settings in GAMES.items()})
    torch.manual_seed(1)
    for player in game.players.values():
        for parameter in player.network.parameters():
            parameter.data.add_(0.05 * torch.randn_like(parameter))  # branches that start silent would hide mistakes
    open_run(out, config)
    Trainer(config, out).fit(game, DATA, Glance())
    found = {}
    for role, player in game.players.items():
        found |= {f"{role}.{key}": p.grad for key, p in player.network.named_parameters() if p.grad is not None}
        found |= {f"{role}.{key}": b for key, b in player.network.named_buffers() if key.endswith("strength")}
    return found


def main(folder: Path) -> None:
    """Let the first process write what all of them found together."""
    found = gradients(folder / "run")
    if os.environ["RANK"] == "0":
        save_file({key: value.contiguous() for key, value in found.items()}, folder / "gradients.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
