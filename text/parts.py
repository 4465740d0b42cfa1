"""Texts that are written part by part, by several processes at once.

A part depends on those before it: they leave the generator somewhere, and none of their texts shall be written again.
So processes guess what most often holds, that the parts before theirs draw as much as is usual and write nothing that
theirs considers. Where a guess was wrong, the part is written anew, and all texts are those that one process writes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from common.processes import count, in_turn

# Rows of a part and the texts taken by others -> its texts, and all those that were compared with what is taken.
Make = Callable[[Tensor, frozenset[str]], tuple[list[str], set[str]]]


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
    leave: Callable[[Tensor], None],
    generator: torch.Generator,
    shared: bool,
) -> list[str]:
    """All texts, in the order of the parts.

    Args:
        parts: rows of the texts of each.
        make: from the generator.
        leave: draw from the generator what `make` usually draws.
        shared: of several processes, which all want the same, each writes one of the next parts.
    """
    done: list[str] = []
    while parts:
        taken, begun = frozenset(done), generator.get_state()

        def made(rows: Tensor, taken: frozenset[str] = taken) -> _Part:
            begun = generator.get_state()
            return _Part(*make(rows, taken), begun, generator.get_state())

        found = in_turn(parts[: count() if shared else 1], made, shared, leave)
        right = _right(found, begun)
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
