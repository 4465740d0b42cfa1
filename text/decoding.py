"""From latents to pieces: sampling and beam search, for many texts at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from common.data.pieces import END, PAD, UNKNOWN
from text.networks import SequenceVAE, reordered
from text.picking import Race

TRIES = 16  # draws of a piece until one is in the nucleus; at top-p 0.5, one in 65,536 would want more
BLOCK = 64  # pieces whose odds are summed at once
IN_CACHE = 2**19  # logits that stay in a CPU's cache while they are worked on: 2 MiB
DROPPED_EVERY = 8  # pieces after which finished texts leave the batch on a GPU, where asking makes the host wait


@dataclass(frozen=True)
class SamplingParams:
    """How pieces are chosen.

    Attributes:
        temperature: divides the logits; 0 takes the likeliest piece.
        top_k: choose among so many likeliest pieces; 0 for all.
        top_p: choose among the likeliest pieces that together have this probability (Holtzman et al. 2020).
        repetition_penalty: lowers the logits of pieces already used (Keskar et al. 2019); 1 for none.
        longest: pieces of a text at most.
        beam: how many unfinished texts `search` keeps.
        candidates: of how many texts for each latent the best is kept.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    longest: int = 48
    beam: int = 1
    candidates: int = 1


GREEDY = SamplingParams(temperature=0.0)
SILENT = 2  # pieces of no syllable in a row, as in - 'twas; by more, lines would put their rhyme off
SURE = 50.0  # added to the logit of a piece that goes on a word that is wanted


@dataclass(frozen=True)
class LineForm:
    """What metre and rhyme leave of the pieces of a line of P places.

    Attributes:
        syllables: of each piece, int64 (V,).
        silent: bool (V,), pieces of no syllable that end no line; not more than `SILENT` of them follow each other.
        marks: bool (V,), pieces after which a word has to begin anew.
        goes_on: bool (V,), pieces that go on a word.
        fits: bool (P + 1, V), the pieces that may follow after so many syllables.
        closing: bool (N, V), the pieces that may bring each line to its end.
    """

    syllables: Tensor
    silent: Tensor
    marks: Tensor
    goes_on: Tensor
    fits: Tensor
    closing: Tensor

    def applied(self, logits: Tensor, used: Tensor, rows: Tensor) -> Tensor:
        """Logits (N', V) after the pieces of the lines so far (N', K), where those before them are PAD."""
        places = self.syllables[used].sum(1).clamp(max=len(self.fits) - 1)
        ends = places[:, None] + self.syllables == len(self.fits) - 1
        allowed = self.fits[places] & (~ends | (self.syllables == 0) | self.closing[rows])
        before = used[:, -SILENT:]
        if before.shape[1] == SILENT:
            stalled = (self.silent[before] & (before != PAD)).all(1, keepdim=True)
            allowed &= ~(stalled & self.silent)
        if used.shape[1]:
            allowed &= ~(self.marks[used[:, -1:]] & self.goes_on)
        return logits.masked_fill(~allowed & allowed.any(1, keepdim=True), -float("inf"))


@dataclass(frozen=True)
class Constraints:
    """What holds for pieces wherever they stand.

    Attributes:
        never: bool (V,), pieces that are never written.
        wanted: words as their pieces, each likelier until it is there.
        strength: added to the logit of the first piece of a word that is wanted, (N,).
        first: bool (V,), pieces that neither begin a text nor follow its prompt at once.
        begin: pieces that begin a text, or follow its prompt.
        last: a piece that ends a text as `END` does, such as that of the line break; None for no such.
        form: of a line; None for any.
    """

    never: Tensor
    wanted: tuple[tuple[int, ...], ...]
    strength: Tensor
    first: Tensor
    begin: tuple[int, ...] = ()
    last: int | None = None
    form: LineForm | None = None

    def of(self, rows: Tensor) -> "Constraints":
        """The constraints of some of the texts."""
        form = None if self.form is None else replace(self.form, closing=self.form.closing[rows])
        return replace(self, strength=self.strength[rows], form=form)

    def applied(self, logits: Tensor, used: Tensor, rows: Tensor, prompted: Tensor) -> Tensor:
        """Logits (N', V) of some rows of the texts under the constraints.

        Args:
            used: the pieces so far, (N', K).
            prompted: how many of them are the prompt, (N',).
        """
        logits = logits.masked_fill(self.never, -float("inf"))
        if self.form is not None:
            places = torch.arange(used.shape[1], device=used.device)
            logits = self.form.applied(logits, used.masked_fill(places < prompted[:, None], PAD), rows)
        for word in self.wanted:
            logits = _drawn_to(word, logits, used, self.strength[rows])
        return logits


