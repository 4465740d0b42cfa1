"""A trained composer: pieces to rolls and back, seeds, conditions, and weights folders that are of no use."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from common.errors import UserError
from common.randomness import mix
from music import compose
from music.data.loading import MusicData
from music.io.midi import from_midi
from music.models import CHUNK, MusicModel, from_score, load_music_model, to_scores
from music.score import Score
from music.theory import Key


def same(first: np.ndarray, second: np.ndarray) -> bool:
    return first.shape == second.shape and bool((first == second).all())


@pytest.fixture
def tune(tunes: Path) -> Score:
    """Six bars in 3/4 and C, shorter than the longest of the model."""
    return from_midi(tunes / "waltz" / "waltz 0.mid")


def test_windows_become_pieces_and_rolls_again(model: MusicModel, data: MusicData) -> None:
    batch = data.test.gather(torch.arange(len(data.test)))
    rolls = torch.stack([batch["pitch"], batch["onset"]], 1)
    scores = to_scores(model.config, rolls, batch["metre"], batch["mode"])
    for roll, score, label in zip(rolls, scores, batch["label"].tolist(), strict=True):
        assert score.steps == 2 * score.bar
        assert score.metre == {"march": "4/4", "waltz": "3/4"}[model.config.styles[label]]
        assert torch.equal(from_score(model.config, score, 2), roll.bool())


def test_a_piece_is_cut_or_filled_to_the_bars_asked_for(model: MusicModel, tune: Score) -> None:
    bar = tune.bar
    one, eight = from_score(model.config, tune, 1), from_score(model.config, tune, 8)
    assert one.shape == (2, 3, 16, model.config.pitches) and eight.shape[2] == 8 * 16
    low = model.config.low
    assert same(one[0, :, :bar].numpy(), tune.pitch[:, :bar, low : model.config.high + 1])
    assert not eight[:, :, 6 * 16 :].any() and eight[0].sum() == tune.pitch.sum()


def test_a_seed_is_a_piece(model: MusicModel) -> None:
    condition = model.condition(3, "4/4", "major")
    first, again, other = (model.compose(model.latents(3, seed), condition) for seed in (1, 1, 2))
    assert first.dtype == torch.bool and first.shape == (3, 2, 3, 32, model.config.pitches)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_conditions_are_numbers_by_name(model: MusicModel) -> None:
    condition = model.condition(2, model.config.metres[1], "minor", "waltz", first=False)
    assert {name: tensor.tolist() for name, tensor in condition.items() if tensor.dim() == 1} == {
        "metre": [1, 1],
        "mode": [1, 1],
        "style": [1, 1],
        "first": [0, 0],
        "last": [1, 1],
    }
    assert not condition["mask"].any() and not condition["given"].any()
    assert model.condition(1, "4/4", "major")["style"].tolist() == [2]  # any
    for score in model.scores(model.compose(model.latents(2), condition), condition):
        assert (score.key, score.metre) == (Key(0, "minor"), model.config.metres[1])


def test_the_given_part_is_what_the_mask_shows(model: MusicModel, tune: Score) -> None:
    roll = from_score(model.config, tune, 2)
    mask = torch.zeros(3, 32)
    mask[1] = 1
    condition = model.condition(4, tune.metre, "major", roll=roll, mask=mask)
    assert torch.equal(condition["given"][3, :, 1].bool(), roll[:, 1]) and not condition["given"][:, :, 0].any()
    assert torch.equal(model.compose(model.latents(4), condition)[:, :, 1], roll[:, 1].expand(4, -1, -1, -1))


def test_notes_after_given_bars_begin_with_an_onset(model: MusicModel) -> None:
    shape = (2, 3, 32, model.config.pitches)
    mask = torch.zeros(3, 32)
    mask[:, :16] = 1  # a bar of silence is given, whatever the network would have written there
    rolls = model.compose(model.latents(64), model.condition(64, "4/4", "major", roll=torch.zeros(shape), mask=mask))
    pitch, onset = rolls.unbind(1)
    assert not pitch[:, :, :16].any() and pitch[:, :, 16].any()
    assert torch.equal(pitch[:, :, 16], onset[:, :, 16])


def test_guidance_exaggerates_what_a_style_changes_against_any(model: MusicModel) -> None:
    z, styled, of_any = model.latents(4), *(model.condition(4, "4/4", "major", style) for style in ("waltz", ""))
    ours, free = (model.network.vae.decode(z, condition)[0] for condition in (styled, of_any))
    assert not torch.equal(ours, free)
    guided = replace(model, guidance=2.5)._outputs(z, styled)
    torch.testing.assert_close(guided, free + 2.5 * (ours - free))
    assert torch.equal(replace(model, guidance=1)._outputs(z, styled), ours)
    torch.testing.assert_close(replace(model, guidance=2.5)._outputs(z, of_any), free)
    assert load_music_model("chorales").guidance == 1
    with pytest.raises(UserError, match="--guidance: chorales has one style alone"):
        load_music_model("chorales", guidance=2)


def test_weights_carry_what_is_typical_of_their_music(model: MusicModel) -> None:
    assert model.name == "tunes"
    assert model.config.styles == ("march", "waltz")
    assert model.metres["march"] == "4/4" and model.metres["waltz"] == "3/4" and model.metres[""] in ("4/4", "3/4")
    assert model.tempo == pytest.approx(90, abs=0.1)
    assert model.typical is not None and model.typical["in_scale"] == 1
    assert all(map(np.isfinite, model.typical.values()))
    assert not model.network.training


def copied(run_folder: Path, tmp_path: Path) -> Path:
    for name in ("config.json", "model.safetensors"):
        shutil.copy(run_folder / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"domain": "image", "kind": "generator"}, "image/generator"),
        ({"kind": "critic"}, "music/critic"),
        ({"quartet": 99}, "format"),
        ({"network": {}}, "train anew"),
        ({"network": None}, "train anew"),
    ],
)
def test_foreign_weights_are_told(changes: dict[str, object], said: str, run_folder: Path, tmp_path: Path) -> None:
    folder = copied(run_folder, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(UserError, match=said):
        load_music_model(str(folder))


def test_weights_without_their_facts_are_told(run_folder: Path, tmp_path: Path) -> None:
    folder = copied(run_folder, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    del config["metres"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"metres.*train anew"):
        load_music_model(str(folder))


def test_truncated_and_exchanged_tensors_are_told(run_folder: Path, tmp_path: Path) -> None:
    folder = copied(run_folder, tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="truncated or damaged"):
        load_music_model(str(folder))
    (folder / "model.safetensors").write_bytes(whole)
    tensors = load_file(folder / "model.safetensors")
    tensors["vae.decoder.last.bias"] = tensors["vae.decoder.last.bias"][1:].clone()
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(UserError, match=r"model\.safetensors"):
        load_music_model(str(folder))


def test_the_package_composes_as_the_command_does(run_folder: Path) -> None:
    settings = {"weights": str(run_folder), "bars": 3, "key": "D minor", "tempo": 120.0, "candidates": 1}
    piece = from_midi(compose(**settings, metre="3/4", seed=4))
    assert (piece.metre, piece.key, piece.tempo) == ("3/4", Key(2, "minor"), pytest.approx(120))
    again = from_midi(compose(**settings, metre="3/4", seed=4, instruments="flute, 40"))
    assert same(piece.pitch, again.pitch)
    assert [track.program for track in again.tracks] == [73, 40, 40]
    assert replace(piece, tracks=again.tracks).tracks == again.tracks


@pytest.mark.parametrize("name", ["out", "soundfont", "loud"])
def test_the_package_takes_no_settings_of_files_nor_unknown_ones(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        compose(**{name: "song.wav"})


def test_rewriting_keeps_what_is_given_and_repeats_itself(model: MusicModel, data: MusicData) -> None:
    batch = data.test.gather(torch.arange(1))
    roll = torch.stack([batch["pitch"], batch["onset"]], 1)[0]
    mask = torch.zeros(len(model.config.tracks), model.config.steps)
    mask[0] = 1
    metre = model.config.metres[int(batch["metre"][0])]
    condition = model.condition(5, metre, "major", roll=roll, mask=mask)
    first, again, other = (model.write(condition, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert (first[:, :, 0] == roll[:, 0].bool()).all()
    unchanged = model.write(condition, 1, temperature=0, rounds=0)
    drawn = model.draw(model.latents(5, 1), condition, 0, torch.Generator().manual_seed(mix(1, 1)))
    assert torch.equal(unchanged, drawn[0])


def test_pieces_do_not_depend_on_how_many_threads_write_them(model: MusicModel) -> None:
    condition, threads = model.condition(2 * CHUNK + 1, "4/4", "major"), torch.get_num_threads()
    try:
        written = []
        for count in (1, 2):
            torch.set_num_threads(count)
            written.append(model.write(condition, 3))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*written) and len({roll.numpy().tobytes() for roll in written[0]}) > 2 * CHUNK - 8
