"""Two sets of pieces held against each other, without weights: what `music.evaluate --samples` does."""

from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path

import torch

from common.errors import UserError
from common.evaluation.metrics import neighbourhoods
from common.evaluation.report import Evaluation, Metric, Table, write_report
from common.evaluation.sets import choose_rows, protocol
from music.config import EvaluateConfig
from music.data.parsing import parsed_music
from music.data.sources import find
from music.evaluation import figures, shares
from music.io.piano_roll import roll_sheet
from music.score import Score
from music.set_metrics import contents

K = 5  # neighbours, as of pictures
SHOWN = 6  # pieces of each set in the report, by their first bars
BARS = 8


def compare(config: EvaluateConfig, out: Path) -> Evaluation:
    """Measure --samples against --data, and write evaluation.json and report.html into `out`.

    Raises:
        UserError: either cannot be had, has too few pieces, or the disk is full.
    """
    assert config.samples is not None and config.data is not None
    samples, real = read_pieces("samples", config.samples), read_pieces("data", config.data)
    rows, real_rows, rest = choose_rows(len(samples), len(real), config.n, config.seed)
    n = len(rows)
    ours = [samples[row] for row in rows]
    theirs, floor = ([real[row] for row in chosen] for chosen in (real_rows, rest[:n]))
    names = (Path(config.samples).stem, Path(config.data).stem)
    tables = [
        Table("Musical figures", ("samples", "real"), figures(ours, theirs)),
        Table("Histograms shared with real pieces", ("samples", "real"), shares(ours, floor, theirs)),
        Table("Neighbourhoods of histograms", ("samples", "real"), nearness(ours, floor, theirs)),
    ]
    facts = {"samples": config.samples, "data": config.data, "n": n, "seed": config.seed}
    told = (
        f"{protocol(n, config.n, config.seed, names, 'pieces')} Whole pieces are compared, whatever their lengths, "
        f"tracks and keys; precision and the like are of their histograms, with k = {K}."
    )
    evaluation = Evaluation(facts, told, tables)
    sheets = [
        (f"{name}, not picked: the first {BARS} bars", roll_sheet([("", opening(piece)) for piece in pieces[:SHOWN]]))
        for name, pieces in zip(names, (ours, theirs), strict=True)
    ]
    write_report(evaluation, out, f"{names[0]} against {names[1]}", sheets)
    return evaluation


def read_pieces(flag: str, data: str) -> list[Score]:
    """All pieces of a collection that can be read.

    Raises:
        UserError: there is no such collection, or none of its pieces can be read.
    """
    music = parsed_music(data, *find(data))
    if not music.tunes:
        reason = next(iter(music.skipped.values()), "empty")
        raise UserError(f"--{flag} {data}: none of its {len(music.skipped)} pieces can be read ({reason})")
    return [found.tune.score() for found in music.tunes]


def nearness(samples: Sequence[Score], floor: Sequence[Score], real: Sequence[Score]) -> list[Metric]:
    """Precision, recall, density and coverage of the histograms of pieces (`music.set_metrics.contents`)."""
    ours, twin, theirs = (torch.from_numpy(contents(scores)) for scores in (samples, floor, real))
    found, best = (astuple(neighbourhoods(theirs, other, K)) for other in (ours, twin))
    names = ("precision", "recall", "density", "coverage")
    return [Metric(*line, "higher", len(samples)) for line in zip(names, found, best, strict=True)]


def opening(piece: Score) -> Score:
    """The first bars of a piece."""
    steps = BARS * piece.bar
    return replace(piece, pitch=piece.pitch[:, :steps], onset=piece.onset[:, :steps])
