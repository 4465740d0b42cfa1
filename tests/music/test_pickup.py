"""Upbeats: composed, written and read so that bar lines stay where they are."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import mido
import numpy as np
import pytest
from small_tunes import tune

from common.errors import UserError
from music.chords import chord_agreement
from music.config import GenerateConfig
from music.data.reading import read_score
from music.generation import make_piece
from music.io.midi import from_midi, save_midi, to_midi
from music.io.musicxml import save_musicxml, to_musicxml
from music.io.piano_roll import piano_roll
from music.models import MusicModel, load_music_model
from music.rewriting import rewrite
from music.score import Score, notes
from music.theory import Key

ABC = "X:1\nT:Waltz\nM:3/4\nL:1/4\nK:C\nG|c d e|f2 G|e d c|c2|]\n"


def piece(model: MusicModel, **asked: Any) -> Score:
    return make_piece(model, GenerateConfig(**{"candidates": 1, **asked}))


def same(first: Score, second: Score) -> bool:
    alike = (first.metre, first.key, first.pickup) == (second.metre, second.key, second.pickup)
    return alike and np.array_equal(first.pitch, second.pitch) and np.array_equal(first.onset, second.onset)


@pytest.fixture(scope="module")
def upbeat() -> Score:
    """Four bars of 3/4 for three voices after a quarter note."""
    score = tune(7, "3/4", Key(0), bars=5)
    pitch, onset = score.pitch.copy(), score.onset.copy()
    pitch[:, :8] = onset[:, :8] = False
    onset[:, 8] = pitch[:, 8]
    return replace(score, pitch=pitch, onset=onset, pickup=4)


# ---- composing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pickup", "metre"), [(0.25, "4/4"), (0.5, "3/4"), (1, "4/4"), (1, "3/4"), (3, "4/4")])
def test_a_piece_begins_with_its_pickup(pickup: float, metre: str, model: MusicModel) -> None:
    for candidates in (1, 3):
        score = piece(model, pickup=pickup, metre=metre, bars=3, candidates=candidates)
        assert (score.steps, score.pickup) == (4 * score.bar, 4 * pickup)
        assert not score.pitch[:, : score.lead].any() and score.onset[:, score.lead].any(1).all()


def test_a_jig_begins_with_an_eighth() -> None:
    score = piece(load_music_model("dances"), style="jig", pickup=0.5, bars=2)
    assert (score.metre, score.lead, score.onset[0].any(1).argmax()) == ("6/8", 10, 10)


def test_sections_follow_on_one_pickup(model: MusicModel) -> None:
    score = piece(model, pickup=1, form="ABA", bars=6, metre="4/4")
    bars = score.pitch.reshape(3, 7, 16, 128)
    assert np.array_equal(bars[:, 1:3], bars[:, 5:7]) and score.steps == 7 * 16


def test_chords_begin_at_the_first_bar_line(model: MusicModel) -> None:
    score = piece(model, pickup=1, chords="C | F | G | C", bars=4, metre="4/4", candidates=8)
    agree, sounding = chord_agreement(score, "C | F | G | C")
    assert sounding <= 16 and agree >= 0.8 * sounding
    first_bar = replace(score, pitch=score.pitch[:, 16:], onset=score.onset[:, 16:], pickup=0)
    assert chord_agreement(first_bar, "C | F | G | C") == (agree, sounding)


# ---- files -----------------------------------------------------------------------------------------------------------


def test_midi_begins_at_once_in_a_short_bar(upbeat: Score, tmp_path: Path) -> None:
    path = tmp_path / "upbeat.mid"
    save_midi(to_midi(upbeat), path)
    assert same(from_midi(path), upbeat) and same(from_midi(to_midi(upbeat)), upbeat)
    file = mido.MidiFile(path)
    timed = [(event.time, event) for event in mido.merge_tracks(file.tracks) if event.type == "time_signature"]
    assert [(event.numerator, event.denominator) for _, event in timed] == [(1, 4), (3, 4)]
    assert timed[1][0] == file.ticks_per_beat
    assert min(note.start for part in to_midi(upbeat).instruments for note in part.notes) == 0


@pytest.mark.parametrize(("pickup", "metre"), [(1, (1, 16)), (2, (1, 8)), (6, (3, 8)), (8, (2, 4))])
def test_a_short_bar_has_the_plainest_metre(pickup: int, metre: tuple[int, int], upbeat: Score) -> None:
    pitch, onset = upbeat.pitch.copy(), upbeat.onset.copy()
    pitch[:, 12 - pickup : 12] = pitch[:, [12]]
    onset[:, :12] = False
    pitch[:, : 12 - pickup] = False
    onset[:, 12 - pickup] = pitch[:, 12 - pickup]
    score = replace(upbeat, pitch=pitch, onset=onset, pickup=pickup)
    first = to_midi(score).time_signature_changes[0]
    assert (first.numerator, first.denominator) == metre
    assert same(from_midi(to_midi(score)), score)


def test_a_metre_that_lasts_for_more_than_a_short_bar_is_a_change(upbeat: Score) -> None:
    midi = to_midi(upbeat)
    midi.time_signature_changes[1].time *= 2
    with pytest.raises(UserError, match=r"the metre changes \(1/4, then 3/4\)"):
        from_midi(midi)


def test_musicxml_has_an_implicit_first_bar(upbeat: Score, tmp_path: Path) -> None:
    path = tmp_path / "upbeat.musicxml"
    save_musicxml(upbeat, path)
    measures = ElementTree.fromstring(to_musicxml(upbeat)).findall("part")[0].findall("measure")
    assert [(bar.get("number"), bar.get("implicit")) for bar in measures[:2]] == [("0", "yes"), ("1", "no")]
    assert len(measures) == 5 and same(read_score(path), upbeat)


def test_the_piano_roll_begins_with_the_pickup(upbeat: Score) -> None:
    from matplotlib.figure import Figure

    from music.io.piano_roll import _draw_bars

    axes = Figure().subplots()
    _draw_bars(axes, upbeat)
    assert axes.get_xlim() == (8, 60)
    assert axes.get_xticks().tolist() == [12, 24, 36, 48]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "3", "4"]
    assert piano_roll(upbeat).width == piano_roll(replace(upbeat, pickup=0)).width


def test_abc_says_what_is_before_the_first_bar_line(tmp_path: Path) -> None:
    path = tmp_path / "waltz.abc"
    path.write_text(ABC)
    score = read_score(path)
    assert (score.metre, score.pickup, score.lead, score.key) == ("3/4", 4, 8, Key(0))
    assert notes(score, 0)[:2].tolist() == [[8, 12, 67], [12, 16, 72]]


@pytest.mark.parametrize("content", ["", "X:1\nM:3/4\nK:C\n", "X:1\nM:5/4\nL:1/4\nK:C\nc d e f g|\n"])
def test_abc_without_use_is_one_line(content: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.abc"
    path.write_text(content)
    with pytest.raises(UserError, match=r"odd\.abc") as caught:
        read_score(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"gone\.musicxml"):
        read_score(tmp_path / "gone.musicxml")


# ---- given pieces ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".mid", ".musicxml"])
def test_a_continued_piece_keeps_its_bar_lines(ending: str, upbeat: Score, model: MusicModel, tmp_path: Path) -> None:
    path = tmp_path / f"upbeat{ending}"
    save_midi(to_midi(upbeat), path) if ending == ".mid" else save_musicxml(upbeat, path)
    longer = piece(model, continue_=path, bars=2)
    assert (longer.pickup, longer.steps) == (4, 7 * 12)
    assert np.array_equal(longer.pitch[:, :60], upbeat.pitch)
    assert same(from_midi(to_midi(longer)), longer)


def test_a_melody_with_a_pickup_is_harmonised_from_it_on(model: MusicModel, tmp_path: Path) -> None:
    path = tmp_path / "waltz.abc"
    path.write_text(ABC)
    score, given = piece(model, melody=path), read_score(path)
    assert score.pickup == 4 and not score.pitch[:, :8].any() and score.pitch[1:, 12:].any()
    assert notes(score, 0)[:, :2].tolist() == notes(given, 0)[:, :2].tolist()


@pytest.mark.parametrize(("at_bars", "first", "stop"), [("1", 12, 24), ("2-3", 24, 48), ("", 8, 60)])
def test_rewriting_counts_bars_from_the_first_bar_line(
    at_bars: str, first: int, stop: int, upbeat: Score, model: MusicModel, tmp_path: Path
) -> None:
    path = tmp_path / "upbeat.mid"
    save_midi(to_midi(upbeat), path)
    asked = GenerateConfig(rewrite=path, at_bars=at_bars, voices=("middle",), candidates=1, seed=3)
    written, file = rewrite(model, asked, path)
    file.save(tmp_path / "anew.mid")
    for score in (written, from_midi(tmp_path / "anew.mid")):
        assert score.pickup == 4 and score.steps == 60
        changed = (score.pitch != upbeat.pitch).any((0, 2)).nonzero()[0]
        assert len(changed) and changed.min() >= first and changed.max() < stop
        assert np.array_equal(score.pitch[[0, 2]], upbeat.pitch[[0, 2]])


def test_a_bar_that_is_not_there_is_told(upbeat: Score, model: MusicModel, tmp_path: Path) -> None:
    path = tmp_path / "upbeat.mid"
    save_midi(to_midi(upbeat), path)
    with pytest.raises(UserError, match="has 4 bars"):
        rewrite(model, GenerateConfig(rewrite=path, at_bars="5"), path)


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pickup", [0, -1, 0.3, 6, 100, float("nan"), float("inf")])
def test_a_pickup_is_sixteenths_below_a_bar(pickup: float) -> None:
    with pytest.raises(UserError, match="--pickup"):
        GenerateConfig(pickup=pickup)


def test_a_pickup_of_a_bar_is_refused(model: MusicModel) -> None:
    with pytest.raises(UserError, match="--pickup 3: a bar of 3/4 has 3 quarter notes"):
        piece(model, pickup=3, metre="3/4")


@pytest.mark.parametrize("job", ["melody", "continue_", "rewrite"])
def test_given_pieces_have_their_own(job: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--pickup means nothing"):
        GenerateConfig(pickup=1, **{job: tmp_path / "song.mid"}, **({"at_bars": "1"} if job == "rewrite" else {}))


def test_the_command_says_so_in_one_line() -> None:
    done = subprocess.run([sys.executable, "-m", "music.generate", "--pickup", "9"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "--pickup" in done.stderr
