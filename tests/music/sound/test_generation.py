"""Notes as a user asks for them: names of pitches and instruments, mixtures, morphs, scales, chords, files."""

import json
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from small_sounds import CLASSES

from common.cli import parse
from common.errors import UserError
from music.sound import note
from music.sound.config import FRAMES, HOP, RATE, GenerateConfig, length
from music.sound.generate import main
from music.sound.generation import path
from music.sound.notes import parse_mixture, parse_pitch, require_in_range
from music.sound.pitch import in_tune
from music.sound.sheets import spectrogram_sheet
from music.theory import name_of


def generate(weights: str, *flags: str) -> None:
    config = parse(main, "music.sound.generate", ["--weights", weights, "--device", "cpu", *flags])
    config.check_inputs()
    main(config)


def samples(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (RATE, 1)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32767


# --- names


@pytest.mark.parametrize(("text", "number"), [("A4", 69), ("C4", 60), ("c#4", 61), ("Bb2", 46), ("C-1", 0), ("57", 57)])
def test_pitches_have_names(text: str, number: int) -> None:
    assert parse_pitch(text) == number
    assert parse_pitch(name_of(number)) == number


@pytest.mark.parametrize("text", ["H4", "A", "", "128", "G#9", "A 4", "4A"])
def test_what_is_no_pitch_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="is no pitch"):
        parse_pitch(text)


def test_mixtures_are_shares_of_their_sum() -> None:
    assert parse_mixture("Cello", CLASSES) == {1: 1.0}
    assert parse_mixture("0.5 flute + 0.5 cello", CLASSES) == {0: 0.5, 1: 0.5}
    assert parse_mixture("flute + 3 english horn", CLASSES) == {0: 0.25, 2: 0.75}


@pytest.mark.parametrize("text", ["kazoo", "", "0.5", "flute +", "0 flute", "-1 flute"])
def test_unknown_instruments_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="--instrument"):
        parse_mixture(text, CLASSES)


def test_pitches_beyond_all_instruments_are_refused() -> None:
    ranges = [[60, 96], [36, 72]]
    require_in_range([40, 90], [{0: 0.5, 1: 0.5}], ranges, CLASSES)
    with pytest.raises(UserError, match="--pitch E2 is out of range; flute: C4 to C7"):
        require_in_range([40], [{0: 1.0}], ranges, CLASSES)


# --- notes


def test_a_morph_goes_from_the_first_to_the_last() -> None:
    stops = torch.eye(3)
    way = path(stops)
    assert torch.equal(way[0], stops[0]) and torch.equal(way[-1], stops[2])
    assert torch.allclose(way.sum(1), torch.ones(len(way)))


def test_python_gives_samples_in_tune_and_the_same_every_time(weights: str) -> None:
    sound = note("cello", "A3", weights=weights, device="cpu")
    assert sound.dtype == np.float32 and sound.shape == (length(1),)
    assert np.abs(sound).max() <= 1 and sound[-1] == 0
    assert in_tune(torch.from_numpy(sound)[None], torch.tensor([57])).all()
    assert np.array_equal(sound, note("cello", 57, weights=weights, device="cpu"))
    assert not np.array_equal(sound, note("cello", "A3", weights=weights, seed=1, device="cpu"))


def test_commands_write_what_is_asked_for(weights: str, tmp_path: Path) -> None:
    generate(weights, "--instrument", "cello", "--pitch", "A3", "--out", str(tmp_path / "note.wav"))
    assert len(samples(tmp_path / "note.wav")) == length(1)
    generate(weights, "--morph", "flute", "cello", "--seconds", "4", "--out", str(tmp_path / "morph.wav"))
    assert len(samples(tmp_path / "morph.wav")) == 4 * RATE // HOP * HOP
    mixed = ("--instrument", "0.5 flute + 0.5 cello", "--out")
    generate(weights, "--pitch", "C4", "--scale", "major", *mixed, str(tmp_path / "scale.wav"))
    assert len(samples(tmp_path / "scale.wav")) == 8 * length(1)
    generate(weights, "--pitch", "C4", "E4", "G4", "--chord", *mixed, str(tmp_path / "chord.wav"))
    chord = samples(tmp_path / "chord.wav")
    assert len(chord) == length(1) and np.abs(chord).max() < 1
    generate(weights, "--out", str(tmp_path / "sheet.png"))
    generate(weights, "--n", "2", "--out", f"{tmp_path}/all/", str(tmp_path / "all.png"), str(tmp_path / "all.wav"))
    assert len(samples(tmp_path / "all.wav")) == 2 * len(CLASSES) * length(1) and (tmp_path / "all.png").exists()
    assert len(list((tmp_path / "all").glob("*.wav"))) == 2 * len(CLASSES)
    generate(weights, "--instrument", "flute", "0.5 flute + 0.5 cello", "--pitch", "C4", "--out", f"{tmp_path}/two/")
    assert sorted(path.name for path in (tmp_path / "two").glob("*.wav")) == [
        "0000-flute-C4.wav",
        "0001-flute-and-cello-C4.wav",
    ]


