"""Two sets of texts held against each other, without weights: what `text.evaluate --samples` does."""

from pathlib import Path

import torch

from common.evaluation.report import Evaluation, Table, write_report
from common.evaluation.sets import choose_rows, protocol
from text.config import EvaluateConfig
from text.data.sources import read_corpus
from text.evaluation import SHOWN, Material
from text.evaluation import compare as figures


def compare(config: EvaluateConfig, out: Path) -> Evaluation:
    """Measure --samples against --data, and write evaluation.json and report.html into `out`.

    Raises:
        UserError: either cannot be had or has too few texts, or the disk is full.
    """
    assert config.samples is not None and config.data is not None
    samples, real = (read_corpus(data) for data in (config.samples, config.data))
    rows, real_rows, rest = choose_rows(len(samples.entries), len(real.entries), config.n, config.seed)
    n = len(rows)
    ours = [samples.entries[row].text for row in rows]
    theirs, others = ([real.entries[row].text for row in chosen] for chosen in (real_rows, rest))
    unlabelled = torch.zeros(max(n, len(others)), dtype=torch.int64)
    material = Material(theirs, unlabelled[:n], others[:n], unlabelled[:n], others, unlabelled[: len(others)])
    tables = [Table(f"{samples.name} against {real.name}", ("samples", "real"), figures(ours, material))]
    facts = {"samples": config.samples, "data": real.name, "source": real.source, "n": n, "seed": config.seed}
    told = (
        f"{protocol(n, config.n, config.seed, (samples.name, real.name), 'texts')} In place of training texts stand "
        f"all {len(others):,} other real texts: of them are the words that are known and the trigrams of the forward "
        "perplexity, and copies are sought among them. Styles are not looked at."
    )
    evaluation = Evaluation(facts, told, tables)
    passages = [
        (f"{name}, not picked", "\n\n".join(texts[:SHOWN]))
        for name, texts in ((samples.name, ours), (real.name, theirs))
    ]
    write_report(evaluation, out, f"{samples.name} against {real.name}", passages=passages)
    return evaluation
