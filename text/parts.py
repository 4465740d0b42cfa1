"""Texts that are written part by part, by several threads and processes at once.

A part depends on those before it: they leave the generator somewhere, and none of their texts shall be written again.
So threads guess what most often holds, that the parts before theirs draw as much as is usual and write nothing that
theirs considers. Where a guess was wrong, the part is written anew, and all texts are those that one process writes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from common.processes import count, gathered, turns
from common.threads import side_by_side

# Rows of a part, the texts taken by others and a generator -> its texts, and all that were compared with those taken.
Make = Callable[[Tensor, frozenset[str], torch.Generator], tuple[list[str], set[str]]]


@dataclass(frozen=True)
class _Part:
    """Texts, those that were compared, and the states of the generator before and after."""

    texts: list[str]
    compared: set[str]
    begun: Tensor
    ended: Tensor


def one_after_the_other(
    parts: Sequence[Tensor],
    make: Make,
    leave: Callable[[Tensor, torch.Generator], None],
    generator: torch.Generator,
    shared: bool,
    device: torch.device | str = "cpu",
) -> list[str]:
    """All texts, in the order of the parts.

    Args:
        parts: rows of the texts of each.
        make: from a generator.
        leave: draw from a generator what `make` usually draws.
        shared: of several processes, which all want the same, each writes some of the next parts.
        device: on the CPU threads write, too.
    """
    done: list[str] = []
    threads = torch.get_num_threads() if torch.device(device).type == "cpu" else 1
    at_once = threads * (count() if shared else 1)
    while parts:
        taken, begun = frozenset(done), generator.get_state()
        guessed = []
        for rows in parts[:at_once]:
            guessed.append((rows, generator.get_state()))
            leave(rows, generator)

        @torch.inference_mode()
        def made(part: tuple[Tensor, Tensor], taken: frozenset[str] = taken) -> _Part:
            rows, begun = part
            own = torch.Generator()
            own.set_state(begun)
            return _Part(*make(rows, taken, own), begun, own.get_state())

        found = side_by_side(guessed[turns()] if shared else guessed, made, device)
        right = _right(gathered(found) if shared else found, begun)
        done += [text for part in right for text in part.texts]
        generator.set_state(right[-1].ended)
        parts = parts[len(right) :]
    return done


def _right(parts: Sequence[_Part], begun: Tensor) -> Sequence[_Part]:
    """The first parts, as far as those before them did as was guessed; the first one had nothing to guess."""
    written: set[str] = set()
    for number, part in enumerate(parts):
        if not torch.equal(part.begun, begun) or part.compared & written:
            return parts[:number]
        begun, written = part.ended, written.union(part.texts)
    return parts
