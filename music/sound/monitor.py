"""The trainer's eyes on a maker of sounds: sheets of spectrograms, quality during training, config and card."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from common.cli import command
from common.evaluation.metrics import class_histogram, frechet_distance, halves, neighbourhoods
from common.pictures.sheets import save_picture
from common.randomness import mix
from common.training.collapse import CollapseAlarm
from common.training.monitor import Monitor, Verdict
from common.training.runs import in_minutes
from music.sound.config import FRAMES, HOP, RATE, TrainConfig
from music.sound.data.loading import SoundData
from music.sound.durations import falls
from music.sound.judge import CHUNK, Judge
from music.sound.models import SoundModel, ranges_of
from music.sound.networks import Generator, NetworkConfig
from music.sound.pitch import in_tune
from music.sound.sheets import spectrogram_sheet
from music.sound.spectrograms import to_float, to_maps
from music.sound.vae import SoundVae

JUDGED = 600  # real sounds, and as many made ones, that a look at the quality compares
SHOWN, ROWS = 4, 14  # real and as many made sounds a row of a sheet, and rows at most
HELD = {"gan": "is stretched", "vae": "plays its middle to and fro"}
GRACE = 60_000  # training sounds before the collapse alarm may speak


class SoundMonitor(Monitor):
    """Judges by features, against training sounds only: held-out ones are left for `music.sound.evaluate`.

    Args:
        config: the run's settings.
        data: what is trained on.
        network: what the product is built from.
        judge: whose features are compared.
        device: where sounds are made.
    """

    def __init__(
        self, config: TrainConfig, data: SoundData, network: NetworkConfig, judge: Judge, device: torch.device
    ):
        self.config, self.data, self.network, self.hearer, self.device = config, data, network, judge, device
        order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:JUDGED]
        self.batch = data.train.gather(order)
        self.real = judge.features(self.batch["wave"].split(CHUNK))
        self.known = judge.features(data.train.tensors["wave"].split(CHUNK)) if data.classes else self.real
        self.floor = neighbourhoods(*halves(self.real)).coverage
        self.falls = falls(data.train, len(data.classes)) if data.pitched else ()
        self.alarm = CollapseAlarm(GRACE, data.classes)

    def sheet(self, network: nn.Module, path: Path) -> None:
        """Draw real sounds beside made ones of the same notes, from the same latents every time, into `path`.png."""
        model, rows = self._model(network), []
        for row, (name, which) in enumerate(self._shown()):
            batch = {key: tensor[which] for key, tensor in self.batch.items()}
            real = to_maps(to_float(batch["wave"]), batch["pitch"])
            sounds = model.sounds(model.latents(len(which), row), model.network.condition.read(batch))
            made = to_maps(sounds, batch["pitch"])
            rows.append((name, torch.cat([real, made])))
        headings = ["real", *[""] * (SHOWN - 1), "made", *[""] * (SHOWN - 1)]
        full = all(len(maps) == 2 * SHOWN for _, maps in rows)
        save_picture(spectrogram_sheet(rows, headings if full else ()), path.with_suffix(".png"))

    def judge(self, network: nn.Module, images: int) -> Verdict:
        """Fréchet distance, coverage, classes and pitches of made sounds, all against training sounds."""
        sounds = self._model(network).sample(self.batch, mix(self.config.seed, 1) % (1 << 32))
        features = self.hearer.features(sounds.split(CHUNK))
        around, distance = neighbourhoods(self.real, features), frechet_distance(self.real, features)
        figures = {"frechet": distance, "coverage": around.coverage, "recall": around.recall}
        if self.data.pitched:
            figures["pitch_match"] = in_tune(sounds, self.batch["pitch"]).float().mean().item()
        histograms: dict[str, list[int]] = {}
        if self.data.classes:
            wanted = self.batch["label"]
            got = self.hearer.labels(features, self.data, self.known)
            figures["class_match"] = (got == wanted).float().mean().item()
            histograms = {
                "wanted": class_histogram(wanted, len(self.data.classes)).tolist(),
                "got": class_histogram(got, len(self.data.classes)).tolist(),
            }
        warning = self.alarm.update(coverage=around.coverage, floor=self.floor, images=images, **histograms)
        return Verdict(figures, distance, warning)

    def describe(self, facts: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The weights folder's config and card."""
        classes = self.data.classes
        config = {
            "domain": "music",
            "kind": "sound",
            "network": self.network.as_json(),
            "classes": list(classes),
            "families": list(self.data.families),
            "ranges": ranges_of((self.data.train.tensors, self.data.test.tensors), classes)
            if self.data.pitched
            else [],
            "falls": self.falls,
            "data": {"name": self.data.name},
        }
        return config, _card(self.config, self.data, facts)

    def state(self) -> dict[str, Any]:
        """The collapse alarm's memory."""
        return self.alarm.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Take the collapse alarm's memory back."""
        self.alarm.restore(state)

    def _model(self, network: nn.Module) -> SoundModel:
        assert isinstance(network, (Generator, SoundVae))
        return SoundModel(network, self.network, self.data.classes)

    def _shown(self) -> list[tuple[str, Tensor]]:
        """What the rows of a sheet are called, and which of the judged sounds each shows."""
        if not self.data.classes:
            return [("", rows) for rows in torch.arange(len(self.batch["pitch"])).split(SHOWN)[:ROWS]]
        step = -(-len(self.data.classes) // ROWS)
        rows = [
            (name, (self.batch["label"] == label).nonzero()[:SHOWN, 0]) for label, name in enumerate(self.data.classes)
        ]
        return [(name, which) for name, which in rows[::step] if len(which)]


def _card(config: TrainConfig, data: SoundData, facts: dict[str, Any]) -> str:
    asked = f"Sounds: {', '.join(data.classes)}." if data.classes else "One kind of sound: takes no class."
    figures = "\n".join(f"| {name} | {value:.4g} |" for name, value in facts["figures"].items())
    return f"""# {data.name}, sounds

Makes sounds of {data.seconds * FRAMES * HOP / RATE:.1f} s, mono, at {RATE:,} Hz. {asked}

- Command: `{command("music.sound.train", config)}`
- These weights: after {facts["best_images"]:,} training sounds, {in_minutes(facts["seconds"])} on {facts["hardware"]}
- Data: {data.source}; {len(data.train):,} training sounds, {len(data.test):,} held out

Quality when saved, {min(JUDGED, len(data.train)):,} sounds against as many *training* ones, in the features of a small
classifier of these very sounds (`python -m music.sound.evaluate` measures against held-out ones):

| figure | value |
|---|---|
{figures}

Known faults: nothing above {RATE // 2:,} Hz; what is held longer than it was learned {HELD[config.core or "gan"]}.
"""
