"""Every string comes back from its pieces, whatever the vocabulary was learned from."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.data.pieces import END, FILE, MIN_PIECES, PAD, UNKNOWN, padded
from common.errors import UserError
from text.data.tokenizer import COMMON, Tokenizer

AWKWARD = "▁\ue000ab \n\r\t\0\u2028\ufeff<>/s😀👨‍👩‍👧é\u0301日ß"


@settings(deadline=None)
@given(text=st.text() | st.text(alphabet=AWKWARD))
def test_every_string_comes_back(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", " ", "\n", "\n\n", " a\n b ", "\0", "a\0b", "▁", "\ue000", "\ue000a\ue000b▁", "\r\n", "😀", "</s><pad><unk>"],
)
def test_awkward_strings_come_back_and_are_never_unknown(tokenizer: Tokenizer, text: str) -> None:
    pieces = tokenizer.encode(text)
    assert tokenizer.decode(pieces) == text
    assert not {PAD, UNKNOWN, END} & set(pieces)


@settings(deadline=None)
@given(texts=st.lists(st.text(alphabet=AWKWARD), max_size=4))
def test_many_texts_at_once_are_the_same_pieces(tokenizer: Tokenizer, texts: list[str]) -> None:
    assert tokenizer.encode_all(texts) == [tokenizer.encode(text) for text in texts]


def test_half_a_character_is_no_text(tokenizer: Tokenizer) -> None:
    with pytest.raises(UnicodeEncodeError):
        tokenizer.encode("a\ud800")


def test_a_word_is_the_same_pieces_wherever_it_stands(tokenizer: Tokenizer) -> None:
    word = tokenizer.encode("fox")
    assert tokenizer.encode("fox fox\nfox") == [*word, *word, tokenizer.line_break, *word]


def test_styles_the_line_break_and_the_special_pieces_are_distinct(tokenizer: Tokenizer) -> None:
    special = [PAD, UNKNOWN, END, tokenizer.line_break, tokenizer.style(0), tokenizer.style(1)]
    assert len(set(special)) == 6 and max(special) < len(tokenizer) <= 512


def test_decoding_stops_at_the_end_and_skips_padding(tokenizer: Tokenizer) -> None:
    cat, dog = tokenizer.encode("cat"), tokenizer.encode("dog")
    assert tokenizer.decode([PAD, *cat, PAD, END, *dog]) == "cat"


def test_bytes_that_are_no_character_do_not_stop_the_text(tokenizer: Tokenizer) -> None:
    cut = tokenizer.encode("é")[:-1]
    assert tokenizer.decode([*cut, *tokenizer.encode("cat")]) == "\ufffd cat"


@pytest.mark.parametrize("texts", [[""], ["\n"], ["\0"], ["a"], ["日本語"], ["x" * 5_000]])
def test_a_vocabulary_is_learned_from_next_to_nothing(texts: list[str]) -> None:
    small = Tokenizer.train(texts, 1, MIN_PIECES)
    assert len(small) < 300
    assert small.decode(small.encode("Hullo, 世界")) == "Hullo, 世界"


def test_more_characters_than_pieces_leave_the_rarest_to_bytes() -> None:
    draw = random.Random(0)
    texts = ["".join(draw.choices([chr(0x4E00 + i) for i in range(600)], k=20)) for _ in range(500)]
    texts += ["common"] * 200
    wide = Tokenizer.train(texts, 2, MIN_PIECES)
    assert len(wide) <= MIN_PIECES
    assert [wide.decode(wide.encode(text)) for text in texts[:20]] == texts[:20]
    assert len(wide.encode("common")) < 7


def test_styles_that_leave_no_room_are_told() -> None:
    with pytest.raises(UserError, match="--vocabulary 512 has no room for 260 styles"):
        Tokenizer.train(["a"], 260, MIN_PIECES)


def test_what_is_learned_is_always_the_same(tokenizer: Tokenizer) -> None:
    texts = ["the cat sat", "the dog ran", "a hen sang"]
    assert Tokenizer.train(texts, 2, MIN_PIECES).proto == Tokenizer.train(iter(texts), 2, MIN_PIECES).proto


def test_a_vocabulary_survives_a_file(tokenizer: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "vocabulary.model").write_bytes(tokenizer.proto)
    loaded = Tokenizer.load(tmp_path)
    assert loaded.encode("The wild cat") == tokenizer.encode("The wild cat")
    assert loaded.style(1) == tokenizer.style(1)


def test_missing_and_damaged_vocabularies_are_told(tokenizer: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"{FILE} cannot be read \(No such file"):
        Tokenizer.load(tmp_path)
    for content in (b"", b"no model", tokenizer.proto[:100]):
        (tmp_path / FILE).write_bytes(content)
        with pytest.raises(UserError, match=f"{FILE} is (damaged|empty)"):
            Tokenizer.load(tmp_path)


def test_rows_are_ended_and_padded() -> None:
    assert padded([[5, 6], [], [7]]).tolist() == [[5, 6, END], [END, PAD, PAD], [7, END, PAD]]
    assert padded([[]]).tolist() == [[END]]
    assert padded([]).shape == (0, 1)


def test_pieces_have_the_probabilities_that_were_learned_or_a_common_one(tokenizer: Tokenizer) -> None:
    found, learned = tokenizer.log_frequencies, tokenizer.processor.get_score
    cat = tokenizer.encode("cat")
    assert found[cat].tolist() == pytest.approx([learned(piece) for piece in cat]) and bool((found[cat] < 0).all())
    assert found[[END, tokenizer.line_break, tokenizer.style(0)]].tolist() == pytest.approx([COMMON] * 3)
