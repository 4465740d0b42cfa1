"""MIDI as other programs write it: voices stay whole, facts count anywhere, damage beside the notes is told."""

from pathlib import Path

import mido
import pytest
from mido import Message, MetaMessage, MidiTrack

from common.errors import UserError
from music.io.midi import from_midi, settled_key
from music.score import Score, notes
from music.theory import Key

TICKS = 480  # a quarter note
LINE = [60, 62, 64, 65, 67, 65, 64, 62, 64, 65, 67, 69, 67, 65, 62, 60]  # eighths


def played(line: list[int] = LINE, ticks: int = TICKS // 2, channel: int = 0, ringing: int = 0) -> MidiTrack:
    """A line of equal notes, each of which rings into the next."""
    events = []
    for index, note in enumerate(line):
        events.append((index * ticks, 1, Message("note_on", channel=channel, note=note, velocity=90)))
        events.append(((index + 1) * ticks + ringing, 0, Message("note_off", channel=channel, note=note)))
    track, clock = MidiTrack(), 0
    for tick, _, event in sorted(events, key=lambda event: event[:2]):
        track.append(event.copy(time=tick - clock))
        clock = tick
    return track


def saved(path: Path, *tracks: MidiTrack, kind: int = 1) -> Path:
    file = mido.MidiFile(type=kind, ticks_per_beat=TICKS)
    file.tracks.extend(tracks)
    file.save(path)
    return path


def line_of(score: Score, track: int = 0) -> list[int]:
    return [pitch for *_, pitch in notes(score, track).tolist()]


def test_a_track_is_a_voice_whatever_it_changes(tmp_path: Path) -> None:
    track = played()
    track.insert(0, Message("program_change", program=40))
    track.insert(12, Message("program_change", program=73))
    track.insert(14, Message("control_change", control=0, value=3))
    score = from_midi(saved(tmp_path / "x.mid", MidiTrack(), track))
    assert (len(score.tracks), score.tracks[0].program, line_of(score)) == (1, 40, LINE)


def test_a_track_that_changes_its_channel_is_one_voice_and_drums_in_it_another(tmp_path: Path) -> None:
    track = played()
    for event in track[16:]:
        event.channel = 5
    score = from_midi(saved(tmp_path / "x.mid", track, played(LINE[::-1], channel=2)))
    assert [line_of(score, index) for index in range(2)] == [LINE, LINE[::-1]]
    for event in track[16:]:
        event.channel = 9
    score = from_midi(saved(tmp_path / "y.mid", track))
    assert [spec.kind for spec in score.tracks] == ["mono", "drums"] and line_of(score) == LINE[:8]


@pytest.mark.parametrize("kind", [0, 1])
def test_channels_that_sound_together_on_the_only_track_are_voices(kind: int, tmp_path: Path) -> None:
    upper, lower = played(), played([note - 12 for note in LINE], channel=1)
    both = mido.merge_tracks([upper, lower])
    score = from_midi(saved(tmp_path / "x.mid", both, kind=kind))
    assert [line_of(score, index) for index in range(2)] == [LINE, [note - 12 for note in LINE]]


def test_metre_tempo_and_key_count_on_any_track(tmp_path: Path) -> None:
    track = played()
    track.insert(0, MetaMessage("time_signature", numerator=3, denominator=4))
    track.insert(1, MetaMessage("set_tempo", tempo=1_000_000))
    track.insert(2, MetaMessage("key_signature", key="Ebm"))
    score = from_midi(saved(tmp_path / "x.mid", MidiTrack([MetaMessage("track_name", name="Song")]), track))
    assert (score.metre, score.tempo, score.key) == ("3/4", 60, Key(3, "minor"))


def test_bad_meta_events_and_unknown_chunks_are_left_out_and_told(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.mid", MidiTrack([MetaMessage("key_signature", key="C")]), MidiTrack(), played())
    content = bytearray(path.read_bytes())
    content[content.index(b"\xff\x59\x02") + 3] = 8  # sharps
    path.write_bytes(bytes(content[:14]) + b"XFIH\0\0\0\3abc" + bytes(content[14:]))
    said: list[str] = []
    score = from_midi(path, said.append)
    assert line_of(score) == LINE and len(said) == 1 and said[0].startswith("ignored 2 of its chunks and events")
    path.write_bytes(content[:-9])  # in the middle of its notes
    with pytest.raises(UserError, match="cannot be read as MIDI"):
        from_midi(path)


def test_an_empty_track_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.mid"
    content = saved(path, MidiTrack(), played()).read_bytes()
    path.write_bytes(content.replace(b"MTrk\0\0\0\4\0\xff\x2f\0", b"MTrk\0\0\0\0", 1))
    assert line_of(from_midi(path)) == LINE


def test_a_note_that_nothing_ends_lasts_until_its_track_ends(tmp_path: Path) -> None:
    track = played()
    track[-1] = MetaMessage("end_of_track", time=TICKS // 2)
    score = from_midi(saved(tmp_path / "x.mid", track))
    assert notes(score, 0).tolist()[-1] == [30, 32, 60]


def test_what_rings_over_the_last_bar_line_adds_no_bar(tmp_path: Path) -> None:
    score = from_midi(saved(tmp_path / "x.mid", played(ringing=TICKS // 8)))
    assert score.steps == 32 and [start for start, *_ in notes(score, 0).tolist()] == list(range(0, 32, 2))


def test_notes_too_fast_for_the_grid_are_counted_and_many_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.mid: \d+ of its 16 notes are faster than sixteenths"):
        from_midi(saved(tmp_path / "x.mid", played(ticks=TICKS // 8)))
    slow = played()
    slow[1:1] = [
        Message("note_on", note=71, velocity=9, time=TICKS // 8 - 10),
        Message("note_off", note=71, time=TICKS // 8),
    ]
    slow[3] = slow[3].copy(time=TICKS // 4 + 10)
    said: list[str] = []
    assert from_midi(saved(tmp_path / "y.mid", slow), said.append).steps == 32
    assert said == ["1 of its 17 notes are faster than sixteenths, and share a step with the one before"]


def test_the_key_is_that_of_the_notes_where_they_and_the_last_bass_note_agree(tmp_path: Path) -> None:
    minor = [69, 71, 72, 74, 76, 74, 72, 71, 69, 68, 69, 71, 72, 71, 69, 69]
    track = played(minor)
    track.insert(0, MetaMessage("key_signature", key="C"))
    score = from_midi(saved(tmp_path / "x.mid", track))
    assert score.key == Key(0) and settled_key(score, score.key) == Key(9, "minor")
    assert settled_key(from_midi(saved(tmp_path / "y.mid", played(minor[:-2]))), Key(0)) == Key(0)  # ends on C
