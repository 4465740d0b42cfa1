"""Pieces of any length from a network of two bars: forms, given melodies and openings, files, and what is refused."""

import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from common.errors import UserError
from music.chords import chord_agreement, ends_so
from music.config import DEFAULT_WEIGHTS, TEMPI, GenerateConfig
from music.generation import instruments, make_piece, melody
from music.io.export import write
from music.io.midi import from_midi, save_midi, to_midi
from music.io.sound import TAIL
from music.metrics import notes_per_bar, quality
from music.models import MusicModel, from_score, load_music_model
from music.networks import Composer
from music.score import Score, TrackSpec, notes, transpose
from music.theory import PITCHES, Key, bar_of

C_MAJOR = Key(0)


def piece(model: MusicModel, **asked: Any) -> Score:
    return make_piece(model, GenerateConfig(**{"candidates": 1, **asked}))


def same(first: np.ndarray, second: np.ndarray) -> bool:
    return first.shape == second.shape and bool((first == second).all())


def assert_playable(score: Score) -> None:
    """Onsets are where something sounds, every note has one, and no voice sounds two notes at once."""
    held = np.concatenate([np.zeros_like(score.pitch[:, :1]), score.pitch[:, :-1]], 1)
    assert not (score.onset & ~score.pitch).any()
    assert not (score.pitch & ~held & ~score.onset).any()
    for index, track in enumerate(score.tracks):
        assert track.kind != "mono" or score.pitch[index].sum(1).max() <= 1
        assert (np.diff(notes(score, index)[:, :2]) > 0).all()


def saved(score: Score, path: Path) -> Path:
    save_midi(to_midi(score), path)
    return path


def tune(line: list[int], key: Key = C_MAJOR, metre: str = "4/4", drums: bool = False) -> Score:
    """A melody in quarter notes; 0 is a rest."""
    pitch, onset = np.zeros((2, 1, 4 * len(line), PITCHES), bool)
    for beat, note in enumerate(line):
        if note:
            pitch[0, 4 * beat : 4 * beat + 4, note] = onset[0, 4 * beat, note] = True
    if drums:
        onset = pitch
    return Score((TrackSpec("Tune", "drums" if drums else "mono", 0, 127),), pitch, onset, metre, key)


# --- composing


@pytest.mark.parametrize("bars", range(1, 10))
def test_a_piece_has_the_bars_asked_for(bars: int, model: MusicModel) -> None:
    for metre in ("4/4", "3/4"):
        score = piece(model, bars=bars, metre=metre, seed=bars)
        assert score.steps == bars * bar_of(metre, 4) and score.metre == metre
        assert_playable(score)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, (1 << 31) - 1),
    bars=st.integers(1, 6),
    temperature=st.sampled_from([None, 0.0, 0.5, 2.0]),
    style=st.sampled_from(["", "march", "waltz"]),
    candidates=st.integers(1, 2),
)
def test_any_piece_can_be_played(model: MusicModel, **asked: Any) -> None:
    score = piece(model, **asked)
    assert_playable(score)
    assert score.metre == {"march": "4/4", "waltz": "3/4"}.get(asked["style"], score.metre)


def test_styles_have_their_usual_metre(model: MusicModel) -> None:
    assert piece(model, style="march").metre == "4/4"
    assert piece(model, style="waltz").metre == "3/4"
    assert piece(model, style="waltz", metre="4/4").metre == "4/4"


def test_a_seed_is_a_piece_and_temperature_counts(model: MusicModel) -> None:
    first, again, other = (piece(model, seed=seed) for seed in (1, 1, 2))
    assert same(first.onset, again.onset) and not same(first.onset, other.onset)
    assert not same(first.onset, piece(model, seed=1, temperature=1.5).onset)


@pytest.mark.parametrize(("form", "section"), [("AABA", 2), ("ABCB", 2), ("AB", 3)])
def test_equal_letters_are_the_same_music(form: str, section: int, model: MusicModel) -> None:
    score = piece(model, form=form, bars=section * len(form), metre="3/4")
    assert_playable(score)
    steps = section * 12
    parts = {
        place: np.stack([score.pitch, score.onset])[:, :, place * steps : (place + 1) * steps]
        for place in range(len(form))
    }
    for place, letter in enumerate(form):
        for other, its in enumerate(form):
            assert same(parts[place], parts[other]) == (letter == its)


