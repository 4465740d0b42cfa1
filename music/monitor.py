"""The trainer's eyes on a composer: sheets of piano rolls, musical metrics, and the weights' config and card."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from einops import pack, reduce
from torch import Tensor, nn

from common.cli import command
from common.evaluation.metrics import halves, neighbourhoods
from common.pictures.sheets import save_picture
from common.randomness import mix
from common.training.collapse import CollapseAlarm
from common.training.monitor import Monitor, Verdict
from common.training.runs import in_minutes
from music.config import TrainConfig
from music.data.loading import MusicData, TuneFacts
from music.io.piano_roll import roll_sheet
from music.metrics import measure
from music.models import MusicModel, StyleFacts, to_scores
from music.networks import Composer
from music.rolls import NetworkConfig, empty_condition
from music.score import Score
from music.set_metrics import contents, overlap_area, style_forest, total_histograms
from music.theory import MODES, bar_of

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier


LEARNED = 3_000  # training windows from which the styles are learned
JUDGED = 256  # training windows, and as many compositions, that a look at the quality compares
TEMPERATURES = (0.0, 0.3, 0.6, 0.8, 1.0)  # what suits the weights best of these, ...
GUIDANCES = (1.0, 2.0, 3.0, 4.0)  # ... and with styles of these, is kept with them
SHOWN = 12  # compositions on a sheet
GRACE = 60_000  # training windows before the collapse alarm may speak
SHOWN_FIGURES = ("in_scale", "chord_on_beat", "voice_crossing", "parallels", "notes_per_bar", "qualified_notes")
WORST = 3.0  # relative error at which a metric counts no worse


class MusicMonitor(Monitor):
    """Judges by musical metrics, against training windows only: held-out tunes are left for `music.evaluate`.

    Args:
        config: the run's settings.
        data: what is trained on.
        network: what the product is built from.
        device: where it composes.
    """

    def __init__(self, config: TrainConfig, data: MusicData, network: NetworkConfig, device: torch.device):
        self.config, self.data, self.network, self.device = config, data, network, device
        order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:JUDGED]
        batch = data.train.gather(order)
        self.condition = empty_condition(network, batch)
        self.rolls = torch.stack([batch["pitch"], batch["onset"]], 1)
        self.real = to_scores(network, self.rolls, batch["metre"], batch["mode"])
        self.typical = measure(self.real)
        self.features = features(self.rolls, network)
        first, second = halves(self.features)
        self.floor = neighbourhoods(first, second).coverage
        self.forest = self._learn_styles() if network.styles else None
        self.alarm = CollapseAlarm(GRACE)
        # As the latest look at the quality chose them; sheets are drawn before that look.
        self.temperature, self.guidance = TEMPERATURES[2], GUIDANCES[1] if network.styles else GUIDANCES[0]

    def sheet(self, network: nn.Module, path: Path) -> None:
        """Draw real windows beside compositions, which come from the same latents every time, into `path`.png."""
        model = self._model(network, self.temperature, self.guidance)
        condition = {name: tensor[:SHOWN] for name, tensor in self.condition.items()}
        scores = model.scores(model.write(condition), condition)
        rows = [pair for real, own in zip(self.real, scores, strict=False) for pair in (("real", real), ("", own))]
        save_picture(roll_sheet(rows), path.with_suffix(".png"))

    def judge(self, network: nn.Module, images: int) -> Verdict:
        """How far the plain draw is from training windows: musical metrics, histograms, coverage and styles.

        It is drawn at the temperature and guidance at which it is nearest, of those of the latest look and one step up
        and down from them; they go with the weights.
        """
        found = [self._figures(self._model(network, *pair)) for pair in self._nearby()]
        figures = min(found, key=lambda each: each["misfit"])
        self.temperature, self.guidance = figures["temperature"], figures["guidance"]
        warning = self.alarm.update(coverage=figures["coverage"], floor=self.floor, images=images)
        return Verdict(figures, figures["misfit"], warning)

    def _nearby(self) -> list[tuple[float, float]]:
        """Temperatures and guidances that differ from the latest in one of both, by a step at most."""
        guidances = GUIDANCES if self.forest is not None else GUIDANCES[:1]
        row, column = TEMPERATURES.index(self.temperature), guidances.index(self.guidance)
        return [
            (temperature, guidance)
            for number, temperature in enumerate(TEMPERATURES)
            for place, guidance in enumerate(guidances)
            if abs(number - row) + abs(place - column) <= 1
        ]

    def _figures(self, model: MusicModel) -> dict[str, float]:
        """How far the plain draw of a model is from training windows."""
        rolls = model.write(self.condition, mix(self.config.seed, 1) % (1 << 32))
        scores = model.scores(rolls, self.condition)
        found, overlaps = measure(scores), overlap(scores, self.real)
        figures = {"misfit": misfit(found, self.typical, overlaps), "overlap": float(np.mean(overlaps))}
        if self.forest is not None:
            right = self.forest.predict(contents(scores)) == self.condition["style"].numpy()
            figures["style_match"] = float(right.mean())
            figures["misfit"] += max(self.forest.oob_score_ - figures["style_match"], 0.0)
        figures |= {name: found[name] for name in SHOWN_FIGURES if not math.isnan(found[name])}
        coverage = neighbourhoods(self.features, features(rolls, self.network)).coverage
        return figures | {"coverage": coverage, "temperature": model.temperature, "guidance": model.guidance}

    def describe(self, facts: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The weights folder's config and card."""
        typical = {name: value for name, value in self.typical.items() if not math.isnan(value)}
        config = {
            "domain": "music",
            "kind": "composer",
            "network": self.network.as_json(),
            "typical": typical,
            "tempo": self.data.tempo,
            "metres": usual_metres(self.data),
            "temperature": self.temperature,
            "guidance": self.guidance,
            "styles": {style: asdict(facts) for style, facts in style_facts(self.data).items()},
            "data": {"name": self.data.name},
        }
        return config, _card(self.config, self.data, self.typical, facts)

    def state(self) -> dict[str, Any]:
        """The collapse alarm's memory, and how the latest look drew."""
        return self.alarm.state() | {"temperature": self.temperature, "guidance": self.guidance}

    def restore(self, state: dict[str, Any]) -> None:
        """Take that back; runs that began earlier know the alarm's memory alone."""
        self.alarm.restore(state)
        self.temperature = state.get("temperature", self.temperature)
        self.guidance = state.get("guidance", self.guidance)

    def _learn_styles(self) -> "RandomForestClassifier":
        """What tells the styles of training windows; it knows how often it errs on windows that it did not learn."""
        order = torch.randperm(len(self.data.train), generator=torch.Generator().manual_seed(1))[:LEARNED]
        batch = self.data.train.gather(order)
        rolls = torch.stack([batch["pitch"], batch["onset"]], 1)
        scores = to_scores(self.network, rolls, batch["metre"], batch["mode"])
        return style_forest(scores, empty_condition(self.network, batch)["style"].numpy())

    def _model(self, network: nn.Module, temperature: float, guidance: float) -> MusicModel:
        assert isinstance(network, Composer)
        return MusicModel(network, self.network, temperature=temperature, guidance=guidance)


