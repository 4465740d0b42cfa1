"""`python benchmarks/coherence.py`: how often one sentence seems to follow another.

A classifier (`text.coherence`) learns from training texts which parts follow each other, sentences or, of poems,
stanzas. It prints the share of pairs that it accepts: held-out ones as they follow each other and shuffled, and those
of written texts: by `--sentences`, by `--stanzas`, with latents that are close and no more, and of different texts.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import run
from common.config import ThreadConfig, require
from common.errors import UserError
from text.config import DEFAULT_WEIGHTS, GenerateConfig

TRAINED = 8_000  # pairs that the classifier learns from
JUDGED = 1_000  # held-out pairs


@dataclass(frozen=True, kw_only=True)
class CoherenceConfig(ThreadConfig):
    """Settings of the measurement."""

    data: str  # texts of several sentences, such as those of text.data.build_styles --long
    real: str = "product"  # style of those that the classifier learns from
    weights: str = DEFAULT_WEIGHTS  # what writes; a bundled name, a folder or a Hub id
    style: str = "product"  # in which
    n: int = 100  # texts that are written
    parts: int = 3  # sentences of each, or stanzas
    candidates: int = 32  # of each part
    seed: int = 0  # of the latents and pieces, and of the shuffling

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.n > 1, "n", f"must be above 1, not {self.n}")
        require(2 <= self.parts <= 8, "parts", f"must be 2 to 8, not {self.parts}")


def main(config: CoherenceConfig) -> None:
    """Learn the classifier, and judge."""
    from text.coherence import NextSentenceJudge, followings, shuffled

    train, held_out = (followings(texts) for texts in real_texts(config))
    judge = NextSentenceJudge.fit(train[:: max(1, len(train) // TRAINED)], config.seed)
    real = held_out[:: max(1, len(held_out) // JUDGED)]
    settings = GenerateConfig(style=config.style, n=config.n, candidates=config.candidates, seed=config.seed)
    close = followings(written(config, replace(settings, stanzas=config.parts)))
    judged = {"held out, as they follow": real, "held out, shuffled": shuffled(real, config.seed)}
    if "\n" not in close[0][0]:
        judged["written by --sentences"] = followings(written(config, replace(settings, sentences=config.parts)))
    judged |= {"written by --stanzas": close, "written, of different texts": shuffled(close, config.seed)}
    print(f"{'pairs of ' + config.style + ', judge of ' + config.real:<40}{'accepted':>10}{'pairs':>8}")
    for name, pairs in judged.items():
        print(f"{name:<40}{judge.accepts(pairs).mean():>10.2f}{len(pairs):>8,}", flush=True)


def real_texts(config: CoherenceConfig) -> tuple[list[str], list[str]]:
    """Training texts and held-out ones."""
    from text.data.loading import parts_of
    from text.data.sources import read_corpus

    entries = read_corpus(config.data).entries
    entries = [entry for entry in entries if entry.style == config.real]
    if not entries:
        raise UserError(f"--data {config.data} has no texts of --real {config.real}; name another style")
    parts = parts_of(entries)
    train, held_out = (
        [entry.text for entry, part in zip(entries, parts, strict=True) if part == which] for which in (0, 2)
    )
    return train, held_out


def written(config: CoherenceConfig, settings: GenerateConfig) -> list[str]:
    """Texts of the weights, as the command writes them."""
    from text.generation import make_texts
    from text.models import load_text_model

    return [one.text for one in make_texts(load_text_model(config.weights), settings)]


if __name__ == "__main__":
    run(main, "benchmarks.coherence")
