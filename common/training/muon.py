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
            for parameter in group["params"] if group["matrix"] else ():
                if parameter.grad is not None:
                    self._move(parameter, group["lr"], group["weight_decay"], skipped)
                    parameter.grad = None  # so that AdamW leaves it alone
        super().step(closure)

    def _move(self, parameter: Tensor, lr: float, decay: float, skipped: Tensor) -> None:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if not state:
            state["mean"] = torch.zeros_like(parameter)
        mean = state["mean"]
        later = mean.lerp(gradient, 1 - MOMENTUM)
        update = orthogonal(gradient.lerp(later, MOMENTUM).flatten(1))  # Nesterov's
        moved = parameter * (1 - lr * decay) - lr * RMS * max(update.shape) ** 0.5 * update.reshape(parameter.shape)
        mean.copy_(torch.where(skipped, mean, later))
        parameter.copy_(torch.where(skipped, parameter, moved))


def orthogonal(matrix: Tensor) -> Tensor:
    """U V^T of a matrix U S V^T, roughly: its singular values come to lie around 1 (Newton-Schulz, in float32).

    Each iteration multiplies x by a polynomial of x x^T. These all commute, so they are gathered on the smaller side,
    where a product takes least, and meet the matrix once. Of squares, which are few, it takes a little longer so.
    """
    a, b, c = COEFFICIENTS
    x = matrix.float() / matrix.norm().clamp(min=1e-7)
    x = x.T if len(x) > x.shape[1] else x
    gram, one = x @ x.T, torch.eye(min(x.shape), device=x.device)
    gathered = polynomial = torch.addmm(a * one + b * gram, gram, gram, alpha=c)
    for _ in range(STEPS - 1):
        gram = polynomial @ gram @ polynomial
        polynomial = torch.addmm(a * one + b * gram, gram, gram, alpha=c)
        gathered = polynomial @ gathered
    x = gathered @ x
    return (x.T if x.shape != matrix.shape else x).to(matrix.dtype)


def matrices(network: nn.Module) -> set[nn.Parameter]:
    """The weights of a network that Muon moves: those of linear maps and convolutions, but no tables of embeddings."""
    embedded = {p for m in network.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    large = {p for p in network.parameters() if p.ndim >= 2 and min(len(p), p[0].numel()) >= LEAST}
    return large - embedded
