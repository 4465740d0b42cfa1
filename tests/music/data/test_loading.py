"""Music of any origin becomes windows of whole bars in C, and variants of one tune stay on one side."""

import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pretty_midi import Instrument, Note, PrettyMIDI

from common.errors import UserError
from music.data.loading import MODES, MusicData, contour, in_c, load_music, windows
from music.data.sources import find
from music.data.tunes import Tune, parse
from music.rolls import MusicSpec
from music.score import TrackSpec
from music.theory import METRES, Key, bar_of

FLUTE = TrackSpec("flute", "mono", 0, 127)
DRUMS = TrackSpec("drums", "drums", 0, 127)


pytestmark = pytest.mark.usefixtures("cache")


def melody(seed: int, bars: int = 6) -> str:
    """Bars of eight random eighths in ABC, the last one a long C."""
    letters = np.random.default_rng(seed).choice(list("CDEFGABc"), (bars - 1, 8))
    return " | ".join("".join(bar) for bar in letters) + " | C8 |]"


def write(folder: Path, name: str, body: str, key: str = "C", metre: str = "4/4") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.abc").write_text(f"X:1\nT:{name}\nM:{metre}\nL:1/8\nK:{key}\n{body}\n")


def book(folder: Path, n: int) -> Path:
    for seed in range(n):
        write(folder, f"tune {seed}", melody(seed))
    return folder


def midi(path: Path, programs: tuple[int, ...] = (0,), drums: bool = False) -> None:
    """Two bars of 4/4 at 120 quarters a minute, a quarter note C on each beat."""
    score = PrettyMIDI(initial_tempo=120)
    for index, program in enumerate(programs):
        instrument = Instrument(program, is_drum=drums and index == len(programs) - 1, name=f"part {index}")
        instrument.notes = [Note(80, 60, beat / 2, beat / 2 + 0.5) for beat in range(8)]
        score.instruments.append(instrument)
    score.write(str(path))


def everything(data: MusicData, name: str) -> torch.Tensor:
    return torch.cat([data.train.tensors[name], data.test.tensors[name]])


# --- A folder ---------------------------------------------------------------------------------------------------------


def test_a_folder_of_styles(tmp_path: Path) -> None:
    for style in ("reel", "march"):
        for seed in range(6):
            write(tmp_path / "tunes" / style, f"{style} {seed}", melody(seed + 10 * (style == "march")))
    data = load_music(str(tmp_path / "tunes"))
    spec = data.spec
    assert (data.name, spec.styles, spec.metres, spec.bars, spec.bar_steps) == (
        "tunes",
        ("march", "reel"),
        ("4/4",),
        4,
        16,
    )
    assert (spec.low, spec.high, spec.steps, spec.pitches) == (60, 72, 64, 13)
    assert set(data.train.tensors) == {"pitch", "onset", "metre", "mode", "label", "tune", "first", "last"}
    n = len(data.train) + len(data.test)
    assert n == 12 * 3 and everything(data, "pitch").shape == (n, 1, 64, 13)
    assert everything(data, "pitch").dtype == torch.uint8 and everything(data, "label").dtype == torch.int64
    assert everything(data, "label").bincount().tolist() == [18, 18]
    assert everything(data, "first").sum() == everything(data, "last").sum() == 12
    assert not data.skipped and "12 files of music from tunes" in data.source


def test_the_windows_of_a_tune_are_passages_of_it_and_on_one_side(tmp_path: Path) -> None:
    folder = str(book(tmp_path / "tunes", 12))
    data = load_music(folder, bars=2)
    tunes = [in_c(parse(item)) for item in find(folder)[1]().items]  # type: ignore[arg-type]
    sides = []
    for part in (data.train.tensors, data.test.tensors):
        owners: dict[int, set[int]] = {}
        for pitch, mode, tune in zip(part["pitch"].numpy(), part["mode"].tolist(), part["tune"].tolist(), strict=True):
            found = {
                n for n, own in enumerate(tunes) if own.key == Key(0, MODES[mode]) and holds(own, pitch, data.spec)
            }
            owners[tune] = owners.get(tune, found) & found
        assert sorted(owners) == list(range(len(owners))) and all(map(len, owners.values()))
        sides.append(owners)
    assert data.held_out == len(sides[1])
    assert not set.union(*sides[0].values()) & set.union(*sides[1].values())