def _drawn_to(word: tuple[int, ...], logits: Tensor, used: Tensor, strength: Tensor) -> Tensor:
    """Logits with that raised which begins a word that is not there yet, or goes on with it."""
    pieces = torch.tensor(word, device=used.device)
    begun = torch.zeros(len(used), dtype=torch.int64, device=used.device)  # how many of its pieces stand at the end
    for count in range(1, min(len(word), used.shape[1]) + 1):
        begun = torch.where((used[:, -count:] == pieces[:count]).all(1), count, begun)
    is_there = begun == len(word)
    if used.shape[1] >= len(word):
        is_there |= (used.unfold(1, len(word), 1) == pieces).all(2).any(1)
    amount = torch.where(begun > 0, SURE, strength).masked_fill(is_there, 0)
    following = pieces[begun.clamp(max=len(word) - 1)]
    return logits.scatter_add(1, following[:, None], amount[:, None].to(logits.dtype))


def write(
    vae: SequenceVAE,
    z: Tensor,
    condition: Tensor | None,
    sampling: SamplingParams,
    generator: torch.Generator,
    prompts: Sequence[Sequence[int]],
    barred: Tensor | None = None,
    constraints: Constraints | None = None,
    race: Race | None = None,
) -> list[list[int]]:
    """Choose piece after piece for every latent (N, D).

    Args:
        generator: of the choices, on the CPU, so that a seed means the same on every device.
        prompts: pieces that each text begins with.
        barred: bool (N, V), the pieces that must not follow each prompt at once.
        constraints: of the other pieces.
        race: of candidates, which picks the best and ends those early that cannot win.

    Returns:
        The pieces of each text, prompt included, without `END`.
    """
    begun, ends = _prompt_table(prompts, z.device), torch.tensor([len(prompt) for prompt in prompts], device=z.device)
    places = max(sampling.longest, begun.shape[1])
    # Rows of its own for every text, so that more texts change none of them.
    uniform = torch.rand(len(z), places, TRIES, generator=generator).to(z.device)
    written = torch.full((len(z), places), PAD, device=z.device)
    going, every = torch.arange(len(z), device=z.device), 1 if z.device.type == "cpu" else DROPPED_EVERY
    stems, state = Stems.begun(vae, z, condition, going if race is None else race.texts), None
    for place in range(places):
        logits, state = vae.step(stems.told, stems.z, stems.condition, state)
        logits, of = logits[:, -1].float(), stems.of
        odds, used = _penalised(logits, written[going[stems.rows], :place], sampling), written[going, :place]
        if constraints is not None or (barred is not None and place <= begun.shape[1]):
            odds, of = odds[of], torch.arange(len(going), device=z.device)
        if barred is not None and place <= begun.shape[1]:
            odds = odds.masked_fill((ends[going] == place)[:, None] & barred[going], -float("inf"))
        if constraints is not None:
            odds = constraints.applied(odds, used, going, ends[going])
        piece, is_free = _choose(odds, of, sampling, uniform[going, place]), ends[going] <= place
        if place < begun.shape[1]:
            piece = torch.where(is_free, piece, begun[going, place])
        if race is not None:
            race.hear(going, piece, _nats(logits, stems.of, piece))
        if constraints is not None and constraints.last is not None:
            piece = piece.masked_fill(is_free & (piece == constraints.last), END)
        written[going, place] = piece
        kept = torch.arange(len(going), device=z.device)
        if place % every == every - 1:
            kept = _unfinished(going, written[:, : place + 1], race)
        going, stems = going[kept], stems.grown(piece, kept)
        if not len(going):
            break
        state = reordered(state, stems.before)
    if race is not None:
        race.finish(going, written)
    return [_until_end(row) for row in written.tolist()]


def draw_ahead(count: int, sampling: SamplingParams, generator: torch.Generator) -> None:
    """Draw what is drawn for so many texts, if none begins with a prompt beyond the longest text."""
    if sampling.beam == 1:
        torch.rand(count * sampling.candidates * sampling.longest * TRIES, generator=generator)


def _unfinished(going: Tensor, written: Tensor, race: Race | None) -> Tensor:
    """Which of the rows that are written go on, as places in `going`."""
    is_unfinished = (written[going] != END).all(1)
    if race is not None:
        race.finish(going[~is_unfinished], written)
        is_unfinished &= race.can_win(going)
    return is_unfinished.nonzero()[:, 0]


