"""Pieces become clean MIDI, and MIDI becomes pieces; what is not MIDI becomes one line."""

import io
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pretty_midi import Instrument, KeySignature, Note, PrettyMIDI, TimeSignature

from common.errors import UserError
from music.io import midi as module
from music.io.midi import estimate_key, from_midi, notes, save_midi, to_midi
from music.score import Score, TrackSpec
from music.theory import METRES, Key

Placed = tuple[int, int, int]  # first step, step after the last, pitch


def score_of(*tracks: tuple[str, list[Placed]], steps: int = 16, **facts: object) -> Score:
    """A piece from the kinds of its tracks and their notes; on mono tracks a note ends the one before it."""
    pitch, onset = np.zeros((2, len(tracks), steps, 128), bool)
    for track, (kind, placed) in enumerate(tracks):
        for start, stop, note in sorted(placed):
            if kind == "mono":
                pitch[track, start:] = onset[track, start:] = False
            pitch[track, start : start + 1 if kind == "drums" else stop, note] = True
            onset[track, start, note] = True
    specs = tuple(TrackSpec(f"{kind} {i}", kind, 0, 127, 0) for i, (kind, _) in enumerate(tracks))  # type: ignore[arg-type]
    return Score(specs, pitch, onset, **facts)  # type: ignore[arg-type]


def played(midi: PrettyMIDI, instrument: int = 0) -> list[tuple[float, float, int]]:
    """Notes by time, in quarter notes at the MIDI's one tempo."""
    quarter = 60 / midi.get_tempo_changes()[1][0]
    found = midi.instruments[instrument].notes
    return sorted((round(note.start / quarter, 6), round(note.end / quarter, 6), note.pitch) for note in found)


def in_file(midi: PrettyMIDI) -> mido.MidiFile:
    content = io.BytesIO()
    midi.write(content)
    return mido.MidiFile(file=io.BytesIO(content.getvalue()))


def midi_of(*placed: tuple[float, float, int], tempo: float = 120, drum: bool = False) -> PrettyMIDI:
    """One instrument with notes given in seconds."""
    midi = PrettyMIDI(initial_tempo=tempo)
    instrument = Instrument(0, drum, "it")
    instrument.notes = [Note(90, pitch, start, end) for start, end, pitch in placed]
    midi.instruments.append(instrument)
    return midi


# --- To MIDI ----------------------------------------------------------------------------------------------------------


def test_notes_last_until_silence_or_the_next_onset() -> None:
    score = score_of(("poly", [(0, 4, 60), (4, 16, 60), (2, 6, 64)]))
    assert notes(score, 0).tolist() == [[0, 4, 60], [2, 6, 64], [4, 16, 60]]


def test_a_held_note_is_one_note_and_a_repeated_note_is_two() -> None:
    midi = to_midi(score_of(("mono", [(0, 8, 60), (8, 12, 60), (12, 16, 62)])))
    assert played(midi) == [(0, 2, 60), (2, 3, 60), (3, 4, 62)]


@pytest.mark.parametrize(
    ("metre", "velocities"),
    [
        ("4/4", {0: 100, 1: 76, 2: 76, 4: 86, 8: 92, 12: 86, 16: 100}),
        ("3/4", {0: 100, 4: 86, 6: 76, 8: 86, 12: 100}),
        ("2/2", {0: 100, 4: 76, 8: 86}),
        ("6/8", {0: 100, 2: 76, 4: 76, 6: 86}),
        ("12/8", {0: 100, 6: 86, 12: 92, 18: 86}),
    ],
)
def test_velocities_follow_the_metre(metre: str, velocities: dict[int, int]) -> None:
    score = score_of(("mono", [(step, step + 1, 60) for step in velocities]), steps=24, metre=metre)
    assert [note.velocity for note in to_midi(score).instruments[0].notes] == list(velocities.values())