def holds(tune: Tune, pitch: np.ndarray, spec: MusicSpec) -> bool:
    """Whether a window (tracks, steps, pitches) of 4/4 is a passage of a tune."""
    whole = tune.score().pitch[:, :, spec.low : spec.high + 1]
    starts = range(0, whole.shape[1] - spec.steps + 1, 16)
    return any((whole[:, start : start + spec.steps] == pitch).all() for start in starts)


def test_the_second_call_opens_the_same_from_the_cache(tmp_path: Path, cache: Path) -> None:
    folder = book(tmp_path / "tunes", 5)
    first, entries = load_music(str(folder)), sorted(cache.iterdir())
    second = load_music(str(folder))
    assert sorted(cache.iterdir()) == entries and second.spec == first.spec
    assert all(torch.equal(first.train.tensors[name], second.train.tensors[name]) for name in first.train.tensors)
    assert second.held_out == first.held_out >= 1


def test_edited_copies_under_other_names_stay_on_one_side(tmp_path: Path) -> None:
    for seed in range(8):
        write(tmp_path / "tunes", f"original {seed}", melody(seed))
        write(tmp_path / "tunes", f"copy {seed}", melody(seed).replace("C8", "C4 E2 G2"))
    data = load_music(str(tmp_path / "tunes"))
    train, test = (
        {roll.numpy().tobytes() for roll in part.tensors["pitch"][part.tensors["first"] == 1]}
        for part in (data.train, data.test)
    )
    assert not train & test


def test_shorter_bars_end_in_silence(tmp_path: Path) -> None:
    for seed in range(4):
        write(tmp_path / "tunes", f"waltz {seed}", f"{'CDEFGA | ' * (4 + seed)}C6 |]", metre="3/4")
        write(tmp_path / "tunes", f"march {seed}", melody(seed))
    data = load_music(str(tmp_path / "tunes"))
    pitch, metre = everything(data, "pitch"), everything(data, "metre")
    assert data.spec.metres == ("3/4", "4/4") and data.spec.bar_steps == 16
    waltzes = pitch[metre == 0].unflatten(2, (4, 16))
    assert not waltzes[:, :, :, 12:].any() and waltzes[:, :, :, :12].any(dim=-1).all()
    assert pitch[metre == 1].any(dim=-1).all()


# --- What is left out -------------------------------------------------------------------------------------------------


def test_each_file_that_is_left_out_has_its_reason(tmp_path: Path) -> None:
    folder = tmp_path / "tunes"
    folder.mkdir()
    for index in range(9):
        midi(folder / f"{index}.mid", programs=(index, 0))
    midi(folder / "solo.mid")
    midi(folder / "drums.mid", programs=(0, 0), drums=True)
    (folder / "broken.mid").write_bytes(b"MThd\0\0")
    (folder / "empty.mid").write_bytes(b"")
    (folder / "cover.jpg").write_bytes(b"")
    write(folder, "short", "C8 | C8 |")
    for seed in range(30):
        write(folder, f"tune {seed}", melody(seed))
    data = load_music(str(folder), bars=3)
    assert len(data.spec.tracks) == 1
    assert data.skipped.pop("cover.jpg") == "no music, by its ending"
    assert data.skipped.pop("0.mid") == "has 2 tracks, where most have 1 track"
    assert data.skipped.pop("drums.mid") == "has 2 tracks (drums: 2), where most have 1 track"
    assert data.skipped.pop("solo.mid") == "lasts 2 bars, less than a window of 3"
    assert {"broken.mid", "empty.mid", "short.abc short"} < set(data.skipped)


