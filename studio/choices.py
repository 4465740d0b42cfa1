"""The settings of a training that the page offers beside its data, minutes and name, where its command has them."""

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from common.inputs import hints, marks
from common.weights_folders import WeightsName
from studio.runs import settings_type
from studio.shop import Shop

CHOSEN = ("core", "net", "net_size", "weights")  # from what there is
TYPED = ("size",)


def offered(shop: Shop, program: str) -> dict[str, list[str]]:
    """What each setting of `CHOSEN` and `TYPED` that a training command has may be; [] for what is typed."""
    settings: type = settings_type(program)
    known = hints(settings)
    return {name: values(shop, known[name]) for name in (*CHOSEN, *TYPED) if name in known}


def chosen(given: tuple[str | None, ...]) -> dict[str, str]:
    """Settings by their names, without those that are as by default, from the values of all of them in order."""
    named = zip((*CHOSEN, *TYPED), given, strict=False)
    return {name: value.strip() for name, value in named if value and value.strip()}


def values(shop: Shop, hint: Any) -> list[str]:
    """What a setting of this type may be: words, or the names of weights."""
    named = [mark for mark in marks(hint) if isinstance(mark, WeightsName)]
    if named:
        return shop.weights(named[0].domain, *named[0].kinds, words=named[0].words)
    return list(_words(hint))


def _words(hint: Any) -> Iterator[str]:
    if get_origin(hint) is Literal:
        yield from get_args(hint)
        return
    for part in get_args(hint):
        yield from _words(part)