def test_short_rows_of_spectrograms_stand_in_columns() -> None:
    one = torch.zeros(1, 2, 512, FRAMES)
    tall, square = (spectrogram_sheet([("flute", one)] * count) for count in (2, 40))
    assert tall.height > 2 * 128 and square.height < 1.5 * square.width < 3 * square.height
    headed = spectrogram_sheet([("flute", one)] * 40, ["made"])
    assert headed.height > 40 * 128


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--instrument", "fluet"], "--instrument fluet: fluet is unknown; did you mean flute? There are flute, cello"),
        (["--instrument", "cello", "flute", "--pitch", "C3"], "--pitch C3 is out of range; flute: C4 to C7"),
        (["--pitch", "C4", "--scale", "major", "--chord"], "--scale and --chord exclude each other"),
        (["--instrument", "kazoo"], "--instrument kazoo: kazoo is unknown; there are flute, cello, english horn"),
        (["--instrument", "flute", "--pitch", "C2"], "--pitch C2 is out of range; flute: C4 to C7"),
        (["--morph", "flute"], "--morph takes two"),
        (["--morph", "flute", "cello", "--instrument", "flute"], "--morph and --instrument exclude"),
        (["--scale", "major"], "--scale begins at one --pitch"),
        (["--out", "note.txt"], "--out note.txt must end in .wav, .png, /"),
        (["--velocity", "0"], "--velocity must be 1 to 127"),
    ],
)
def test_what_cannot_be_made_is_refused(weights: str, flags: list[str], said: str) -> None:
    with pytest.raises(UserError) as refused:
        GenerateConfig(weights=weights, **parsed(flags)).check_inputs()
    assert str(refused.value).startswith(said)


def parsed(flags: list[str]) -> dict[str, object]:
    """Flags with one value or several as settings."""
    settings: dict[str, object] = {}
    names = [index for index, word in enumerate(flags) if word.startswith("--")]
    for begin, end in zip(names, [*names[1:], len(flags)], strict=True):
        name, values = flags[begin][2:], flags[begin + 1 : end]
        several = name in ("instrument", "morph", "pitch", "out")
        single = values[0] if values else True
        settings[name] = tuple(values) if several else int(values[0]) if values and values[0].isdigit() else single
    return settings


def test_python_refuses_what_the_command_does(weights: str) -> None:
    with pytest.raises(UserError, match="--pitch C1 is out of range; flute"):
        note("flute", "C1", weights=weights)


def test_weights_without_pitches_refuse_one(weights: str, tmp_path: Path) -> None:
    folder = tmp_path / "hits"
    folder.mkdir()
    for file in Path(weights).iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    about = json.loads((folder / "config.json").read_text(encoding="utf-8")) | {"ranges": []}
    (folder / "config.json").write_text(json.dumps(about), encoding="utf-8")
    with pytest.raises(UserError, match="--pitch means nothing"):
        GenerateConfig(weights=str(folder), pitch=("A3",)).check_inputs()
    with pytest.raises(UserError, match="--velocity means nothing"):
        GenerateConfig(weights=str(folder), velocity=30).check_inputs()
    generate(str(folder), "--instrument", "flute", "--n", "3", "--out", f"{tmp_path}/made/")
    assert len(list((tmp_path / "made").glob("*.wav"))) == 3
