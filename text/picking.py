"""The best of several candidates for each text: those leave early that can no longer win."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from common.data.pieces import END

WORST = 3  # pieces of a text that tell whether it is a sentence
WAVES = (1 / 16, 3 / 16, 3 / 4)  # of the candidates, one after the other: the first ones set the bar for the others

Rank = tuple[float, ...]  # of faults, the gravest first; all 0 if there are none


@dataclass(frozen=True)
class Best:
    """A text, with what it is chosen by: the least rank, and then the least broken."""

    rank: Rank
    broken: float
    text: str


NONE = Best((math.inf,), math.inf, "")  # worse than any text


class Race:
    """Which candidates are still worth writing, and the best of each text so far.

    How broken a text is, is the mean over its `WORST` pieces of log p(piece) - log p(piece | z, those before), which
    tells grammatical sentences from others better than means over all do, and to which rare words are no fault (Lau,
    Clark & Lappin 2017). As more pieces are written it can but rise, so that a candidate is given up once it is more
    broken than one without any other fault.

    Args:
        count: of how many texts.
        log_frequencies: log p of each piece wherever it stands, (V,).
        decode: a text of its pieces.
        rank: the faults of a text, by the number of the text that is sought.
    """

    def __init__(
        self,
        count: int,
        log_frequencies: Tensor,
        decode: Callable[[list[int]], str],
        rank: Callable[[int, str], Rank],
    ) -> None:
        self.log_frequencies, self.decode, self.rank = log_frequencies, decode, rank
        self.best = [NONE] * count
        self.bars = torch.full((count,), torch.inf, device=log_frequencies.device)
        self.texts, self.misfits = torch.empty(0, dtype=torch.int64), torch.empty(0, 0)

    def start(self, texts: Tensor) -> None:
        """Let candidates in, of the texts of these numbers (N,)."""
        self.texts = texts.to(self.bars.device)
        self.misfits = torch.full((len(texts), 0), -torch.inf, device=self.bars.device)

    def hear(self, going: Tensor, pieces: Tensor, nats: Tensor) -> None:
        """Take the next pieces of some candidates (N',), and how unlikely each is after those before it."""
        column = torch.full((len(self.misfits), 1), -torch.inf, device=self.bars.device)
        column[going, 0] = nats + self.log_frequencies[pieces]
        self.misfits = torch.cat([self.misfits, column], 1)

    def can_win(self, going: Tensor) -> Tensor:
        """Which of some unfinished candidates (N',) may still win, bool (N',)."""
        if self.misfits.shape[1] < WORST:
            return torch.ones_like(going, dtype=torch.bool)
        return self.misfits[going].topk(WORST).values.mean(1) <= self.bars[self.texts[going]]

    def finish(self, rows: Tensor, written: Tensor) -> None:
        """Take candidates that are done, with the pieces of all, (N, K)."""
        texts, misfits = self.texts[rows].tolist(), self.misfits[rows].tolist()
        for text, pieces, own in zip(texts, written[rows].tolist(), misfits, strict=True):
            kept = pieces[: pieces.index(END)] if END in pieces else pieces
            worst = sorted(own[: len(kept) + 1])[-WORST:]
            self._compare(text, kept, sum(worst) / len(worst))

    def _compare(self, number: int, pieces: list[int], broken: float) -> None:
        before = self.best[number]
        if not any(before.rank) and broken >= before.broken:
            return
        text = self.decode(pieces)
        found = Best(self.rank(number, text), broken, text)
        if (found.rank, broken) < (before.rank, before.broken):
            self.best[number] = found
            self.bars[number] = math.inf if any(found.rank) else broken


def waves(candidates: int) -> list[range]:
    """The numbers of candidates, in waves."""
    ends = [0, *(max(1, round(candidates * sum(WAVES[: number + 1]))) for number in range(len(WAVES)))]
    return [range(start, end) for start, end in pairwise(ends) if end > start]
