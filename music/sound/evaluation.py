"""One evaluation from the weights to the report."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from common.errors import UserError
from common.evaluation.report import ClassCount, Evaluation, Table, write_report
from common.training.devices import pick_device
from common.training.runs import trained_on
from common.weights_folders import digest_of, find_weights
from music.io.sound import as_wav
from music.sound.config import BUILT_IN, RATE, EvaluateConfig
from music.sound.data.loading import HELD_OUT, SoundData, load_sounds
from music.sound.judge import load_judge
from music.sound.metrics import (
    ENOUGH,
    Material,
    closest,
    gather,
    instruments,
    memory,
    mixtures,
    quality,
    timing,
    tuning,
)
from music.sound.models import SoundModel, load_sound_model
from music.sound.sheets import spectrogram_sheet
from music.sound.spectrograms import to_float, to_maps

AGAINST_REAL = ("made", "real")
GAP = 0.25  # seconds of silence between two sounds of the report
SHOWN, ROWS = 10, 2  # spectrograms a row, and pairs of rows


def evaluate(config: EvaluateConfig, out: Path) -> Evaluation:
    """Measure, and write evaluation.json and report.html into `out`.

    Raises:
        UserError: weights or data cannot be had or do not fit each other, or too few sounds are held out.
    """
    device, folder = pick_device(config.device), find_weights(config.weights, "music")
    model = load_sound_model(config.weights, device, shared=True)
    data = load_for(model, config.data or trained_on(folder, BUILT_IN))
    judge = load_judge(data, device)
    material = gather(model, data, judge, config.n, config.seed)
    tables = [
        Table("Made sounds against held-out ones", AGAINST_REAL, quality(material)),
        Table("Memorisation", AGAINST_REAL, memory(material)),
    ]
    classes: list[ClassCount] = []
    if data.pitched:
        tables.append(Table("Pitch", AGAINST_REAL, tuning(material)))
    tables.append(Table("Beginnings and ends", AGAINST_REAL, timing(material)))
    if data.classes:
        figures, classes = instruments(material, data, judge)
        tables.append(Table("Instruments", AGAINST_REAL, figures))
    if model.ranges and judge.classes == model.classes and (between := mixtures(model, judge, config.seed)):
        tables.append(Table("From one instrument to another", ("first", "second"), between))
    facts = {
        "weights": config.weights,
        "weights_sha256": digest_of(folder),
        "data": data.name,
        "source": data.source,
        "n": len(material),
        "seed": config.seed,
        "judge": f"learned from {judge.data}, {len(judge.classes)} classes",
    }
    evaluation = Evaluation(facts, protocol(config, data, material), tables, classes)
    write_report(evaluation, out, f"{model.name} on {data.name}", pictures(material, data), sounds=players(material))
    return evaluation


def load_for(model: SoundModel, data: str) -> SoundData:
    """Load a data set as the model saw its own.

    Raises:
        UserError: there is none, it has other classes, or too few sounds of it are held out.
    """
    loaded = load_sounds(data, model.config.seconds)
    if loaded.classes != model.classes:
        known = ", ".join(model.classes) or "none"
        raise UserError(f"--data {data} has not the classes of {model.name} ({known}); name its own data set")
    if len(loaded.test) < ENOUGH:
        few = f"{len(loaded.test)} sounds are held out, and {ENOUGH} are needed to measure"
        raise UserError(f"--data {data}: {few}; of {round(ENOUGH / HELD_OUT)} in all as many would be")
    return loaded


def protocol(config: EvaluateConfig, data: SoundData, material: Material) -> str:
    """Say in words how it was measured."""
    n = len(material)
    least = "" if n == config.n else f" ({config.n:,} asked for; there are no more)"
    return (
        f"N = {n:,} made sounds{least}, seed {config.seed}, of the same notes as {n:,} held-out sounds of {data.name}. "
        f"Real against real: {n:,} training sounds in the made ones' place (for pitches, times, instruments and "
        "diversity, the held-out sounds themselves). Features and classes are those of a small classifier of sounds "
        "that learned from the training part alone; pitches are found by subharmonic summation. Attack: from a tenth "
        "to nine tenths of the loudest 4 ms; decay: from these to the last within 20 dB of them. Distances at this N "
        "are mostly bias: hold them against the real column only. From one instrument to another: how sure that "
        "classifier is, of "
        "mixtures of two that share a pitch, drawn by lot, of either."
    )


def players(material: Material) -> list[tuple[str, bytes]]:
    """The report's sounds: the first made ones one after the other, each before the real one of the same note."""
    pairs = zip(material.made[:SHOWN], material.real[:SHOWN], strict=True)
    gap = torch.zeros(round(GAP * RATE))
    whole = torch.cat([part for made, real in pairs for part in (made, gap, real, gap, gap)])
    return [("Made sounds, each before the held-out one of the same note", as_wav(whole[None], RATE))]


def pictures(material: Material, data: SoundData) -> list[tuple[str, Image.Image]]:
    """The report's spectrograms under their captions."""
    rows: list[tuple[str, Tensor]] = []
    for part in torch.arange(min(len(material), SHOWN * ROWS)).split(SHOWN):
        pitch = material.notes["pitch"][part]
        rows += [("made", to_maps(material.made[part], pitch)), ("real", to_maps(material.real[part], pitch))]
    nearest_rows, training = closest(material, SHOWN)
    known = data.train.gather(training)
    pairs = [
        ("made", to_maps(material.made[nearest_rows], material.notes["pitch"][nearest_rows])),
        ("training", to_maps(to_float(known["wave"]), known["pitch"])),
    ]
    return [
        ("Made sounds above held-out ones of the same notes, the first of those measured", spectrogram_sheet(rows)),
        ("The made sounds nearest to a training sound", spectrogram_sheet(pairs)),
    ]
