"""A trained writer as one thing to use: strings in, latents, strings out."""

import base64
import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from einops import repeat
from torch import Tensor

from common.cores.vae import Posterior
from common.data.pieces import END, padded
from common.errors import UserError
from common.schema import from_json
from common.weights import load_network
from common.weights_folders import find_weights, load_config, reading_config
from text.config import Sampler
from text.data.loading import TextData, load_texts
from text.data.tokenizer import Tokenizer
from text.decoding import Constraints, LineForm, SamplingParams, draw_ahead, search, write
from text.metrics import fingerprint
from text.networks import NetworkConfig, SequenceVAE, Writer
from text.parts import one_after_the_other
from text.picking import FINALISTS, Finalist, Race, Rank, second_look, waves
from text.wishes import NO_WISHES, Wishes
from text.words import first_letter, words

CHUNK = 256  # texts that go through the network at a time
TOGETHER = 64  # texts whose candidates do
LOOKED_AT = 32  # finalists that do, which are of like length
GENTLE, STRONG = 2.0, 7.0  # nats by which candidates make words that must occur likelier, from the first to the last
AMID = (GENTLE + STRONG) / 2  # that of a text without candidates


@dataclass(frozen=True)
class TextModel:
    """A writer with what is needed to use it.

    Attributes:
        network: the VAE and the generator of latents.
        config: what it was built from.
        tokenizer: what its pieces mean.
        name: of the weights.
        data: name of what it was trained on.
        words: those that its training texts have twice or more (`text.metrics.words`); none if it is not known.
        known: `text.metrics.fingerprint`s of its training texts; none if they are not known.
        shared: whether all processes write the same, each some parts of it.
    """

    network: Writer
    config: NetworkConfig
    tokenizer: Tokenizer
    name: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    words: frozenset[str] = frozenset()
    known: frozenset[int] = frozenset()
    shared: bool = False

    @property
    def vae(self) -> SequenceVAE:
        """The part that reads and writes."""
        return self.network.vae

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.vae.bias.device

    def label(self, style: str) -> int:
        """The number of a style by its name, in any case.

        Raises:
            UserError: the model has no such style.
        """
        lowered = [name.lower() for name in self.config.styles]
        if style.lower() not in lowered:
            known = f"it writes {', '.join(self.config.styles)}" if self.config.styles else "it has none"
            raise UserError(f"--style {style}: unknown to {self.name}; {known}")
        return lowered.index(style.lower())

    def spread(self, count: int, label: int | None = None) -> Tensor:
        """Labels (count,): all of one style, or of all styles in turn."""
        if label is None:
            return torch.arange(count) % max(len(self.config.styles), 1)
        return torch.full((count,), label)

    @torch.inference_mode()
    def latents(self, labels: Tensor, seed: int = 0, sampler: Sampler = "prior") -> Tensor:
        """Draw z, (N, D), for texts with labels (N,), on the CPU, so that a seed means the same on every device.

        Raises:
            UserError: the latent GAN of weights that have none.
        """
        generator, count = torch.Generator().manual_seed(seed), len(labels)
        if sampler == "mixture":
            mixture = self.vae.sampler
            assert mixture is not None
            return copy.deepcopy(mixture).cpu().sample(count, generator)
        z = torch.randn(count, self.config.latent, generator=generator)
        if sampler == "prior":
            return z
        if not self.network.has_generator:
            advice = "train it by `python -m text.train --core gan --weights ...`, or leave --sampler out"
            raise UserError(f"--sampler gan: {self.name} has no latent GAN; {advice}")
        return self.network(z.to(self.device), self._condition(labels)).cpu()

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], labels: Tensor) -> Posterior:
        """q(z | x) of texts, in float32 on the CPU; what exceeds the longest text of the model is cut off.

        Args:
            labels: (N,).
        """
        means, variances = [], []
        for rows in torch.arange(len(texts)).split(CHUNK):
            tokens = padded([self.pieces(texts[row]) for row in rows])
            posterior = self.vae.encode(tokens.to(self.device), self._condition(labels[rows]))
            means.append(posterior.mean.cpu())
            variances.append(posterior.log_variance.cpu())
        return Posterior(torch.cat(means), torch.cat(variances))

    @torch.inference_mode()
    def write(
        self,
        z: Tensor,
        labels: Tensor,
        sampling: SamplingParams,
        seed: int = 0,
        prompts: Sequence[str] = (),
        wishes: Wishes = NO_WISHES,
        *,
        a_line: bool = False,
        form: LineForm | None = None,
        judge: Callable[[int, str], int] | None = None,
    ) -> list[str]:
        """A text for each latent (N, D) with its label (N,).

        Args:
            prompts: how each text begins; () for nothing. A word at the end of one is not made longer, and after a line
                break at the end of one comes a line.
            wishes: what the pieces are bent to, and by what the candidates are chosen first.
            a_line: end with the first line after the prompt.
            form: of that line.
            judge: of what else is asked of the text, or line, of a row, how much it misses.
        """
        order = _Order(z, labels, prompts, self._constraints(wishes, torch.full((len(z),), AMID), a_line, form))
        generator = torch.Generator().manual_seed(seed)
        ranking = self._ranking(wishes, a_line, judge)

        def make(rows: Tensor, taken: frozenset[str], generator: torch.Generator) -> tuple[list[str], set[str]]:
            if sampling.candidates > 1:
                return self._best(order, rows.tolist(), sampling, generator, ranking, taken)
            return [self.tokenizer.decode(row) for row in self._written(order.of(rows), sampling, generator)], set()

        parts = torch.arange(len(z)).split(TOGETHER if sampling.candidates > 1 else CHUNK)

        def leave(rows: Tensor, generator: torch.Generator) -> None:
            draw_ahead(len(rows), sampling, generator)

        return one_after_the_other(parts, make, leave, generator, self.shared, self.device)

    def _written(
        self, order: "_Order", sampling: SamplingParams, generator: torch.Generator, race: Race | None = None
    ) -> list[list[int]]:
        """The pieces of texts, in one go."""
        constraints, prompts = order.constraints, order.prompts
        begin = constraints.begin if constraints is not None and all(map(_is_open, prompts)) else ()
        barred = self._barred(order.z, order.labels, prompts, constraints)
        given = (
            self.vae, order.z.to(self.device), self._condition(order.labels), sampling, generator,
            [[*self._begun(prompt), *begin] for prompt in prompts or [""] * len(order.z)],
            None if barred is None else barred.to(self.device),
        )  # fmt: skip
        return search(*given) if sampling.beam > 1 else write(*given, constraints=constraints, race=race)

    def _begun(self, prompt: str) -> list[int]:
        """The pieces of a prompt; a line break at its end, and nothing at all, are not yet followed by a space."""
        if not prompt:
            return []
        if not prompt.endswith("\n"):
            return self.pieces(prompt)
        return [*self.pieces(prompt[:-1]), self.tokenizer.line_break]

    def _barred(
        self, z: Tensor, labels: Tensor, prompts: Sequence[str], constraints: Constraints | None
    ) -> Tensor | None:
        """Which pieces must not follow each prompt at once, bool (N, V); None if all may."""
        barred = None
        if prompts:
            # What goes on a word may be single bytes, which after other signs than ASCII's could make them longer, too.
            in_word = torch.tensor([prompt[-1:].isalnum() or not prompt[-1:].isascii() for prompt in prompts])
            barred = in_word[:, None] & self.tokenizer.continuing
        if constraints is not None and all(map(_is_open, prompts)):
            begin = constraints.first.cpu() | self._of_unusual_case(z, labels, constraints.first.cpu())
            barred = begin if barred is None else barred | begin
        return barred

    def _of_unusual_case(self, z: Tensor, labels: Tensor, first: Tensor) -> Tensor:
        """Pieces with capitals where texts of latents (N, D) mostly begin without, or the other way, bool (N, V)."""
        if not first.any():
            return first.expand(len(z), -1)
        is_capital = self.tokenizer.capital
        found = []
        for rows in torch.arange(len(z)).split(CHUNK):
            odds = self.vae.decode(z[rows].to(self.device), self._condition(labels[rows]))[:, 0].softmax(1).cpu()
            found.append((odds[:, is_capital].sum(1) > 0.5)[:, None] != is_capital)
        unusual = torch.cat(found)
        return unusual & (~unusual & ~first).any(1, keepdim=True)  # unless it would leave nothing

    def _constraints(self, wishes: Wishes, strength: Tensor, a_line: bool, form: LineForm | None) -> Constraints | None:
        """What wishes mean for pieces, with how much likelier words that must occur are made, (N,)."""
        if not wishes and not a_line:
            return None
        tokenizer, begin = self.tokenizer, list[int]()
        first = torch.zeros(len(tokenizer), dtype=torch.bool)
        if a_line:
            first[[END, tokenizer.line_break]] = True
        if wishes.starts_with:
            others = torch.tensor([own != first_letter(wishes.starts_with) for own in tokenizer.first_letters])
            if others.all():
                begin = tokenizer.encode(wishes.starts_with.upper())
            else:
                first |= others
        return Constraints(
            tokenizer.forms(wishes.avoid).to(self.device),
            tuple(tuple(tokenizer.encode(word)) for word in wishes.must),
            strength.to(self.device),
            first.to(self.device),
            tuple(begin),
            tokenizer.line_break if a_line else None,
            form,
        )

    @torch.inference_mode()
    def guess(self, texts: Sequence[str]) -> Tensor:
        """The style of each text by the evidence lower bound, (N,): the one in which it is likeliest."""
        bounds = []
        for label in range(max(len(self.config.styles), 1)):
            labels = self.spread(len(texts), label)
            bounds.append(
                torch.cat([self._bound(texts, labels, rows) for rows in torch.arange(len(texts)).split(CHUNK)])
            )
        return torch.stack(bounds).argmax(0)

    def pieces(self, text: str) -> list[int]:
        """The pieces of a text, cut so that its end fits."""
        return self.tokenizer.encode(text)[: self.config.longest - 1]

    def _best(
        self,
        order: "_Order",
        rows: list[int],
        sampling: SamplingParams,
        generator: torch.Generator,
        ranking: Callable[[int, str], Rank],
        taken: frozenset[str],
    ) -> tuple[list[str], set[str]]:
        """Of several texts for each of some latents the best by `text.picking`, and all that were compared.

        Args:
            taken: texts of other latents, of which none is the best unless all candidates are.
        """
        best, heard = dict.fromkeys(rows, ""), set[str]()
        while rows:
            before, again = taken, list[int]()
            found = self._race(order, rows, sampling, generator, _after(before, ranking, heard))
            for row, text in zip(rows, found, strict=True):
                if text in taken and text not in before:  # by a text that was sought beside it
                    again.append(row)
                best[row] = text
                taken |= {text}
            rows = again
        return list(best.values()), heard

    def _race(
        self,
        order: "_Order",
        rows: list[int],
        sampling: SamplingParams,
        generator: torch.Generator,
        ranking: Callable[[int, str], Rank],
    ) -> list[str]:
        """The best of the candidates of some texts; of lines, which an encoder never read alone, the least broken."""
        log_frequencies = self.tokenizer.log_frequencies.to(self.device)
        are_lines = order.constraints is not None and order.constraints.last is not None
        race = Race(len(order.z), log_frequencies, self.tokenizer.decode, ranking, 1 if are_lines else FINALISTS)
        strength = torch.linspace(GENTLE, STRONG, sampling.candidates)
        for wave in waves(sampling.candidates):
            texts = repeat(torch.tensor(rows), "n -> (n candidates)", candidates=len(wave))
            race.start(texts)
            part = order.of(texts).drawn(strength[wave.start : wave.stop].repeat(len(rows)))
            self._written(part, sampling, generator, race)
        return [one.text for one in self._looked_at([race.finalists[row] for row in rows], order.labels[rows])]

    def _looked_at(self, finalists: list[list[Finalist]], labels: Tensor) -> list[Finalist]:
        """The best of the finalists of each text with its label (N,), at a second look at those of its least rank."""
        best = [some[0] for some in finalists]
        equals = {}
        for number, some in enumerate(finalists):
            alike = [one for one in some if one.rank == some[0].rank]
            if len(alike) > 1:
                equals[number] = alike
        if equals:
            numbers = torch.tensor([number for number, alike in equals.items() for _ in alike])
            pieces = [one.pieces for alike in equals.values() for one in alike]
            looks = iter(self._second_looks(pieces, labels[numbers]).tolist())
            for number, alike in equals.items():
                best[number] = min(alike, key=lambda one: one.broken + next(looks))
        return best

    def _second_looks(self, texts: Sequence[Sequence[int]], labels: Tensor) -> Tensor:
        """`second_look` at the pieces of each text by two latents of its posterior, of the same noise for all, (N,)."""
        noise = torch.randn(2, self.config.latent, generator=torch.Generator().manual_seed(0)).to(self.device)
        frequencies, found = self.tokenizer.log_frequencies.to(self.device), torch.empty(len(texts))
        for rows in torch.tensor([len(pieces) for pieces in texts]).argsort(stable=True).split(LOOKED_AT):
            tokens = padded([texts[row][: self.config.longest - 1] for row in rows]).to(self.device)
            condition = self._condition(labels[rows])
            posterior = self.vae.encode(tokens, condition)
            nats = [self.vae.nats(tokens, posterior.sample(one.expand_as(posterior.mean)), condition) for one in noise]
            found[rows] = second_look(torch.stack(nats).mean(0), tokens, frequencies).cpu()
        return found

    def _ranking(
        self, wishes: Wishes, a_line: bool, judge: Callable[[int, str], int] | None
    ) -> Callable[[int, str], Rank]:
        """The faults of the text of a row: it is one that was trained on, the wishes it misses, and its new words."""

        def rank(row: int, text: str) -> Rank:
            line = text.rpartition("\n")[2] if a_line else text
            missed = (len(wishes.missed(line)) if wishes else 0) + (judge(row, line) if judge is not None else 0)
            return bool(self.known) and fingerprint(text) in self.known, missed, self._new_words(text)

        return rank

    def _new_words(self, text: str) -> int:
        return sum(word[0].isalnum() and word not in self.words for word in words(text)) if self.words else 0

    def _bound(self, texts: Sequence[str], labels: Tensor, rows: Tensor) -> Tensor:
        """The bound at the posterior's mean."""
        tokens = padded([self.pieces(texts[row]) for row in rows]).to(self.device)
        condition = self._condition(labels[rows])
        posterior = self.vae.encode(tokens, condition)
        return (-self.vae.nll(tokens, posterior.mean, condition) - posterior.kl().sum(1)).cpu()

    def _condition(self, labels: Tensor) -> Tensor | None:
        return labels.to(self.device) if self.config.styles else None


