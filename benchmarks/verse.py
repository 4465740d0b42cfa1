"""`python benchmarks/verse.py`: how many lines scan and how many pairs rhyme, with the wish, without it, and in poems.

Without the wish, and of real poems, only stanzas of as many lines as the scheme has letters count. A scan is permissive
(`text.verse.scans`), so read each share beside the others.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import run
from common.config import ThreadConfig, require
from text.config import DEFAULT_WEIGHTS, GenerateConfig
from text.verse import METRES, MetreName, shares


@dataclass(frozen=True, kw_only=True)
class VerseConfig(ThreadConfig):
    """Settings of the measurement."""

    weights: str = DEFAULT_WEIGHTS  # what writes; a bundled name, a folder or a Hub id
    style: str = "poem"  # in which
    n: int = 20  # stanzas that are asked for
    candidates: int = 32  # of each line
    seed: int = 0  # of the latents and pieces
    data: str | None = None  # real poems, as text.train takes them, whose stanzas are parted by empty lines

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.n > 0, "n", f"must be above 0, not {self.n}")


REAL = 1_000  # stanzas of real poems, evenly drawn from all
TEXTS = 20  # plain texts for each stanza that is asked for
SCHEMES: dict[MetreName, str] = {"iambic-tetrameter": "AABB", "iambic-pentameter": "ABAB", "common": "ABCB"}


def main(config: VerseConfig) -> None:
    """Measure verse."""
    real = [] if config.data is None else stanzas_of(config.data)
    plain = [text.split("\n") for text in written(config)]
    print(f"{'':<34}{'lines scan':>11}{'pairs rhyme':>13}{'stanzas':>9}")
    for metre, rhyme in SCHEMES.items():
        asked = [text.split("\n") for text in written(config, metre, rhyme)]
        for name, stanzas in {"asked for": asked, "not asked for": plain, "real": real}.items():
            fitting = [stanza for stanza in stanzas if len(stanza) == len(rhyme)]
            if fitting:
                report(f"{metre} {rhyme}, {name}", fitting, metre, rhyme)
    if real:
        best = [max(shares([stanza], metre, "")[0] for metre in METRES) for stanza in real]
        print(f"real stanzas, each in the metre that fits it best: {sum(best) / len(best):.2f} of the lines scan")


def report(name: str, stanzas: list[list[str]], metre: MetreName, rhyme: str) -> None:
    """Print a line."""
    scanning, rhyming = shares(stanzas, metre, rhyme)
    print(f"{name:<34}{scanning:>11.2f}{rhyming:>13.2f}{len(stanzas):>9,}", flush=True)


def written(config: VerseConfig, metre: MetreName | None = None, rhyme: str = "") -> list[str]:
    """Texts of the weights, as the command writes them; plain draws without the wish, where few have so many lines."""
    from text.generation import make_texts
    from text.models import load_text_model

    count, candidates = (config.n, config.candidates) if metre else (TEXTS * config.n, 1)
    settings = GenerateConfig(
        style=config.style, n=count, seed=config.seed, candidates=candidates, metre=metre, rhyme=rhyme
    )
    return [one.text for one in make_texts(load_text_model(config.weights), settings)]


def stanzas_of(data: str) -> list[list[str]]:
    """Stanzas of four lines of poems."""
    from text.data.sources import read_corpus

    parts = (part for entry in read_corpus(data).entries for part in entry.text.split("\n\n"))
    found = [lines for part in parts if len(lines := [line.strip() for line in part.split("\n")]) == 4]
    return found[:: max(1, len(found) // REAL)]


if __name__ == "__main__":
    run(main, "benchmarks.verse")
