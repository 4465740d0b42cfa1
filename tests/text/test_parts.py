"""Parts of texts that several threads write at once are those that one writes."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from common.threads import side_by_side
from text import parts
from text.decoding import SamplingParams, draw_ahead
from text.decoding import write as decode
from text.models import TextModel
from text.parts import Make, one_after_the_other

THREADS = 3


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Several threads write; how many parts they made at a time."""
    made, threads = list[int](), torch.get_num_threads()

    def counted(items: list[object], make: Callable[[object], object], device: str) -> list[object]:
        made.append(len(items))
        return side_by_side(items, make, device)

    monkeypatch.setattr(parts, "side_by_side", counted)
    torch.set_num_threads(THREADS)
    yield made
    torch.set_num_threads(threads)


def write(numbers: int, unlucky: bool = False) -> Make:
    """Texts of two numbers below `numbers`, drawn until one is not taken; unlucky ones draw once more than foreseen."""

    def make(rows: Tensor, taken: frozenset[str], generator: torch.Generator) -> tuple[list[str], set[str]]:
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
    rows, make = torch.arange(40).split(4), write(numbers, unlucky)

    def leave(part: Tensor, generator: torch.Generator) -> None:
        for _ in part:
            torch.randint(numbers, (2,), generator=generator)

    wanted: list[str] = []
    for part in rows:
        wanted += make(part, frozenset(wanted), generator)[0]
    generator.manual_seed(0)
    assert one_after_the_other(rows, make, leave, generator, shared=False) == wanted
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