@dataclass(frozen=True)
class _Order:
    """What is to be written: latents (N, D), labels (N,), prompts or (), and what holds for pieces."""

    z: Tensor
    labels: Tensor
    prompts: Sequence[str]
    constraints: Constraints | None

    def of(self, rows: Tensor) -> "_Order":
        """Some of the texts, or several candidates of some."""
        constraints = None if self.constraints is None else self.constraints.of(rows.to(self.constraints.never.device))
        prompts = [self.prompts[row] for row in rows] if self.prompts else ()
        return _Order(self.z[rows], self.labels[rows], prompts, constraints)

    def drawn(self, strength: Tensor) -> "_Order":
        """The same, drawn so much to words that are wanted, (N,)."""
        if self.constraints is None:
            return self
        return replace(self, constraints=replace(self.constraints, strength=strength.to(self.constraints.never.device)))


def _after(taken: frozenset[str], ranking: Callable[[int, str], Rank], heard: set[str]) -> Callable[[int, str], Rank]:
    """A ranking to which the gravest fault is to be taken already; it keeps what it was asked of in `heard`."""

    def rank(row: int, text: str) -> Rank:
        heard.add(text)
        return text in taken, *ranking(row, text)

    return rank


def _is_open(prompt: str) -> bool:
    """Whether what follows a prompt begins a text or a line."""
    return not prompt or prompt.endswith("\n")


