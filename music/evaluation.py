"""One evaluation of a composer from the weights to the report.

The plain draw of N windows, with the modes, metres, styles and places of N held-out windows, is compared with those;
N training windows in the compositions' place are the real-against-real floor.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from common.data.arrays import Arrays
from common.errors import UserError
from common.evaluation.metrics import class_histogram
from common.evaluation.report import Better, ClassCount, Evaluation, Metric, Table, write_report
from common.processes import in_turn
from common.progress import progress_bar
from common.training.devices import pick_device
from common.training.runs import trained_on
from common.weights_folders import find_weights
from music.config import DATA_SETS, EvaluateConfig
from music.data.loading import MusicData, load_music
from music.io.piano_roll import roll_sheet
from music.mending import DRAWS, MENDS, mended
from music.metrics import measure, quality
from music.models import ROUNDS, MusicModel, load_music_model, to_scores
from music.rolls import MusicContext, NetworkConfig, empty_condition, given
from music.score import Score, narrowed
from music.set_metrics import compare, contents, nearest_window, style_forest

SHOWN = 12  # compositions in the report
HARMONISED = 50  # held-out windows whose first voice is harmonised
AS_REAL = ("in_scale", "chord_on_beat", "notes_per_bar", "used_pitch_classes", "qualified_notes", "polyphony")
LOWER = ("voice_crossing", "parallels")
CLASSIFIED = 6_000  # training windows that the classifier of styles learns from


@dataclass(frozen=True)
class Windows:
    """Some windows as rolls (N, 2, T, S, P) and as pieces, with their conditions."""

    rolls: Tensor
    scores: list[Score]
    condition: MusicContext


def evaluate(config: EvaluateConfig, out: Path) -> Evaluation:
    """Measure, and write evaluation.json and report.html into `out`.

    Raises:
        UserError: weights or data cannot be had or do not fit each other, or the disk is full.
    """
    model = load_music_model(config.weights, pick_device(config.device), config.guidance, shared=True)
    source = config.data or trained_on(find_weights(config.weights, "music"), DATA_SETS)
    data = load_music(source, model.config.bars, model.config.grid)
    check_fit(model, data)
    held_out = choose(model.config, data.test, config.n, config.seed)
    n = len(held_out.scores)
    floor = choose(model.config, data.train, n, config.seed)
    raw = model.write(held_out.condition, config.seed)
    rolls = mended(model, raw, held_out.condition, seed=config.seed)
    plain = model.scores(rolls, held_out.condition)
    picked = pick(model, held_out.condition, config)
    shared = shares(plain, floor.scores, held_out.scores)
    tables = [
        Table("Musical figures of the plain draw", ("plain draw", "held-out"), figures(plain, held_out.scores)),
        Table(f"The best of {config.candidates} candidates", ("picked", "held-out"), figures(picked, held_out.scores)),
        Table("Histograms shared with held-out windows", ("plain draw", "real"), shared),
        Table("Copying", ("plain draw", "real"), copying(model.config, plain, held_out, data.train)),
    ]
    if not torch.equal(raw, rolls):
        before = figures(model.scores(raw, held_out.condition), held_out.scores)
        tables.insert(1, Table("Before faults are mended", ("plain draw", "held-out"), before))
    tables.append(Table("Reconstruction", ("held-out", "training"), reconstruction(model, held_out, floor)))
    if len(model.config.tracks) > 1:
        tables.append(
            Table("Harmonising a given first voice", ("harmonised", "held-out"), harmonising(model, held_out))
        )
    classes: list[ClassCount] = []
    if model.config.styles:
        accuracy, classes = styles(model.config, plain, held_out, data.train)
        tables.append(Table("Styles", ("plain draw", "real"), [accuracy]))
    facts = {"weights": config.weights, "data": data.name, "source": data.source, "n": n, "seed": config.seed}
    evaluation = Evaluation(facts, protocol(config, data, n), tables, classes)
    pairs = [pair for real, own in zip(held_out.scores, plain, strict=True) for pair in (("real", real), ("", own))]
    best = [("", own) for own in picked[: 2 * SHOWN]]
    sheets = [
        ("Held-out windows, and the plain draw under the same conditions", roll_sheet(pairs[: 2 * SHOWN])),
        (f"The best of {config.candidates} candidates each", roll_sheet(best)),
    ]
    write_report(evaluation, out, f"{model.name} on {data.name}", sheets)
    return evaluation


def check_fit(model: MusicModel, data: MusicData) -> None:
    """Raise a UserError unless the data has the tracks, range, metres and styles of the model."""
    ours, theirs = model.config, data.spec
    for name in ("tracks", "styles", "metres", "bar_steps", "low", "high"):
        if getattr(ours, name) != getattr(theirs, name):
            raise UserError(f"--data {data.name} has other {name} than {model.name} was trained on; name its own data")


def _windows(config: NetworkConfig, arrays: Arrays, rows: Tensor) -> Windows:
    batch = arrays.gather(rows)
    rolls = torch.stack([batch["pitch"], batch["onset"]], 1)
    return Windows(rolls, to_scores(config, rolls, batch["metre"], batch["mode"]), empty_condition(config, batch))


def choose(config: NetworkConfig, arrays: Arrays, n: int, seed: int) -> Windows:
    """Choose up to `n` windows at random."""
    return _windows(config, arrays, torch.randperm(len(arrays), generator=torch.Generator().manual_seed(seed))[:n])


def draw(model: MusicModel, condition: MusicContext, seed: int) -> list[Score]:
    """One composition for every row of the condition."""
    return model.scores(mended(model, model.write(condition, seed), condition, seed=seed), condition)


def pick(model: MusicModel, condition: MusicContext, config: EvaluateConfig) -> list[Score]:
    """The best of some candidates for every row of the condition, by the rule of `music.generate`."""
    names = (*model.config.styles, "")
    styles = (
        [names[number] for number in condition["style"].tolist()]
        if model.config.styles
        else [""] * len(condition["mode"])
    )
    best, lowest = torch.zeros(0), torch.full((len(styles),), torch.inf, dtype=torch.float64)
    for number in progress_bar(range(config.candidates), "candidates", leave=False, disable=None):
        rolls = model.write(condition, config.seed + 1 + number)
        scores = model.scores(rolls, condition)
        found = in_turn(list(zip(scores, styles, strict=True)), lambda pair: _faults(model, *pair), model.shared)
        rated = torch.tensor(found, dtype=torch.float64)
        best = torch.where((rated < lowest)[:, None, None, None, None], rolls, best) if number else rolls
        lowest = torch.minimum(rated, lowest)
    return model.scores(mended(model, best, condition, seed=config.seed), condition)


def _faults(model: MusicModel, score: Score, style: str) -> float:
    return quality(narrowed(score, model.voices(style)), model.typical_of(style) or {})


def figures(samples: Sequence[Score], held_out: Sequence[Score], names: Sequence[str] | None = None) -> list[Metric]:
    """The metrics of `music.metrics.measure` (all, or those named) that either side has."""
    ours, theirs = measure(samples), measure(held_out)
    return [
        _figure(name, ours[name], theirs[name], "lower" if name in LOWER else "as real", len(samples))
        for name in names or ours
        if not (math.isnan(ours[name]) and math.isnan(theirs[name]))
    ]


def _figure(name: str, value: float, reference: float, better: Better, n: int) -> Metric:
    """A figure in which undefined values, NaN to the metrics, are None."""
    known = [None if math.isnan(number) else number for number in (value, reference)]
    return Metric(name, known[0], known[1], better, n)


def shares(samples: Sequence[Score], floor: Sequence[Score], held_out: Sequence[Score]) -> list[Metric]:
    """Overlap and divergence of histograms with held-out windows, of the samples and of training windows."""
    ours, theirs = compare(samples, held_out), compare(floor, held_out)
    return [
        _figure(name, ours[name], theirs[name], "lower" if name.endswith("_kl") else "higher", len(samples))
        for name in ours
    ]


def copying(config: NetworkConfig, samples: Sequence[Score], held_out: Windows, train: Arrays) -> list[Metric]:
    """How far the nearest training window is: the share of (track, step) cells that differ."""
    ours, theirs = (nearest(config, scores, train) for scores in (samples, held_out.scores))
    n, close = len(samples), np.quantile(theirs, 0.05)
    return [
        Metric("median distance to training", float(np.median(ours)), float(np.median(theirs)), "as real", n),
        Metric("smallest distance to training", float(ours.min()), float(theirs.min()), "as real", n),
        Metric("nearer than nearest 5 % held-out", float((ours < close).mean()), 0.05, "as real", n),
    ]


def nearest(config: NetworkConfig, scores: Sequence[Score], train: Arrays) -> np.ndarray:
    """The distance of each piece to its nearest training window of the same metre, (N,)."""
    distances = np.ones(len(scores))
    for number, metre in enumerate(config.metres):
        rows = [row for row, score in enumerate(scores) if score.metre == metre]
        windows = torch.nonzero(train.tensors["metre"] == number)[:, 0]
        if rows and len(windows):
            references = (score for part in windows.split(256) for score in _windows(config, train, part).scores)
            distances[rows] = nearest_window([scores[row] for row in rows], references)[0]
    return distances


def harmonising(model: MusicModel, held_out: Windows) -> list[Metric]:
    """Write the other voices to the first one of held-out windows: is it kept, and do the others fit?"""
    rolls, real = held_out.rolls[:HARMONISED], held_out.scores[:HARMONISED]
    condition = {name: tensor[:HARMONISED] for name, tensor in held_out.condition.items()}
    mask = torch.zeros_like(condition["mask"])
    mask[:, 0] = 1
    condition |= {"mask": mask, "given": given(rolls.float(), mask)}
    written = mended(model, model.write(condition, seed=0), condition)
    kept = (written[:, :, 0] == (rolls[:, :, 0] > 0)).flatten(1).all(1).float().mean().item()
    return [
        Metric("melodies kept note for note", kept, 1.0, "higher", len(real)),
        *figures(model.scores(written, condition), real, (*AS_REAL, *LOWER)),
    ]


def reconstruction(model: MusicModel, held_out: Windows, training: Windows) -> list[Metric]:
    """How much of windows comes back out of its latents: the share of cells (track, step) that are the same."""
    shares = []
    for windows in (held_out, training):
        z = model.encode(windows.rolls, windows.condition)
        came_back = model.compose(z, windows.condition)
        cells = (came_back == (windows.rolls > 0)).all(4).all(1)  # (N, T, S), in what sounds and in what begins
        shares.append(cells.float().mean().item())
    return [Metric("cells that come back", shares[0], shares[1], "higher", len(held_out.scores))]


def styles(
    config: NetworkConfig, samples: Sequence[Score], held_out: Windows, train: Arrays
) -> tuple[Metric, list[ClassCount]]:
    """Which styles the samples are of, to a random forest that learned from the histograms of training windows."""
    learned = choose(config, train, CLASSIFIED, seed=0)
    forest = style_forest(learned.scores, learned.condition["style"].numpy())
    wanted = held_out.condition["style"]
    got, real_got = (torch.from_numpy(forest.predict(contents(scores))) for scores in (samples, held_out.scores))
    accuracy, ceiling = ((found == wanted).float().mean().item() for found in (got, real_got))
    columns = [
        class_histogram(labels, len(config.styles)).tolist()
        for labels in (wanted, got, got[got == wanted], wanted, real_got)
    ]
    counts = [ClassCount(name, *column) for name, *column in zip(config.styles, *columns, strict=True)]
    return Metric("style accuracy", accuracy, ceiling, "higher", len(samples)), counts


def protocol(config: EvaluateConfig, data: MusicData, n: int) -> str:
    """Say in words how it was measured."""
    asked = "" if n == config.n else f" ({config.n:,} asked for; there are no more)"
    return (
        f"N = {n:,} compositions of {data.spec.bars} bars{asked}, {ROUNDS} rounds, faults between voices mended in "
        f"{MENDS} more of {DRAWS} draws each, seed {config.seed}, with the modes, metres, styles and places of {n:,} "
        f"held-out windows of {data.name}, from {data.held_out} tunes, which they are held against. Real: {n:,} "
        f"training windows in their place (for copying and styles, held-out windows). "
        f"The nearest training window is sought among all {len(data.train):,} of the same metre; the distance is "
        "the share of cells (track, step) that differ. The picked compositions were chosen by some of the figures "
        "that their table shows."
    )
