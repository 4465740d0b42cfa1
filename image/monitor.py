"""The trainer's eyes on an image model: sample sheets, quality during training, and the weights' config and card."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from common.cli import command
from common.cores.vae import VAE
from common.evaluation.metrics import class_histogram, entropy, frechet_distance, halves, nearest_class, neighbourhoods
from common.pictures.sheets import save_picture, sheet
from common.randomness import mix
from common.training.collapse import CollapseAlarm
from common.training.monitor import Monitor, Verdict
from common.training.runs import in_minutes
from image.config import Sampler, TrainConfig, height_and_width
from image.data.loading import ImageData, at_a_time, in_parts, to_model
from image.data.prompts import NAMES, PromptTokenizer
from image.judges.extractor import load_extractor
from image.judges.features import FeatureExtractor, find_extractor, warning_of
from image.models import ImageModel
from image.networks import NetworkConfig

JUDGED = 2_000  # real images, and as many samples, that a look at the quality compares
SHOWN = 10  # samples a row of a sheet
ROWS = 12  # rows of a sheet at most
GRACE = 60_000  # training images before the collapse alarm may speak


class ImageMonitor(Monitor):
    """Judges by features, against training images only: held-out ones are left for `image.evaluate`.

    Args:
        config: the run's settings.
        data: what is trained on.
        network: what the product is built from.
        device: where samples and features are computed.
        tokenizer: how descriptions are read, if these are the condition.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: ImageData,
        network: NetworkConfig,
        device: torch.device,
        tokenizer: PromptTokenizer | None = None,
    ):
        self.config, self.data, self.network, self.device, self.tokenizer = config, data, network, device, tokenizer
        self.classes = data.spec.classes if network.classes else ()
        self.at_a_time = at_a_time(*network.shape)
        self.classifier = load_extractor(device=device)  # in whose features a vote tells classes apart
        self._look_through(find_extractor(device=device))
        self.alarm = CollapseAlarm(GRACE, self.classes)

    def _look_through(self, extractor: FeatureExtractor) -> None:
        labels = self.data.train.tensors.get("label")
        self.real_labels = None if labels is None else labels[self._choice()]
        self.extractor, self.real = extractor, extractor.features(self._reference())
        self.voters = None if labels is None else self.classifier.features(self._reference())
        real = halves(self.real)
        self.floor = neighbourhoods(*real).coverage
        # Samples near each training picture come nearer to all than half of these do; then the figure can't tell more.
        self.least = frechet_distance(*real) if self.network.points and len(real[0]) > 1 else 0.0

    def sheet(self, network: nn.Module, path: Path) -> None:
        """Draw one row a class or description (or ten rows), from the same latents every time, into `path`.png."""
        model, sampler = self._model(network), self._sampler(network)
        rows = [
            (name, model.sample(SHOWN, None if asked is None else asked.expand(SHOWN, *asked.shape[1:]), row, sampler))
            for row, (name, asked) in enumerate(self._asked())
        ]
        save_picture(sheet(rows), path.with_suffix(".png"))

    def judge(self, network: nn.Module, images: int) -> Verdict:
        """Fréchet distance, coverage and, for labelled data, the classes of samples, all against training images."""
        count = len(self.real)
        wanted = self.real_labels if self.classes else None  # classes of other shares would be a distance of their own
        asked = wanted if self.tokenizer is None else self.data.train.tensors["text"][self._choice(), 0]
        seed = mix(self.config.seed, 1) % (1 << 32)
        samples = self._model(network).sample(count, asked, seed, self._sampler(network))
        features = self.extractor.features(in_parts(samples))
        around = neighbourhoods(self.real, features)
        distance = frechet_distance(self.real, features)
        figures = {"frechet": distance, "coverage": around.coverage, "recall": around.recall}
        verdict = Verdict(figures, max(distance, self.least), saturated=distance <= self.least)
        got = self._classes_of(samples)
        histograms: dict[str, list[int]] = {}
        if got is not None and wanted is not None:
            figures["class_match"] = (got == wanted).float().mean().item()
            histograms = {
                "wanted": self._recognised_when_real(wanted),
                "got": class_histogram(got, len(self.classes)).tolist(),
            }
        elif got is not None:
            figures["class_entropy"] = entropy(class_histogram(got, len(self.data.spec.classes)))
        if not self.config.adversarial:
            return verdict  # blurred pictures cover nothing, and nothing collapses
        verdict.warning = self.alarm.update(coverage=around.coverage, floor=self.floor, images=images, **histograms)
        return verdict

    def describe(self, facts: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The weights folder's config and card."""
        kind = "vae" if self.config.is_vae else "gan"
        config: dict[str, Any] = {
            "domain": "image",
            "kind": kind,
            "network": self.network.as_json(),
            "classes": list(self.classes),
            "data": {"name": self.data.name, "fit": self.config.fit},
        }
        if self.config.critic == "aided":
            config["critic"] = "aided"  # whose features judge it no more impartially
        if self.config.perceptual:
            config["perceptual"] = self.config.perceptual  # likewise
        if self.tokenizer is not None and self.data.captions is not None:
            learned = {text for texts in self.data.captions[0].texts for text in texts[:NAMES]}
            config["words"] = " ".join(sorted(self.tokenizer.words))
            config["descriptions"] = "\n".join(sorted(learned))
        return config, _card(self.config, self.data, self.classes, self.extractor.name, facts)

    def state(self) -> dict[str, Any]:
        """The collapse alarm's memory, and whose features it and the best score are of."""
        return self.alarm.state() | {"extractor": self.extractor.name}

    def restore(self, state: dict[str, Any]) -> None:
        """Take the collapse alarm's memory back, and judge on as the run was judged before.

        Raises:
            UserError: the weights that it was judged by cannot be had.
        """
        self.alarm.restore(state)
        before = state.get("extractor", "features").partition("@")[0]  # runs of old do not tell
        if before != self.extractor.name.partition("@")[0]:
            self._look_through(find_extractor(before, self.device))

    def _model(self, network: nn.Module) -> ImageModel:
        return ImageModel(network, self.network, self.classes, tokenizer=self.tokenizer)

    def _asked(self) -> list[tuple[str, Tensor | None]]:
        """What the rows of a sheet are called, and what is asked for in each, (1,) or (1, L)."""
        if self.tokenizer is not None and self.data.captions is not None:
            texts = self.data.captions[0].texts
            chosen = [texts[row * len(texts) // ROWS][0] for row in range(ROWS)]
            return [(text, self.tokenizer.tokens([text])) for text in chosen]
        if not self.classes:
            return [("", None)] * 10
        return [(name, torch.tensor([label])) for label, name in enumerate(self.classes[:ROWS])]

    def _sampler(self, network: nn.Module) -> Sampler:
        """What latents are drawn by; the mixture of VAEs is fitted to these very weights, with which it is saved."""
        if not isinstance(network, VAE):
            return "prior"
        self._fit_sampler(network)
        return "mixture"

    def _fit_sampler(self, vae: VAE) -> None:
        assert vae.sampler is not None
        generator, samples = torch.Generator(self.device).manual_seed(0), []
        for rows in self._choice().split(self.at_a_time):
            batch = self.data.train.gather(rows)
            images = to_model(batch["image"]).to(self.device)
            labels = batch["label"].to(self.device) if self.classes else None
            posterior = vae.encode(images, labels)
            samples.append(posterior.sample(torch.randn(posterior.mean.shape, generator=generator, device=self.device)))
        vae.sampler.fit(torch.cat(samples))

    def _reference(self) -> Iterator[Tensor]:
        """The training images that samples are compared with."""
        return (self.data.train.tensors["image"][rows] for rows in self._choice().split(self.at_a_time))

    def _choice(self) -> Tensor:
        """A fixed random choice of training images, int64."""
        return torch.randperm(len(self.data.train), generator=torch.Generator().manual_seed(0))[:JUDGED]

    def _recognised_when_real(self, wanted: Tensor) -> list[int]:
        """How many samples of each class the vote would find if real images were in the samples' place.

        Some classes look alike to it (activities and objects among emoji), which is no fault of the samples.
        """
        assert self.real_labels is not None and self.voters is not None
        found = nearest_class(self.voters[0::2], self.voters[1::2], self.real_labels[1::2])
        expected = torch.zeros(len(self.classes))
        for label, count in enumerate(class_histogram(wanted, len(self.classes)).tolist()):
            votes = class_histogram(found[self.real_labels[0::2] == label], len(self.classes))
            expected += count * votes / votes.sum().clamp(min=1)
        return expected.round().long().tolist()

    def _classes_of(self, samples: Tensor) -> Tensor | None:
        if self.real_labels is None or self.voters is None:
            return None
        return nearest_class(self.classifier.features(in_parts(samples)), self.voters, self.real_labels)


def _card(config: TrainConfig, data: ImageData, classes: tuple[str, ...], extractor: str, facts: dict[str, Any]) -> str:
    height, width = height_and_width(data.spec.size)
    asked = f"Classes: {', '.join(classes)}." if classes else "Unconditional: takes no class."
    if config.core == "tgan":
        asked = "Takes a description in words."
    warning = warning_of(extractor, vars(config))
    figures = "\n".join(f"| {name} | {value:.4g} |" for name, value in facts["figures"].items())
    return f"""# {data.name}, {config.core}

Draws {width} x {height} images. {asked}

- Command: `{command("image.train", config)}`
- These weights: after {facts["best_images"]:,} training images, {in_minutes(facts["seconds"])} on \
{facts["hardware"]}
- Data: {data.source}; {len(data.train):,} training images, {len(data.test):,} held out

Quality when saved, {min(JUDGED, len(data.train)):,} samples against as many *training* images, features `{extractor}`
(`python -m image.evaluate` measures against held-out images{"; " + warning if warning else ""}):

| figure | value |
|---|---|
{figures}

Known faults: the Fréchet distance is one of these features, and no FID.
"""
