"""`python benchmarks/reading_marks.py`: what readers found grammatical.

It prints of each style the share of ours and of real texts that were marked 1, over all readers, with Wilson's 95 %
interval, and where there are several readers on what share of the texts every two of them agree. Texts without a mark
do not count.
"""

import csv
import sys
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import run
from common.config import Checked
from common.errors import UserError
from common.inputs import InputFile

Marks = dict[str, bool]  # by the number of the text


@dataclass(frozen=True, kw_only=True)
class MarksConfig(Checked):
    """Settings of the score."""

    key: InputFile  # that of benchmarks/reading.py
    marks: tuple[InputFile, ...]  # its texts.csv as each reader filled it in


def main(config: MarksConfig) -> None:
    """Score the marks."""
    key = {row["number"]: (row["style"], row["source"]) for row in rows_of(config.key, ("number", "style", "source"))}
    readers = [marks_of(path, set(key)) for path in config.marks]
    print(f"{'style':<14}{'source':<8}{'grammatical':>12}  {'95 % interval':<16}{'marks':>6}")
    for style, source in sorted(set(key.values())):
        own = [mark for marks in readers for number, mark in marks.items() if key[number] == (style, source)]
        if own:
            low, high = interval(sum(own), len(own))
            print(f"{style:<14}{source:<8}{sum(own) / len(own):>12.2f}  {low:.2f} to {high:<8.2f}{len(own):>6}")
    for (one, first), (other, second) in combinations(zip(config.marks, readers, strict=True), 2):
        both = first.keys() & second.keys()
        alike = sum(first[number] == second[number] for number in both) / max(len(both), 1)
        print(f"{one} and {other} agree on {alike:.2f} of {len(both)} texts")


def interval(count: int, n: int) -> tuple[float, float]:
    """Wilson's interval of a share, at 95 %."""
    from scipy.stats import binomtest

    found = binomtest(count, n).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def marks_of(path: Path, known: set[str]) -> Marks:
    """What a reader marked.

    Raises:
        UserError: a mark is neither 0 nor 1, or of a text that the key does not have, or there is none.
    """
    marks = {row["number"]: row["grammatical"].strip() for row in rows_of(path, ("number", "grammatical"))}
    marks = {number: mark for number, mark in marks.items() if mark}
    for number, mark in marks.items():
        if mark not in ("0", "1") or number not in known:
            raise UserError(f"--marks {path}: {mark!r} for text {number}; mark texts of the key by 1 or 0")
    if not marks:
        raise UserError(f"--marks {path} has no marks; fill in its column grammatical with 1 or 0")
    return {number: mark == "1" for number, mark in marks.items()}


def rows_of(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a table.

    Raises:
        UserError: it cannot be read, or lacks a column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read ({error})") from error
    if not rows or any(row.get(column) is None for row in rows for column in columns):
        raise UserError(f"{path} must have the columns {', '.join(columns)}; take the file that was written")
    return rows


if __name__ == "__main__":
    run(main, "benchmarks.reading_marks")
