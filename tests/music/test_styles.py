"""Styles for one to four voices are learned by one network, and each comes out with its own voices."""

import json
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace

import pytest
import torch
from small_tunes import tune

from common.errors import UserError
from common.weights_folders import find_weights
from music.config import GenerateConfig, TrainConfig
from music.data import loading, sources
from music.data.loading import MusicData, load_music
from music.data.notation import abc
from music.data.styles import VALUES, evenly, in_voices, longest_stretch
from music.data.tunes import Item, Music, Tune, note_table
from music.evaluation import pick
from music.generation import make_piece
from music.io.midi import from_midi, save_midi, to_midi
from music.models import MusicModel, load_music_model
from music.performing import perform
from music.rolls import empty_condition
from music.score import Score, TrackSpec, narrowed, notes, widened
from music.theory import Key
from music.train import main

BARS = 2
VOICES = {"air": 1, "canon": 2, "mass": 3}
METRES = {"air": "3/4", "canon": "4/4", "mass": "4/4"}


def written(style: str, seed: int, grid: int = 4) -> Tune:
    score = narrowed(tune(seed, METRES[style], Key(seed % 3), bars=6 if style == "air" else 20), VOICES[style])
    found = [(t, pitch, start, stop) for t in range(len(score.tracks)) for start, stop, pitch in notes(score, t)]
    return Tune(score.tracks, note_table(found), score.steps, score.metre, score.key, grid=grid)


def collection() -> Music:
    items = [
        Item(name, name, partial(in_voices, partial(written, style, seed)), style)
        for number, style in enumerate(VOICES)
        for seed in range(10 * number, 10 * number + 10)
        for name in [f"{style} {seed}"]
    ]
    return Music(items, "made for a test", is_balanced=True)