@pytest.mark.parametrize(("key", "semitones"), [("D", 2), ("F# major", -6), ("Bb", -2), ("A minor", -3)])
def test_a_key_moves_the_piece_by_the_nearest_interval(key: str, semitones: int, model: MusicModel) -> None:
    at_c = piece(model, key="C minor" if "minor" in key else "C")
    moved = piece(model, key=key)
    assert moved.key.tonic == semitones % 12
    assert same(moved.pitch, transpose(at_c, semitones).pitch)


def test_a_tempo_is_kept(model: MusicModel) -> None:
    assert piece(model, tempo=77.0).tempo == 77
    assert piece(model).tempo == model.tempo


def test_the_best_candidate_is_kept(model: MusicModel) -> None:
    assert model.typical is not None

    def faults(candidates: int) -> float:
        drawn = [piece(model, bars=2, seed=seed, candidates=candidates) for seed in range(10)]
        return float(np.mean([quality(score, model.typical or {}) for score in drawn]))

    assert faults(8) < faults(1)


@pytest.mark.parametrize(("chords", "key"), [("C | F G7", None), ("Em | A/C#", "D"), ("Bb", "Bb")])
def test_chords_that_are_asked_for_are_written(chords: str, key: str | None, model: MusicModel) -> None:
    asked = {"bars": 3, "metre": "4/4", "key": key, "candidates": 4, "seed": 2}
    steered, free = piece(model, chords=chords, **asked), piece(model, **asked)
    assert_playable(steered)
    agree, sounding = chord_agreement(steered, chords)
    assert agree >= 0.9 * sounding > 0
    assert agree / sounding > np.divide(*chord_agreement(free, chords))


def test_a_melody_with_chords_stays_and_the_key_is_that_of_the_chords(model: MusicModel, tmp_path: Path) -> None:
    given = tune([67, 69, 71, 72] * 2, Key(7))
    score = piece(model, melody=saved(given, tmp_path / "tune.mid"), chords="G | Am", candidates=2)
    assert same(score.pitch[0], given.pitch[0]) and same(score.onset[0], given.onset[0])
    assert not set((np.flatnonzero(score.pitch[1:, 0].any(0)) % 12).tolist()) - {7, 11, 2}
    assert piece(model, chords="G | C | D7 | G", candidates=2, bars=1).key == Key(7)


def test_chords_that_cannot_be_heeded_are_told(tmp_path: Path) -> None:
    for asked, message in (
        ({"chords": "C | Hm"}, "bar 2, chord 1: 'Hm'"),
        ({"chords": "C", "candidates": 1}, "--chords are fitted by choosing among --candidates"),
        ({"chords": "C", "form": "AB"}, "--chords means nothing with --form"),
        ({"chords": "C", "continue_": tmp_path}, "--chords means nothing with --continue"),
    ):
        with pytest.raises(UserError, match=message):
            GenerateConfig(**asked)  # type: ignore[arg-type]


def test_stems_and_chords_are_written_beside_the_piece(model: MusicModel, tmp_path: Path) -> None:
    score = piece(model, bars=1)
    config = GenerateConfig(
        out=(str(tmp_path / "x.musicxml"),), stems=tmp_path / "stems", chords_out=tmp_path / "chords.txt"
    )
    config.check_inputs()
    names = write(score, to_midi(score), config)
    assert [Path(name).name for name in names] == [
        *("x.musicxml", "01-high.wav", "02-middle.wav", "03-low.wav", "chords.txt")
    ]
    assert all(Path(name).stat().st_size for name in names)
    for flag in ("stems", "chords_out"):
        with pytest.raises(UserError, match=f"--{flag.replace('_', '-')} .* is there already"):
            GenerateConfig(out=(str(tmp_path / "y.mid"),), **{flag: getattr(config, flag)}).check_inputs()


