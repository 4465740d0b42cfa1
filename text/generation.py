"""What can be written with a trained model: samples, ways from one text to another, neighbours and restyled texts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from common.errors import UserError
from common.files import replacing
from common.provenance.marking import marked_row
from text.config import GenerateConfig
from text.decoding import SamplingParams
from text.models import TextModel
from text.networks import GruDecoder

TEMPERATURE = 0.8  # of samples by default; a way from one text to another is written with the likeliest pieces
CLOSE = 0.8  # correlation of a stanza's latent with that of the first
BETWEEN = {"\n\n": "\n\n* * *\n\n", "\n": "\n\n", "": "\n"}  # of what lies within a text, what parts it from the next


@dataclass(frozen=True)
class Written:
    """A text and its style, "" if the model has none."""

    text: str
    style: str


def make_texts(model: TextModel, config: GenerateConfig) -> list[Written]:
    """Write what the command line asks for.

    Raises:
        UserError: the model has no such style or sampler, or a given text is too long for it.
    """
    label = None if config.style is None else model.label(config.style)
    sampling = sampling_params(model, config)
    if config.interpolate:
        return _interpolation(model, config, sampling, label)
    return _neighbours(model, config, sampling, label) if config.like else _samples(model, config, sampling, label)


def save_texts(texts: Sequence[Written], path: Path) -> None:
    """Write texts into a file: .jsonl with an object a line that says how it was made, else plain.

    Raises:
        UserError: the file cannot be written.
    """
    with replacing(path) as temporary:
        if path.suffix.lower() == ".jsonl":
            rows = (marked_row({"text": one.text, "style": one.style}) for one in texts)
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            temporary.write_text("".join(lines), encoding="utf-8")
        else:
            temporary.write_text(plain([one.text for one in texts]) + "\n", encoding="utf-8")


def plain(texts: Sequence[str]) -> str:
    """One text a line; with an empty line between them where one has several, and asterisks where one has those."""
    inside = next((inside for inside in BETWEEN if any(inside in text for text in texts)), "")
    return BETWEEN[inside].join(texts)


def _samples(model: TextModel, config: GenerateConfig, sampling: SamplingParams, label: int | None) -> list[Written]:
    labels = model.spread(config.n, label).sort().values
    prompts = [config.prompt] * config.n if config.prompt else []
    _require_short(model, "prompt", config.prompt)
    first = model.latents(labels, config.seed, config.sampler)
    stanzas = [model.write(first, labels, sampling, config.seed, prompts)]
    for number in range(1, config.stanzas):
        other = model.latents(labels, config.seed + number, config.sampler)
        z = CLOSE * first + (1 - CLOSE**2) ** 0.5 * other
        stanzas.append(model.write(z, labels, sampling, config.seed + number))
    joined = "\n\n" if any("\n" in text for text in stanzas[0]) else "\n"
    return _named(model, [joined.join(parts) for parts in zip(*stanzas, strict=True)], labels)


def _interpolation(
    model: TextModel, config: GenerateConfig, sampling: SamplingParams, label: int | None
) -> list[Written]:
    """From one text to the other on the straight line between their posteriors' means (Bowman et al. 2016)."""
    ends = list(config.interpolate)
    for end in ends:
        _require_short(model, "interpolate", end)
    own = model.guess(ends) if label is None else torch.full((2,), label)
    start, end = model.encode(ends, own).mean
    share = torch.linspace(0, 1, config.n)
    labels = torch.where(share < 0.5, own[0], own[1])
    z = start + share[:, None] * (end - start)
    return _named(model, model.write(z, labels, sampling, config.seed), labels)


def _neighbours(model: TextModel, config: GenerateConfig, sampling: SamplingParams, label: int | None) -> list[Written]:
    """Texts of samples of the posterior of a given one, the first of its mean; perhaps in another style."""
    _require_short(model, "like", config.like)
    own = model.guess([config.like]) if label is None else torch.tensor([label])
    posterior = model.encode([config.like], own)
    noise = torch.randn(config.n, 1, model.config.latent, generator=torch.Generator().manual_seed(config.seed))
    noise[0] = 0
    z = posterior.sample(noise)[:, 0]
    labels = own.expand(config.n) if config.restyle is None else model.spread(config.n, model.label(config.restyle))
    return _named(model, model.write(z, labels, sampling, config.seed), labels)


def sampling_params(model: TextModel, config: GenerateConfig) -> SamplingParams:
    """How the command line asks for pieces to be chosen.

    Raises:
        UserError: --max-length is more than the model can write.
    """
    longest = model.config.longest
    if config.max_length is not None and config.max_length > longest and not isinstance(model.vae.decoder, GruDecoder):
        raise UserError(f"--max-length {config.max_length}: {model.name} writes {longest} pieces at most")
    temperature = config.temperature
    if temperature is None:
        temperature = 0.0 if config.interpolate else TEMPERATURE
    return SamplingParams(
        temperature=temperature,
        top_k=config.top_k,
        top_p=config.top_p,
        repetition_penalty=config.repetition_penalty,
        longest=config.max_length or longest,
        beam=config.beam,
        candidates=config.candidates if temperature and config.beam == 1 else 1,
    )


def _require_short(model: TextModel, flag: str, text: str) -> None:
    count, most = len(model.tokenizer.encode(text)), model.config.longest - 1
    if count > most:
        raise UserError(f"--{flag} has {count:,} pieces of words, of which {model.name} takes {most}; shorten it")


def _named(model: TextModel, texts: Sequence[str], labels: Tensor) -> list[Written]:
    styles = model.config.styles or ("",)
    return [Written(text, styles[label]) for text, label in zip(texts, labels.tolist(), strict=True)]
