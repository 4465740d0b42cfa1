"""The best of several candidates for each text: those leave early that can no longer win."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from common.data.pieces import END, PAD

WORST = 3  # pieces of a text that tell whether it is a sentence
FINALISTS = 3  # candidates of a text at which a second look is taken
UNLIKELY = 0.15  # what a nat of a whole text counts there, beside how broken it is
WAVES = (1 / 16, 3 / 16, 3 / 4)  # of the candidates, one after the other: the first ones set the bar for the others

Rank = tuple[float, ...]  # of faults, the gravest first; all 0 if there are none


@dataclass(frozen=True)
class Finalist:
    """A text, with what it is chosen by: the least rank, and then the least broken."""

    rank: Rank
    broken: float
    text: str
    pieces: tuple[int, ...]


class Race:
    """Which candidates are still worth writing, and the best few of each text so far.

    How broken a text is, is the mean over its `WORST` pieces of log p(piece) - log p(piece | z, those before), which
    tells grammatical sentences from others better than means over all do, and to which rare words are no fault (Lau,
    Clark & Lappin 2017). As more pieces are written it can but rise, so that a candidate is given up once it is more
    broken than one without any other fault.

    Args:
        count: of how many texts.
        log_frequencies: log p of each piece wherever it stands, (V,).
        decode: a text of its pieces.
        rank: the faults of a text, by the number of the text that is sought.
        sought: how many finalists of each text.
    """

    def __init__(
        self,
        count: int,
        log_frequencies: Tensor,
        decode: Callable[[list[int]], str],
        rank: Callable[[int, str], Rank],
        sought: int = 1,
    ) -> None:
        self.log_frequencies, self.decode, self.rank, self.sought = log_frequencies, decode, rank, sought
        self.finalists: list[list[Finalist]] = [[] for _ in range(count)]  # the best first
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
        return mean_of_worst(self.misfits[going]) <= self.bars[self.texts[going]]

    def finish(self, rows: Tensor, written: Tensor) -> None:
        """Take candidates that are done, with the pieces of all, (N, K)."""
        texts, broken = self.texts[rows].tolist(), mean_of_worst(self.misfits[rows]).tolist()
        for text, pieces, own in zip(texts, written[rows].tolist(), broken, strict=True):
            self._compare(text, pieces[: pieces.index(END)] if END in pieces else pieces, own)

    def _compare(self, number: int, pieces: list[int], broken: float) -> None:
        before = self.finalists[number]
        if self._is_full(before) and broken >= before[-1].broken:
            return
        text = self.decode(pieces)
        found = Finalist(self.rank(number, text), broken, text, tuple(pieces))
        # Of one text in two cuts of pieces the better stays, which comes last.
        by_text = {one.text: one for one in sorted([*before, found], key=_order, reverse=True)}
        kept = self.finalists[number] = sorted(by_text.values(), key=_order)[: self.sought]
        if self._is_full(kept):
            self.bars[number] = kept[-1].broken

    def _is_full(self, finalists: list[Finalist]) -> bool:
        """Whether there are as many as are sought, without faults: what is more broken can no longer win."""
        return len(finalists) == self.sought and not any(finalists[-1].rank)


def _order(one: Finalist) -> tuple[Rank, float]:
    return one.rank, one.broken


def mean_of_worst(misfits: Tensor) -> Tensor:
    """The mean over the `WORST` largest of each row (N, K), of those that are not -inf, (N,)."""
    found = misfits.topk(min(WORST, misfits.shape[1]), 1).values
    return found.masked_fill(found == -torch.inf, torch.nan).nanmean(1)


def second_look(nats: Tensor, pieces: Tensor, log_frequencies: Tensor) -> Tensor:
    """How broken texts are to one who read them whole, with what else tells against long and unlikely ones, (N,).

    Args:
        nats: of each piece (N, K) by the latent that the encoder makes of the text itself.
        pieces: (N, K), padded.
        log_frequencies: as in `Race`.
    """
    is_padding = pieces == PAD
    misfits = (nats + log_frequencies[pieces]).masked_fill(is_padding, -torch.inf)
    return mean_of_worst(misfits) + UNLIKELY * nats.masked_fill(is_padding, 0).sum(1)


def waves(candidates: int) -> list[range]:
    """The numbers of candidates, in waves."""
    ends = [0, *(max(1, round(candidates * sum(WAVES[: number + 1]))) for number in range(len(WAVES)))]
    return [range(start, end) for start, end in pairwise(ends) if end > start]
