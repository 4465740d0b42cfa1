"""What can be written with a trained model: samples, ways from one text to another, neighbours and restyled texts."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from common.errors import UserError
from common.files import replacing
from common.provenance.marking import marked_row
from text.config import GenerateConfig, names_file
from text.decoding import SamplingParams
from text.models import TextModel
from text.networks import GruDecoder
from text.verse_writing import Verse
from text.wishes import Wishes
from text.words import plain_words, stem

TEMPERATURE = 0.8  # of samples by default; a way from one text to another is written with the likeliest pieces
CLOSE = 0.8  # correlation of a stanza's latent with that of the first
TOPICAL = 2_000  # of so many pieces, a word that tells what a text is about is less than one
ENDS = '.!?…"'  # of sentences; others get a full stop
KEPT = 3  # lines that are told to the next; poems that models learn from are short
BETWEEN = {"\n\n": "\n\n* * *\n\n", "\n": "\n\n", "": "\n"}  # of what lies within a text, what parts it from the next


@dataclass(frozen=True)
class Written:
    """A text.

    Attributes:
        style: its name, "" if the model has none.
        missed: wishes that it does not meet, as the command line spells them.
        given: the text that it stands for at an end of a way from one to another; "" for none.
    """

    text: str
    style: str
    missed: tuple[str, ...] = ()
    given: str = ""


def unmet(texts: Sequence[Written]) -> str:
    """What to say of wishes that no candidate of a text met; "" if all were met."""
    missing = [one for one in texts if one.missed]
    flags = ", ".join(dict.fromkeys(flag for one in missing for flag in one.missed))
    return f"{len(missing):,} of {len(texts):,} texts are the nearest found and miss {flags}" if missing else ""


def make_texts(model: TextModel, config: GenerateConfig) -> list[Written]:
    """Write what the command line asks for.

    Raises:
        UserError: the model has no such style or sampler, or a given text is too long for it.
    """
    label = None if config.style is None else model.label(config.style)
    _require_room(model, config.wishes)
    sampling = sampling_params(model, config)
    if config.interpolate:
        return _interpolation(model, config, sampling, label)
    if config.lines:
        return _line_by_line(model, config, sampling, label)
    given = bool(config.like or config.arithmetic)
    return _neighbours(model, config, sampling, label) if given else _samples(model, config, sampling, label)


def save_texts(texts: Sequence[Written], path: Path) -> None:
    """Write texts into a file: .jsonl with an object a line that says what was given and how it was made, else plain.

    Raises:
        UserError: the file cannot be written.
    """
    with replacing(path) as temporary:
        if path.suffix.lower() == ".jsonl":
            rows = [
                {"text": one.text, "style": one.style} | ({"given": one.given} if one.given else {}) for one in texts
            ]
            lines = [json.dumps(marked_row(row), ensure_ascii=False) + "\n" for row in rows]
            temporary.write_text("".join(lines), encoding="utf-8")
        else:
            temporary.write_text(plain([one.text for one in texts]) + "\n", encoding="utf-8")


def plain(texts: Sequence[str]) -> str:
    """One text a line; with an empty line between them where one has several, and asterisks where one has those."""
    inside = next((inside for inside in BETWEEN if any(inside in text for text in texts)), "")
    return BETWEEN[inside].join(texts)


def shown(texts: Sequence[Written]) -> str:
    """What the terminal shows: texts by style, and above and below a way what was given at its ends."""
    ends = [f"-- given\n{one.given}" for one in texts if one.given]
    headed = bool(ends) or len({one.style for one in texts}) > 1
    parts = [
        (f"-- {style or 'written'}\n" if headed else "") + plain([one.text for one in group])
        for style, group in groupby(texts, key=lambda one: one.style)
    ]
    return "\n\n".join([*ends[:1], *parts, *ends[1:]])


def _samples(model: TextModel, config: GenerateConfig, sampling: SamplingParams, label: int | None) -> list[Written]:
    labels = model.spread(config.n, label).sort().values
    prompts = [config.prompt] * config.n if config.prompt else []
    _require_short(model, "prompt", config.prompt)
    first = model.latents(labels, config.seed, config.sampler)
    wishes = config.wishes
    parts = [model.write(first, labels, sampling, config.seed, prompts, wishes)]
    for number in range(1, max(config.stanzas, config.sentences)):
        z = _close(model, config, first, labels, number)
        judge = _off_topic(model, parts) if config.sentences > 1 else None
        parts.append(model.write(z, labels, sampling, config.seed + number, (), wishes, judge=judge))
    missed = [
        tuple(dict.fromkeys(flag for part in text for flag in wishes.missed(part))) for text in zip(*parts, strict=True)
    ]
    between = "\n\n" if any("\n" in text for text in parts[0]) else " " if config.sentences > 1 else "\n"
    ended = map(_ended, parts) if between == " " else parts
    return _named(model, [between.join(text) for text in zip(*ended, strict=True)], labels, missed)


def _ended(sentences: Sequence[str]) -> list[str]:
    """Sentences with a full stop where they end with no mark."""
    return [text if text[-1:] in ENDS else f"{text}." for text in sentences]


def _off_topic(model: TextModel, parts: Sequence[Sequence[str]]) -> Callable[[int, str], int]:
    """How far a sentence of a row is from those before it: 0 with a word of them that is not frequent, 1, 2 if said."""
    said = [set(text) for text in zip(*parts, strict=True)]
    topics = [set().union(*(_topic(model, sentence) for sentence in text)) for text in said]
    return lambda row, text: 2 if text in said[row] else int(topics[row].isdisjoint(_topic(model, text)))


def _topic(model: TextModel, text: str) -> set[str]:
    """The stems of the words of a text of which the vocabulary has less than one in `TOPICAL`."""
    frequency = model.tokenizer.log_frequencies
    found = {word: model.tokenizer.encode(word) for word in plain_words(text)}
    return {stem(word) for word, pieces in found.items() if frequency[pieces].sum() < -math.log(TOPICAL)}


def _close(model: TextModel, config: GenerateConfig, first: Tensor, labels: Tensor, number: int) -> Tensor:
    """Latents close to the first ones (N, D), of the stanza or line of that number."""
    other = model.latents(labels, config.seed + number, config.sampler)
    return CLOSE * first + (1 - CLOSE**2) ** 0.5 * other


def _line_by_line(
    model: TextModel, config: GenerateConfig, sampling: SamplingParams, label: int | None
) -> list[Written]:
    """Acrostics and verse; words that must occur are spread over the lines that are written."""
    labels, held = model.spread(config.n, label).sort().values, config.held
    free = [number for number in range(config.lines) if number not in held]
    wishes = [
        replace(config.wishes, starts_with=config.acrostic[number : number + 1], must=())
        for number in range(config.lines)
    ]
    for place, number in enumerate(free):
        wishes[number] = replace(wishes[number], must=config.must[place :: len(free)])
    verse = Verse(model.tokenizer, config.metre, config.rhyme) if config.metre else None
    texts = by_line(model, config, sampling, labels, wishes, verse)
    missed = [
        [flag for number in free for flag in wishes[number].missed(lines[number])]
        + (verse.missed(lines) if verse else [])
        for lines in texts
    ]
    return _named(model, ["\n".join(lines) for lines in texts], labels, [tuple(flags) for flags in missed])


def by_line(
    model: TextModel,
    config: GenerateConfig,
    sampling: SamplingParams,
    labels: Tensor,
    wishes: Sequence[Wishes],
    verse: Verse | None = None,
) -> list[list[str]]:
    """Texts line by line, as many lines as there are wishes, for labels (N,); lines that --hold gives stand.

    In styles whose texts have lines, each goes on after the last few; in others each is a text of its own with a latent
    close to that of the first.
    """
    first = model.latents(labels, config.seed, config.sampler)
    has_lines = _has_lines(model, config, sampling, first, labels)
    texts, held = [list[str]() for _ in labels], config.held
    for number, wish in enumerate(wishes):
        if number in held:
            for lines in texts:
                lines.append(held[number])
            continue
        z = _close(model, config, first, labels, number) if number else first
        before = [_last_lines(model, lines) if go_on else "" for lines, go_on in zip(texts, has_lines, strict=True)]
        form, judge = verse.line(texts, number, model.device) if verse else (None, None)
        written = model.write(
            z, labels, sampling, config.seed + number, before, wish, a_line=True, form=form, judge=judge
        )
        for lines, text in zip(texts, written, strict=True):
            lines.append(text.rpartition("\n")[2])
    return texts


def _has_lines(
    model: TextModel, config: GenerateConfig, sampling: SamplingParams, z: Tensor, labels: Tensor
) -> list[bool]:
    """Whether texts of the style of each label (N,) mostly have several lines, by one of each of the latents (N, D)."""
    texts = model.write(z, labels, replace(sampling, candidates=1), config.seed)
    shares = {
        label: sum("\n" in text for text, own in zip(texts, labels.tolist(), strict=True) if own == label)
        / labels.tolist().count(label)
        for label in set(labels.tolist())
    }
    return [shares[label] > 0.5 for label in labels.tolist()]


def _last_lines(model: TextModel, lines: Sequence[str]) -> str:
    """As many of the last lines as leave room for one more as long, ended by a line break; "" for none."""
    for start in range(max(len(lines) - KEPT, 0), len(lines)):
        pieces = [len(model.pieces(line)) + 1 for line in lines[start:]]
        if sum(pieces) + 2 * max(pieces) < model.config.longest:
            return "\n".join(lines[start:]) + "\n"
    return ""


def _interpolation(
    model: TextModel, config: GenerateConfig, sampling: SamplingParams, label: int | None
) -> list[Written]:
    """From one text to the other on the straight line between their posteriors' means (Bowman et al. 2016)."""
    ends = [_given(model, "interpolate", end) for end in config.interpolate]
    own = model.guess(ends) if label is None else torch.full((2,), label)
    start, end = model.encode(ends, own).mean
    share = torch.linspace(0, 1, config.n)
    labels = torch.where(share < 0.5, own[0], own[1])
    z = start + share[:, None] * (end - start)
    way = _named(model, model.write(z, labels, sampling, config.seed), labels)
    way[0] = replace(way[0], given=ends[0])
    return [*way[:-1], replace(way[-1], given=ends[1])] if config.n > 1 else way