@pytest.fixture(scope="module")
def styles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MusicData]:
    """Ten tunes each for one, two and three voices under the name of the built-in set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUARTET_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setitem(sources.BUILT_IN, "styles", collection)
        yield load_music("styles", BARS)


@pytest.fixture(scope="module")
def learned(styles: MusicData, tmp_path_factory: pytest.TempPathFactory) -> MusicModel:
    """A run of seconds on those."""
    out = tmp_path_factory.mktemp("runs") / "styles"
    settings = {"net_size": "debug", "latent": 8, "bar_latent": 4, "steps": 12, "batch": 16}
    main(TrainConfig(data="styles", bars=BARS, device="cpu", out=out, **settings))  # type: ignore[arg-type]
    return load_music_model(str(out))


def test_one_network_learns_all_of_them(learned: MusicModel, styles: MusicData) -> None:
    trained = Counter(tune.style for tune in styles.tunes if not tune.is_held_out)
    assert {style: facts.tunes for style, facts in learned.styles.items()} == trained
    assert {style: facts.voices for style, facts in learned.styles.items()} == VOICES
    assert all(2 < facts.notes_per_bar < 4.1 for facts in learned.styles.values())
    assert [track.name for track in learned.config.tracks] == [f"voice {number}" for number in range(1, 5)]


@pytest.mark.parametrize("style", VOICES)
def test_a_style_comes_out_with_its_own_voices(style: str, learned: MusicModel) -> None:
    asked = {"style": style, "bars": 4, "candidates": 2, "rounds": 1, "ending": "tonic", "temperature": 1.0}
    piece, midi, _ = perform(learned, GenerateConfig(**asked, weights="chorales"))  # type: ignore[arg-type]
    assert len(piece.tracks) == len(midi.instruments) == VOICES[style]
    assert piece.metre == METRES[style] and piece.steps == 4 * piece.bar


def sounding(style: str, path: Path) -> Score:
    """A piece of a style whose voices all sound, as its file holds it."""
    save_midi(to_midi(written(style, 4).score()), path)
    return from_midi(path)


@pytest.mark.parametrize("style", VOICES)
def test_a_piece_of_a_style_is_continued_and_rewritten(style: str, learned: MusicModel, tmp_path: Path) -> None:
    given = sounding(style, tmp_path / "given.mid")
    asked = {"style": style, "candidates": 1, "rounds": 1, "temperature": 1.0}
    longer = make_piece(learned, GenerateConfig(**asked, continue_=tmp_path / "given.mid", bars=2))  # type: ignore[arg-type]
    assert len(longer.tracks) == VOICES[style] and (longer.pitch[:, : given.steps] == given.pitch).all()
    config = GenerateConfig(**asked, rewrite=tmp_path / "given.mid", at_bars="2", voices=("1",))  # type: ignore[arg-type]
    anew = perform(learned, config)[0]
    assert len(anew.tracks) == VOICES[style]
    assert (anew.pitch[:, 2 * given.bar : given.steps] == given.pitch[:, 2 * given.bar :]).all()


def test_what_a_style_has_no_voices_for_is_told(learned: MusicModel, tmp_path: Path) -> None:
    sounding("mass", tmp_path / "mass.mid")
    with pytest.raises(UserError, match="--melody: air has one voice"):
        make_piece(learned, GenerateConfig(style="air", melody=tmp_path / "mass.mid"))
    with pytest.raises(UserError, match=r"--continue .* writes voice 1, voice 2;"):
        make_piece(learned, GenerateConfig(style="canon", continue_=tmp_path / "mass.mid"))


def test_styles_are_listed_with_their_tunes(learned: MusicModel) -> None:
    counts = ", ".join(rf"{style} \({learned.styles[style].tunes} tunes\)" for style in VOICES)
    with pytest.raises(UserError, match=f"--style polka: unknown to .*; it has {counts}"):
        make_piece(learned, GenerateConfig(style="polka", weights="chorales"))


def test_candidates_are_picked_by_what_is_usual_in_their_style(learned: MusicModel, styles: MusicData) -> None:
    assert learned.typical_of("")["notes_per_bar"] == learned.typical["notes_per_bar"]  # type: ignore[index]
    assert learned.typical_of("air")["notes_per_bar"] == learned.styles["air"].notes_per_bar  # type: ignore[index]
    batch = styles.train.gather(torch.arange(6))
    assert len(pick(learned, empty_condition(learned.config, batch), SimpleNamespace(candidates=2, seed=0))) == 6  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "value"), [("voices", 0), ("voices", 5), ("notes_per_bar", 0.0), ("tunes", "many")])
def test_facts_that_cannot_be_are_refused(name: str, value: object, run_folder: Path, tmp_path: Path) -> None:
    folder = copytree(find_weights(str(run_folder), "music"), tmp_path / "spoiled")
    config = json.loads((folder / "config.json").read_text())
    config["styles"]["march"][name] = value
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"config\.json"):
        load_music_model(str(folder))


# --- Data -------------------------------------------------------------------------------------------------------------


def test_no_style_has_more_than_its_share_of_windows(styles: MusicData, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = styles.train.tensors["label"].bincount().tolist()
    assert counts[0] < counts[1]  # airs are shorter
    monkeypatch.setattr(loading, "MAX_WINDOWS", 3 * counts[0])
    monkeypatch.setattr(loading, "FORMAT", -1)
    balanced = load_music("styles", BARS).train.tensors["label"].bincount().tolist()
    assert balanced[0] == counts[0] and max(balanced) <= counts[0] < 3 * min(balanced)


def test_every_window_has_the_voices_of_its_style(styles: MusicData) -> None:
    heard = styles.train.tensors["pitch"].amax((2, 3))  # (N, 4)
    for label, style in enumerate(styles.spec.styles):
        own = heard[styles.train.tensors["label"] == label]
        assert len(own) and (own[:, : VOICES[style]] == 1).all() and not own[:, VOICES[style] :].any()
    assert {tune.style: tune.voices for tune in styles.tunes} == VOICES


def test_voices_are_filled_up_to_four_and_five_are_refused() -> None:
    filled = in_voices(partial(written, "canon", 0), 4)
    assert [track.kind for track in filled.tracks] == ["mono"] * 4 and set(filled.notes[:, 0]) == {0, 1}
    five = Tune((TrackSpec("a", "mono", 60, 60),) * 5, note_table([(4, 60, 0, 4)]), 16, "4/4")
    with pytest.raises(ValueError, match="has 5 voices; 4 are the most"):
        in_voices(lambda grid: five, 4)


def test_tunes_are_taken_from_a_whole_collection_evenly() -> None:
    items = [Item(str(number), "", partial(written, "air", number)) for number in range(10)]
    assert [item.name for item in evenly(items, 4)] == ["0", "2", "5", "7"]
    assert evenly(items, 20) == items


def test_the_longest_stretch_is_in_one_metre_with_no_bar_too_long() -> None:
    def signature(text: str) -> SimpleNamespace:
        beats, value = map(int, text.split("/"))
        return SimpleNamespace(ratioString=text, barDuration=SimpleNamespace(quarterLength=4 * beats / value))

    common, triple = signature("4/4"), signature("3/4")
    assert longest_stretch([common, None, None, triple, None], [1, 4, 4, 3, 3]) == (0, 3)
    assert longest_stretch([common, None, triple, None, None], [4, 4, 3, 3, 3]) == (2, 5)
    assert longest_stretch([common, None, common, None], [4, 4, 4, 4]) == (0, 4)  # the same once more
    assert longest_stretch([common, None, None, None, None], [4, 5, 4, 4, 4]) == (2, 5)
    assert longest_stretch([], []) == (0, 0)


@pytest.mark.parametrize(("metre", "becomes", "eighth"), [("4/2", "4/4", 1), ("3/8", "3/4", 4), ("3/4", "3/4", 2)])
def test_old_metres_are_written_in_other_values(metre: str, becomes: str, eighth: int) -> None:
    bar = "c" * int(8 * Fraction(metre))
    tune = abc(f"X:1\nT:t\nM:{metre}\nL:1/8\nK:C\n{bar} | {bar} | {bar} |]\n", values=VALUES)
    assert tune.metre == becomes and (tune.notes[:, 3] - tune.notes[:, 2] == eighth).all()


def test_a_widened_piece_narrows_to_what_it_was() -> None:
    score = written("canon", 1).score()
    wide = widened(score, 4)
    assert len(wide.tracks) == 4 and not wide.pitch[2:].any()
    assert narrowed(wide, 2).tracks == score.tracks and (narrowed(wide, 2).onset == score.onset).all()
