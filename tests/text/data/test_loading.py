"""Batches are of like length and visit every text; what is held out is never trained on, not even in other words."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import chain, product
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from common.data.order import batch_indices
from common.data.pieces import END, PAD, padded
from common.errors import UserError
from text.data.loading import GROUP, MIN_TEXTS, Sequences, TextData, load_texts
from text.data.tokenizer import Tokenizer
from text.words import likeness

WORDS = ("cat", "dog", "fox", "hen", "owl", "ant")
SENTENCES = [" ".join(words) for words in product(WORDS, repeat=3)]


def sequences(lengths: Iterable[int]) -> Sequences:
    """Texts of these lengths, `END` included, each with its number as label."""
    rows = [[5] * (length - 1) for length in lengths]
    return Sequences(padded(rows), torch.arange(len(rows)))


def load(
    folder: Path, rows: Iterable[dict[str, str]], longest: int = 32, tokenizer: Tokenizer | None = None
) -> TextData:
    """Texts by way of a file."""
    (folder / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_texts(str(folder / "x.jsonl"), 512, longest, tokenizer)


def parts(data: TextData) -> list[list[str]]:
    """The texts of training, validation and test."""
    return [data.texts(part) for part in (data.train, data.validation, data.test)]


# --- batches


@settings(deadline=None, max_examples=25)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=40), batch=st.integers(1, 4), seed=st.integers(0, 99))
def test_a_group_of_batches_is_a_stretch_of_the_epochs(lengths: list[int], batch: int, seed: int) -> None:
    part = sequences(lengths)
    for group in range(2):
        seen = [part.indices(seed, GROUP * group + place, batch) for place in range(GROUP)]
        assert all(rows.shape == (batch,) for rows in seen)
        expected = batch_indices(len(part), seed, group, GROUP * batch)
        assert torch.equal(torch.cat(seen).sort().values, expected.sort().values)


def test_an_epoch_of_one_group_visits_every_text_once() -> None:
    part = sequences(range(1, 4 * GROUP + 1))
    for epoch in range(3):
        seen = torch.cat([part.indices(0, GROUP * epoch + place, 4) for place in range(GROUP)])
        assert torch.equal(seen.sort().values, torch.arange(4 * GROUP))


def test_a_step_needs_no_history_and_depends_on_seed_and_step() -> None:
    part = sequences(range(1, 300))
    rows = part.indices(3, 70, 8)
    part.indices(1, 0, 8)
    assert torch.equal(rows, sequences(range(1, 300)).indices(3, 70, 8))
    assert not torch.equal(rows, part.indices(4, 70, 8)) and not torch.equal(rows, part.indices(3, 71, 8))


def test_batches_are_of_like_length_in_random_order() -> None:
    lengths = torch.randint(2, 48, (2_000,), generator=torch.Generator().manual_seed(0))
    part = sequences(lengths.tolist())
    batches = [part.gather(part.indices(0, step, 16))["tokens"] for step in range(2 * GROUP)]
    padding = sum(int((batch == PAD).sum()) for batch in batches) / sum(batch.numel() for batch in batches)
    assert padding < 0.05  # of batches at random it is 0.5
    widths = [batch.shape[1] for batch in batches[:GROUP]]
    assert widths != sorted(widths) and widths != sorted(widths, reverse=True)


def test_a_batch_is_cut_to_its_longest_text() -> None:
    part = sequences([3, 9, 1, 4])
    batch = part.gather(torch.tensor([3, 2, 0]))
    assert batch["tokens"].tolist() == [[5, 5, 5, END], [END, PAD, PAD, PAD], [5, 5, END, PAD]]
    assert batch["tokens"].dtype == batch["label"].dtype == torch.int64 and batch["label"].tolist() == [3, 2, 0]
    assert part.tensors["tokens"].dtype == torch.int16 and part.lengths.tolist() == [3, 9, 1, 4]


def test_texts_moved_to_a_device_are_still_texts() -> None:
    part = sequences([3, 9, 1]).on("cpu", 0)
    assert isinstance(part, Sequences) and part.gather(torch.tensor([0]))["tokens"].shape == (1, 3)


# --- what is held out


def test_texts_come_back_with_their_style(data: TextData, corpus: Path) -> None:
    styles = {row["text"]: row["style"] for row in map(json.loads, corpus.read_text().splitlines())}
    assert (data.name, data.styles, data.skipped) == ("animals", ("news", "poem"), {})
    assert sorted(chain(*parts(data))) == sorted(styles)
    labels = data.train.tensors["label"].tolist()
    assert [data.styles[label] for label in labels] == [styles[text] for text in data.texts(data.train)]
    some = torch.tensor([7, 2])
    assert data.texts(data.train, some) == [data.texts(data.train)[7], data.texts(data.train)[2]]


def test_no_text_is_held_out_that_is_trained_on_in_another_guise(tmp_path: Path) -> None:
    guises = (str.lower, str.title, "«{}!»".format, "7. {}".format)
    data = load(tmp_path, [{"text": guise(text)} for text in SENTENCES for guise in guises])
    train, validation, test = ({likeness(text) for text in part} for part in parts(data))
    assert not train & validation and not train & test and not validation & test
    assert train | validation | test == set(SENTENCES)
    assert len(test) / len(SENTENCES) == pytest.approx(0.06, abs=0.05)
    assert len(validation) / len(SENTENCES) == pytest.approx(0.03, abs=0.035)


def test_a_small_corpus_holds_out_enough_to_judge_by(tmp_path: Path) -> None:
    (tmp_path / "few.txt").write_text("\n".join(SENTENCES[:100]))
    data = load_texts(str(tmp_path / "few.txt"), 512, 32)
    assert all(10 <= len(part) <= 30 for part in (data.validation, data.test))


def test_texts_of_a_source_are_held_out_together(tmp_path: Path) -> None:
    rows = [{"text": text, "source": f"author {number % 60}"} for number, text in enumerate(SENTENCES)]
    author, found = {row["text"]: row["source"] for row in rows}, defaultdict(set)
    for number, part in enumerate(parts(load(tmp_path, rows))):
        assert part
        for text in part:
            found[author[text]].add(number)
    assert len(found) == 60 and all(len(numbers) == 1 for numbers in found.values())


@pytest.mark.parametrize("sources", [1, 2, 3])
def test_so_few_sources_leave_no_part_empty(tmp_path: Path, sources: int) -> None:
    for first in range(4):
        rows = [{"text": text, "source": f"{first + n % sources}"} for n, text in enumerate(SENTENCES[:60])]
        assert all(parts(load(tmp_path, rows)))


@pytest.mark.parametrize("first", range(0, 150, 10))
def test_so_few_texts_leave_no_part_empty(tmp_path: Path, first: int) -> None:
    assert all(parts(load(tmp_path, [{"text": text} for text in SENTENCES[first : first + MIN_TEXTS]])))


def test_likeness_is_of_letters_alone() -> None:
    alike = ("The cat sat.", "the  CAT, sat", "3. the_cat sat?!", "The cat\nsat")
    assert {likeness(text) for text in alike} == {"the cat sat"}
    assert likeness("12 !?") == "12 !?"
    assert likeness("Été") == "été"


def test_likeness_leaves_out_brackets() -> None:
    assert likeness("The cat (a grey one) sat (there)") == "the cat sat"


# --- what cannot be used


def test_a_text_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    rows = [{"text": text, "style": "a"} for text in SENTENCES[:60]]
    data = load(tmp_path, [*rows, *rows[:5], {"text": SENTENCES[0], "style": "b"}])
    assert Counter(chain(*parts(data))) == Counter([*SENTENCES[:60], SENTENCES[0]])  # in two styles it is two texts
    assert list(data.skipped.values()) == ["repeated"] * 5


def test_long_texts_are_left_out_and_counted(tmp_path: Path) -> None:
    long = [f"{' '.join(SENTENCES[:20])} {word}" for word in WORDS]
    data = load(tmp_path, [{"text": text} for text in (*long, *SENTENCES)], longest=16)
    assert sorted(chain(*parts(data))) == sorted(SENTENCES)
    assert list(data.skipped.values()) == ["of more than 16 pieces"] * len(long)
    assert max(part.tensors["tokens"].shape[1] for part in (data.train, data.validation, data.test)) <= 16


def test_a_text_that_just_fits_has_room_for_its_end(tmp_path: Path) -> None:
    rows = [{"text": text} for text in (*SENTENCES, f"{SENTENCES[0]} owl owl owl")]
    longest = max(map(len, load(tmp_path, rows).tokenizer.encode_all([row["text"] for row in rows]))) + 1
    assert not load(tmp_path, rows, longest).skipped
    assert len(load(tmp_path, rows, longest - 1).skipped) == 1


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (SENTENCES[: MIN_TEXTS - 1], "49 texts that can be used; at least 50"),
        (SENTENCES[:40] * 2, r"40 texts that can be used \(40 left out\)"),
        ([f"{text} " * 20 for text in SENTENCES], r"0 texts that can be used \(216 left out\)"),
        ([f"line {number}" for number in range(99)], "too few texts differ"),
    ],
)
def test_too_few_texts_are_told(tmp_path: Path, rows: list[str], said: str) -> None:
    with pytest.raises(UserError, match=f"--data .*x.jsonl: {said}"):
        load(tmp_path, [{"text": text} for text in rows])


def test_a_given_vocabulary_is_kept(tmp_path: Path, tokenizer: Tokenizer) -> None:
    data = load(tmp_path, [{"text": text} for text in SENTENCES], tokenizer=tokenizer)
    assert data.tokenizer is tokenizer and data.styles == ()
    assert not data.train.tensors["label"].any()