def load_fitting(data: str, model: TextModel) -> TextData:
    """Texts in the vocabulary of a model.

    Raises:
        UserError: they cannot be read, or have other styles than the model.
    """
    found = load_texts(data, len(model.tokenizer), model.config.longest, model.tokenizer)
    if found.styles != model.config.styles:
        ours, theirs = (", ".join(styles) or "none" for styles in (found.styles, model.config.styles))
        raise UserError(f"--data {found.name} has the styles {ours}, and {model.name} writes {theirs}")
    return found


def load_text_model(source: str, device: torch.device | str = "cpu", shared: bool = False) -> TextModel:
    """Load a writer by bundled name, path (a weights folder or a run) or Hub id.

    Args:
        shared: of several processes all write the same, each some parts of it.

    Raises:
        UserError: there is none, or it is damaged or of another kind.
    """
    folder = find_weights(source, "text")
    config = load_config(folder, "text", "writer")
    tokenizer = Tokenizer.load(folder)
    with reading_config(folder):
        stated = from_json(_Stated, config, others=True)
        common, known = frozenset(stated.words.split()), unpacked(stated.known)
    if len(tokenizer) != stated.network.vocabulary:
        raise UserError(f"{folder} has a vocabulary of another model; restore or retrain the weights")
    network = load_network(folder, lambda: Writer(stated.network)).to(device)
    return TextModel(network, stated.network, tokenizer, folder.resolve().name, config["data"], common, known, shared)


@dataclass(frozen=True)
class _StatedData:
    """What config.json tells of the data."""

    name: str


@dataclass(frozen=True)
class _Stated:
    """What config.json must hold."""

    network: NetworkConfig
    data: _StatedData
    words: str
    known: str


def packed(fingerprints: Iterable[int]) -> str:
    """Fingerprints for config.json: in ascending order, four bytes each, little-endian, in base 64."""
    return base64.b64encode(np.array(sorted(set(fingerprints)), dtype="<u4").tobytes()).decode("ascii")


def unpacked(content: str) -> frozenset[int]:
    """Fingerprints of what `packed` made of them.

    Raises:
        ValueError: it is not what `packed` wrote.
    """
    return frozenset(np.frombuffer(base64.b64decode(content, validate=True), dtype="<u4").tolist())