def _neighbours(model: TextModel, config: GenerateConfig, sampling: SamplingParams, label: int | None) -> list[Written]:
    """Texts of samples of the posterior of a given one, the first of its mean; perhaps in another style.

    With --arithmetic all are moved by what the means of two more texts differ.
    """
    flag = "arithmetic" if config.arithmetic else "like"
    given = [_given(model, flag, text) for text in config.arithmetic or (config.like,)]
    own = model.guess(given) if label is None else torch.full((len(given),), label)
    posterior = model.encode(given, own)
    noise = torch.randn(config.n, 1, model.config.latent, generator=torch.Generator().manual_seed(config.seed))
    noise[0] = 0
    z, own = posterior.sample(noise.expand(-1, len(given), -1))[:, 0], own[:1]
    if config.arithmetic:
        z = z - posterior.mean[1] + posterior.mean[2]
    labels = own.expand(config.n) if config.restyle is None else model.spread(config.n, model.label(config.restyle))
    texts = model.write(z, labels, sampling, config.seed, (), config.wishes)
    return _named(model, texts, labels, [tuple(config.wishes.missed(text)) for text in texts])


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


def _given(model: TextModel, flag: str, text: str) -> str:
    """A text of the command line, or that of the file which it names.

    Raises:
        UserError: the file cannot be read, it has no text, or more than the model takes.
    """
    if names_file(text):
        path = Path(text).expanduser()
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"--{flag} {path} cannot be read ({error}); name a text in UTF-8") from error
        if not text:
            raise UserError(f"--{flag} {path} is empty; name a file with a text")
    _require_short(model, flag, text)
    return text


def _require_short(model: TextModel, flag: str, text: str) -> None:
    count, most = len(model.tokenizer.encode(text)), model.config.longest - 1
    if count > most:
        raise UserError(f"--{flag} has {count:,} pieces of words, of which {model.name} takes {most}; shorten it")


def _require_room(model: TextModel, wishes: Wishes) -> None:
    count, most = sum(len(model.tokenizer.encode(word)) for word in wishes.must), model.config.longest - 1
    if count > most:
        raise UserError(f"--must has {count:,} pieces of words, of which a text of {model.name} has {most} at most")


def _named(
    model: TextModel, texts: Sequence[str], labels: Tensor, missed: Sequence[tuple[str, ...]] = ()
) -> list[Written]:
    styles = model.config.styles or ("",)
    return [
        Written(text, styles[label], unmet)
        for text, label, unmet in zip(texts, labels.tolist(), missed or [()] * len(texts), strict=True)
    ]