@dataclass(frozen=True)
class Stems:
    """What texts begin with: candidates of one text with the same pieces so far share a step of the network.

    Attributes:
        of: of which stem each text is, (N,).
        rows: a text of each stem, (M,).
        before: of which stem without its last piece each is, (M,).
        z: latents (M, D).
        condition: labels (M,); None without styles.
        told: the last piece of each, (M, 1).
        shared: whether texts may share a stem.
    """

    of: Tensor
    rows: Tensor
    before: Tensor
    z: Tensor
    condition: Tensor | None
    told: Tensor
    shared: bool

    @classmethod
    def begun(cls, vae: SequenceVAE, z: Tensor, condition: Tensor | None, texts: Tensor) -> "Stems":
        """Those without pieces, one for each different number among those of the texts, (N,)."""
        rows, of = _first_of_each(texts)
        labels = None if condition is None else condition[rows]
        return cls(of, rows, rows, z[rows], labels, vae.begin(len(rows), labels), len(rows) < len(texts))

    def grown(self, pieces: Tensor, kept: Tensor) -> "Stems":
        """The stems of the texts that are kept, (N',), each with one more of the pieces (N,)."""
        of, pieces = self.of[kept], pieces[kept]
        rows = each = torch.arange(len(kept), device=of.device)
        if self.shared and len(kept):
            rows, each = _first_of_each(of * (pieces.max() + 1) + pieces)
        before = of[rows]
        labels = None if self.condition is None else self.condition[before]
        return Stems(each, rows, before, self.z[before], labels, pieces[rows][:, None], self.shared)


