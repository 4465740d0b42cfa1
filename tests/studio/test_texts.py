"""The tab of text."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from commands import command

from common.errors import UserError
from studio.shop import Result, Shop
from studio.texts import STEPS, between, neighbours, step_of, styles, write
from text.config import DEFAULT_WEIGHTS


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop("cpu", tmp_path_factory.mktemp("studio"))


def some(shop: Shop, **given: Any) -> Result:
    names = ("prompt", "must", "avoid", "starts_with", "words", "acrostic", "metre", "rhyme", "hold")
    usual = {"weights": DEFAULT_WEIGHTS, "style": "poem", "n": 2, "temperature": 0.8, "seed": 1} | dict.fromkeys(
        names, ""
    )
    return write(shop, shop.new_folder("me"), **usual | given)


def test_texts_are_what_their_command_writes(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    result = some(shop, must="night")
    done = command(*shlex.split(result.command)[2:], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "texts.txt").read_text() == result.files[0].read_text() == f"{result.shown[0]}\n"


def test_lines_that_are_held_stand_and_the_others_are_written(shop: Shop) -> None:
    first, second = (some(shop, acrostic="SEA", hold="2=every ship\n", seed=seed) for seed in (1, 2))
    assert "--hold '2=every ship'" in first.command
    for result in (first, second):
        for text in result.shown[0].split("\n\n"):
            lines = text.splitlines()
            assert [line[0].lower() for line in lines] == ["s", "e", "a"]
            assert lines[1] == "every ship"
    assert first.shown != second.shown


def test_wishes_that_contradict_each_other_are_refused(shop: Shop) -> None:
    with pytest.raises(UserError, match="--rhyme"):
        some(shop, rhyme="AABB")


def test_a_way_has_a_text_at_every_step(shop: Shop) -> None:
    result = between(shop, shop.new_folder("me"), DEFAULT_WEIGHTS, "the sun is in the sky", "the night is dark", "poem")
    first, texts = result.shown
    assert len(texts) == STEPS
    assert step_of(texts, 1) == first
    assert step_of(texts, STEPS) == texts[-1]
    assert step_of([], 3) == ""


def test_neighbours_are_near_a_text(shop: Shop) -> None:
    result = neighbours(shop, shop.new_folder("me"), DEFAULT_WEIGHTS, "the sun is in the sky", 3, "news", 0)
    assert len(result.shown[0].splitlines()) == 3
    assert "--restyle news" in result.command
    assert "poem" in styles()
    with pytest.raises(UserError, match="--restyle"):
        neighbours(shop, shop.new_folder("me"), DEFAULT_WEIGHTS, "", 3, "news", 0)