def test_tempo_key_and_metre_stand_at_time_0_on_track_0() -> None:
    score = score_of(("mono", [(3, 4, 60)]), ("drums", [(0, 9, 36)]), metre="6/8", tempo=90, key=Key(3, "minor"))
    file = in_file(to_midi(score))
    facts = {event.type: event for event in file.tracks[0] if event.time == 0}
    assert mido.tempo2bpm(facts["set_tempo"].tempo) == pytest.approx(90, abs=1e-3)
    assert facts["key_signature"].key == "D#m"
    assert (facts["time_signature"].numerator, facts["time_signature"].denominator) == (6, 8)
    channels = [{event.channel for event in track if event.type == "note_on"} for track in file.tracks]
    assert channels == [set(), {0}, {9}]


def test_drum_hits_are_one_step_long() -> None:
    midi = to_midi(score_of(("drums", [(0, 9, 36), (1, 2, 36)])))
    assert midi.instruments[0].is_drum
    assert played(midi) == [(0, 0.25, 36), (0.25, 0.5, 36)]


def test_programs_replace_the_tracks_own() -> None:
    score = score_of(("mono", [(0, 4, 60)]), ("drums", [(0, 1, 36)]))
    assert [instrument.program for instrument in to_midi(score, programs=[56, 3]).instruments] == [56, 0]
    for programs in ([1], [1, 128], [-1, 0]):
        with pytest.raises(UserError, match=r"--instruments: need 2 numbers .*mono 0, drums 1"):
            to_midi(score, programs=programs)


def test_an_empty_piece_is_refused() -> None:
    with pytest.raises(UserError, match="no notes"):
        to_midi(score_of(("mono", [])))


# --- There and back ---------------------------------------------------------------------------------------------------


@st.composite
def scores(draw: st.DrawFn) -> Score:
    steps = draw(st.integers(1, 70))
    kinds = draw(st.lists(st.sampled_from(["mono", "poly", "drums"]), min_size=1, max_size=4))
    # Few pitches, so that notes often repeat.
    note = st.tuples(st.integers(0, steps - 1), st.integers(1, 20), st.sampled_from([0, 59, 60, 64, 127]))
    placed = [[(s, min(s + length, steps), p) for s, length, p in draw(st.lists(note, max_size=12))] for _ in kinds]
    placed[0].append((steps - 1, steps, 60))
    score = score_of(
        *zip(kinds, placed, strict=True),
        steps=steps,
        metre=draw(st.sampled_from(list(METRES))),
        key=Key(draw(st.integers(0, 11)), draw(st.sampled_from(["major", "minor"]))),
        tempo=draw(st.floats(20, 300)),
    )
    names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    specs = []
    for track in score.tracks:
        name, program = " ".join(draw(names).replace("\0", " ").split()), draw(st.integers(0, 127))
        specs.append(TrackSpec(name, track.kind, 0, 127, 0 if track.kind == "drums" else program))
    return Score(tuple(specs), score.pitch, score.onset, score.metre, score.key, score.tempo)