def test_every_style_finds_its_weights_and_dances_their_tempo() -> None:
    for style, name in {"": "chorales", "chorale": "chorales", "pop": "pop", "reel": "dances", "jig": "dances"}.items():
        assert GenerateConfig(style=style).source == name
    dances = load_music_model("dances")
    for style in dances.config.styles:
        score = piece(dances, style=style, bars=1, rounds=0)
        assert score.tempo == TEMPI[style] > 120
        assert piece(dances, style=style, bars=1, rounds=0, tempo=90.0).tempo == 90
    assert set(TEMPI) == set(dances.config.styles)


def used(score: Score, track: int) -> tuple[int, int]:
    """The lowest and the highest pitch of a track."""
    pitches = np.flatnonzero(score.pitch[track].any(0))
    return int(pitches[0]), int(pitches[-1])


@pytest.mark.parametrize("key", ["C", "Eb", "A minor"])
def test_voices_keep_to_the_ranges_asked_for(key: str, model: MusicModel) -> None:
    asked = {"key": key, "bars": 3, "candidates": 2, "range_": ("high", "D4-D5", "3 A2-G#3"), "temperature": 1.5}
    score = piece(model, **asked)
    assert_playable(score)
    assert used(score, 0)[0] >= 62 and used(score, 0)[1] <= 74
    assert used(score, 2)[0] >= 45 and used(score, 2)[1] <= 56
    whole = piece(model, **asked | {"range_": ("G3-A4",)})
    assert all(55 <= low <= high <= 69 for low, high in (used(whole, track) for track in range(3)))


def test_a_melody_out_of_range_stays_and_the_others_keep_to_it(model: MusicModel, tmp_path: Path) -> None:
    given = tune([67, 69, 71, 72] * 2)
    score = piece(model, melody=saved(given, tmp_path / "tune.mid"), range_=("C3-C4",))
    assert same(score.pitch[0], given.pitch[0])
    assert all(48 <= used(score, track)[0] <= used(score, track)[1] <= 60 for track in (1, 2))


@pytest.mark.parametrize(
    ("range_", "message"),
    [
        (("soprano",), "--range soprano: names no range"),
        (("A5-C3",), "--range A5-C3: goes from"),
        (("C4-H5",), "--range C4-H5: names no range"),
        (("tuba C4-A5",), "--range tuba: .* has High, Middle, Low"),
        (("high C8-C9",), "--range: .* writes High from"),
    ],
)
def test_ranges_that_cannot_be_kept_are_told(range_: tuple[str, ...], message: str, model: MusicModel) -> None:
    with pytest.raises(UserError, match=message):
        piece(model, range_=range_)


@pytest.mark.parametrize(("key", "bars"), [("C", 1), ("D minor", 2), ("F", 5)])
def test_a_piece_ends_on_the_tonic_or_openly(key: str, bars: int, model: MusicModel) -> None:
    for ending, root in (("tonic", 0), ("open", 7)):
        score = piece(model, key=key, bars=bars, candidates=4, seed=1, ending=ending)
        assert_playable(score)
        last = np.flatnonzero(score.pitch[2].any(1))[-1]
        assert (int(score.pitch[2, last].argmax()) - score.key.tonic) % 12 == root
        assert ends_so(score, ending)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="--ending is chosen among --candidates"):
        GenerateConfig(ending="tonic", candidates=1)


def test_a_density_brings_more_notes_or_fewer(model: MusicModel) -> None:
    few, usual, many = (
        notes_per_bar(piece(model, bars=8, candidates=16, seed=2, density=density)) for density in (0.5, None, 20.0)
    )
    assert few < usual < many
    with pytest.raises(UserError, match="--density is chosen among --candidates"):
        GenerateConfig(density=4, candidates=1)
    for wrong in (0.0, 100.0):
        with pytest.raises(UserError, match=r"--density must be 0\.1 to 32"):
            GenerateConfig(density=wrong)


# --- harmonising


