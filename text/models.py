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
from common.data.pieces import END, PAD, padded
from common.errors import UserError
from common.schema import from_json
from common.weights import load_network
from common.weights_folders import find_weights, load_config, reading_config
from text.config import Sampler
from text.data.loading import TextData, load_texts
from text.data.tokenizer import Tokenizer
from text.decoding import Constraints, LineForm, SamplingParams, search, write
from text.metrics import fingerprint
from text.networks import NetworkConfig, SequenceVAE, Writer
from text.wishes import NO_WISHES, Wishes
from text.words import first_letter, words

CHUNK = 256  # texts that go through the network at a time
GENTLE, STRONG = 2.0, 7.0  # nats by which candidates make words that must occur likelier, from the first to the last
WORST = 3  # pieces of a text that tell whether it is a sentence


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
    """

    network: Writer
    config: NetworkConfig
    tokenizer: Tokenizer
    name: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    words: frozenset[str] = frozenset()
    known: frozenset[int] = frozenset()

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
        if sampling.candidates > 1:
            return self._best(z, labels, sampling, seed, prompts, wishes, a_line, form, judge)
        strength = torch.full((len(z),), (GENTLE + STRONG) / 2)
        return self._written(z, labels, sampling, seed, prompts, self._constraints(wishes, strength, a_line, form))

    def _written(
        self,
        z: Tensor,
        labels: Tensor,
        sampling: SamplingParams,
        seed: int,
        prompts: Sequence[str],
        constraints: Constraints | None,
    ) -> list[str]:
        texts: list[str] = []
        generator = torch.Generator().manual_seed(seed)
        begin = constraints.begin if constraints is not None and all(map(_is_open, prompts)) else ()
        told = [[*self._begun(prompt), *begin] for prompt in prompts or [""] * len(z)]
        barred = self._barred(z, labels, prompts, constraints)
        for rows in torch.arange(len(z)).split(CHUNK):
            given = (
                self.vae, z[rows].to(self.device), self._condition(labels[rows]), sampling, generator,
                [told[row] for row in rows], None if barred is None else barred[rows].to(self.device),
            )  # fmt: skip
            own = None if constraints is None else constraints.of(rows.to(self.device))
            pieces = search(*given) if sampling.beam > 1 else write(*given, constraints=own)
            texts += [self.tokenizer.decode(row) for row in pieces]
        return texts

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
        z: Tensor,
        labels: Tensor,
        sampling: SamplingParams,
        seed: int,
        prompts: Sequence[str],
        wishes: Wishes,
        a_line: bool,
        form: LineForm | None,
        judge: Callable[[int, str], int] | None,
    ) -> list[str]:
        """Of several texts for each latent that which misses the fewest wishes and has the fewest new words.

        Of those the best sentence is taken, the least `_broken`. One that is a training text word for word or was taken
        before is taken only if all are.
        """
        count = sampling.candidates
        rows = repeat(torch.arange(len(z)), "n -> (n candidates)", candidates=count)
        told = [prompts[row] for row in rows] if prompts else ()
        each = None if form is None else replace(form, closing=form.closing[rows.to(self.device)])
        constraints = self._constraints(wishes, torch.linspace(GENTLE, STRONG, count).repeat(len(z)), a_line, each)
        texts = self._written(z[rows], labels[rows], sampling, seed, told, constraints)
        copied = [bool(self.known) and fingerprint(text) in self.known for text in texts]
        lines = [text.rpartition("\n")[2] for text in texts] if a_line else texts
        missed = [len(wishes.missed(line)) if wishes else 0 for line in lines]
        if judge is not None:
            missed = [count + judge(row, line) for count, row, line in zip(missed, rows.tolist(), lines, strict=True)]
        ranks = list(zip(copied, missed, map(self._new_words, texts), strict=True))
        # Only what is first by the cheap ranks is judged as a sentence; the rest can win only if all of that is taken.
        groups = torch.arange(len(texts)).view(-1, count).tolist()
        first = [row for group in groups for row in _least(group, ranks)]
        broken = self._all_broken(texts, z, labels, rows, first)
        best, taken = list[str](), set[str]()
        for group in groups:
            able = [row for row in group if texts[row] not in taken] or group
            least = _least(able, ranks)
            unknown = [row for row in least if row not in broken]
            broken |= self._all_broken(texts, z, labels, rows, unknown) if unknown else {}
            best.append(texts[min(least, key=lambda row: broken[row])])
            taken.add(best[-1])
        return best

    def _all_broken(
        self, texts: Sequence[str], z: Tensor, labels: Tensor, rows: Tensor, chosen: Sequence[int]
    ) -> dict[int, float]:
        """What `_broken` says of the chosen texts, by number."""
        ordered, found = torch.tensor(sorted(chosen, key=lambda row: len(texts[row]))), dict[int, float]()
        for part in ordered.split(CHUNK):  # of like length: less padding
            found |= zip(part.tolist(), self._broken(texts, z, labels, rows, part).tolist(), strict=True)
        return found

    def _new_words(self, text: str) -> int:
        return sum(word[0].isalnum() and word not in self.words for word in words(text)) if self.words else 0

    def _broken(self, texts: Sequence[str], z: Tensor, labels: Tensor, rows: Tensor, part: Tensor) -> Tensor:
        """How badly the worst places of some of the texts fit, each text with its row of latents and labels.

        It is the mean over the `WORST` pieces of log p(piece) - log p(piece | z, those before), which tells grammatical
        sentences from others better than means over all do, and to which rare words are no fault (Lau, Clark & Lappin
        2017).
        """
        tokens, own = padded([self.pieces(texts[number]) for number in part]), rows[part]
        nats = self.vae.nats(tokens.to(self.device), z[own].to(self.device), self._condition(labels[own])).cpu()
        misfits = (nats + self.tokenizer.log_frequencies[tokens]).masked_fill(tokens == PAD, -torch.inf)
        worst = misfits.topk(min(WORST, tokens.shape[1])).values
        return worst.masked_fill(worst == -torch.inf, torch.nan).nanmean(1)

    def _bound(self, texts: Sequence[str], labels: Tensor, rows: Tensor) -> Tensor:
        """The bound at the posterior's mean."""
        tokens = padded([self.pieces(texts[row]) for row in rows]).to(self.device)
        condition = self._condition(labels[rows])
        posterior = self.vae.encode(tokens, condition)
        return (-self.vae.nll(tokens, posterior.mean, condition) - posterior.kl().sum(1)).cpu()

    def _condition(self, labels: Tensor) -> Tensor | None:
        return labels.to(self.device) if self.config.styles else None


def _least(rows: Sequence[int], ranks: Sequence[Any]) -> list[int]:
    """The rows of the least rank."""
    least = min(ranks[row] for row in rows)
    return [row for row in rows if ranks[row] == least]


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


def load_text_model(source: str, device: torch.device | str = "cpu") -> TextModel:
    """Load a writer by bundled name, path (a weights folder or a run) or Hub id.

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
    return TextModel(network, stated.network, tokenizer, folder.resolve().name, config["data"], common, known)


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
