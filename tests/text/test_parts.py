"""Parts of texts that several processes write at once are those that one process writes."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from text import parts
from text.decoding import SamplingParams, draw_ahead
from text.decoding import write as decode
from text.models import TextModel
from text.parts import one_after_the_other

PROCESSES = 3


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch, generator: torch.Generator) -> list[int]:
    """Three processes played by one, each of which draws what the others draw; how many parts they made at a time."""
    made: list[int] = []

    def in_turn(items: Collection[Any], make: Callable[[Any], Any], shared: bool, leave: Callable[[Any], Any]) -> Any:
        begun, found = generator.get_state(), []
        for number, item in enumerate(items):
            generator.set_state(begun)
            for other in list(items)[:number]:
                leave(other)
            found.append(make(item))
        made.append(len(found))
        return found

    monkeypatch.setattr(parts, "in_turn", in_turn)
    monkeypatch.setattr(parts, "count", lambda: PROCESSES)
    return made


def write(generator: torch.Generator, numbers: int, unlucky: bool = False) -> Callable[[Tensor, Any], Any]:
    """Texts of two numbers below `numbers`, drawn until one is not taken; unlucky ones draw once more than foreseen."""

    def make(rows: Tensor, taken: frozenset[str]) -> tuple[list[str], set[str]]:
        texts, compared = list[str](), set[str]()
        for _ in rows:
            text = str(torch.randint(numbers, (2,), generator=generator).tolist())
            compared.add(text)
            texts.append(f"{text} again" if text in taken or text in texts else text)
        if unlucky:
            torch.rand(1, generator=generator)
        return texts, compared

    return make


@pytest.mark.parametrize(
    ("numbers", "unlucky", "alike"), [(10**6, False, True), (4, False, False), (10**6, True, False)]
)
def test_a_wrong_guess_is_mended(
    numbers: int, unlucky: bool, alike: bool, turns: list[int], generator: torch.Generator
) -> None:
    rows, make = torch.arange(40).split(4), write(generator, numbers, unlucky)

    def leave(part: Tensor) -> None:
        for _ in part:
            torch.randint(numbers, (2,), generator=generator)

    wanted: list[str] = []
    for part in rows:
        wanted += make(part, frozenset(wanted))[0]
    generator.manual_seed(0)
    assert one_after_the_other(rows, make, leave, generator, shared=True) == wanted
    assert (sum(turns) == len(rows)) is alike


def test_what_is_drawn_ahead_is_what_texts_draw(model: TextModel, generator: torch.Generator) -> None:
    sampling, z = SamplingParams(longest=6), model.latents(model.spread(5))
    ahead = torch.Generator().manual_seed(0)
    draw_ahead(15, sampling, ahead)
    with torch.inference_mode():
        for _ in range(3):  # waves of candidates
            decode(model.vae, z, model.spread(5), sampling, generator, [[]] * 5)
    assert torch.equal(generator.get_state(), ahead.get_state())
    draw_ahead(5, replace(sampling, candidates=3), generator.manual_seed(0))
    assert torch.equal(generator.get_state(), ahead.get_state())