@pytest.mark.parametrize(("key", "bars"), [(Key(0), 1), (Key(2), 2), (Key(9, "minor"), 5), (Key(6), 8)])
def test_a_melody_stays_note_for_note(key: Key, bars: int, model: MusicModel, tmp_path: Path) -> None:
    rng = np.random.default_rng(bars)
    line = [0 if beat % 7 == 3 else int(rng.choice([65, 67, 69, 70, 72])) for beat in range(4 * bars)]
    given = tune(line, key)
    score = piece(model, melody=saved(given, tmp_path / "tune.mid"), key=str(key))
    assert same(score.pitch[0], given.pitch[0]) and same(score.onset[0], given.onset[0])
    assert score.key == key and len(score.tracks) == 3 and score.steps == 16 * bars
    assert score.pitch[1:].any()
    assert_playable(score)


def test_a_melody_two_octaves_up_comes_back_where_it_was(model: MusicModel, tmp_path: Path) -> None:
    given = tune([91, 93, 95, 96] * 2)
    score = piece(model, melody=saved(given, tmp_path / "high.mid"))
    assert same(score.pitch[0], given.pitch[0])


def test_a_named_key_overrules_that_of_the_melody(model: MusicModel, tmp_path: Path) -> None:
    given = tune([67, 69, 71, 72] * 2, Key(7))
    score = piece(model, melody=saved(given, tmp_path / "tune.mid"), key="E minor", tempo=60.0)
    assert (score.key, score.tempo) == (Key(4, "minor"), 60) and same(score.pitch[0], given.pitch[0])


def test_the_melody_is_the_top_line_of_the_first_track_with_pitches(tunes: Path) -> None:
    low, high = tune([60, 64, 67, 60]), tune([67, 67, 0, 72])
    chords = replace(low, pitch=low.pitch | high.pitch, onset=low.onset | high.onset)
    top = melody(chords, Path("x.mid"))
    assert [int(note) for *_, note in notes(top, 0)] == [67, 67, 67, 72]
    drums, pitched = tune([36] * 4, drums=True), tune([60, 62, 64, 65])
    both = replace(
        pitched,
        tracks=drums.tracks + pitched.tracks,
        pitch=np.concatenate([drums.pitch, pitched.pitch]),
        onset=np.concatenate([drums.onset, pitched.onset]),
    )
    assert same(melody(both, Path("x.mid")).pitch, pitched.pitch)
    whole = from_midi(tunes / "march" / "march 0.mid")
    assert same(melody(whole, Path("x.mid")).onset[0], whole.onset[0])


def test_a_note_that_is_uncovered_begins_there() -> None:
    pitch, onset = np.zeros((2, 1, 8, PITCHES), bool)
    pitch[0, :, 60] = onset[0, 0, 60] = True
    pitch[0, 2:4, 64] = onset[0, 2, 64] = True
    top = melody(Score((TrackSpec("", "poly", 0, 127),), pitch, onset), Path("x.mid"))
    assert notes(top, 0).tolist() == [[0, 2, 60], [2, 4, 64], [4, 8, 60]]


def test_a_melody_played_legato_keeps_its_beginnings() -> None:
    pitch, onset = np.zeros((2, 1, 16, PITCHES), bool)
    for index, note in enumerate((67, 65, 64, 69)):
        pitch[0, 4 * index : 4 * index + 5, note] = onset[0, 4 * index, note] = True
    top = melody(Score((TrackSpec("", "poly", 0, 127),), pitch, onset), Path("x.mid"))
    assert notes(top, 0).tolist() == [[0, 4, 67], [4, 8, 65], [8, 12, 64], [12, 16, 69]]


