"""Muon: the updates of weight matrices are made orthogonal, so that every direction is learned at the same pace.

After Jordan et al. 2024 (https://kellerjordan.github.io/posts/muon), with the scale of Liu et al. 2025 ("Muon is
scalable for LLM training"), at which Adam's learning rates and weight decay suit it. `torch.optim.Muon` takes no
convolutions, cannot skip a step without waiting for the device, and computes in bf16, which is slow on most CPUs.
"""

from typing import Any

import torch
from torch import Tensor, nn

LEAST = 16  # rows and columns of a matrix that is worth it
MOMENTUM = 0.95
STEPS, COEFFICIENTS = 5, (3.4445, -4.7750, 2.0315)  # Newton-Schulz: singular values come to lie between 0.7 and 1.2
RMS = 0.2  # of an update at learning rate 1, as Adam's usually is


class Muon(torch.optim.AdamW):
    """Muon for the groups of parameters whose "matrix" is true, AdamW for the others."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take a step with the gradients there are; those of matrices are used up. `found_inf` skips it."""
        skipped = vars(self).get("found_inf", torch.zeros(())) > 0
        for group in self.param_groups:
            alike: dict[tuple[torch.Size, torch.device], list[Tensor]] = {}
            for parameter in group["params"] if group["matrix"] else ():
                if parameter.grad is not None:
                    alike.setdefault((parameter.shape, parameter.device), []).append(parameter)
            for parameters in alike.values():
                self._move(parameters, group["lr"], group["weight_decay"], skipped)
                for parameter in parameters:
                    parameter.grad = None  # so that AdamW leaves it alone
        super().step(closure)

    def _move(self, parameters: list[Tensor], lr: float, decay: float, skipped: Tensor) -> None:
        """Move matrices of one shape, all at once: most are small, and each operation takes a while to begin."""
        states = [self.state[parameter] for parameter in parameters]
        for state, parameter in zip(states, parameters, strict=True):
            if not state:
                state["mean"] = torch.zeros_like(parameter)
        means, on = [state["mean"] for state in states], 1 - skipped.float()
        mean = _stacked(means)
        gradient = _stacked([parameter.grad for parameter in parameters if parameter.grad is not None])
        gradient.masked_fill_(skipped, 0)  # which would make all that is not finite
        mean.lerp_(gradient, (1 - MOMENTUM) * on)
        update = orthogonal(gradient.lerp_(mean, MOMENTUM).flatten(2))  # Nesterov's
        step = lr * RMS * max(update.shape[1:]) ** 0.5 * on
        torch._foreach_copy_(means, _apart(mean))
        torch._foreach_mul_(parameters, 1 - lr * decay * on)
        torch._foreach_sub_(parameters, _apart(update.mul_(step).view(mean.shape)))


def _stacked(filters: list[Tensor]) -> Tensor:
    """Matrices (N, rows, ...), of convolutions with the channels last, as they lie in memory: the order of columns is
    all the same to what is orthogonal."""
    return torch.stack([one.permute(0, 2, 3, 1) if one.ndim == 4 else one for one in filters])


def _apart(stacked: Tensor) -> list[Tensor]:
    """What was stacked."""
    return list(stacked.permute(0, 1, 4, 2, 3) if stacked.ndim == 5 else stacked)


def orthogonal(matrices: Tensor) -> Tensor:
    """U V^T of matrices U S V^T, (N, rows, columns), roughly: singular values come to lie around 1 (Newton-Schulz).

    In float32. Each iteration multiplies x by a polynomial of x x^T. These all commute, so they are gathered on the
    smaller side, where a product takes least, and meet the matrix once. Of squares, which are few, it takes a little
    longer so.
    """
    a, b, c = COEFFICIENTS
    x = matrices.float()
    x = x.mT if x.shape[1] > x.shape[2] else x
    gram, one = x @ x.mT, torch.eye(x.shape[1], device=x.device)
    square = gram.diagonal(dim1=1, dim2=2).sum(1)[:, None, None].clamp(min=1e-14)  # of the matrix's norm
    gram /= square
    gathered = polynomial = torch.baddbmm(a * one + b * gram, gram, gram, alpha=c)
    for _ in range(STEPS - 1):
        gram = polynomial @ gram @ polynomial
        polynomial = torch.baddbmm(a * one + b * gram, gram, gram, alpha=c)
        gathered = polynomial @ gathered
    x = (gathered / square.sqrt()) @ x
    return (x.mT if x.shape != matrices.shape else x).to(matrices.dtype)


def matrices(network: nn.Module) -> set[nn.Parameter]:
    """The weights of a network that Muon moves: those of linear maps and convolutions, but no tables of embeddings."""
    embedded = {p for m in network.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    large = {p for p in network.parameters() if p.ndim >= 2 and min(len(p), p[0].numel()) >= LEAST}
    return large - embedded
