"""Drawings that are rendered from numbers: the same each time, of all kinds, and apart from those of the test."""

import numpy as np
import pytest

from common.pictures.drawings import COUNTS, KINDS, SIDE, drawings, stock, svg
from common.pictures.photos import decode, find, size_of


@pytest.mark.parametrize("name", COUNTS)
def test_each_is_a_picture_of_its_own_and_the_same_each_time(name: str) -> None:
    key, load = find(name)
    photos = load()
    assert key.startswith(f"{name} ") and len(photos.files) == len(set(photos.fingerprints)) == COUNTS[name]
    assert "OpenMoji" in photos.source and not photos.skipped
    for file in list(photos.files.values())[: len(KINDS)]:
        assert size_of(file, 4) == (SIDE, SIDE)
        pixels = decode(file)
        assert pixels.shape == (SIDE, SIDE, 3) and np.array_equal(pixels, decode(file))
        edges = np.abs(np.diff(pixels.astype(int), axis=1)).max(2)
        assert 0.002 < (edges > 60).mean() < 0.5  # there is something to see, and it is sharp
    assert len({svg(name, number) for number in range(COUNTS[name])}) == COUNTS[name]


def test_text_is_drawn_in_the_fonts_of_the_set() -> None:
    for name, other in (("drawings", "DejaVu Serif"), ("drawings-test", "STIXGeneral")):
        found = svg(name, 2)
        assert "<text" in found and other not in found


def test_the_test_set_shows_what_the_other_does_not() -> None:
    ours, theirs = stock("drawings"), stock("drawings-test")
    for kind in ("emoji", "words", "families"):
        assert not {*getattr(ours, kind)} & {*getattr(theirs, kind)}
        assert len(getattr(ours, kind)) >= len(getattr(theirs, kind)) > 0
    assert len(ours.emoji) > 1000 and len(theirs.words) > 100


def test_drawings_are_named_by_number() -> None:
    found = drawings("drawings-test")
    assert list(found)[:2] == ["000", "001"] and all(file.number == int(name) for name, file in found.items())
