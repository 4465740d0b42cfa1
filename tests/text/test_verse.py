"""Lines scan as they are read aloud, rhymes are heard, and what is written in a metre scans."""

from dataclasses import replace

import pytest
import torch

from common.data.pieces import PAD
from common.errors import UserError
from text.config import GenerateConfig
from text.decoding import LineForm
from text.generation import make_texts
from text.models import TextModel, load_text_model
from text.verse import METRES, MetreName, partner, rhymes, scans, shares, stresses
from text.verse_writing import Verse

LINES: list[tuple[MetreName, int, str]] = [
    ("iambic-pentameter", 0, "Shall I compare thee to a summer's day?"),
    ("iambic-pentameter", 0, "Rough winds do shake the darling buds of May,"),
    ("iambic-pentameter", 0, "To be, or not to be, that is the question:"),  # a feminine ending
    ("common", 0, "Because I could not stop for Death,"),
    ("common", 1, "He kindly stopped for me;"),
    ("iambic-tetrameter", 0, "I wandered lonely as a cloud"),
    ("iambic-tetrameter", 0, "Happy the man, whose wish and care"),  # an inverted foot
    ("trochaic-tetrameter", 0, "Tell me not, in mournful numbers,"),
    ("trochaic-tetrameter", 0, "Tyger Tyger, burning bright,"),  # without the last weak place
    ("anapaestic-trimeter", 0, "I am monarch of all I survey"),
]


@pytest.mark.parametrize(("metre", "number", "line"), LINES)
def test_lines_of_poets_scan_in_their_metre_and_not_in_others(metre: MetreName, number: int, line: str) -> None:
    assert scans(line, METRES[metre][number])
    assert not scans(line + " and more of it", METRES[metre][number])
    others = {"iambic-trimeter", "iambic-pentameter", "trochaic-tetrameter"} - {metre}
    assert not all(scans(line, METRES[other][0]) for other in others)  # type: ignore[index]


def test_the_main_stress_of_a_longer_word_is_on_a_strong_place() -> None:
    assert scans("The winter night is dark and long", METRES["iambic-tetrameter"][0])
    assert not scans("The dark winter is night and long", METRES["iambic-tetrameter"][0])
    assert stresses("moonlight") == {"12"} and stresses("moon") == {"?"} and "10" in stresses("fire")
    assert stresses("zyxabel") == {"???"} and stresses("whene'er") == {"??"}


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("day", "may", True),
        ("numbers", "slumbers", True),
        ("ocean", "motion", True),
        ("tyger", "liger", False),
        ("love", "move", False),  # to the eye alone
        ("moon", "moon", False),
        ("death", "me", False),
        ("brillig", "mimsy", False),
        ("o'er", "", False),
        ("quorble", "snorble", True),  # by spelling
        ("are", "star", True),
        ("are", "her", False),  # as it is said without stress
    ],
)
def test_rhymes_are_heard(first: str, second: str, alike: bool) -> None:
    assert rhymes(first, second) == rhymes(second, first) == alike


def test_shares_count_lines_and_pairs() -> None:
    stanza = ["The winter night is dark and long,", "and so", "I heard a bird in midnight song,", "and no"]
    assert shares([stanza], "iambic-tetrameter", "ABAB") == (0.5, 1.0)
    assert shares([stanza], "iambic-tetrameter", "AABB") == (0.5, 0.0)
    assert [partner("ABCB", number) for number in range(4)] == [None, None, None, 1]
    assert [partner("AAA", number) for number in range(3)] == [None, 0, 1]


def test_verse_scans_and_rhymes_as_asked() -> None:
    model = load_text_model("styles")
    config = GenerateConfig(n=4, style="poem", metre="common", rhyme="ABCB", candidates=8)
    texts = make_texts(model, config)
    stanzas = [one.text.split("\n") for one in texts]
    assert {len(stanza) for stanza in stanzas} == {4}
    scanning, rhyming = shares(stanzas, "common", "ABCB")
    assert scanning >= 0.8 and rhyming == 1
    for one, stanza in zip(texts, stanzas, strict=True):
        assert ("--metre common" in one.missed) == (shares([stanza], "common", "ABCB")[0] < 1)
        assert ("--rhyme ABCB" in one.missed) == (shares([stanza], "common", "ABCB")[1] < 1)


def test_other_letters_sound_otherwise_and_no_word_ends_two_lines() -> None:
    verse = Verse(load_text_model("styles").tokenizer, "common", "ABAB")
    second, third = (
        verse.line([lines], len(lines), torch.device("cpu"))[0].closing[0]
        for lines in (["I go to rest"], ["I go to rest", "and lie awake all night"])
    )
    may_end = {word: verse.words.index(word) for word in ("rest", "best", "night", "light", "day")}
    assert [word for word, piece in may_end.items() if second[piece]] == ["night", "light", "day"]
    assert [word for word, piece in may_end.items() if third[piece]] == ["best"]


def test_what_may_follow_in_a_line_of_one_syllable() -> None:
    """Of a mark, a word, the ending of one, and the end: no ending follows a mark, and two marks are enough."""
    pieces = mark, word, ending, end = list(range(PAD + 1, PAD + 5))
    is_piece = [torch.arange(PAD + 5) == piece for piece in range(PAD + 5)]
    syllables = (is_piece[word] | is_piece[ending]).long()
    fits, every = torch.stack([~is_piece[end], is_piece[end]]), torch.ones(1, PAD + 5, dtype=torch.bool)
    form = LineForm(syllables, is_piece[mark], is_piece[mark], is_piece[ending], fits, every)

    def allowed(form: LineForm, *used: int) -> list[int]:
        logits = form.applied(torch.zeros(1, PAD + 5), torch.tensor([used]).long(), torch.tensor([0]))
        return [piece for piece in pieces if logits[0, piece].isfinite()]

    assert allowed(form) == allowed(form, PAD, PAD) == [mark, word, ending]
    assert allowed(form, PAD, mark) == [mark, word] and allowed(form, mark, mark) == [word]
    assert allowed(form, mark, word) == [end]
    rhyming = replace(form, closing=is_piece[ending][None])
    assert allowed(rhyming) == [mark, ending]


def test_verse_may_be_an_acrostic_and_of_a_model_of_few_words(model: TextModel) -> None:
    config = GenerateConfig(n=2, metre="iambic-trimeter", rhyme="AAB", acrostic="TOG", candidates=4)
    for one in make_texts(model, config):
        assert [line[:1].upper() for line in one.text.split("\n")] == list("TOG")


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"rhyme": "AABB"}, "--rhyme needs a --metre"),
        ({"metre": "common", "rhyme": "aabb"}, "--rhyme aabb must be 2 to 28 capital letters"),
        ({"metre": "common", "rhyme": "AB", "acrostic": "abc"}, "--rhyme AB and --acrostic abc must have as many"),
        ({"metre": "common", "beam": 2}, "--metre means nothing with --beam"),
        ({"metre": "common", "prompt": "The"}, "--prompt means nothing with --acrostic and --metre"),
        ({"metre": "common", "stanzas": 2}, "--stanzas means nothing with --acrostic and --metre"),
    ],
)
def test_verse_that_cannot_be_is_refused(wishes: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=f"^{said}"):
        GenerateConfig(**wishes)  # type: ignore[arg-type]