def _first_of_each(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """A place of each different number, (M,), and of which of these each of the numbers (N,) is."""
    found, of = numbers.unique(return_inverse=True)
    return numbers.new_empty(len(found)).scatter(0, of, torch.arange(len(numbers), device=of.device)), of


def search(
    vae: SequenceVAE,
    z: Tensor,
    condition: Tensor | None,
    sampling: SamplingParams,
    generator: torch.Generator,
    prompts: Sequence[Sequence[int]],
    barred: Tensor | None = None,
) -> list[list[int]]:
    """The likeliest text that a beam finds for every latent (N, D), by log-probability a piece; as `write`."""

    def of(tensor: Tensor | None, row: int) -> Tensor | None:
        return None if tensor is None else tensor[row : row + 1]

    return [
        _search_one(vae, z[row : row + 1], of(condition, row), sampling, prompt, of(barred, row))
        for row, prompt in enumerate(prompts)
    ]


def _search_one(
    vae: SequenceVAE,
    z: Tensor,
    condition: Tensor | None,
    sampling: SamplingParams,
    prompt: Sequence[int],
    barred: Tensor | None,
) -> list[int]:
    told = torch.cat([vae.begin(1, condition), torch.tensor([list(prompt)], dtype=torch.int64, device=z.device)], 1)
    logits, state = vae.step(told, z, condition)
    if barred is not None:
        logits[:, -1] = logits[:, -1].masked_fill(barred, -float("inf"))
    rows, scores = [list(prompt)], torch.zeros(1, device=z.device)
    best, best_score = list(prompt), -float("inf")
    while rows and len(rows[0]) < sampling.longest:
        used = torch.tensor(rows, dtype=torch.int64, device=z.device).view(len(rows), -1)
        nats = _penalised(logits[:, -1].float(), used, sampling).log_softmax(1)
        totals, flat = (scores[:, None] + nats).flatten().topk(min(sampling.beam, nats.numel()))
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
        if not rows or scores.new_tensor(best_score) >= totals[chosen].max() / sampling.longest:
            break
        scores, state = totals[chosen], reordered(state, beams[chosen])
        condition = None if condition is None else condition[:1].expand(len(rows))
        logits, state = vae.step(pieces[chosen][:, None], z[:1].expand(len(rows), -1), condition, state)
    return best if best_score > -float("inf") else max(rows, key=len, default=list(prompt))


def _penalised(logits: Tensor, used: Tensor, sampling: SamplingParams) -> Tensor:
    """Logits (N, V) without what is never written, and lower for pieces already used (N, K); `END` may come again."""
    if sampling.repetition_penalty != 1 and used.shape[1]:
        ends = logits[:, END].clone()
        before = logits.gather(1, used)
        after = torch.where(before > 0, before / sampling.repetition_penalty, before * sampling.repetition_penalty)
        logits = logits.scatter(1, used, after)
        logits[:, END] = ends
    logits[:, [PAD, UNKNOWN]] = -float("inf")
    return logits


def _choose(logits: Tensor, of: Tensor, sampling: SamplingParams, uniform: Tensor) -> Tensor:
    """Pieces by the rows `of` (N,) of logits (M, V) and by numbers in [0, 1) for each, (N, TRIES): int64 (N,)."""
    if sampling.temperature == 0:
        return logits.argmax(1)[of]
    chosen = torch.empty_like(of)
    for start, part in _in_cache(logits):
        odds = (part / sampling.temperature).softmax(1)
        if sampling.top_k:
            least = odds.topk(min(sampling.top_k, odds.shape[1])).values[:, -1:]
            odds = odds.masked_fill(odds < least, 0)
        rows = ((of >= start) & (of < start + len(part))).nonzero()[:, 0]
        chosen[rows] = _from_nucleus(odds, of[rows] - start, sampling.top_p, uniform[rows])
    return chosen


def _nats(logits: Tensor, of: Tensor, pieces: Tensor) -> Tensor:
    """How unlikely pieces (N,) are by the rows `of` (N,) of logits (M, V), (N,)."""
    nats = logits.new_empty(len(of))
    for start, part in _in_cache(logits):
        rows = ((of >= start) & (of < start + len(part))).nonzero()[:, 0]
        nats[rows] = -part.log_softmax(1)[of[rows] - start, pieces[rows]]
    return nats


def _in_cache(logits: Tensor) -> Iterator[tuple[int, Tensor]]:
    """`IN_CACHE` of them at a time, and the number of the first row."""
    count = max(1, IN_CACHE // logits.shape[1] if logits.device.type == "cpu" else len(logits))
    return ((start, logits[start : start + count]) for start in range(0, len(logits), count))


def _from_nucleus(odds: Tensor, of: Tensor, top_p: float, uniform: Tensor) -> Tensor:
    """Pieces by rows `of` (N,) of odds (M, V), among those whose likelier ones have less than a share `top_p`: (N,).

    Pieces of all odds are drawn until one is among them, which is much faster than to sort, and draws the same. They
    are sought block by block, as one long sum would take longer than all else.
    """
    lacking = -odds.shape[1] % BLOCK
    blocks = (F.pad(odds, (0, lacking)) if lacking else odds).unflatten(1, (-1, BLOCK))
    ends = blocks.sum(2).cumsum(1)
    chosen, rows = torch.empty_like(of), torch.arange(len(of), device=of.device)
    for attempt in range(TRIES):
        total = ends[of, -1]
        drawn = _drawn(blocks, ends, of, (uniform[rows, attempt] * total)[:, None]).clamp(max=odds.shape[1] - 1)
        own = odds[of, drawn]
        inside = own > (1 - top_p) * total  # so likely that all others have less than the share
        unsure = (~inside & (own > 0)).nonzero()[:, 0]
        # As multiples of its own odds one threshold serves all rows, which takes a third of the time that a mask does.
        likelier = F.threshold(odds[of[unsure]].div_(own[unsure, None]), 1, 0, inplace=True).sum(1)
        inside[unsure] = likelier < top_p * total[unsure] / own[unsure]
        chosen[rows[inside]] = drawn[inside]
        rows, of = rows[~inside], of[~inside]
        if top_p == 1 or not len(rows):
            break
    chosen[rows] = odds[of].argmax(1)  # should no try succeed
    return chosen


def _drawn(blocks: Tensor, ends: Tensor, of: Tensor, wanted: Tensor) -> Tensor:
    """The pieces (N,) with which the sum of the odds of rows `of` (N,) exceeds what is wanted (N, 1)."""
    block = torch.searchsorted(ends[of], wanted, right=True).clamp(max=blocks.shape[1] - 1)
    inside = blocks[of, block[:, 0]].cumsum(1)
    rest = wanted - ends[of].gather(1, block) + inside[:, -1:]
    place = torch.searchsorted(inside, rest, right=True).clamp(max=BLOCK - 1)
    return (block * BLOCK + place)[:, 0]


def _prompt_table(prompts: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    table = torch.full((len(prompts), max(map(len, prompts), default=0)), PAD)
    for number, prompt in enumerate(prompts):
        table[number, : len(prompt)] = torch.tensor(prompt, dtype=torch.int64)
    return table.to(device)


def _until_end(row: list[int]) -> list[int]:
    return row[: row.index(END)] if END in row else row