def test_the_key_that_the_notes_fit_is_taken_and_said(
    model: MusicModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = saved(tune([69, 71, 72, 74, 72, 71, 68, 69], Key(0)), tmp_path / "minor.mid")
    assert piece(model, melody=given).key == Key(9, "minor")
    assert "its notes are in A minor, which counts, though it says C major" in capsys.readouterr().err
    assert piece(model, melody=given, key="C").key == Key(0)


def test_melodies_that_no_voice_can_sing_are_told(model: MusicModel, tmp_path: Path) -> None:
    wide = saved(tune([40, 95, 60, 60]), tmp_path / "wide.mid")
    with pytest.raises(UserError, match=r"wide\.mid.*octave"):
        piece(model, melody=wide)
    beats = saved(tune([36] * 4, drums=True), tmp_path / "beats.mid")
    with pytest.raises(UserError, match=r"beats\.mid.*only drums"):
        piece(model, melody=beats)
    march = saved(tune([60] * 4, metre="2/4"), tmp_path / "two.mid")
    with pytest.raises(UserError, match=r"two\.mid.*2/4"):
        piece(model, melody=march)
    long = saved(tune([60] * 4 * 65), tmp_path / "long.mid")
    with pytest.raises(UserError, match=r"long\.mid.*65 bars"):
        piece(model, melody=long)


# --- continuing


@pytest.mark.parametrize(
    ("name", "bars"), [("march/march 0.mid", 1), ("march/march 1.mid", 4), ("waltz/waltz 3.mid", 3)]
)
def test_what_is_continued_stays_as_it_is(name: str, bars: int, model: MusicModel, tunes: Path) -> None:
    given = from_midi(tunes / name)
    score = piece(model, continue_=tunes / name, bars=bars)
    assert score.steps == given.steps + bars * given.bar
    assert same(score.pitch[:, : given.steps], given.pitch) and same(score.onset[:, : given.steps], given.onset)
    assert (score.key, score.metre, score.tempo) == (given.key, given.metre, given.tempo)
    assert_playable(score)
    for index in range(3):  # no note of it is prolonged either
        own = notes(score, index)
        assert same(own[own[:, 0] < given.steps], notes(given, index))
    other = piece(model, continue_=tunes / name, bars=bars, seed=9)
    assert not same(score.onset[:, given.steps :], other.onset[:, given.steps :])


@pytest.mark.parametrize("key", ["C", "F# major", "B"])
def test_a_piece_of_any_key_can_be_continued_in_its_register(key: str, model: MusicModel, tmp_path: Path) -> None:
    own = piece(model, key=key, bars=2, metre="4/4", seed=3)
    path = saved(own, tmp_path / "own.mid")
    score = piece(model, continue_=path, bars=2)
    assert same(score.pitch[:, :32], own.pitch)
    for index, track in enumerate(model.config.tracks):
        used = np.flatnonzero(score.pitch[index].any(0))
        assert used[0] >= track.low - 6 and used[-1] <= track.high + 6


def test_pieces_that_cannot_be_continued_are_told(model: MusicModel, tunes: Path, tmp_path: Path) -> None:
    alone = saved(tune([60, 62, 64, 65]), tmp_path / "alone.mid")
    with pytest.raises(UserError, match=r"alone\.mid.*High, Middle, Low.*--weights dances.*--melody .*alone\.mid"):
        piece(model, continue_=alone)
    three = from_midi(tunes / "march" / "march 0.mid")
    pitch, onset = three.pitch.copy(), three.onset.copy()
    pitch[2], onset[2] = np.roll(pitch[0], 36, axis=1), np.roll(onset[0], 36, axis=1)  # the low voice on top
    far = replace(three, pitch=pitch, onset=onset)
    with pytest.raises(UserError, match=r"far\.mid.*octave"):
        piece(model, continue_=saved(far, tmp_path / "far.mid"))


# --- what is refused


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"style": "polka"}, "--style polka.*march .9 tunes., waltz .9 tunes."),
        ({"style": "chorale"}, "--style chorale"),
        ({"metre": "6/8"}, "--metre 6/8.*tunes writes"),
        ({"bars": 8, "form": "ABA"}, "--bars 8.*3 sections"),
    ],
)
def test_what_the_model_does_not_know_is_told(asked: dict[str, Any], said: str, model: MusicModel) -> None:
    with pytest.raises(UserError, match=said):
        piece(model, **asked)


