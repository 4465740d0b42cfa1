"""One evaluation of a writer from the weights to the report.

Bounds are measured on N held-out texts, with the latent and with the same decoder at z = 0. N samples with the styles
of those texts are compared with them; N training texts in the samples' place are the real-against-real floor.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from common.cores.vae import Posterior, active_units, importance_bound, mutual_information
from common.evaluation.metrics import class_histogram, frechet_distance
from common.evaluation.report import Better, ClassCount, Evaluation, Metric, Table, write_report
from common.processes import in_turn
from common.progress import progress_bar
from common.training.devices import pick_device
from common.training.runs import trained_on
from common.weights_folders import find_weights
from text.config import DATA_SETS, EvaluateConfig, GenerateConfig, Sampler
from text.data.loading import Sequences, TextData
from text.decoding import GREEDY, SamplingParams
from text.generation import sampling_params
from text.language_model import TrigramModel, vocabulary
from text.metrics import (
    StyleJudge,
    copied_ngrams,
    distinct,
    kept_words,
    length_overlap,
    nearest_text,
    self_bleu,
    verbatim,
    words,
)
from text.models import CHUNK, TextModel, load_fitting, load_text_model

SHOWN = 20  # unpicked samples of each style in the report, and reconstructions
STEPS = 7  # of the interpolations in the report
PLAIN = SamplingParams()  # the model's own distribution
MODELLED = 100_000  # training texts that the trigram model of the forward perplexity learns from


@dataclass(frozen=True)
class Material:
    """Texts to compare: held-out ones, as many training ones, and all training texts, with labels (N,)."""

    held_out: list[str]
    labels: Tensor
    floor: list[str]
    floor_labels: Tensor
    train: list[str]
    train_labels: Tensor

    @cached_property
    def words(self) -> frozenset[str]:
        """The vocabulary of all trigram models, so that their perplexities compare."""
        return vocabulary(self.train)

    @cached_property
    def frequencies(self) -> Counter[str]:
        """In how many training texts each word is."""
        return Counter(word for text in self.train for word in set(words(text)))

    @cached_property
    def trigrams(self) -> TrigramModel:
        """The language model of the forward perplexity."""
        return TrigramModel.fit(self.train[:MODELLED], self.words)

    @cached_property
    def judge(self) -> StyleJudge:
        """The independent classifier of styles."""
        return StyleJudge.fit(self.train, self.train_labels.tolist())


def evaluate(config: EvaluateConfig, out: Path) -> Evaluation:
    """Measure, and write evaluation.json and report.html into `out`.

    Raises:
        UserError: weights or data cannot be had or do not fit each other, or the disk is full.
    """
    model = load_text_model(config.weights, pick_device(config.device), shared=True)
    data = load_fitting(config.data or trained_on(find_weights(config.weights, "text"), DATA_SETS), model)
    rows = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(config.seed))[: config.n]
    material = gather(data, rows)
    n = len(rows)
    drawn = {
        name: draw(model, material.labels, sampling, config.seed) for name, sampling in sampling_settings(model).items()
    }
    tables = [Table("Bounds on held-out texts", ("latent", "z = 0"), bounds(model, data.test, rows, config))]
    tables.append(Table("What comes back out of latents", ("its own", "another's"), came_back(model, material)))
    tables += [Table(title, ("samples", "real"), compare(samples, material)) for title, samples in drawn.items()]
    latents = compare_samplers(model, data, material, config)
    tables.append(Table("Samplers of latents, at temperature 1", ("samples", "real"), latents))
    ours = next(iter(drawn.values()))
    classes = count_classes(ours, material, data.styles) if data.styles else []
    facts = {"weights": config.weights, "data": data.name, "source": data.source, "n": n, "seed": config.seed}
    evaluation = Evaluation(facts, protocol(config, data, n), tables, classes)
    write_report(evaluation, out, f"{model.name} on {data.name}", passages=passages(model, data, ours, material))
    return evaluation


def gather(data: TextData, rows: Tensor) -> Material:
    """The rows of the held-out texts, with as many training texts."""
    train = data.texts(data.train)
    labels = data.train.tensors["label"]
    chosen = torch.randperm(len(train), generator=torch.Generator().manual_seed(1))[: len(rows)]
    return Material(
        data.texts(data.test, rows),
        data.test.tensors["label"][rows],
        [train[row] for row in chosen],
        labels[chosen],
        train,
        labels,
    )


def sampling_settings(model: TextModel) -> dict[str, SamplingParams]:
    """The titles of the two tables of samples: drawn as the command draws, and from the model's own distribution."""
    usual = sampling_params(model, GenerateConfig())
    named = (
        f"temperature {usual.temperature}, top-p {usual.top_p}, repetition penalty {usual.repetition_penalty}, "
        f"best of {usual.candidates}"
    )
    return {
        f"Samples at {named}": usual,
        "Samples at temperature 1": replace(PLAIN, longest=usual.longest),
    }


