"""From latents to pieces: sampling and beam search, for many texts at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from text.networks import SequenceVAE, reordered
from text.tokenizer import END, PAD, UNKNOWN


@dataclass(frozen=True)
class Habits:
    """How pieces are chosen.

    Attributes:
        temperature: divides the logits; 0 takes the likeliest piece.
        top_k: choose among so many likeliest pieces; 0 for all.
        top_p: choose among the likeliest pieces that together have this probability (Holtzman et al. 2020).
        repetition_penalty: lowers the logits of pieces already used (Keskar et al. 2019); 1 for none.
        longest: pieces of a text at most.
        beam: how many unfinished texts `search` keeps.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    longest: int = 48
    beam: int = 1


GREEDY = Habits(temperature=0.0)


def write(
    vae: SequenceVAE,
    z: Tensor,
    condition: Tensor | None,
    habits: Habits,
    generator: torch.Generator,
    prompts: Sequence[Sequence[int]],
) -> list[list[int]]:
    """Choose piece after piece for every latent (N, D).

    Args:
        generator: of the choices, on the CPU, so that a seed means the same on every device.
        prompts: pieces that each text begins with.

    Returns:
        The pieces of each text, prompt included, without `END`.
    """
    told, state = vae.begin(len(z), condition), None
    begun = _prompt_table(prompts, z.device)
    written, ended = told[:, :0], torch.zeros(len(z), dtype=torch.bool, device=z.device)
    used = torch.zeros(len(z), vae.bias.shape[0], dtype=torch.bool, device=z.device)
    places = max(habits.longest, begun.shape[1])
    uniform = torch.rand(len(z), places, generator=generator).to(z.device)  # a row a text: more texts change none of it
    for place in range(places):
        logits, state = vae.step(told, z, condition, state)
        next_piece = _choose(_penalised(logits[:, -1].float(), used, habits), habits, uniform[:, place : place + 1])
        if place < begun.shape[1]:
            next_piece = torch.where(begun[:, place] != PAD, begun[:, place], next_piece)
        next_piece = next_piece.masked_fill(ended, PAD)
        written = torch.cat([written, next_piece[:, None]], 1)
        ended |= next_piece == END
        used[torch.arange(len(z), device=z.device), next_piece] = True
        told = next_piece[:, None]
        if place % 8 == 7 and bool(ended.all()):  # now and then, since asking makes the host wait
            break
    return [_until_end(row) for row in written.tolist()]


def search(
    vae: SequenceVAE,
    z: Tensor,
    condition: Tensor | None,
    habits: Habits,
    generator: torch.Generator,
    prompts: Sequence[Sequence[int]],
) -> list[list[int]]:
    """The likeliest text that a beam finds for every latent (N, D), by log-probability a piece; as `write`."""
    return [
        _search_one(vae, z[row : row + 1], None if condition is None else condition[row : row + 1], habits, prompt)
        for row, prompt in enumerate(prompts)
    ]


def _search_one(
    vae: SequenceVAE, z: Tensor, condition: Tensor | None, habits: Habits, prompt: Sequence[int]
) -> list[int]:
    told = torch.cat([vae.begin(1, condition), torch.tensor([list(prompt)], dtype=torch.int64, device=z.device)], 1)
    logits, state = vae.step(told, z, condition)
    rows, scores = [list(prompt)], torch.zeros(1, device=z.device)
    best, best_score = list(prompt), -float("inf")
    while rows and len(rows[0]) < habits.longest:
        used = torch.zeros(len(rows), vae.bias.shape[0], dtype=torch.bool, device=z.device)
        for number, row in enumerate(rows):
            used[number, row] = True
        nats = _penalised(logits[:, -1].float(), used, habits).log_softmax(1)
        totals, flat = (scores[:, None] + nats).flatten().topk(min(habits.beam, nats.numel()))
        beams, pieces = flat // nats.shape[1], flat % nats.shape[1]
        going: list[int] = []
        for number, (beam, piece, total) in enumerate(
            zip(beams.tolist(), pieces.tolist(), totals.tolist(), strict=True)
        ):
            if piece != END:
                going.append(number)
            elif total / (len(rows[beam]) + 1) > best_score:
                best, best_score = rows[beam], total / (len(rows[beam]) + 1)
        chosen = torch.tensor(going, dtype=torch.int64, device=z.device)
        rows = [[*rows[int(beams[number])], int(pieces[number])] for number in going]
        if not rows or scores.new_tensor(best_score) >= totals[chosen].max() / habits.longest:
            break
        scores, state = totals[chosen], reordered(state, beams[chosen])
        condition = None if condition is None else condition[:1].expand(len(rows))
        logits, state = vae.step(pieces[chosen][:, None], z[:1].expand(len(rows), -1), condition, state)
    return best if best_score > -float("inf") else max(rows, key=len, default=list(prompt))


def _penalised(logits: Tensor, used: Tensor, habits: Habits) -> Tensor:
    """Logits (N, V) without what is never written, and lower for pieces already used; `END` may come again."""
    if habits.repetition_penalty != 1:
        lower = torch.where(logits > 0, logits / habits.repetition_penalty, logits * habits.repetition_penalty)
        again = used.clone()
        again[:, END] = False
        logits = torch.where(again, lower, logits)
    logits[:, [PAD, UNKNOWN]] = -float("inf")
    return logits


def _choose(logits: Tensor, habits: Habits, uniform: Tensor) -> Tensor:
    """A piece for every row of logits (N, V) by a number in [0, 1) for each, (N, 1): int64 (N,)."""
    if habits.temperature == 0:
        return logits.argmax(1)
    ordered, pieces = (logits / habits.temperature).sort(1, descending=True)
    if habits.top_k:
        ordered, pieces = ordered[:, : habits.top_k], pieces[:, : habits.top_k]
    odds = ordered.softmax(1)
    before = odds.cumsum(1) - odds  # probability of all that are likelier
    kept = odds.masked_fill(before >= habits.top_p, 0)
    place = (kept.cumsum(1) < uniform * kept.sum(1, keepdim=True)).sum(1, keepdim=True)
    return pieces.gather(1, place.clamp(max=kept.shape[1] - 1))[:, 0]


def _prompt_table(prompts: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    table = torch.full((len(prompts), max(map(len, prompts), default=0)), PAD)
    for number, prompt in enumerate(prompts):
        table[number, : len(prompt)] = torch.tensor(prompt, dtype=torch.int64)
    return table.to(device)


def _until_end(row: list[int]) -> list[int]:
    return row[: row.index(END)] if END in row else row
