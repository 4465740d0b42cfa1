"""From Python: functions that say what they take, and take what the commands take."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

import image
import image.config
import music
import music.config
import superres
import superres.config
import text
import text.config
from common.errors import UserError

Function = tuple[Callable[..., Any], type, set[str]]  # with its command's settings, and those that it does not take
OF_FILES = {
    "out",
    "overwrite",
    "soundfont",
    "band",
    "band_weights",
    "stems",
    "chords_out",
    "threads",
    "provenance",
    "settings_from",
}
OF_SHEETS = {"interpolate", "to_seed", "frames", "arithmetic", "mix", "reconstruct", "list_text"}
FUNCTIONS: list[Function] = [
    (image.draw, image.config.GenerateConfig, OF_SHEETS),
    (music.compose, music.config.GenerateConfig, {"rewrite", "at_bars", "voices"}),
    (text.write, text.config.GenerateConfig, set()),
]


@pytest.mark.parametrize(("function", "config", "others"), FUNCTIONS)
def test_functions_take_the_settings_of_their_command(
    function: Callable[..., Any], config: type, others: set[str]
) -> None:
    taken = {name: parameter.default for name, parameter in inspect.signature(function).parameters.items()}
    asked = {field.name: field.default for field in fields(config)}
    assert set(asked) - set(taken) <= OF_FILES | others
    assert {name: asked[name] for name in taken} == taken
    described = inspect.getdoc(function)
    assert described is not None and all(f"{name}:" in described or f"{name}," in described for name in taken)


def test_pictures_come_back_as_pictures() -> None:
    drawn = image.draw("digits-cgan", label="3", n=2, seed=1)
    assert [(picture.mode, picture.size) for picture in drawn] == [("RGB", (28, 28))] * 2
    alike = image.draw("digits-cgan", label=["3"], n=2, seed=1)
    assert all(np.array_equal(*pair) for pair in zip(drawn, alike, strict=True))
    with pytest.raises(UserError, match="--label shoe"):
        image.draw("digits-cgan", label="shoe")
    with pytest.raises(UserError, match="never learned"):  # and not fewer pictures than were asked for
        image.draw(text=["red heart", "\u03a9"], n=1)
    assert superres.enlarge(drawn[0], scale=2).size == (56, 56)