@settings(max_examples=100, deadline=None)
@given(score=scores())
def test_a_piece_survives_the_way_through_a_file(score: Score, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "round.mid"
    midi = to_midi(score)
    save_midi(midi, path)
    for back in (from_midi(midi), from_midi(path)):
        kept = [index for index in range(len(score.tracks)) if score.onset[index].any()]
        missing = -score.steps % score.bar
        assert back.steps == score.steps + missing
        for name in ("pitch", "onset"):
            expected = np.pad(getattr(score, name)[kept], ((0, 0), (0, missing), (0, 0)))
            np.testing.assert_array_equal(getattr(back, name), expected)
        assert (back.metre, back.key) == (score.metre, score.key)
        assert back.tempo == pytest.approx(score.tempo, abs=1e-3)
        for index, track in zip(kept, back.tracks, strict=True):
            before, used = score.tracks[index], np.flatnonzero(score.pitch[index].any(axis=0))
            assert (track.name, track.program) == (before.name, before.program)
            assert (track.low, track.high) == (used[0], used[-1])
            one = score.pitch[index].sum(axis=1).max() == 1
            assert track.kind == ("drums" if before.kind == "drums" else "mono" if one else "poly")


def test_rests_at_the_end_are_lost_down_to_the_bar_of_the_last_note() -> None:
    score = score_of(("mono", [(0, 17, 60)]), steps=64)
    assert from_midi(to_midi(score)).steps == 32


# --- From MIDI --------------------------------------------------------------------------------------------------------


def test_notes_go_to_the_nearest_step_and_last_one_at_least() -> None:
    # At 120 a step is 0.125 s: starts at 0.4, 0.6 and 1.5 steps; ends at 3.4, 0.9 and 1.6.
    midi = midi_of((0.05, 0.425, 60), (0.075, 0.1125, 64), (0.1875, 0.2, 67))
    assert notes(from_midi(midi), 0).tolist() == [[0, 3, 60], [1, 2, 64], [2, 3, 67]]


def test_a_file_s_own_tempo_changes_do_not_move_its_notes(tmp_path: Path) -> None:
    file, track = mido.MidiFile(ticks_per_beat=100), mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(60)))
    track.append(mido.Message("note_on", note=60, velocity=9, time=100))  # a quarter rest, then a half note ...
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(171), time=50))  # ... with a change inside
    track.append(mido.Message("note_off", note=60, time=150))
    track.append(mido.Message("note_on", note=62, velocity=9))
    track.append(mido.Message("note_off", note=62, time=100))
    file.tracks.append(track)
    file.save(tmp_path / "x.mid")
    score = from_midi(tmp_path / "x.mid")
    assert notes(score, 0).tolist() == [[4, 12, 60], [12, 16, 62]]
    assert score.tempo == pytest.approx(60)


def test_tracks_tell_what_they_are() -> None:
    midi = midi_of((0, 0.5, 60), (0.51, 1, 62))
    midi.instruments += [midi_of((0, 1, 60), (0.5, 1, 64)).instruments[0], Instrument(5, name="silent")]
    midi.instruments += midi_of((0, 1, 38), drum=True).instruments
    score = from_midi(midi)
    assert [(track.kind, track.low, track.high) for track in score.tracks] == [
        ("mono", 60, 62),
        ("poly", 60, 64),
        ("drums", 38, 38),
    ]
    assert score.pitch[2].sum() == 1


def test_a_signed_key_counts_more_than_the_notes() -> None:
    midi = midi_of(*((k / 4, (k + 1) / 4, pitch) for k, pitch in enumerate((60, 62, 64, 65, 67, 69, 71, 72, 67, 60))))
    assert from_midi(midi).key == Key(0, "major")
    midi.key_signature_changes.append(KeySignature(14, 0))
    assert from_midi(midi).key == Key(2, "minor")


def test_the_metre_is_4_4_unless_told_and_the_last_at_one_time_counts() -> None:
    midi = midi_of((0, 2, 60))
    assert from_midi(midi).metre == "4/4"
    midi.time_signature_changes = [TimeSignature(4, 4, 0), TimeSignature(3, 4, 0), TimeSignature(2, 4, 9)]
    assert from_midi(midi).metre == "3/4"  # what comes after the last note does not


def test_a_metre_that_changes_or_is_unknown_is_refused() -> None:
    midi = midi_of((0, 2, 60))
    midi.time_signature_changes = [TimeSignature(4, 4, 0), TimeSignature(3, 4, 1)]
    with pytest.raises(UserError, match="the metre changes \\(4/4, then 3/4\\)"):
        from_midi(midi)
    midi.time_signature_changes = [TimeSignature(7, 8, 0)]
    with pytest.raises(UserError, match="the metre is 7/8"):
        from_midi(midi)


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there are no notes"):
        from_midi(PrettyMIDI())
    with pytest.raises(UserError, match=r"5,004 quarter notes"):
        from_midi(midi_of((0, 20_001 * 0.125, 60)))
    many = midi_of((0, 1, 60))
    many.instruments = many.instruments * 65
    with pytest.raises(UserError, match="65 tracks are too many"):
        from_midi(many)
    many.instruments = midi_of().instruments
    many.instruments[0].notes = [Note(90, 60, 0, 1)] * 200_001
    with pytest.raises(UserError, match="200,001 notes"):
        from_midi(many)
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    save_midi(midi_of((0, 1, 60)), tmp_path / "large.mid")
    with pytest.raises(UserError, match=r"large\.mid: more than"):
        from_midi(tmp_path / "large.mid")


