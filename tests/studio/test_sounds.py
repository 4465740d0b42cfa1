"""The tab of sounds."""

from pathlib import Path

import pytest

from common.errors import UserError
from music.sound.config import MAKER
from studio.shop import Shop
from studio.sounds import instruments, morph_note, note


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop("cpu", tmp_path_factory.mktemp("studio"))


def test_a_note_is_seen_and_heard(shop: Shop) -> None:
    result = note(shop, shop.new_folder("me"), MAKER, "cello", None, 0.5, "A3", None, 100, 0, 1)
    assert result.command == (
        "python -m music.sound.generate --device cpu --instrument cello --pitch A3 --seed 1 --out note.wav"
    )
    assert all(Path(path).stat().st_size for path in (*result.files, *result.shown))
    assert {"cello", "flute"} <= set(instruments())


def test_two_instruments_are_mixed_and_one_becomes_another(shop: Shop) -> None:
    mixed = note(shop, shop.new_folder("me"), MAKER, "flute", "cello", 0.25, "C4", "major", 100, 0.5, 0)
    assert "--instrument '0.75 flute + 0.25 cello'" in mixed.command and "--scale major" in mixed.command
    assert "--morph flute cello" in morph_note(shop, shop.new_folder("me"), MAKER, "flute", "cello", "", 2, 0).command


def test_what_the_command_refuses_the_page_does(shop: Shop) -> None:
    with pytest.raises(UserError, match="--pitch H4 is no pitch"):
        note(shop, shop.new_folder("me"), MAKER, "cello", None, 0.5, "H4", None, 100, 0, 0)