def test_nothing_usable_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "tunes").mkdir()
    (tmp_path / "tunes" / "a.mid").write_bytes(b"no MIDI")
    with pytest.raises(UserError, match=r"^--data .*none can be used of its 1 tunes: 1 [^\n]*\(a\.mid\)$"):
        load_music(str(tmp_path / "tunes"))


@pytest.mark.parametrize("bars", [0, 65])
def test_windows_have_a_sane_length(bars: int) -> None:
    with pytest.raises(UserError, match="--bars must be 1 to 64"):
        load_music("chorales", bars)


# --- POP909 -----------------------------------------------------------------------------------------------------------


def song(folder: Path, number: str, seed: int, key: str) -> None:
    """Twelve bars at 90 beats a minute after half a second, an odd half bar in the middle, in POP909's layout."""
    rng, beat = np.random.default_rng(seed), 60 / 90
    score = PrettyMIDI(initial_tempo=90)
    for name, pitches in (("MELODY", (72,)), ("BRIDGE", (67,)), ("PIANO", (50, 54, 57))):
        instrument = Instrument(0, name=name)
        for start in range(50):
            for pitch in pitches:
                height = pitch + (int(rng.integers(12)) if name == "MELODY" else 0)
                instrument.notes.append(Note(80, height, 0.5 + start * beat, 0.5 + (start + 0.9) * beat))
        score.instruments.append(instrument)
    own = folder / "POP909" / number
    own.mkdir(parents=True)
    score.write(str(own / f"{number}.mid"))
    downbeats = [*range(0, 16, 4), *range(18, 50, 4)]  # the fifth bar has two beats
    lines = [f"{0.5 + n * beat} {float(n % 2 == 0)} {float(n in downbeats)}" for n in range(50)]
    (own / "beat_midi.txt").write_text("\n".join(lines) + "\n")
    (own / "key_audio.txt").write_text(f"0.5\t30.0\t{key}\n30.0\t33.0\tC:maj\n")
    (own / "versions").mkdir()
    score.write(str(own / "versions" / f"{number}-v1.mid"))


def test_pop909_packed_and_unpacked(tmp_path: Path) -> None:
    folder = tmp_path / "pop909"
    for number in range(1, 6):
        song(folder, f"00{number}", number, "D:maj")
    with tarfile.open(tmp_path / "pop909.tar.gz", "w:gz") as archive:
        archive.add(folder, "pop909")
    with zipfile.ZipFile(tmp_path / "zipped.zip", "w") as archive:
        for file in folder.rglob("*.*"):
            archive.write(file, file.relative_to(tmp_path))
    unpacked, packed, zipped = (load_music(str(tmp_path / name)) for name in ("pop909", "pop909.tar.gz", "zipped.zip"))
    assert [(track.name, track.kind) for track in packed.spec.tracks] == [
        ("melody", "mono"),
        ("bridge", "poly"),
        ("piano", "poly"),
    ]
    assert packed.name == "pop909" and packed.spec.metres == ("4/4",) and not packed.skipped
    for other in (unpacked, zipped):
        assert torch.equal(packed.train.tensors["pitch"], other.train.tensors["pitch"])
        assert other.source == packed.source and other.tempo == packed.tempo
    assert len(packed.train) + len(packed.test) == 5 * (7 - 3)  # the seven whole bars after the odd one
    onset = packed.test.tensors["onset"][0].any(dim=-1)  # (tracks, steps)
    assert onset[:, ::4].all() and not onset[:, 1::4].any()
    piano = packed.test.tensors["pitch"][0, 2, 0].nonzero().flatten() + packed.spec.low
    assert piano.tolist() == [48, 52, 55]  # from D down to C


# --- Tunes and windows ------------------------------------------------------------------------------------------------


