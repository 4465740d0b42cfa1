"""An evaluation: figures beside floors, and what real notes in the made ones' place would get."""

import io
import wave
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from common.errors import UserError
from common.evaluation.report import Evaluation, as_html
from music.sound.config import RATE, EvaluateConfig
from music.sound.data.loading import SoundData
from music.sound.evaluation import load_for, pictures, players, protocol
from music.sound.judge import Classifier, Judge, load_judge
from music.sound.metrics import (
    Material,
    attack,
    closest,
    decay,
    envelope,
    gather,
    instruments,
    memory,
    mixtures,
    quality,
    timing,
    tuning,
)
from music.sound.models import SoundModel
from music.sound.networks import Generator, NetworkConfig


@pytest.fixture(scope="module")
def judge(notes: SoundData) -> Judge:
    return load_judge(notes)


@pytest.fixture(scope="module")
def material(notes: SoundData, judge: Judge) -> Material:
    torch.manual_seed(0)
    config = NetworkConfig(1, 4, 8, 2)
    return gather(SoundModel(Generator(config).eval(), config, notes.classes), notes, judge, 1_000, 0)


def test_made_and_real_sounds_are_of_the_same_notes(material: Material, notes: SoundData) -> None:
    assert len(material) == len(notes.test) == len(material.made) == len(material.notes["pitch"])
    assert len(material.train_features) == len(notes.train)


def test_untrained_sounds_are_in_tune_but_far_from_real_ones(
    material: Material, notes: SoundData, judge: Judge
) -> None:
    figures = {metric.name: metric for metric in quality(material) + tuning(material) + memory(material)}
    assert figures["Fréchet distance"].value > figures["Fréchet distance"].reference  # type: ignore[operator]
    assert figures["coverage"].value < figures["coverage"].reference  # type: ignore[operator]
    assert figures["pitch within 50 cents"].reference >= 0.95  # type: ignore[operator]
    found, classes = instruments(material, notes, judge)
    assert [metric.name for metric in found] == ["instrument", "family"]
    assert found[0].reference >= 0.9  # type: ignore[operator]
    assert sum(count.real for count in classes) == len(material)
    assert sum(count.recognised for count in classes) == len(material)


class Telling(Judge):
    """Is as sure of each class as its share in the mixture, which the sounds' first two samples tell."""

    def features(self, sounds: Iterable[Tensor]) -> Tensor:
        return torch.cat([batch[:, :2] for batch in sounds])

    def probabilities(self, features: Tensor) -> Tensor:
        return features


def test_mixtures_are_of_the_shares_and_pitches_that_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    config, asked = NetworkConfig(1, 4, 8, 2), list[Tensor]()
    model = SoundModel(Generator(config).eval(), config, ("a", "b"), ranges=((40, 60), (55, 70)))

    def sounds(self: SoundModel, z: Tensor, note: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        asked.append(note[1])
        return note[0]

    monkeypatch.setattr(SoundModel, "sounds", sounds)
    figures = mixtures(model, Telling(Classifier(2), ("a", "b"), "told"), 0)
    assert [(metric.value, metric.reference) for metric in figures] == [
        (1 - share, share) for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert all((pitches == 57).all() and len(pitches) == 100 for pitches in asked)
    assert not mixtures(replace(model, ranges=((40, 54), (55, 70))), Telling(Classifier(2), ("a", "b"), "told"), 0)


def test_real_notes_in_the_place_of_made_ones_reach_the_second_column(
    material: Material, notes: SoundData, judge: Judge
) -> None:
    same = replace(material, made=material.real, made_features=material.real_features)
    for metric in [*tuning(same), *instruments(same, notes, judge)[0]]:
        assert metric.value == metric.reference
    assert memory(same)[0].value == pytest.approx(1)


def test_the_report_shows_what_was_measured(material: Material, notes: SoundData) -> None:
    assert f"N = {len(material)} made sounds (1,000 asked for" in protocol(EvaluateConfig(), notes, material)
    assert len(pictures(material, notes)) == 2
    rows, training = closest(material, 3)
    assert len(rows) == len(training) == 3


def test_data_of_other_classes_are_refused(hits: Path, notes: SoundData) -> None:
    config = NetworkConfig(1, 4, 8, 2)
    model = SoundModel(Generator(config), config, notes.classes, name="mine")
    with pytest.raises(UserError, match="has not the classes of mine"):
        load_for(model, str(hits))


def test_times_by_hand() -> None:
    """A rise over 40 ms, 100 ms at full, and a fall by 20 dB in 60 ms."""
    rise, fall = torch.linspace(0, 1, 640), 10 ** -torch.linspace(0, 1, 960)
    shape = torch.cat([torch.zeros(160), rise, torch.ones(1_600), fall, torch.zeros(640)])
    sound = shape * torch.sin(2 * torch.pi * 1_000 * torch.arange(4_000) / 16_000)
    levels = envelope(sound[None])
    assert levels.shape == (1, 62) and float(levels.max()) == 1
    assert float(attack(levels)) == pytest.approx(32, abs=4)
    assert float(decay(levels)) == pytest.approx(160, abs=8)
    assert float(attack(envelope(torch.zeros(1, 4_000)))) == 4


def test_real_notes_begin_and_end_as_themselves(material: Material) -> None:
    same = {metric.name: metric for metric in timing(replace(material, made=material.real))}
    assert same["attack, ms"].value == same["attack, ms"].reference
    assert same["attack within a factor of two of the note's"].value == 1
    assert same["decay within a factor of two of the note's"].value == 1


def test_the_report_plays_made_sounds_before_real_ones(material: Material) -> None:
    ((caption, content),) = players(material)
    with wave.open(io.BytesIO(content)) as file:
        assert file.getframerate() == RATE and caption.startswith("Made sounds")
        heard = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32767
    one = material.made.shape[1]
    np.testing.assert_allclose(heard[:one], material.made[0].numpy().clip(-1, 1), atol=1e-4)
    second = one + round(0.25 * RATE)
    np.testing.assert_allclose(heard[second : second + one], material.real[0].numpy(), atol=1e-4)
    page = as_html(Evaluation({}, "", [], []), "title", sounds=[("a <note>", content)])
    assert "a &lt;note&gt;" in page and 'src="data:audio/wav;base64,' in page
