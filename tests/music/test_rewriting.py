"""Some bars of some voices written anew: what stays, to the tick; what holds over; and what is refused."""

from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest

import music
from common.errors import UserError
from music.config import GenerateConfig, parse_bars
from music.generation import make_piece
from music.io.midi import from_midi, parse, save_midi, to_midi
from music.io.midi_file import parts
from music.models import MusicModel
from music.performing import perform
from music.score import notes

BAR = 4  # quarter notes
Event = tuple[int, mido.Message]


@pytest.fixture
def given(model: MusicModel, tmp_path: Path) -> Path:
    """Eight bars for three voices."""
    path = tmp_path / "piece.mid"
    save_midi(to_midi(make_piece(model, GenerateConfig(bars=8, metre="4/4", candidates=1, seed=4))), path)
    return path


def moved(path: Path, ticks: int = 17) -> Path:
    """The same off the grid, with a pedal, a lyric and a tempo that changes."""
    file = mido.MidiFile(path)
    for number, track in enumerate(file.tracks[1:]):
        track.insert(1, mido.Message("control_change", control=64, value=100, time=ticks + number))
        track.append(mido.MetaMessage("lyrics", text="la", time=3))
    file.tracks[0].insert(1, mido.MetaMessage("set_tempo", tempo=777_777, time=31))
    path = path.with_name("moved.mid")
    file.save(path)
    return path


def events(path: Path) -> list[list[Event]]:
    """What is in each track, by time in ticks."""
    tracks = []
    for track in mido.MidiFile(path).tracks:
        times = np.cumsum([event.time for event in track]).tolist()
        tracks.append([(tick, event.copy(time=0)) for tick, event in zip(times, track, strict=True)])
    return tracks


def rewritten(model: MusicModel, path: Path, **asked: Any) -> Path:
    config = GenerateConfig(rewrite=path, **{"candidates": 2, **asked})
    file = perform(model, config)[2]
    assert file is not None
    out = path.with_name("rewritten.mid")
    save_midi(file, out)
    return out


@pytest.mark.parametrize(("at_bars", "first", "last"), [("3-5", 3, 5), ("1", 1, 1), ("8", 8, 8), ("1-8", 1, 8)])
def test_all_else_stays_to_the_tick(at_bars: str, first: int, last: int, model: MusicModel, given: Path) -> None:
    given = moved(given)
    before, out = events(given), rewritten(model, given, at_bars=at_bars, voices=("middle",), seed=1)
    after, ticks = events(out), mido.MidiFile(given).ticks_per_beat
    assert [row for number, row in enumerate(before) if number != 2] == [
        row for number, row in enumerate(after) if number != 2
    ]
    old, new = ([e for e in rows[2] if not e[1].is_meta and e[1].type != "control_change"] for rows in (before, after))
    assert old != new
    changed = [tick for tick, event in [*old, *new] if (tick, event) not in old or (tick, event) not in new]
    assert min(changed) >= (first - 1) * BAR * ticks and max(changed) <= last * BAR * ticks + ticks / 8
    other = [[e for e in rows[2] if e[1].type == "control_change" or e[1].is_meta] for rows in (before, after)]
    assert other[0] == other[1]


def test_a_note_over_either_bar_line_stands(model: MusicModel, given: Path) -> None:
    score = from_midi(given)
    score.pitch[1, 24:40], score.onset[1, 24:40] = False, False
    score.pitch[1, 24:40, 65] = score.onset[1, 24, 65] = True  # over the line of the third bar
    save_midi(to_midi(score), given)
    for at_bars in ("3", "2"):
        played = notes(from_midi(rewritten(model, given, at_bars=at_bars, voices=("middle",))), 1).tolist()
        assert [24, 40, 65] in played
        assert not [note for note in played if note[0] < 40 and note[1] > 24 and note != [24, 40, 65]]


def test_voices_go_by_the_names_of_the_piece_of_the_model_or_by_number(model: MusicModel, given: Path) -> None:
    by_name = rewritten(model, given, at_bars="2-3", voices=("LOW", "high")).read_bytes()
    assert by_name == rewritten(model, given, at_bars="2-3", voices=("1", "3")).read_bytes()
    file = mido.MidiFile(given)
    for track in file.tracks:
        track.name = ""
    nameless = given.with_name("nameless.mid")
    file.save(nameless)
    played = [parse(rewritten(model, given, at_bars="2-3", voices=("low",)))[0] for given in (given, nameless)]
    assert [part.notes for part in parts(played[0])] == [part.notes for part in parts(played[1])]


def test_a_file_of_one_track_with_a_channel_a_voice(model: MusicModel, given: Path) -> None:
    file = mido.MidiFile(given)
    merged = mido.MidiFile(type=0, ticks_per_beat=file.ticks_per_beat)
    merged.tracks.append(mido.merge_tracks(file.tracks))
    path = given.with_name("merged.mid")
    merged.save(path)
    before, after = from_midi(path), from_midi(rewritten(model, path, at_bars="4-5", voices=("2",)))
    assert all((before.onset[voice] == after.onset[voice]).all() for voice in (0, 2))
    assert (before.onset[1] != after.onset[1]).any()


def test_a_seed_is_a_passage_and_python_gives_the_same_notes(model: MusicModel, given: Path, run_folder: Path) -> None:
    first, again, other = (rewritten(model, given, at_bars="2-6", seed=seed).read_bytes() for seed in (1, 1, 2))
    assert first == again != other
    played = music.rewrite(given, at_bars="2-6", candidates=2, seed=1, weights=str(run_folder), device="cpu")
    out = rewritten(model, given, at_bars="2-6", seed=1)
    assert (from_midi(played).onset == from_midi(out).onset).all()
    assert "<score-partwise" in music.to_musicxml(out, "A piece")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"at_bars": "9"}, "--at-bars 9: .* has 8 bars"),
        ({"at_bars": "7-9"}, "--at-bars 7-9: .* has 8 bars"),
        ({"voices": ("tuba",)}, "--voices tuba: .* has High, Middle, Low"),
        ({"voices": ("4",)}, "--voices 4: "),
        ({"at_bars": "0-2"}, "--at-bars takes bars from 1 on"),
        ({"at_bars": "5-2"}, "--at-bars takes bars from 1 on"),
        ({"at_bars": "some"}, "--at-bars takes bars from 1 on"),
        ({}, "--rewrite needs --at-bars"),
        ({"at_bars": "1", "bars": 4}, "--bars means nothing with --rewrite"),
        ({"at_bars": "1", "melody": Path("a.mid")}, "exclude each other"),
    ],
)
def test_what_is_not_there_is_told(asked: dict[str, Any], message: str, model: MusicModel, given: Path) -> None:
    with pytest.raises(UserError, match=message):
        rewritten(model, given, **asked)


def test_bars_and_voices_mean_nothing_alone() -> None:
    assert parse_bars(" 5 - 8 ") == (5, 8) and parse_bars("5") == (5, 5)
    for asked in ({"at_bars": "1"}, {"voices": ("alto",)}):
        with pytest.raises(UserError, match="means something with --rewrite alone"):
            GenerateConfig(**asked)  # type: ignore[arg-type]
