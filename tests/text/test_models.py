"""A writer as one thing to use: strings in and out, styles by name, seeds, and weights folders that are of no use."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_texts import saved

from common.data.pieces import END, FILE, padded
from common.errors import UserError
from text import models
from text.config import EvaluateConfig, GenerateConfig
from text.data.loading import TextData
from text.data.tokenizer import Tokenizer
from text.decoding import GREEDY, SamplingParams, write
from text.metrics import fingerprint, words
from text.models import TextModel, load_fitting, load_text_model, packed, unpacked
from text.networks import NetworkConfig, Writer
from text.picking import FINALISTS, second_look

SOME = ["Grey cat sat on the mat", "The old owl sang,\nand there the fox ran.", "", "Étude ▁ \n"]
HABITS = SamplingParams(top_p=0.9, longest=12)


def texts(model: TextModel, sampling: SamplingParams = HABITS, count: int = 6, **settings: Any) -> list[str]:
    labels = model.spread(count)
    return model.write(model.latents(labels, seed=3), labels, sampling, **settings)


@pytest.fixture
def plain(tokenizer: Tokenizer, network: NetworkConfig) -> TextModel:
    """A writer without styles."""
    config = replace(network, styles=(), starts=network.starts[:1])
    torch.manual_seed(0)
    return TextModel(Writer(config).eval(), config, tokenizer, "plain")


# --- writing


def test_a_seed_is_a_text(model: TextModel) -> None:
    assert texts(model) == texts(model) != texts(model, seed=1)
    assert len(set(texts(model))) > 1


def test_latents_are_a_function_of_seed_and_count(model: TextModel) -> None:
    first, again, other = (model.latents(model.spread(5), seed) for seed in (1, 1, 2))
    assert first.shape == (5, 8) and torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("beam", [1, 3])
def test_prompts_are_kept_to_the_letter(model: TextModel, beam: int) -> None:
    prompts = ["The cat", "", "The fox ran,\nand", " Ünö ", "▁", "Grey"]
    found = texts(model, replace(HABITS, beam=beam, longest=20), prompts=prompts)
    assert all(text.startswith(prompt) for text, prompt in zip(found, prompts, strict=True))
    assert any(text != prompt for text, prompt in zip(found, prompts, strict=True))


def test_the_best_of_candidates_has_the_least_bad_places_at_both_looks(model: TextModel) -> None:
    labels, one = torch.tensor([1]), replace(HABITS, temperature=2.0)
    z = model.latents(labels, seed=3)
    many = torch.Generator().manual_seed(4)
    with torch.inference_mode():
        written = write(model.vae, z.expand(8, -1), labels.expand(8), one, many, [[]] * 8)
    found, badness = [model.tokenizer.decode(pieces) for pieces in written], []
    for pieces in written:
        row = [*pieces, END][: one.longest]
        told = torch.cat([model.vae.begin(1, labels), torch.tensor([row[:-1]]).long()], 1)
        with torch.inference_mode():
            logits, _ = model.vae.step(told, z, labels)
        given = logits.log_softmax(2)[0, torch.arange(len(row)), torch.tensor(row)]
        misfits = [float(model.tokenizer.log_frequencies[piece] - new) for piece, new in zip(row, given, strict=True)]
        badness.append(sum(sorted(misfits)[-3:]) / min(len(row), 3))
    assert len(set(badness)) > FINALISTS
    with torch.inference_mode():
        looks = model._second_looks(written, labels.expand(8)).tolist()
    finalists = sorted(range(8), key=badness.__getitem__)[:FINALISTS]
    best = min(finalists, key=lambda number: badness[number] + looks[number])
    assert model.write(z, labels, replace(one, candidates=8), seed=4) == [found[best]]
    several = texts(model, replace(one, candidates=3), 4, prompts=["Grey", "The", "Old", "A"])
    assert all(text.startswith(begin) for text, begin in zip(several, ["Grey", "The", "Old", "A"], strict=True))


def test_a_second_look_is_by_what_the_encoder_makes_of_a_text(model: TextModel) -> None:
    pieces = [model.pieces(text) for text in ("The cat ran", "A grey fox and a dog", "")]
    labels = torch.tensor([0, 1, 1])
    with torch.inference_mode():
        looks = model._second_looks(pieces, labels)
        tokens = padded(pieces[1:2])
        posterior = model.vae.encode(tokens, labels[1:2])
        noise = torch.randn(2, 1, model.config.latent, generator=torch.Generator().manual_seed(0))
        nats = torch.stack([model.vae.nats(tokens, posterior.sample(one), labels[1:2]) for one in noise]).mean(0)
        alone = torch.cat(
            [model._second_looks([row], labels[number : number + 1]) for number, row in enumerate(pieces)]
        )
    torch.testing.assert_close(looks[1:2], second_look(nats, tokens, model.tokenizer.log_frequencies))
    torch.testing.assert_close(looks, alone)


def test_of_candidates_those_of_known_words_come_first(model: TextModel) -> None:
    labels, one = torch.tensor([1]), replace(HABITS, temperature=2.0)
    z = model.latents(labels, seed=3)
    found = model.write(z.expand(8, -1), labels.expand(8), one, seed=4)
    for text in found:
        picky = replace(model, words=frozenset(words(text)))
        assert picky.write(z, labels, replace(one, candidates=8), seed=4)[0] in [
            other for other in found if set(filter(str.isalnum, words(other))) <= picky.words
        ]


def test_a_training_text_is_taken_only_where_all_are(model: TextModel) -> None:
    labels, one = torch.tensor([1]), replace(HABITS, temperature=2.0)
    z = model.latents(labels, seed=3)
    found = model.write(z.expand(8, -1), labels.expand(8), one, seed=4)
    (best,) = model.write(z, labels, replace(one, candidates=8), seed=4)
    (second,) = replace(model, known=frozenset({fingerprint(best)})).write(
        z, labels, replace(one, candidates=8), seed=4
    )
    assert best != second and second in found
    every = replace(model, known=frozenset(map(fingerprint, found)))
    assert every.write(z, labels, replace(one, candidates=8), seed=4) == [best]


def test_no_text_is_taken_twice(model: TextModel) -> None:
    labels, one = torch.tensor([1, 1, 1]), replace(HABITS, temperature=0.7, candidates=16)
    z = model.latents(labels[:1], seed=3).expand(3, -1)
    found = model.write(z, labels, one, seed=4)
    assert len(set(found)) == 3


def test_fingerprints_come_back_and_are_of_words() -> None:
    numbers = {fingerprint(text) for text in SOME} | {0, (1 << 32) - 1}
    assert unpacked(packed(numbers)) == numbers and unpacked(packed([])) == frozenset()
    assert fingerprint("A  cat!") == fingerprint("a cat !") != fingerprint("a cat")


@pytest.mark.parametrize("beam", [1, 3])
def test_the_last_word_of_a_prompt_is_not_made_longer(model: TextModel, beam: int) -> None:
    sampling = replace(HABITS, beam=beam, longest=20)
    prompt = "Grey ca"
    found = texts(model, sampling, 40, prompts=[prompt] * 40)
    assert not any(text[len(prompt) : len(prompt) + 1].isalnum() for text in found)
    others = texts(model, sampling, 40, prompts=["日本 😀"] * 40)
    assert all(text.startswith("日本 😀") and text[4:5] != "\N{REPLACEMENT CHARACTER}" for text in others)
    open_end = texts(model, sampling, 40, prompts=["Grey ca-"] * 40)
    assert any(text[len(prompt) + 1 : len(prompt) + 2].isalnum() for text in open_end)


def test_the_size_of_the_chunks_changes_nothing(model: TextModel, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = texts(model), model.encode(SOME, model.spread(4)).mean, model.guess(SOME)
    monkeypatch.setattr(models, "CHUNK", 2)
    assert texts(model) == at_once[0]
    torch.testing.assert_close(model.encode(SOME, model.spread(4)).mean, at_once[1], atol=1e-5, rtol=0)
    assert torch.equal(model.guess(SOME), at_once[2])


def test_a_writer_without_styles_does_all_of_this(plain: TextModel) -> None:
    assert plain.spread(3).tolist() == [0, 0, 0]
    assert len(texts(plain)) == 6
    assert plain.encode(SOME, plain.spread(4)).mean.shape == (4, 8)
    assert plain.guess(SOME).tolist() == [0] * 4
    with pytest.raises(UserError, match="--style poem: unknown to plain; it has none"):
        plain.label("poem")


# --- reading


def test_posteriors_do_not_depend_on_the_texts_beside_them(model: TextModel) -> None:
    together = model.encode(SOME, model.spread(4))
    assert together.mean.shape == together.log_variance.shape == (4, 8)
    for row, text in enumerate(SOME):
        alone = model.encode([text], torch.tensor([row % 2]))
        torch.testing.assert_close(alone.mean[0], together.mean[row], atol=1e-5, rtol=0)


def test_a_long_text_is_read_up_to_the_longest(model: TextModel) -> None:
    long = "cat " * 100
    assert len(model.pieces(long)) == model.config.longest - 1
    cut = model.tokenizer.decode(model.pieces(long))
    labels = model.spread(1)
    assert torch.equal(model.encode([long], labels).mean, model.encode([cut], labels).mean)


def test_a_guess_is_the_style_in_which_a_text_is_likeliest(model: TextModel, data: TextData) -> None:
    assert all(model.guess([text]) == guess for text, guess in zip(SOME, model.guess(SOME), strict=True))
    optimizer = torch.optim.Adam(model.vae.parameters(), lr=1e-2)
    for step in range(30):
        batch = data.train.gather(data.train.indices(0, step, 16))
        optimizer.zero_grad()
        nats, kl = model.vae(batch["tokens"], torch.zeros(16, 8), batch["label"])
        (nats.mean() + kl.sum(1).mean()).backward()
        optimizer.step()
    assert model.guess(data.texts(data.test)).tolist() == data.test.tensors["label"].tolist()


# --- styles and samplers


def test_styles_are_known_by_name_in_any_case(model: TextModel) -> None:
    assert (model.label("news"), model.label("POEM")) == (0, 1)
    with pytest.raises(UserError, match="--style prose: unknown to animals; it writes news, poem"):
        model.label("prose")


def test_labels_are_of_one_style_or_of_all_in_turn(model: TextModel) -> None:
    assert model.spread(5).tolist() == [0, 1, 0, 1, 0]
    assert model.spread(3, 1).tolist() == [1, 1, 1]
    assert model.spread(0).tolist() == []


def test_a_mixture_samples_where_the_texts_are(model: TextModel) -> None:
    assert model.vae.sampler is not None
    around = torch.arange(8.0)
    model.vae.sampler.fit(around + 0.1 * torch.randn(500, 8, generator=torch.Generator().manual_seed(0)))
    z = model.latents(model.spread(200), 1, "mixture")
    torch.testing.assert_close(z.mean(0), around, atol=0.1, rtol=0)
    assert torch.equal(z, model.latents(model.spread(200), 1, "mixture"))


def test_a_latent_gan_is_asked_for_only_where_there_is_one(model: TextModel) -> None:
    labels = model.spread(4)
    with pytest.raises(UserError, match=r"--sampler gan: animals has no latent GAN; train it"):
        model.latents(labels, 1, "gan")
    model.network.has_generator.fill_(True)
    torch.nn.init.normal_(model.network.generator.layers[-1].weight)
    z = model.latents(labels, 1, "gan")
    assert z.shape == (4, 8) and not torch.equal(z, model.latents(labels, 1, "prior"))
    assert not torch.equal(z, model.latents(1 - labels, 1, "gan"))


# --- weights folders


def test_saved_and_loaded_it_writes_the_same(model: TextModel, tmp_path: Path) -> None:
    assert model.vae.sampler is not None
    model.vae.sampler.fit(torch.randn(200, 8, generator=torch.Generator().manual_seed(0)) + 2)
    model.network.half().float()  # as weights are saved
    loaded = load_text_model(str(saved(model, tmp_path)))
    assert (loaded.name, loaded.config, loaded.data) == ("animals", model.config, {"name": "animals"})
    assert loaded.words == {"cat", "dog", "7"} and loaded.known == {5, 7}
    assert not loaded.network.training and not loaded.network.has_generator
    labels = model.spread(6)
    z = model.latents(labels, 2, "mixture")
    assert torch.equal(loaded.latents(labels, 2, "mixture"), z)
    for sampling in (HABITS, replace(GREEDY, longest=12), replace(HABITS, beam=2)):
        assert loaded.write(z, labels, sampling) == model.write(z, labels, sampling)
    assert torch.equal(loaded.encode(SOME, labels[:4]).mean, model.encode(SOME, labels[:4]).mean)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"domain": "music", "kind": "composer"}, "music/composer"),
        ({"kind": "critic"}, "text/critic"),
        ({"quartet": 99}, "format"),
        ({"network": {}}, "train anew"),
        ({"network": None}, "train anew"),
        ({"network": {"decoder": "lstm"}}, "train anew"),
        ({"data": None, "network": {"starts": 3, "styles": []}}, "train anew"),
    ],
)
def test_foreign_weights_are_told(model: TextModel, tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    folder = saved(model, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    if changes.get("network") and "decoder" in changes["network"]:
        changes = {"network": config["network"] | changes["network"]}
    (folder / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(UserError, match=said):
        load_text_model(str(folder))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("name", [FILE, "config.json", "model.safetensors"])
@pytest.mark.parametrize("harm", [Path.unlink, truncate, lambda path: path.write_bytes(b"")])
def test_damaged_folders_are_told(model: TextModel, tmp_path: Path, name: str, harm: Callable[[Path], Any]) -> None:
    folder = saved(model, tmp_path)
    harm(folder / name)
    with pytest.raises(UserError, match=f"{name}|no config.json"):
        load_text_model(str(folder))


def test_exchanged_vocabularies_and_tensors_are_told(model: TextModel, tmp_path: Path) -> None:
    folder = saved(model, tmp_path)
    (folder / "vocabulary.model").write_bytes(Tokenizer.train(["quite another"], 2, 512).proto)
    with pytest.raises(UserError, match="vocabulary of another model"):
        load_text_model(str(folder))
    (folder / "vocabulary.model").write_bytes(model.tokenizer.proto)
    tensors = load_file(folder / "model.safetensors")
    save_file(tensors | {"vae.bias": tensors["vae.bias"][1:].clone()}, folder / "model.safetensors")
    with pytest.raises(UserError, match=r"model\.safetensors"):
        load_text_model(str(folder))


# --- a model's own data


def test_data_comes_in_the_vocabulary_of_a_model(model: TextModel, corpus: Path, data: TextData) -> None:
    found = load_fitting(str(corpus), model)
    assert found.tokenizer is model.tokenizer
    assert torch.equal(found.test.tensors["tokens"], data.test.tensors["tokens"])


def test_data_of_other_styles_is_told(model: TextModel, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("text,style\n" + "".join(f"the {n} cats of {n * n},essay\n" for n in range(100)).replace("0", "o"))
    with pytest.raises(UserError, match="has the styles essay, and animals writes news, poem"):
        load_fitting(str(path), model)


# --- settings


@pytest.mark.parametrize(
    ("asked", "flag"),
    [
        ({"n": 0}, "--n"),
        ({"temperature": -0.1}, "--temperature"),
        ({"temperature": float("nan")}, "--temperature"),
        ({"top_k": -1}, "--top-k"),
        ({"top_p": 0.0}, "--top-p"),
        ({"beam": 0}, "--beam"),
        ({"repetition_penalty": 0.9}, "--repetition-penalty"),
        ({"stanzas": 0}, "--stanzas"),
        ({"sentences": 9}, "--sentences"),
        ({"sentences": 2, "stanzas": 2}, "--sentences"),
        ({"sentences": 2, "like": "one"}, "--sentences"),
        ({"max_length": 0}, "--max-length"),
        ({"seed": -1}, "--seed"),
        ({"prompt": "x" * 10_001}, "--prompt"),
        ({"interpolate": ("one",)}, "--interpolate"),
        ({"interpolate": ("one", " ")}, "--interpolate"),
        ({"interpolate": ("one", "two"), "like": "three"}, "--interpolate and --like"),
        ({"interpolate": ("one", "two"), "stanzas": 2}, "--stanzas"),
        ({"like": "one", "prompt": "two"}, "--prompt"),
        ({"restyle": "poem"}, "--restyle"),
        ({"out": Path("x.pdf")}, "--out"),
    ],
)
def test_settings_of_writing_that_are_of_no_use_are_told(asked: dict[str, Any], flag: str) -> None:
    with pytest.raises(UserError, match=f"{flag} "):
        GenerateConfig(**asked)


@pytest.mark.parametrize(("asked", "flag"), [({"n": 9}, "--n"), ({"importance": 0}, "--importance")])
def test_settings_of_evaluation_that_are_of_no_use_are_told(asked: dict[str, Any], flag: str) -> None:
    with pytest.raises(UserError, match=f"{flag} "):
        EvaluateConfig(**asked)