@pytest.mark.parametrize(
    ("asked", "flag"),
    [
        ({"key": "H major"}, "--key"),
        ({"metre": "5/7"}, "--metre"),
        ({"tempo": 0.0}, "--tempo"),
        ({"tempo": float("nan")}, "--tempo"),
        ({"temperature": -0.1}, "--temperature"),
        ({"temperature": float("inf")}, "--temperature"),
        ({"style": "jig", "guidance": -1.0}, "--guidance"),
        ({"guidance": 2.0}, "--guidance means nothing without --style"),
        ({"bars": 0}, "--bars"),
        ({"bars": 65}, "--bars"),
        ({"candidates": 0}, "--candidates"),
        ({"candidates": 10**9}, "--candidates"),
        ({"seed": -1}, "--seed"),
        ({"form": "A1"}, "--form"),
        ({"out": ()}, "--out"),
        ({"out": ("x.mp3",)}, "--out"),
        ({"melody": Path("a.mid"), "continue_": Path("b.mid")}, "--melody"),
        ({"melody": Path("a.mid"), "form": "AB"}, "--form means nothing with --melody"),
        ({"melody": Path("a.mid"), "bars": 4}, "--bars"),
        ({"continue_": Path("b.mid"), "key": "D"}, "--key"),
    ],
)
def test_settings_of_no_use_are_told(asked: dict[str, Any], flag: str) -> None:
    with pytest.raises(UserError, match=flag):
        GenerateConfig(**asked)


def test_one_voice_cannot_harmonise(model: MusicModel, tmp_path: Path) -> None:
    config = replace(model.config, tracks=model.config.tracks[:1])
    torch.manual_seed(0)
    alone = replace(model, network=Composer(config).eval(), config=config, name="solo")
    path = saved(tune([60, 62, 64, 65]), tmp_path / "tune.mid")
    with pytest.raises(UserError, match="solo has one voice"):
        piece(alone, melody=path)
    assert piece(alone, bars=3, metre="4/4").steps == 48


def test_drums_cannot_sing(model: MusicModel, tmp_path: Path) -> None:
    first, *others = model.config.tracks
    config = replace(model.config, tracks=(replace(first, kind="drums"), *others))
    band = replace(model, network=Composer(config).eval(), config=config, name="band")
    with pytest.raises(UserError, match="band is drums"):
        piece(band, melody=saved(tune([60, 62, 64, 65]), tmp_path / "tune.mid"))


def test_instruments_by_name_and_number() -> None:
    tracks = [TrackSpec(name, "mono", 0, 127) for name in "abc"]
    assert instruments("violin, Cello", tracks) == [40, 42, 42]
    assert instruments("0,flute,127", tracks) == [0, 73, 127]
    for text, said in (("kazoo", "kazoo"), ("128", "128"), ("violin,,cello", "''"), ("1,2,3,4", "names 4"), ("", "''")):
        with pytest.raises(UserError, match=said):
            instruments(text, tracks)


# --- files


def test_a_piece_becomes_sound_notes_and_a_picture(model: MusicModel, tmp_path: Path) -> None:
    names = tuple(str(tmp_path / "new" / name) for name in ("a.mid", "b.WAV", "c.png"))
    config = GenerateConfig(out=names, bars=2, metre="3/4", tempo=120.0, candidates=1)
    score = make_piece(model, config)
    assert write(score, to_midi(score), config) == list(names)
    back = from_midi(names[0])
    sounding = [index for index in range(3) if score.pitch[index].any()]
    assert same(back.onset, score.onset[sounding, : back.steps]) and back.metre == "3/4"
    with wave.open(names[1]) as sound:
        assert sound.getnchannels() == 2
        assert sound.getnframes() / sound.getframerate() == pytest.approx(3 + TAIL, abs=0.8)  # 6 beats
    assert Image.open(names[2]).size[0] > 100
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.mid", "b.WAV", "c.png"]


@pytest.mark.parametrize("name", ["a.mid", "b.wav", "c.png"])
def test_what_cannot_be_written_leaves_nothing_behind(name: str, model: MusicModel, tmp_path: Path) -> None:
    score = piece(model, bars=1)
    (tmp_path / "file").write_text("in the way")
    (tmp_path / name).mkdir()
    for out in (tmp_path / "file" / name, tmp_path / name):
        with pytest.raises(UserError, match="cannot write"):
            write(score, to_midi(score), GenerateConfig(out=(str(out),)))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["file", name])
    assert not list((tmp_path / name).iterdir())


