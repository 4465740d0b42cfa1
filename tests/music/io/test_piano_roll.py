"""Rolls show every note where and when it sounds, in the colour of its track."""

import numpy as np
import pytest
import torch
from PIL import Image

from music.io.piano_roll import (
    BAR_LINE,
    COLOURS,
    FONT_SIZE,
    GAP,
    QUARTER,
    SEMITONE,
    piano_roll,
    roll_sheet,
    time_axis,
)
from music.score import Score, TrackSpec

STEP = QUARTER // 4  # pixels


def score_of(*kinds: str, steps: int = 32) -> Score:
    """Every track holds one note from step 4 to 12: C4 on the first, a fifth higher on each next."""
    pitch, onset = np.zeros((2, len(kinds), steps, 128), bool)
    for track, kind in enumerate(kinds):
        pitch[track, 4 : 5 if kind == "drums" else 12, 60 + 7 * track] = True
        onset[track, 4, 60 + 7 * track] = True
    return Score(tuple(TrackSpec(kind, kind, 0, 127) for kind in kinds), pitch, onset)  # type: ignore[arg-type]


def where(image: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    """(N, 2) rows and columns of the pixels of exactly this colour."""
    return np.argwhere((np.asarray(image) == colour).all(axis=2))


def test_a_roll_shows_tracks_in_colour_by_height_and_width() -> None:
    image = piano_roll(score_of("mono", "poly"))
    assert image.mode == "RGB"
    roll = image.crop((0, 0, image.width - 120, image.height))  # without the legend
    first, second = (where(roll, colour) for colour in COLOURS[:2])
    assert first[:, 0].min() > second[:, 0].max()  # the higher pitch is above
    assert first[:, 1].max() == pytest.approx(second[:, 1].max(), abs=1)
    assert len(where(roll, COLOURS[2])) == 0


def test_a_roll_marks_where_notes_begin() -> None:
    held, repeated = score_of("mono"), score_of("mono")
    repeated.onset[0, 8, 60] = True
    assert (np.asarray(piano_roll(held)) != np.asarray(piano_roll(repeated))).any()


@pytest.mark.parametrize("kinds", [("drums",), ("mono", "drums"), ("poly",)])
def test_sound_and_drums_have_panels_of_their_own(kinds: tuple[str, ...]) -> None:
    score = score_of(*kinds)
    sound = 0.1 * torch.randn(2, 44_100, generator=torch.Generator().manual_seed(0))
    bare, full = piano_roll(score), piano_roll(score, sound)
    assert full.width == bare.width
    assert full.height == bare.height + 200


@pytest.mark.parametrize(("kinds", "bars"), [(("poly",), 2), (("mono", "drums"), 12)])
def test_it_is_known_where_time_lies(kinds: tuple[str, ...], bars: int) -> None:
    score = score_of(*kinds, steps=16 * bars)
    image = piano_roll(score, 0.1 * torch.randn(2, 44_100, generator=torch.Generator().manual_seed(0)))
    axis = time_axis(score)
    frame = np.flatnonzero((np.asarray(image.convert("L"))[60:80] < 20).all(axis=0))
    assert (axis.left, axis.right) == pytest.approx((frame[0], frame[-1]), abs=1)
    assert axis.seconds == pytest.approx(16 * bars / 4 * 60 / score.tempo)
    notes = where(image, COLOURS[0])[:, 1]
    assert notes.min() == pytest.approx(axis.left + (axis.right - axis.left) * 4.25 / score.steps, abs=2)  # dark before


def test_longer_pieces_are_wider_up_to_a_limit() -> None:
    widths = [piano_roll(score_of("mono", steps=16 * bars)).width for bars in (4, 16, 200)]
    assert widths[0] < widths[1] < widths[2] == 4000


@pytest.mark.parametrize("kind", ["mono", "drums"])
def test_silence_can_be_drawn(kind: str) -> None:
    empty = Score((TrackSpec("", kind, 0, 127),), *np.zeros((2, 1, 8, 128), bool))  # type: ignore[arg-type]
    assert piano_roll(empty, torch.zeros(2, 8000)).width > 0
    assert roll_sheet([("", empty)]).width > 0


def test_a_sheet_has_each_note_at_its_place() -> None:
    sheet = roll_sheet([("", score_of("mono", "mono"))])
    rows, columns = where(sheet, COLOURS[0]).T  # C4; the roll shows 59 to 68
    assert (rows.min(), rows.max()) == (GAP + 8 * SEMITONE, GAP + 9 * SEMITONE - 1)
    assert columns.max() == 2 * GAP + 12 * STEP - 1
    assert columns.min() == 2 * GAP + 4 * STEP + 2  # after the dark pixel of the onset
    dark = tuple(part // 2 for part in COLOURS[0])
    assert where(sheet, dark)[:, 1].tolist() == [2 * GAP + 4 * STEP + 1] * SEMITONE  # type: ignore[arg-type]
    assert len(where(sheet.crop((2 * GAP + 16 * STEP, GAP, 2 * GAP + 16 * STEP + 1, GAP + 9)), BAR_LINE)) == 9


def test_a_sheet_has_two_columns_and_labels() -> None:
    one, three = roll_sheet([("a", score_of("mono"))]), roll_sheet([("a", score_of("mono"))] * 3)
    assert three.width - GAP == 2 * (one.width - GAP)
    assert three.height - GAP == 2 * (one.height - GAP)
    label = one.crop((GAP, 0, GAP + FONT_SIZE // 2, one.height))
    assert (np.asarray(label) < 128).any()
    wide = roll_sheet([("a much longer label", score_of("mono")), ("b\nc", score_of("mono", "mono", steps=64))])
    assert wide.width > three.width