def tune(notes: list[tuple[int, int, int, int]], steps: int, metre: str = "4/4", key: Key | None = None) -> Tune:
    return Tune((FLUTE, DRUMS), np.array(notes, dtype=np.int32).reshape(-1, 4), steps, metre, key or Key())


@given(st.integers(0, 11), st.sampled_from(MODES))
def test_the_tonic_moves_to_c_by_the_nearest_way_and_drums_stay(tonic: int, mode: str) -> None:
    moved = in_c(tune([(0, 60 + tonic, 0, 4), (1, 36, 0, 1)], 16, key=Key(tonic, mode)))  # type: ignore[arg-type]
    assert moved.key == Key(0, mode)  # type: ignore[arg-type]
    assert moved.notes[0, 1] % 12 == 0 and -6 <= moved.notes[0, 1] - (60 + tonic) <= 5
    assert moved.notes[1, 1] == 36


MOVES = st.lists(st.integers(-5, 5).filter(bool), min_size=24, max_size=30)


@settings(deadline=None)
@given(MOVES, st.integers(-12, 12), st.data())
def test_contours_survive_transposition_and_passing_notes(moves: list[int], interval: int, data: st.DataObject) -> None:
    heights = np.clip(64 + np.cumsum([0, *moves]) % 24, 0, 127).tolist()
    plain = [(0, h, 4 * n, 4 * n + 4) for n, h in enumerate(heights)]
    ornamented = []
    for n, h in enumerate(heights):
        passing = data.draw(st.integers(50, 90))
        ornamented += [(0, h + interval, 4 * n, 4 * n + 2), (0, passing + interval, 4 * n + 2, 4 * n + 4)]
    steps = 4 * len(heights)
    assert contour(tune(plain, steps)) == contour(tune(ornamented, steps))


def test_short_tunes_have_no_contour() -> None:
    assert contour(tune([(0, 60, 0, 16)], 16)) == ("", "")


def spec(bars: int, bar_steps: int) -> MusicSpec:
    return MusicSpec((FLUTE, DRUMS), 60, 64, bars, bar_steps, tuple(METRES), ())


def test_what_is_held_over_the_start_of_a_window_begins_there() -> None:
    pitch, onset = windows(tune([(0, 60, 0, 20), (0, 62, 24, 28)], 28), spec(1, 16), [0, 1])
    assert pitch.shape == onset.shape == (2, 2, 16, 5)
    assert pitch[1, 0, :, 0].tolist() == [True] * 4 + [False] * 12
    assert np.argwhere(onset[1]).tolist() == [[0, 0, 0], [0, 8, 2]]


def test_bars_of_a_window_begin_at_multiples_of_the_longest() -> None:
    pitch, onset = windows(tune([(0, 60, 8, 16), (0, 64, 18, 24)], 24, "3/4"), spec(2, 18), [0])
    assert np.flatnonzero(pitch[0, 0, :, 0]).tolist() == [8, 9, 10, 11, 18, 19, 20, 21]
    assert np.flatnonzero(onset[0, 0].any(axis=1)).tolist() == [8, 24]


@given(st.sampled_from(sorted(METRES)), st.integers(1, 3), st.data())
def test_windows_laid_end_to_end_are_the_tune(metre: str, bars: int, data: st.DataObject) -> None:
    bar = bar_of(metre, 4)
    begins = data.draw(st.lists(st.integers(0, 6 * bar - 2), min_size=1, max_size=20, unique=True))
    notes = [(0, 60 + start % 5, start, start + 1) for start in begins]
    own = tune(notes, 6 * bar, metre)
    pitch, _ = windows(own, spec(bars, 24), list(range(0, 6 - bars + 1, bars)))
    unpadded = pitch.reshape(len(pitch), 2, bars, 24, 5)[:, 0, :, :bar].reshape(-1, 5)
    assert (unpadded == own.score().pitch[0, : len(unpadded), 60:65]).all()