def test_what_is_not_midi_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.mid: there is no such file"):
        from_midi(tmp_path / "none.mid")
    with pytest.raises(UserError, match="there is no such file"):
        from_midi(tmp_path)
    path = tmp_path / "picture.mid"
    Image.new("RGB", (64, 64)).save(path, "JPEG")
    with pytest.raises(UserError, match=r"picture\.mid: cannot be read as MIDI"):
        from_midi(path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="cannot be read as MIDI"):
        from_midi(str(path))


def test_time_in_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "frames.mid"
    save_midi(midi_of((0, 1, 60)), path)
    content = bytearray(path.read_bytes())
    content[12:14] = b"\xe7\x28"  # 25 frames a second, 40 ticks a frame
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"frames\.mid: .*SMPTE"):
        from_midi(path)


@settings(max_examples=150, deadline=None)
@given(damage=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8), length=st.integers(0, 400))
def test_damaged_files_are_read_or_refused_in_one_line(
    damage: list[tuple[int, int]], length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = io.BytesIO()
    to_midi(score_of(("poly", [(s, s + 2, 60 + s) for s in range(14)]), ("drums", [(0, 1, 36)]))).write(content)
    damaged = bytearray(content.getvalue())
    for position, value in damage:
        damaged[position % len(damaged)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.mid"
    path.write_bytes(damaged[: len(damaged) if length > 200 else length])
    try:
        said = f"{path}: {from_midi(path).steps}"
    except UserError as error:
        said = str(error)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said


def test_names_in_the_older_encoding_are_read(tmp_path: Path) -> None:
    midi = PrettyMIDI(charset="latin1")
    midi.instruments = midi_of((0, 1, 60)).instruments
    midi.instruments[0].name = "Flöte\0"
    save_midi(midi, tmp_path / "x.mid")
    assert from_midi(tmp_path / "x.mid").tracks[0].name == "Flöte"


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*x\.mid"):
        save_midi(midi_of((0, 1, 60)), tmp_path / "file" / "x.mid")


# --- Keys -------------------------------------------------------------------------------------------------------------


def roll(*durations: tuple[int, int]) -> np.ndarray:
    """bool (1, steps, 128): each (pitch, steps) from step 0 on."""
    pitch = np.zeros((1, 64, 128), bool)
    for note, steps in durations:
        pitch[0, :steps, note] = True
    return pitch


@pytest.mark.parametrize("tonic", range(12))
def test_scales_with_their_triads_are_found_in_every_key(tonic: int) -> None:
    major = [(48, 8), (50, 2), (52, 6), (53, 2), (55, 6), (57, 2), (59, 2)]
    minor = [(48, 8), (50, 2), (51, 6), (53, 2), (55, 6), (56, 2), (59, 2)]
    assert estimate_key(roll(*((pitch + tonic, steps) for pitch, steps in major))) == Key(tonic, "major")
    assert estimate_key(roll(*((pitch + tonic, steps) for pitch, steps in minor))) == Key(tonic, "minor")


def test_a_key_is_weighed_by_duration_in_all_octaves_and_tracks() -> None:
    triads = np.concatenate([roll((60, 4), (64, 4), (67, 4)), roll((9, 20), (24, 9), (40, 20))])  # C; then A, C, E
    assert estimate_key(triads) == Key(9, "minor")


def test_silence_and_all_pitches_alike_are_c_major() -> None:
    assert estimate_key(roll()) == Key(0, "major")
    assert estimate_key(roll(*((pitch, 3) for pitch in range(60, 72)))) == Key(0, "major")
    assert estimate_key(np.zeros((0, 16, 128), bool)) == Key(0, "major")
