"""Wishes are met where candidates can meet them, said where none did, and refused where no text can."""

import pytest
from small_texts import ADJECTIVES, NOUNS

import text
from common.errors import UserError
from text.config import GenerateConfig
from text.generation import Written, make_texts, unmet
from text.models import TextModel
from text.wishes import Wishes
from text.words import first_letter, plain_words, stem


def made(model: TextModel, **settings: object) -> list[Written]:
    return make_texts(model, GenerateConfig(candidates=8, **settings))  # type: ignore[arg-type]


def test_words_count_in_any_regular_form() -> None:
    wishes = Wishes(must=("moon", "love"), avoid=("Harbours",), starts_with="é", words=(3, 4))
    assert wishes.missed("Eels loved moons!") == []
    assert wishes.missed("The harbour") == [
        "--must moon", "--must love", "--avoid Harbours", "--starts-with é", "--words 3-4"
    ]  # fmt: skip
    assert Wishes(must=("light",)).missed("moonlight") and not Wishes().missed("") and not Wishes()


@pytest.mark.parametrize("style", ["news", "poem"])
def test_words_that_must_occur_do_and_avoided_ones_do_not(model: TextModel, style: str) -> None:
    found = made(model, n=6, style=style, must=("owl",), avoid=ADJECTIVES[:2])  # by a model that has learned nothing
    texts = [list(map(stem, plain_words(one.text))) for one in found]
    assert sum("owl" in words for words in texts) >= 4
    assert sum(bool({"grey", "small"} & set(words)) for words in texts) <= 1
    assert all(("--must owl" in one.missed) != ("owl" in words) for one, words in zip(found, texts, strict=True))


def test_texts_start_with_a_letter_and_plain_draws_do_too(model: TextModel) -> None:
    for candidates in (1, 4):
        found = make_texts(model, GenerateConfig(n=4, starts_with="g", candidates=candidates))
        assert {first_letter(one.text) for one in found} == {"G"} and not unmet(found)
    assert {first_letter(one.text) for one in made(model, n=2, starts_with="ж")} == {"Ж"}  # spelt in bytes


def test_lines_begin_with_the_letters_of_a_word(model: TextModel) -> None:
    for style in ("news", "poem"):
        for one in made(model, n=2, style=style, acrostic="ago", must=("the",)):
            lines = one.text.split("\n")
            assert [first_letter(line) for line in lines] == ["A", "G", "O"]
            assert all(line == line.lstrip() for line in lines)


def test_what_no_candidate_met_is_the_nearest_and_said(model: TextModel) -> None:
    found = made(model, n=3, words="400")
    assert all(one.missed == ("--words 400-400",) for one in found)
    assert unmet(found) == "3 of 3 texts are the nearest found and miss --words 400-400"
    assert unmet(made(model, n=3)) == ""


def test_from_python_what_is_not_met_is_a_warning() -> None:
    with pytest.warns(UserWarning, match="1 of 1 texts are the nearest found and miss --words 400-400"):
        assert text.write("news", n=1, words="400", candidates=2)


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"must": ("moon",), "avoid": ("moons",)}, "--must and --avoid both name a form of moon"),
        ({"prompt": "The moons", "avoid": ("moon",)}, "--prompt and --avoid both name a form of moons"),
        ({"prompt": "The", "starts_with": "A"}, "--starts-with A contradicts --prompt The"),
        ({"must": NOUNS, "words": "1-4"}, "--words 4 at most leave no room for the 5 of --must"),
        ({"prompt": "one two three", "words": "2"}, "--words 2 at most leave no room for the 3 of --prompt"),
        ({"must": ("two words",)}, "--must 'two words': not a word"),
        ({"avoid": ("!",)}, "--avoid '!': not a word"),
        ({"starts_with": "ab"}, "--starts-with ab: must be a letter"),
        ({"words": "9-5"}, "--words 9-5: must be a number of words, or the least and the most"),
        ({"words": "0"}, "--words 0: must be a number"),
        ({"acrostic": "A B"}, "--acrostic must be a word of letters"),
        ({"hold": ("1=a",)}, "--hold stands among lines that --acrostic or --metre writes; name one"),
        ({"acrostic": "AB", "hold": ("3=a",)}, "--hold '3=a' is no line, such as 2=the sea is wide, of 2 lines"),
        ({"acrostic": "AB", "hold": ("a",)}, "--hold 'a' is no line"),
        ({"acrostic": "AB", "hold": ("1=a", "2=b")}, "--hold leaves none of 2 lines to be written"),
        ({"acrostic": "AB", "starts_with": "A"}, "--starts-with means nothing with --acrostic"),
        ({"must": ("moon",), "beam": 4}, "--must means nothing with --beam"),
        ({"words": "5", "interpolate": ("a", "b")}, "--words means nothing with --interpolate"),
        ({"like": "a", "acrostic": "AB"}, "--like means nothing with --acrostic and --metre"),
    ],
)
def test_what_no_text_can_meet_is_refused(wishes: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=f"^{said}"):
        GenerateConfig(**wishes)  # type: ignore[arg-type]


def test_words_that_are_too_long_for_a_text_are_refused(model: TextModel) -> None:
    with pytest.raises(UserError, match=r"--must has \d+ pieces of words, of which a text of animals has 31 at most"):
        made(model, must=("zyx" * 12,))
