"""A grid of twelve steps a quarter note holds triplets as well as sixteenths; everything behind it works on both."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_tunes import tune

from common.errors import UserError
from music.config import GenerateConfig, TrainConfig
from music.data.loading import load_music
from music.data.reading import read_score
from music.data.sources import find
from music.data.tunes import parse
from music.generate import main as generate
from music.io.midi import from_midi, save_midi, to_midi
from music.io.musicxml import save_musicxml, to_musicxml, triplet_spans
from music.metrics import measure
from music.models import load_music_model
from music.score import Kind, Score, TrackSpec, notes
from music.theory import GRIDS, METRES, Key, bar_of, beat_of
from music.train import main as train

Placed = tuple[int, int, int]
TRIPLET = [(0, 4, 60), (4, 8, 62), (8, 12, 64)]  # and behind it sixteenths and a half note, in steps of 12 a quarter
LINE = [*TRIPLET, (12, 15, 65), (15, 18, 67), (18, 24, 65), (24, 36, 60), (36, 48, 62)]
ABC = "X:1\nT:triplet\nM:4/4\nL:1/4\nK:C\n(3C/D/E/ F/4G/4F/ C D | z4 | z4 |]\n"


def score_of(placed: Sequence[Placed], kind: Kind = "mono", metre: str = "4/4", bars: int = 1, grid: int = 12) -> Score:
    pitch, onset = np.zeros((2, 1, bars * bar_of(metre, grid), 128), bool)
    for start, stop, note in placed:
        pitch[0, start:stop, note] = onset[0, start, note] = True
    return Score((TrackSpec("Tune", kind, 40, 90),), pitch, onset, metre, grid=grid)


def finer(score: Score) -> Score:
    """A piece on sixteenths as the same piece on twelfths."""
    pitch, onset = (np.repeat(roll, 3, axis=1) for roll in (score.pitch, score.onset))
    onset[:, np.arange(onset.shape[1]) % 3 > 0] = False
    if any(track.kind == "drums" for track in score.tracks):
        pitch = onset
    return replace(score, pitch=pitch, onset=onset, pickup=3 * score.pickup, grid=12)


def same(first: Score, second: Score) -> bool:
    facts = [(score.metre, score.pickup, score.grid, score.pitch.shape) for score in (first, second)]
    return facts[0] == facts[1] and (first.pitch == second.pitch).all() and bool((first.onset == second.onset).all())


@pytest.mark.parametrize("metre", METRES)
def test_bars_and_beats_are_three_times_as_many_steps(metre: str) -> None:
    assert bar_of(metre, 12) == 3 * bar_of(metre, 4) and beat_of(metre, 12) == 3 * beat_of(metre, 4)
    assert bar_of(metre, 4) % beat_of(metre, 4) == 0


# --- Reading and writing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".mid", ".musicxml", ".abc"])
def test_a_triplet_is_moved_by_sixteenths_and_kept_by_twelfths(tmp_path: Path, ending: str) -> None:
    path, said = tmp_path / f"triplet{ending}", list[str]()
    if ending == ".abc":
        path.write_text(ABC)
    else:
        save_midi(to_midi(score_of(LINE)), path) if ending == ".mid" else save_musicxml(score_of(LINE), path)
    moved, kept = read_score(path, said.append, 4), read_score(path, said.append, 12)
    assert notes(moved, 0).tolist() == [
        [0, 1, 60],
        [1, 3, 62],
        [3, 4, 64],
        [4, 5, 65],
        [5, 6, 67],
        [6, 8, 65],
        [8, 12, 60],
        [12, 16, 62],
    ]
    assert notes(kept, 0).tolist() == [list(note) for note in LINE]
    assert said == (
        [] if ending == ".mid" else ["2 of its 8 notes lie between two sixteenths, and begin at the nearest"]
    )
    counted = parse(next(iter(find(str(path.parent))[1]().items)), 12)
    assert not isinstance(counted, str) and (counted.moved, counted.off_twelfths, counted.grid) == (2, 0, 12)


@st.composite
def pieces(draw: st.DrawFn) -> Score:
    """Lines of notes of any length in twelfths, chords and drums."""
    metre, kind = draw(st.sampled_from(METRES)), draw(st.sampled_from(["mono", "poly", "drums"]))
    end = 2 * bar_of(metre, 12)
    lengths = draw(st.lists(st.sampled_from([1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 7]), min_size=2, max_size=20))
    edges = np.cumsum([0, *lengths]).tolist()
    placed = [(start, min(stop, end), 60 + start % 2) for start, stop in pairwise(edges) if start < end]
    rests = draw(st.lists(st.integers(1, 20), max_size=4))
    placed = [note for number, note in enumerate(placed) if number not in rests]
    if kind == "poly":
        placed += [(0, end, 50), (0, end, 55)]
    if kind == "drums":
        placed = [(start, start + 1, 38) for start, _, _ in placed]
    return score_of(placed, kind, metre, 2)


@settings(max_examples=40, deadline=None)
@given(pieces())
def test_pieces_on_twelfths_come_back_from_files_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, piece: Score
) -> None:
    folder = tmp_path_factory.mktemp("pieces")
    save_midi(to_midi(piece), folder / "x.mid")
    back = read_score(folder / "x.mid", grid=12)
    assert notes(back, 0).tolist() == notes(piece, 0).tolist()
    if piece.tracks[0].kind == "drums":
        return
    save_musicxml(piece, folder / "x.musicxml")
    read = read_score(folder / "x.musicxml", grid=12)
    assert (read.pitch.any(axis=0) == piece.pitch[0]).all()
    assert piece.tracks[0].kind == "poly" or notes(read, 0).tolist() == notes(piece, 0).tolist()


def test_notation_has_triplets_with_beams_where_notes_are_of_them() -> None:
    text = to_musicxml(score_of([*LINE[:-2], (24, 32, 60), (32, 36, 62), (36, 48, 60)]))
    assert re.findall("<tuplet .*?type=.(start|stop).", text) == ["start", "stop", "start", "stop"]
    assert text.count("<time-modification>") == 5 and "<tie " not in text
    assert text.count('<beam number="1">begin</beam>') == 2  # of the triplet, and of the sixteenths behind it


def test_a_note_of_a_triplet_that_is_struck_again_is_not_tied(tmp_path: Path) -> None:
    score = score_of([(0, 7, 60), (7, 9, 60), (9, 10, 60), (10, 29, 60), (29, 31, 60), (31, 48, 60)])
    save_musicxml(score, tmp_path / "x.musicxml")
    assert same(read_score(tmp_path / "x.musicxml", grid=12), score)


def test_halves_of_a_quarter_that_differ_are_told_apart() -> None:
    score = score_of([(0, 6, 60), (6, 8, 62), (8, 10, 64), (10, 12, 65), (12, 48, 60)])
    assert triplet_spans([0, 6, 8, 10, 12], score) == [(6, 12)]
    assert triplet_spans([0, 2, 4, 8, 12], score) == [(0, 12)]
    assert triplet_spans([0, 3, 6, 9, 12], score) == []
    assert triplet_spans([0, 2, 12, 20], replace(score, metre="6/8")) == [(0, 6), (18, 24)]


def test_a_hit_of_drums_is_written_once_whatever_its_beat_is_cut_into() -> None:
    score = score_of([(start, start + 1, 38) for start in (0, 4, 8, 12, 15, 24, 25, 27)], "drums")
    text = to_musicxml(score)
    assert text.count("<unpitched>") == 8
    assert text.count("<time-modification>") - text.count("<rest") <= 8


def test_a_pickup_of_a_triplet_begins_at_a_sixteenth(tmp_path: Path) -> None:
    path = tmp_path / "x.abc"
    path.write_text("X:1\nT:x\nM:4/4\nL:1/4\nK:C\n(3:2:1C/ | DEFG | C4 |]\n")
    score = read_score(path, grid=12)
    assert (score.pickup, notes(score, 0)[0].tolist()) == (6, [44, 48, 60])
    assert same(replace(from_midi(to_midi(score), grid=12), key=score.key), score)


# --- Figures ----------------------------------------------------------------------------------------------------------


def test_figures_are_of_music_and_not_of_its_grid() -> None:
    for seed, metre in enumerate(("4/4", "3/4")):
        score = tune(seed, metre, Key())
        ours, theirs = measure([score]), measure([finer(score)])
        assert ours == pytest.approx(theirs, nan_ok=True)
    assert measure([score_of(LINE)])["qualified_notes"] == pytest.approx(3 / 8)


# --- Networks ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def triplets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tunes for three voices, in whose first one every other quarter note is a triplet."""
    folder = tmp_path_factory.mktemp("triplets")
    for seed in range(8):
        score = finer(tune(seed, "4/4", Key()))
        pitch, onset = score.pitch.copy(), score.onset.copy()
        for start in range(0, score.steps, 24):
            pitch[0, start : start + 12] = onset[0, start : start + 12] = False
            for third in range(3):
                note = 64 + (seed + start // 24 + third) % 5
                pitch[0, start + 4 * third : start + 4 * third + 4, note] = onset[0, start + 4 * third, note] = True
        save_midi(to_midi(replace(score, pitch=pitch, onset=onset)), folder / f"{seed}.mid")
    return folder


@pytest.fixture(scope="module")
def run_on_twelfths(triplets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "triplets"
    sizes = {"net_size": "debug", "latent": 8, "bar_latent": 4, "steps": 8, "batch": 16, "snapshot": 64}
    train(TrainConfig(data=str(triplets), bars=2, grid=12, device="cpu", out=out, **sizes))  # type: ignore[arg-type]
    return out


def test_loading_says_what_either_grid_moves(triplets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coarse = load_music(str(triplets), 2)
    assert "holds triplets (music.train --grid 12), would move 0.0%" in capsys.readouterr().err
    fine = load_music(str(triplets), 2, 12)
    told = "the grid of 12 steps a quarter moves 0.0% of the notes; one of sixteenths"
    assert told in capsys.readouterr().err
    assert (coarse.spec.grid, coarse.spec.bar_steps) == (4, 16) and (fine.spec.grid, fine.spec.bar_steps) == (12, 48)
    begins = fine.train.tensors["onset"][:, 0].amax((0, 2)).nonzero().flatten() % 12
    assert set(begins.tolist()) >= {0, 4, 8}
    assert load_music(str(triplets), 2).spec == coarse.spec  # the cache tells them apart
    ours, theirs = ([(tune.name, tune.bars, tune.kin, tune.is_held_out) for tune in d.tunes] for d in (coarse, fine))
    assert ours == theirs


def test_a_network_on_twelfths_writes_what_lies_on_them(run_on_twelfths: Path, tmp_path: Path) -> None:
    model = load_music_model(str(run_on_twelfths))
    assert (model.config.grid, model.config.patch, model.config.bar_steps) == (12, 6, 48)
    out = (str(tmp_path / "x.mid"), str(tmp_path / "x.musicxml"), str(tmp_path / "x.png"))
    melody = tmp_path / "melody.mid"
    save_midi(
        to_midi(
            score_of(
                [(start + 48 * bar, stop + 48 * bar, note) for bar in range(4) for start, stop, note in LINE], bars=4
            )
        ),
        melody,
    )
    asked = {"weights": str(run_on_twelfths), "bars": 4, "candidates": 2, "rounds": 2, "device": "cpu"}
    for number, job in enumerate(
        ({"pickup": 0.5, "chords": "C | G", "humanise": 1.0, "ending": "tonic"}, {"melody": melody, "bars": None})
    ):
        generate(GenerateConfig(**asked | {"out": out, "overwrite": number > 0} | job))  # type: ignore[arg-type]
        piece = from_midi(out[0], grid=12)
        if number:
            assert notes(piece, 0).tolist() == notes(read_score(melody, grid=12), 0).tolist()
        read = read_score(Path(out[1]), grid=12)
        assert {tuple(note) for t in range(len(read.tracks)) for note in notes(read, t)[:, [0, 2]].tolist()} == {
            tuple(note) for t in range(len(piece.tracks)) for note in notes(piece, t)[:, [0, 2]].tolist()
        }


def test_given_pieces_are_put_on_the_grid_of_the_network(run_on_twelfths: Path, triplets: Path, tmp_path: Path) -> None:
    asked = {"weights": str(run_on_twelfths), "candidates": 2, "rounds": 2, "device": "cpu"}
    given, out = triplets / "0.mid", str(tmp_path / "x.mid")
    generate(GenerateConfig(continue_=given, bars=2, out=(out,), **asked))  # type: ignore[arg-type]
    whole, before = from_midi(out, grid=12), from_midi(given, grid=12)
    assert whole.steps == before.steps + 96
    assert (whole.onset[:, : before.steps - 12] == before.onset[:, : before.steps - 12]).all()
    generate(GenerateConfig(rewrite=given, at_bars="2", voices=("Low",), out=(out,), overwrite=True, **asked))  # type: ignore[arg-type]
    assert (from_midi(out, grid=12).onset[:2] == before.onset[:2]).all()


def test_another_grid_than_that_of_the_weights_is_refused(
    run_on_twelfths: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="--grid is that of the --weights; leave it out"):
        TrainConfig(weights="chorales", grid=12)
    assert TrainConfig(weights=str(run_on_twelfths)).grid in GRIDS