def test_a_damaged_soundfont_is_told(model: MusicModel, tmp_path: Path) -> None:
    score, font = piece(model, bars=1), tmp_path / "font.sf2"
    font.write_text("no soundfont")
    for soundfont in (font, tmp_path / "missing.sf2"):
        with pytest.raises(UserError, match=soundfont.name):
            write(score, to_midi(score), GenerateConfig(out=(str(tmp_path / "x.wav"),), soundfont=soundfont))
    assert not (tmp_path / "x.wav").exists()


def test_weights_are_chosen_by_style() -> None:
    assert GenerateConfig().source == DEFAULT_WEIGHTS
    assert GenerateConfig(weights="mine", style="reel").source == "mine"
    with pytest.raises(UserError, match="--style polka-mazurka"):
        _ = GenerateConfig(style="polka-mazurka").source


# --- blending


def blend(model: MusicModel, **asked: Any) -> Score:
    return make_piece(model, GenerateConfig(**asked))


def test_from_one_piece_to_another(model: MusicModel, tmp_path: Path) -> None:
    start = saved(transpose(piece(model, bars=4, metre="4/4", seed=1), 2), tmp_path / "a.mid")
    end = saved(piece(model, bars=2, metre="4/4", seed=2), tmp_path / "b.mid")
    for bars in (4, 8):
        blended = blend(model, from_=start, to=end, bars=bars)
        assert blended.steps == bars * bar_of("4/4", 4)
        assert blended.key == from_midi(start).key
        assert_playable(blended)


def test_a_blend_of_a_piece_with_itself_stays_there(model: MusicModel, tmp_path: Path) -> None:
    file = saved(piece(model, bars=2, metre="4/4", seed=1), tmp_path / "a.mid")
    once = blend(model, arithmetic=(file, file, file))
    assert once.steps == 2 * bar_of("4/4", 4)
    grid = from_score(model.config, replace(once, key=Key(0)), 2)
    condition = model.condition(1, "4/4", once.key.mode)
    z = model.encode(from_score(model.config, from_midi(file), 2)[None], condition)
    assert torch.equal(grid, model.compose(z, condition)[0])


@pytest.mark.parametrize("bars", [3, 2])
def test_a_walk_has_two_windows_or_more(bars: int, model: MusicModel, tmp_path: Path) -> None:
    file = saved(piece(model, bars=2), tmp_path / "a.mid")
    with pytest.raises(UserError, match="--bars"):
        blend(model, from_=file, to=file, bars=bars)


def test_pieces_that_do_not_blend_are_told(model: MusicModel, tmp_path: Path) -> None:
    four, three = (saved(piece(model, bars=2, metre=metre), tmp_path / f"{metre[0]}.mid") for metre in ("4/4", "3/4"))
    with pytest.raises(UserError, match="metres differ"):
        blend(model, from_=four, to=three)
    solo = saved(tune([60, 62, 64, 65]), tmp_path / "solo.mid")
    with pytest.raises(UserError, match=r"--to .*solo\.mid: its tracks"):
        blend(model, from_=four, to=solo)
    with pytest.raises(UserError, match=r"--arithmetic B .*solo\.mid"):
        blend(model, arithmetic=(four, solo, four))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"from_": "a.mid"}, "--from and --to belong together"),
        ({"to": "a.mid"}, "--from and --to belong together"),
        ({"arithmetic": ("a.mid", "b.mid")}, "--arithmetic takes three files"),
        ({"from_": "a.mid", "to": "b.mid", "melody": "c.mid"}, "--melody and --from exclude each other"),
        ({"from_": "a.mid", "to": "b.mid", "form": "AB"}, "--form means nothing with --from"),
        ({"arithmetic": ("a.mid", "b.mid", "c.mid"), "bars": 8}, "--bars means nothing with --arithmetic"),
    ],
)
def test_flags_of_blends_that_contradict_each_other(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        GenerateConfig(**asked)