def draw(
    model: TextModel, labels: Tensor, sampling: SamplingParams, seed: int, sampler: Sampler = "mixture"
) -> list[str]:
    """Write a text for each label."""
    return model.write(model.latents(labels, seed, sampler), labels, sampling, seed)


def samplers(model: TextModel) -> tuple[Sampler, ...]:
    """The samplers that the weights have."""
    return ("prior", "mixture", "gan") if model.network.has_generator else ("prior", "mixture")


def bounds(model: TextModel, part: Sequences, rows: Tensor, config: EvaluateConfig) -> list[Metric]:
    """Importance-weighted bounds of held-out texts, against the same decoder with z = 0, and the use of the latent.

    Processes of a `shared` model take turns.
    """
    generator = torch.Generator(model.device).manual_seed(config.seed)
    ordered = rows[part.lengths[rows].argsort(stable=True)]
    found = in_turn(
        progress_bar(ordered.split(CHUNK), "bounds", leave=False, disable=None),
        lambda rows: _bound(model, part, rows, config.importance, generator),
        model.shared,
        lambda rows: _draw_ahead(model, len(rows), config.importance, generator),
    )
    nats, without, reconstruction, posteriors, samples = zip(*found, strict=True)
    with_z, at_zero, rebuilt = (torch.cat(parts) for parts in (nats, without, reconstruction))
    posterior = Posterior(
        torch.cat([each.mean for each in posteriors]), torch.cat([each.log_variance for each in posteriors])
    )
    n, labels = len(rows), part.tensors["label"][ordered]
    # A text's words and its end, so that the perplexity a word is of the whole text.
    count = sum(len(words(text)) + 1 for text in _decoded(model, part, ordered))
    figures = [
        Metric("nats a text", with_z.mean().item(), at_zero.mean().item(), "lower", n),
        Metric("perplexity a word", math.exp(with_z.sum() / count), math.exp(at_zero.sum() / count), "lower", n),
        *(
            Metric(
                f"nats a text, {style}", with_z[own].mean().item(), at_zero[own].mean().item(), "lower", int(own.sum())
            )
            for number, style in enumerate(model.config.styles)
            if (own := labels == number).any()
        ),
        Metric("reconstruction, nats a text", rebuilt.mean().item(), None, "lower", n),
        Metric("KL, nats a text", posterior.kl().sum(1).mean().item(), None, "higher", n),
        Metric(f"active units of {model.config.latent}", active_units(posterior.mean), None, "higher", n),
    ]
    if n >= 1_000:
        information = mutual_information(posterior, torch.cat(samples))
        figures.append(Metric(f"mutual information, at most {math.log(n):.1f}", information, None, "higher", n))
    return figures


def came_back(model: TextModel, material: Material) -> list[Metric]:
    """How much of what a held-out text says the likeliest text of its latent says, and that of another of its style."""
    texts, labels = material.held_out, material.labels
    made = model.write(model.encode(texts, labels).mean, labels, replace(GREEDY, longest=model.config.longest))
    order = labels.argsort(stable=True)
    others = dict(zip(order.tolist(), order.roll(1).tolist(), strict=True))
    counts = material.frequencies, len(material.train)
    own = kept_words(texts, made, *counts)
    another = kept_words(texts, [made[others[row]] for row in range(len(texts))], *counts)
    return [Metric("words that come back, by weight", _known(own), _known(another), "higher", len(texts))]


