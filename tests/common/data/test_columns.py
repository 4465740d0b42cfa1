"""Columns that are written part by part, and read row by row."""

from pathlib import Path

import numpy as np
import pytest

from common.data.arrays import cached, digest
from common.data.columns import Lazy, chosen, digest_lines, texts_of, writing

TEXTS = ["", "a", "naïve", "\ud800 half", "\udcff of a byte", "two\nlines", "日本"]


def test_columns_are_read_as_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUARTET_CACHE", str(tmp_path))

    def build(folder: Path) -> dict[str, str]:
        with writing(folder, {"words": str, "none": str, "numbers": "u4"}) as columns:
            for part in (TEXTS, [], TEXTS * 1_000):
                columns["words"].add(iter(part))
                columns["numbers"].add(range(len(part)))
        return {}

    for _ in range(2):
        arrays, _ = cached("columns", build)
        assert texts_of(arrays, "words") == TEXTS * 1_001 and texts_of(arrays, "none") == []
        assert arrays["numbers"].dtype == np.uint32
        assert arrays["numbers"].tolist() == [*range(len(TEXTS)), *range(1_000 * len(TEXTS))]


def test_lazy_items_are_as_those_of_a_list() -> None:
    squares = Lazy(5, lambda row: row**2)
    assert squares == [0, 1, 4, 9, 16] and squares != [0, 1, 4, 9] and squares != [0, 1, 4, 9, 15]
    assert squares[-1] == 16 and squares[1:4] == [1, 4, 9] and squares.index(9) == 3
    assert chosen(squares, np.array([4, 0])) == (16, 0)
    with pytest.raises(IndexError):
        squares[5]


def test_lines_have_the_digest_of_all_of_them() -> None:
    assert digest_lines(["a", "b", ""]) == digest(b"a\nb\n")