def usual_metres(data: MusicData) -> dict[str, str]:
    """The commonest metre of each style among the training windows, and under "" that of all."""
    metres, spec = data.train.tensors["metre"], data.spec
    chosen = {"": metres}
    for number, style in enumerate(spec.styles):
        chosen[style] = metres[data.train.tensors["label"] == number]
    return {style: spec.metres[int(own.mode().values)] for style, own in chosen.items() if len(own)}


def style_facts(data: MusicData) -> dict[str, StyleFacts]:
    """What is known of each style, by the tunes that are trained on."""
    train = [tune for tune in data.tunes if not tune.is_held_out]
    by_style = {style: [tune for tune in train if tune.style == style] for style in data.spec.styles}
    return {style: _style_facts(own) for style, own in by_style.items() if own}


def _style_facts(tunes: list[TuneFacts]) -> StyleFacts:
    notes, bars = sum(tune.notes for tune in tunes), sum(tune.bars * tune.voices for tune in tunes)
    return StyleFacts(len(tunes), max(tune.voices for tune in tunes), notes / bars)


def overlap(samples: list[Score], real: list[Score]) -> list[float]:
    """The overlap areas of the histograms of two sets of pieces; 0 where one has nothing to count, such as no notes."""
    ours, theirs = total_histograms(samples), total_histograms(real)
    areas = [overlap_area(ours[name], theirs[name]) for name in ours]
    return [0.0 if math.isnan(area) else area for area in areas]


def misfit(found: dict[str, float], typical: dict[str, float], overlaps: list[float]) -> float:
    """What keep-best goes by but for styles, 0 at best: metrics' mean relative error, and what histograms do not share.

    A metric's error is at most `WORST`, which it is where only the samples leave it undefined (say by silence), and
    relative to 0.05 at least, so that none that is rare in real music rules.
    """
    errors = [
        WORST if math.isnan(found[name]) else min(abs(found[name] - value) / max(abs(value), 0.05), WORST)
        for name, value in typical.items()
        if not math.isnan(value)
    ]
    return float(np.mean(errors) + 1 - np.mean(overlaps))


def features(rolls: Tensor, network: NetworkConfig) -> Tensor:
    """What coverage compares: the pitch classes of every beat and the onsets of every step, (N, D).

    Args:
        rolls: (N, 2, T, S, P).
    """
    pitch, onset = rolls.float().unbind(1)
    beats = reduce(pitch, "n tracks (beats steps) pitches -> n tracks beats pitches", "mean", steps=network.grid)
    chroma = torch.zeros(*beats.shape[:3], 12)
    chroma.index_add_(3, (torch.arange(beats.shape[3]) + network.low) % 12, beats)
    return pack([chroma, onset.amax(3)], "n *")[0]


def _card(config: TrainConfig, data: MusicData, typical: dict[str, float], facts: dict[str, Any]) -> str:
    figures = "\n".join(
        f"| {name} | {value:.3g} | {f'{typical[name]:.3g}' if name in typical else ''} |"
        for name, value in facts["figures"].items()
    )
    spec = data.spec
    return f"""# {data.name}

Composes {spec.bars} bars at a time for {", ".join(track.name for track in spec.tracks)}. \
Metres: {", ".join(spec.metres)}. Styles: {", ".join(spec.styles) or "one"}. Modes: {", ".join(MODES)}.

- Command: `{command("music.train", config)}`
- These weights: after {facts["best_images"]:,} training windows, {in_minutes(facts["seconds"])} on \
{facts["hardware"]}
- Data: {data.source}; {len(data.train):,} training windows of {spec.bars} bars, {len(data.test):,} held out by tune

Quality when saved, the plain draw of {min(JUDGED, len(data.train)):,} compositions against as many *training* windows
(`python -m music.evaluate` measures against held-out tunes):

| figure | compositions | real |
|---|---|---|
{figures}

Steps a bar: {", ".join(f"{metre} {bar_of(metre, spec.grid)}" for metre in spec.metres)}.
"""