@torch.inference_mode()
def _bound(
    model: TextModel, part: Sequences, rows: Tensor, importance: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Posterior, Tensor]:
    """-log p(x) in nats, the same at z = 0, that of one posterior sample, the posteriors, and the samples."""
    vae = model.vae
    batch = {name: tensor.to(model.device) for name, tensor in part.gather(rows).items()}
    tokens, condition = batch["tokens"], vae.read(batch)
    posterior = vae.encode(tokens, condition)
    z = posterior.sample(torch.randn(posterior.mean.shape, generator=generator, device=model.device))
    weighted = -importance_bound(vae, tokens, condition, importance, generator)
    at_zero, rebuilt = vae.nll(tokens, torch.zeros_like(z), condition), vae.nll(tokens, z, condition)
    on_cpu = Posterior(posterior.mean.cpu(), posterior.log_variance.cpu())
    return weighted.cpu(), at_zero.cpu(), rebuilt.cpu(), on_cpu, z.cpu()


def _draw_ahead(model: TextModel, count: int, importance: int, generator: torch.Generator) -> None:
    """Draw what `_bound` draws for so many texts."""
    for _ in range(1 + importance):
        torch.randn(count, model.config.latent, generator=generator, device=model.device)


def compare(samples: Sequence[str], material: Material) -> list[Metric]:
    """Samples against held-out texts; where these are the measure themselves, training texts are the second column."""
    n, real, floor, train = len(samples), material.held_out, material.floor, material.train

    def lengths(texts: Sequence[str]) -> float:
        return float(np.mean([len(words(text)) for text in texts]))

    def reverse(texts: Sequence[str]) -> float:
        return TrigramModel.fit(texts, material.words).perplexity(real)

    pairs: list[tuple[str, float, float, Better]] = [
        ("forward perplexity (own trigrams)", *_both(material.trigrams.perplexity, samples, real), "as real"),
        ("reverse perplexity (own trigrams)", reverse(samples), reverse(floor), "lower"),
        ("unknown words", *_both(lambda texts: unknown(texts, material.words), samples, real), "as real"),
        ("distinct-1", *_both(lambda texts: distinct(texts, 1), samples, real), "as real"),
        ("distinct-2", *_both(lambda texts: distinct(texts, 2), samples, real), "as real"),
        ("self-BLEU-4", *_both(self_bleu, samples, real), "as real"),
        ("words a text", *_both(lengths, samples, real), "as real"),
        ("overlap of lengths", length_overlap(samples, real), length_overlap(floor, real), "higher"),
        ("copied 8-grams", *_both(lambda texts: copied_ngrams(texts, train), samples, real), "as real"),
        ("verbatim training texts", *_both(lambda texts: verbatim(texts, train), samples, real), "as real"),
        ("nearest training text (cosine)", *_both(lambda texts: nearness(texts, train), samples, real), "as real"),
    ]
    if len(set(material.train_labels.tolist())) > 1:
        pairs.append(("style accuracy", *_accuracies(samples, material), "higher"))
    return [Metric(name, _known(value), _known(reference), better, n) for name, value, reference, better in pairs]


def unknown(texts: Sequence[str], known: frozenset[str]) -> float:
    """The share of words that training texts do not have twice."""
    all_words = [word for text in texts for word in words(text)]
    return sum(word not in known for word in all_words) / max(len(all_words), 1)


def nearness(texts: Sequence[str], train: Sequence[str]) -> float:
    """The median similarity of texts to the nearest training text."""
    return float(np.median(nearest_text(texts, train)[0]))


