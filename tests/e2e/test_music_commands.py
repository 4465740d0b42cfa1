"""The music commands as a user types them, each in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT, alone_and_shared, assert_refused, assert_same_files, command
from PIL import Image
from pretty_midi import PrettyMIDI

from music.io.midi import from_midi, save_midi, to_midi
from music.score import Score, TrackSpec
from music.theory import PITCHES

TINY = (
    "--bars",
    "2",
    "--net-size",
    "debug",
    "--examples",
    "128",
    "--batch",
    "16",
    "--snapshot",
    "64",
    "--device",
    "cpu",
)
SCALE = np.array([60, 62, 64, 65, 67, 69, 71, 72])


def tune(seed: int, bars: int = 6) -> Score:
    """Two voices of quarter notes in C that end on the tonic."""
    rng, tracks = np.random.default_rng(seed), (TrackSpec("Upper", "mono", 60, 72), TrackSpec("Lower", "mono", 48, 60))
    pitch, onset = np.zeros((2, 2, 16 * bars, PITCHES), bool)
    for voice, below in enumerate((0, 12)):
        for beat in range(4 * bars):
            note = SCALE[rng.integers(8) if beat + 1 < 4 * bars else 0] - below
            pitch[voice, 4 * beat : 4 * beat + 4, note] = onset[voice, 4 * beat, note] = True
    return Score(tracks, pitch, onset)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as people have them: good files, and some that cannot be read."""
    folder = tmp_path_factory.mktemp("songs")
    for seed in range(20):
        save_midi(to_midi(tune(seed)), folder / f"song {seed}.mid")
    Image.new("RGB", (8, 8)).save(folder / "photo.jpg")
    (folder / "photo.jpg").rename(folder / "photo.mid")
    whole = (folder / "song 0.mid").read_bytes()
    (folder / "truncated.mid").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture(scope="module")
def run_folder(songs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "songs"
    result = command("music.train", "--data", songs, *TINY, "--out", out)
    assert result.returncode == 0, result.stderr
    assert str(out) in result.stdout and "skipped 2 " in result.stderr
    return out


def test_commands_are_listed_and_explained() -> None:
    listed = command("music")
    assert listed.returncode == 0, listed.stderr
    for name in ("train", "generate", "evaluate"):
        assert f"python -m music.{name}" in listed.stdout
        code = (
            f"import sys; sys.argv = ['x', '--help']\n"
            f"from common.cli import run; from music.{name} import PROGRAM, main\n"
            f"try: run(main, PROGRAM)\n"
            f"finally: print('torch' in sys.modules)"
        )
        result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines()[-1] == "False", f"{name} --help loads torch"
        assert f"python -m music.{name}" in result.stdout and "--device" in result.stdout


def test_train_leaves_everything_behind(run_folder: Path) -> None:
    names = {path.name for path in run_folder.iterdir()}
    assert {"config.json", "model.safetensors", "README.md", "checkpoints", "samples", "metrics.jsonl"} <= names
    assert len(list((run_folder / "samples").glob("*.png"))) == 2
    rows = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    assert any("misfit" in row for row in rows)
    assert "python -m music.train" in (run_folder / "README.md").read_text()


def test_compose_harmonise_continue_and_evaluate(run_folder: Path, songs: Path, tmp_path: Path) -> None:
    midi, sound, picture = (tmp_path / f"song.{ending}" for ending in ("mid", "wav", "png"))
    result = command(
        "music.generate", "--weights", run_folder, "--bars", 3, "--key", "D minor", "--candidates", 2,
        "--instruments", "violin,cello", "--seed", 5, "--out", midi, sound, picture
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert [f"wrote {path}: 3 bars of 4/4 in D minor" in result.stdout for path in (midi, sound, picture)] == [True] * 3
    assert [instrument.program for instrument in PrettyMIDI(str(midi)).instruments] == [40, 42]
    assert sound.read_bytes()[:4] == b"RIFF" and Image.open(picture).size[0] > 100

    given = songs / "song 3.mid"
    for flag, length in (("--melody", 6), ("--continue", 6 + 2)):
        extra = ("--bars", 2) if flag == "--continue" else ()
        out = tmp_path / f"{flag}.mid"
        result = command("music.generate", "--weights", run_folder, flag, given, *extra, "--out", out)
        assert result.returncode == 0, result.stderr
        assert f"{length} bars" in result.stdout
        written, whole = from_midi(out), from_midi(given)
        assert (written.onset[0, : whole.steps] == whole.onset[0]).all()

    result = command(
        "music.evaluate", "--weights", run_folder, "--n", 16, "--candidates", 2, "--out", tmp_path / "report"
    )
    assert result.returncode == 0, result.stderr
    assert "Copying" in result.stdout and "melodies kept note for note" in result.stdout
    assert (tmp_path / "report" / "evaluation.json").is_file() and (tmp_path / "report" / "report.html").is_file()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--style", "polka"), ("--style polka",)),
        (("--key", "H major"), ("--key", "H major")),
        (("--tempo", "0"), ("--tempo",)),
        (("--tempo", "fast"), ("--tempo", "fast")),
        (("--melody", "photo.mid"), ("photo.mid", "MIDI")),
        (("--melody", "empty.mid"), ("empty.mid", "no notes")),
        (("--continue", "truncated.mid"), ("truncated.mid",)),
        (("--out", "nowhere.mp3"), ("nowhere.mp3", ".wav")),
        (("--out", "photo.mid/x.mid"), ("photo.mid/x.mid",)),
        (("--loud",), ("--loud",)),
        (("--weights", "no-such-model"), ("no-such-model",)),
    ],
)
def test_what_is_mistyped_is_refused(
    words: tuple[str, ...], named: tuple[str, ...], run_folder: Path, songs: Path, tmp_path: Path
) -> None:
    for name in ("photo.mid", "truncated.mid"):
        (tmp_path / name).write_bytes((songs / name).read_bytes())
    PrettyMIDI().write(str(tmp_path / "empty.mid"))
    before = sorted(tmp_path.iterdir())
    weights = () if "--weights" in words else ("--weights", run_folder)
    # in the folder of the files, so that their names are as short as users type them
    result = command("music.generate", *weights, "--candidates", 1, *words, cwd=tmp_path)
    assert_refused(result, *named)
    assert sorted(tmp_path.iterdir()) == before


def test_bad_data_and_weights_are_refused(tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text("hello")
    out = ("--out", tmp_path / "run")
    assert_refused(command("music.train", "--data", tmp_path / "missing", *TINY, *out), "missing")
    assert_refused(command("music.train", "--data", texts, *TINY, *out), "texts")
    assert_refused(command("music.train", "--data", texts, *TINY, "--batch", 6, *out), "--batch")
    assert_refused(command("music.evaluate", "--weights", tmp_path / "missing", *out), "missing")
    assert not (tmp_path / "run").exists()


def test_two_processes_compose_the_same(run_folder: Path, tmp_path: Path) -> None:
    words = ("music.generate", "--weights", run_folder, "--bars", 3, "--rounds", 2, "--candidates", 300)
    alone, shared, said = alone_and_shared(tmp_path, *words, out="song.mid")
    assert alone.read_bytes() == shared.read_bytes()
    assert said.count("wrote") == 1


def test_two_processes_measure_the_same(run_folder: Path, songs: Path, tmp_path: Path) -> None:
    words = ("music.evaluate", "--weights", run_folder, "--data", songs, "--n", 512, "--candidates", 2)
    alone, shared, said = alone_and_shared(tmp_path, *words)
    assert_same_files(alone, shared)
    assert said.count("report.html") == 1
