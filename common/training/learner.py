"""One player at training time: its optimiser, its moving average and the guard against non-finite steps."""

import copy
from typing import Any

import torch
from accelerate import Accelerator
from einops import pack, unpack
from torch import Tensor, nn

from common.config import Optimizer
from common.cores.game import Batch, Game, Player, only
from common.randomness import Draw
from common.training.devices import placed
from common.training.muon import Muon, matrices


class Learner:
    """Takes a player's turns. Nothing in a turn waits for the device: the guard's decision stays on it.

    Attributes:
        average: the averaged network in evaluation mode, or None.
        streak: how many steps in a row were skipped for a non-finite loss or gradient, a tensor on the device.
        skipped: how many steps were skipped in all, likewise.
    """

    def __init__(self, player: Player, accelerator: Accelerator, optimizer: Optimizer | None = None):
        self.player, self.accelerator = player, accelerator
        network = placed(player.network, accelerator.device)
        self.average = copy.deepcopy(network).eval().requires_grad_(False) if player.average else None
        settings = player.optimizer
        orthogonal = matrices(network) if (optimizer or settings.name) == "muon" else set()
        groups = _groups(network, *(settings.slow or ("", 1.0)), orthogonal)
        self.parameters = [p for group in groups for p in group["params"]]
        self.optimizer = Muon(
            groups,
            lr=settings.lr,
            betas=settings.betas,
            eps=settings.eps,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.streak = torch.zeros((), device=accelerator.device)
        self.longest = torch.zeros((), device=accelerator.device)
        self.skipped = torch.zeros((), device=accelerator.device)

    @property
    def guard(self) -> tuple[Tensor, Tensor, Tensor]:
        """All that the guard remembers, for checkpoints."""
        return self.streak, self.longest, self.skipped

    @property
    def product(self) -> nn.Module:
        """The network to show and save: the averaged one where there is one."""
        return self.player.network if self.average is None else self.average

    def turn(self, game: Game, parts: list[tuple[Batch, Draw]], lr_scale: float) -> dict[str, Tensor]:
        """Compute the loss over the parts of a batch, average it over processes and take one guarded step."""
        # Every player's buffers: a critic's BatchNorm sees images in the generator's turn, too.
        networks = [player.network for player in game.players.values()]
        buffers = [b for network in networks for b in network.buffers() if b.is_floating_point()]
        before = [b.clone() for b in buffers]
        self.player.network.train()
        with only(self.player, game):
            loss, figures = self._gradients(parts, buffers)
        finite = self._reduce(loss, buffers)
        self._step(finite, lr_scale)
        for buffer, old in zip(buffers, before, strict=True):
            buffer.copy_(torch.where(finite, buffer, old))
        return figures

    def is_sound(self, game: Game, batch: Batch, draw: Draw) -> Tensor:
        """Whether all that is saved is finite and the loss of a batch is, too, a scalar on the device.

        The loss may move what training moves beside the weights; the caller puts that back.
        """
        saved = [*self.player.network.state_dict().values()]
        saved += [] if self.average is None else [*self.average.state_dict().values()]
        saved += [slot for slots in self.optimizer.state.values() for slot in slots.values()]
        with only(self.player, game), self.accelerator.autocast():
            loss, _ = self.player.loss(batch, draw)
        finite = torch.stack([torch.isfinite(tensor).all().to(loss.device) for tensor in [*saved, loss.detach()]]).all()
        return self.accelerator.reduce(finite.float(), "mean") == 1

    @torch.no_grad()
    def update_average(self, images: int, batch: int) -> None:
        """Move the average towards the network; `images` seen so far, this batch included."""
        if self.average is None or self.player.average is None:
            return
        half_life = max(min(self.player.average, images * self.player.average_ramp), 1e-9)
        weight = 1 - 0.5 ** (batch / half_life)
        torch._foreach_lerp_(list(self.average.parameters()), list(self.player.network.parameters()), weight)
        for averaged, current in zip(self.average.buffers(), self.player.network.buffers(), strict=True):
            averaged.lerp_(current, weight) if current.is_floating_point() else averaged.copy_(current)

    def _gradients(self, parts: list[tuple[Batch, Draw]], buffers: list[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum the parts' gradients. Like processes, parts start from the same buffers, and their ends are averaged."""
        self.optimizer.zero_grad(set_to_none=True)
        total, sums = torch.zeros((), device=self.accelerator.device), dict[str, Tensor]()
        before, ends = [b.clone() for b in buffers], list[list[Tensor]]()
        for batch, draw in parts:
            _copy(before, buffers)
            with self.accelerator.autocast():
                loss, figures = self.player.loss(batch, draw)
            self.accelerator.backward(loss / len(parts))
            total += loss.detach() / len(parts)
            for name, value in figures.items():
                sums[name] = sums.get(name, 0) + value.detach() / len(parts)
            ends.append([b.clone() for b in buffers])
        _copy([torch.stack(values).mean(0) for values in zip(*ends, strict=True)], buffers)
        return total, sums

    @torch.no_grad()
    def _reduce(self, loss: Tensor, buffers: list[Tensor]) -> Tensor:
        """Average gradients and buffers over the processes, in one flat message; return whether all of it is finite."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        if self.accelerator.num_processes > 1:
            tensors = [*gradients, *buffers, loss]
            flat, shapes = pack([t.float() for t in tensors], "*")
            _copy(unpack(self.accelerator.reduce(flat, "mean"), shapes, "*"), tensors)
        norm = torch.nn.utils.get_total_norm(gradients)
        if (clip := self.player.optimizer.clip) is not None:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, clip, norm)
        return torch.isfinite(norm) & torch.isfinite(loss)

    def _step(self, finite: Tensor, lr_scale: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.player.optimizer.lr * lr_scale * group["share"]
        # The fused optimiser skips the step by itself where `found_inf` is 1, as it does for torch's GradScaler.
        vars(self.optimizer)["found_inf"] = (~finite).float()
        self.optimizer.step()
        self.streak = torch.where(finite, 0.0, self.streak + 1)
        self.longest = torch.maximum(self.longest, self.streak)
        self.skipped += (~finite).float()


def _groups(network: nn.Module, slow: str, share: float, matrices: set[nn.Parameter]) -> list[dict[str, Any]]:
    """Parameters by the share of the learning rate at which they learn, and whether they are such matrices."""
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            kind = share if name.startswith(slow) else 1.0, parameter in matrices
            groups.setdefault(kind, []).append(parameter)
    return [{"params": found, "share": share, "matrix": matrix} for (share, matrix), found in groups.items()]


def _copy(sources: list[Tensor], targets: list[Tensor]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source)