def compare_samplers(model: TextModel, data: TextData, material: Material, config: EvaluateConfig) -> list[Metric]:
    """Distance of the latents of the prior, the mixture and the GAN to those of held-out texts, and plain texts."""
    n, sampling = len(material.held_out), replace(PLAIN, longest=model.config.longest)
    generator = torch.Generator().manual_seed(config.seed)

    def codes(texts: Sequence[str], labels: Tensor) -> Tensor:
        posterior = model.encode(texts, labels)
        return posterior.sample(torch.randn(posterior.mean.shape, generator=generator))

    def reverse(texts: Sequence[str]) -> float:
        return TrigramModel.fit(texts, material.words).perplexity(material.held_out)

    held_out, floor = codes(material.held_out, material.labels), codes(material.floor, material.floor_labels)
    real = frechet_distance(held_out, floor)
    figures = []
    for sampler in samplers(model):
        latents = model.latents(material.labels, config.seed, sampler)
        texts = draw(model, material.labels, sampling, config.seed, sampler)
        figures += [
            Metric(f"{sampler}: Fréchet distance of latents", frechet_distance(held_out, latents), real, "lower", n),
            Metric(f"{sampler}: reverse perplexity", reverse(texts), reverse(material.floor), "lower", n),
            Metric(f"{sampler}: distinct-2", distinct(texts, 2), distinct(material.held_out, 2), "as real", n),
        ]
        if data.styles:
            figures.append(Metric(f"{sampler}: style accuracy", *_accuracies(texts, material), "higher", n))
    return figures


def count_classes(samples: Sequence[str], material: Material, styles: Sequence[str]) -> list[ClassCount]:
    """What styles the classifier takes samples and held-out texts for."""
    wanted = material.labels
    got, real_got = (torch.from_numpy(material.judge.predict(texts)) for texts in (samples, material.held_out))
    columns = [
        class_histogram(labels, len(styles)).tolist() for labels in (wanted, got, got[got == wanted], wanted, real_got)
    ]
    return [ClassCount(name, *column) for name, *column in zip(styles, *columns, strict=True)]


def passages(model: TextModel, data: TextData, samples: Sequence[str], material: Material) -> list[tuple[str, str]]:
    """What to read: unpicked samples of every style, reconstructions, and ways from one held-out text to another."""
    found = []
    for number, style in enumerate(data.styles or ("samples",)):
        own = [text for text, label in zip(samples, material.labels.tolist(), strict=True) if label == number]
        found.append((f"Unpicked samples: {style}", "\n\n".join(own[:SHOWN])))
    texts, labels = material.held_out[:SHOWN], material.labels[:SHOWN]
    came_back = model.write(
        model.encode(texts, labels).mean, labels, sampling_params(model, GenerateConfig(temperature=0))
    )
    pairs = [f"{text}\n-> {back}" for text, back in zip(texts, came_back, strict=True)]
    found.append(("Held-out texts, and what comes back out of their latents", "\n\n".join(pairs)))
    for number in range(max(len(data.styles), 1)):
        pair = (material.labels == number).nonzero()[:2, 0]
        if len(pair) == 2:
            start, end = model.encode([material.held_out[row] for row in pair], material.labels[pair]).mean
            z = start + torch.linspace(0, 1, STEPS)[:, None] * (end - start)
            steps = model.write(
                z, material.labels[pair[:1]].expand(STEPS), replace(GREEDY, longest=model.config.longest)
            )
            found.append(("From one held-out text to another", "\n\n".join(steps)))
    return found


def protocol(config: EvaluateConfig, data: TextData, n: int) -> str:
    """Say in words how it was measured."""
    asked = "" if n == config.n else f" ({config.n:,} asked for; there are no more)"
    return (
        f"N = {n:,} held-out texts of {data.name}{asked} and as many samples with their styles, seed {config.seed}; "
        f"nats a text are importance-weighted bounds of {config.importance} samples. Real: the held-out texts, and for "
        f"reverse perplexity and the overlap of lengths {n:,} training texts, whose measure is the held-out ones. "
        "Perplexities of samples are of an interpolated Kneser-Ney trigram model of our own, learned from training "
        "texts (forward) or from the samples (reverse); a word counts as unknown if training texts do not have it "
        "twice, and candidates are picked by that, too. Copies are sought among all "
        f"{len(data.train):,} training texts."
    )


def _both(metric: Callable[[Sequence[str]], float], samples: Sequence[str], real: Sequence[str]) -> tuple[float, float]:
    return metric(samples), metric(real)


def _accuracies(samples: Sequence[str], material: Material) -> tuple[float, float]:
    wanted = material.labels.numpy()
    return _both(lambda texts: float((material.judge.predict(texts) == wanted).mean()), samples, material.held_out)


def _decoded(model: TextModel, part: Sequences, rows: Tensor) -> list[str]:
    return [model.tokenizer.decode(row) for row in part.tensors["tokens"][rows].tolist()]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
