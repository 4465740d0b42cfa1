"""The trainer's eyes on a writer: samples, bounds on validation texts, and the weights' config and card."""

import math
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from common.cli import command
from common.cores.vae import Posterior, active_units, mutual_information
from common.evaluation.metrics import frechet_distance
from common.files import replacing
from common.training.collapse import PosteriorAlarm
from common.training.monitor import Monitor, Verdict
from common.training.runs import in_minutes
from text.config import GenerateConfig, TrainConfig
from text.data.loading import Sequences, TextData
from text.decoding import GREEDY
from text.generation import plain, sampling_params
from text.language_model import vocabulary
from text.metrics import fingerprint
from text.models import CHUNK, TextModel, packed
from text.networks import NetworkConfig, Writer

JUDGED = 2_000  # validation texts of a look at the quality
FITTED = 10_000  # training texts whose latents the mixture is fitted to
SHOWN = 6  # samples of a style, and reconstructions, on a sheet
GRACE = 60_000  # training texts before the alarm may speak
REMEDY = "--free-bits 0.5, --normalised 0.6 or --word-dropout 0.3"


class TextMonitor(Monitor):
    """Judges by bounds on validation texts; the held-out ones are left for `text.evaluate`.

    Args:
        config: the run's settings.
        data: what is trained on.
        network: what the product is built from.
        before: `TextModel.known` of the weights that the run begins with, whose texts it has learned, too.
    """

    def __init__(
        self, config: TrainConfig, data: TextData, network: NetworkConfig, before: frozenset[int] = frozenset()
    ) -> None:
        self.config, self.data, self.network, self.before = config, data, network, before
        self.alarm = PosteriorAlarm(GRACE, REMEDY)

    def sheet(self, network: nn.Module, path: Path) -> None:
        """Write samples of every style and some reconstructions, from the same latents every time, into `path`.txt."""
        model = self._model(network)
        with replacing(path.with_suffix(".txt")) as temporary:
            temporary.write_text(sheet(model, self.data), encoding="utf-8")

    def judge(self, network: nn.Module, images: int) -> Verdict:
        """The evidence lower bound of validation texts, and how much of it goes through the latent."""
        assert isinstance(network, Writer)
        fit_sampler(network, self.data.train)
        nll, posterior, z = bounds(network, self.data.validation, JUDGED)
        active = active_units(posterior.mean)
        information = mutual_information(posterior, z) if len(z) >= 1_000 else math.nan
        kl = posterior.kl().sum(1).mean().item()
        figures = {"nats": nll + kl, "reconstruction": nll, "kl": kl, "active": active, "information": information}
        figures = {name: value for name, value in figures.items() if not math.isnan(value)}
        warning = self.alarm.update(active=active, latent=self.network.latent, information=information, images=images)
        return Verdict(figures, figures["nats"], warning)

    def describe(self, facts: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The weights folder's config and card."""
        return self._config(), _card(self.config, self.network, self.data, facts, MEASURED)

    def state(self) -> dict[str, Any]:
        """The memory of the alarm against posterior collapse."""
        return self.alarm.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Take the alarm's memory back."""
        self.alarm.restore(state)

    @cached_property
    def words(self) -> frozenset[str]:
        """Those of the training texts that generators may use freely."""
        return vocabulary(self.data.texts(self.data.train))

    @cached_property
    def known(self) -> frozenset[int]:
        """What tells whether a text is one of those trained on."""
        return self.before.union(map(fingerprint, self.data.texts(self.data.train)))

    def _model(self, network: nn.Module) -> TextModel:
        assert isinstance(network, Writer)
        return TextModel(network, self.network, self.data.tokenizer, words=self.words, known=self.known)

    def _config(self) -> dict[str, Any]:
        about = {"domain": "text", "kind": "writer", "data": {"name": self.data.name}}
        seen = {"words": " ".join(sorted(self.words)).strip(), "known": packed(self.known)}
        return about | {"network": self.network.as_json()} | seen


class LatentMonitor(TextMonitor):
    """Judges a generator of latents by the Fréchet distance of its latents to those of validation texts."""

    def judge(self, network: nn.Module, images: int) -> Verdict:
        """Distances of the generator's, the mixture's and the prior's latents to those of validation texts."""
        assert isinstance(network, Writer)
        network.has_generator.fill_(True)
        real, labels = codes(network, self.data.validation, JUDGED)
        model = self._model(network)
        figures = {
            name: frechet_distance(real, model.latents(labels, seed=1, sampler=name))
            for name in ("gan", "mixture", "prior")
        }
        return Verdict(figures, figures["gan"])

    def describe(self, facts: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The weights folder's config and card."""
        return self._config(), _card(self.config, self.network, self.data, facts, LATENTS_MEASURED)


def sheet(model: TextModel, data: TextData) -> str:
    """Samples of every style, and validation texts with what comes back out of their latents."""
    parts, longest = [], model.config.longest
    sampled, likeliest = sampling_params(model, GenerateConfig()), replace(GREEDY, longest=longest)
    for number, style in enumerate(data.styles or ("samples",)):
        labels = model.spread(SHOWN, number if data.styles else None)
        texts = model.write(model.latents(labels, number, "mixture"), labels, sampled)
        parts.append(f"== {style}\n" + plain(texts))
    rows = _choice(data.validation, SHOWN)
    texts, labels = data.texts(data.validation, rows), data.validation.tensors["label"][rows]
    came_back = model.write(model.encode(texts, labels).mean, labels, likeliest)
    pairs = [f"{text}\n-> {back}" for text, back in zip(texts, came_back, strict=True)]
    return "\n\n".join([*parts, "== reconstructions\n" + plain(pairs)]) + "\n"


def bounds(network: Writer, part: Sequences, most: int) -> tuple[float, Posterior, Tensor]:
    """Mean -log p(x | z) in nats a text, the posteriors, and a sample z (N, D) of each, for up to `most` texts."""
    vae, device = network.vae, network.vae.bias.device
    generator = torch.Generator().manual_seed(0)
    nats, means, variances, samples = [], [], [], []
    for rows in _by_length(part, _choice(part, most)).split(CHUNK):
        batch = {name: tensor.to(device) for name, tensor in part.gather(rows).items()}
        condition = vae.read(batch)
        posterior = vae.encode(batch["tokens"], condition)
        z = posterior.sample(torch.randn(posterior.mean.shape, generator=generator).to(device))
        nats.append(vae.nll(batch["tokens"], z, condition).cpu())
        means.append(posterior.mean.cpu())
        variances.append(posterior.log_variance.cpu())
        samples.append(z.cpu())
    return torch.cat(nats).mean().item(), Posterior(torch.cat(means), torch.cat(variances)), torch.cat(samples)


def fit_sampler(network: Writer, train: Sequences) -> None:
    """Fit the mixture that may stand in for the prior to these very weights, with which it will be saved."""
    assert network.vae.sampler is not None
    network.vae.sampler.fit(codes(network, train, FITTED)[0])


@torch.inference_mode()
def codes(network: Writer, part: Sequences, most: int) -> tuple[Tensor, Tensor]:
    """A sample of the posterior of each of up to `most` texts, (N, D), and their labels (N,), on the CPU."""
    vae, device = network.vae, network.vae.bias.device
    rows, generator = _choice(part, most), torch.Generator().manual_seed(1)
    found = torch.empty(len(rows), vae.latent)
    order = part.lengths[rows].argsort()
    for places in order.split(CHUNK):
        batch = {name: tensor.to(device) for name, tensor in part.gather(rows[places]).items()}
        posterior = vae.encode(batch["tokens"], vae.read(batch))
        found[places] = posterior.sample(torch.randn(posterior.mean.shape, generator=generator).to(device)).cpu()
    return found, part.tensors["label"][rows]


def _choice(part: Sequences, most: int) -> Tensor:
    """A fixed random choice of texts, int64."""
    return torch.randperm(len(part), generator=torch.Generator().manual_seed(0))[:most]


def _by_length(part: Sequences, rows: Tensor) -> Tensor:
    return rows[part.lengths[rows].argsort(stable=True)]


MEASURED = "{n:,} *validation* texts, in nats a text and units in use"
LATENTS_MEASURED = "Fréchet distance of latents to those of {n:,} *validation* texts"


def _card(config: TrainConfig, network: NetworkConfig, data: TextData, facts: dict[str, Any], measured: str) -> str:
    figures = "\n".join(f"| {name} | {value:.4g} |" for name, value in facts["figures"].items())
    n = min(JUDGED, len(data.validation))
    return f"""# {data.name}

Writes texts of up to {network.longest} pieces. Styles: {", ".join(data.styles) or "none"}.

- Command: `{command("text.train", config)}`
- These weights: after {facts["best_images"]:,} training texts, {in_minutes(facts["seconds"])} on \
{facts["hardware"]}
- Data: {data.source}; {len(data.train):,} training texts, {len(data.validation):,} for validation, \
{len(data.test):,} held out

Quality when saved: {measured.format(n=n)} (`python -m text.evaluate` measures against held-out texts):

| figure | value |
|---|---|
{figures}
"""
