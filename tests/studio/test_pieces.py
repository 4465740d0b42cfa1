"""The tab of music."""

from pathlib import Path

import pytest
from commands import ROOT

from common.errors import UserError
from studio.pieces import compose, harmonise, piece_styles
from studio.shop import Shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop("cpu", tmp_path_factory.mktemp("studio"))


def test_a_piece_is_seen_heard_and_written(shop: Shop) -> None:
    result = compose(shop, shop.new_folder("me"), "", "jig", "D major", "6/8", 4, "", "", 0, "", 1)
    assert result.command == (
        "python -m music.generate --device cpu --style jig --key 'D major' --metre 6/8 --bars 4 --seed 1 "
        "--out song.mid song.wav song.musicxml song.png"
    )
    assert [path.suffix for path in result.files] == [".mid", ".wav", ".musicxml"]
    assert all(Path(path).stat().st_size for path in (*result.files, *result.shown))
    assert {"chorale", "pop", "reel"} <= set(piece_styles())


def test_a_melody_gets_voices(shop: Shop) -> None:
    melody = str(ROOT / "examples" / "ode-to-joy.mid")
    result = harmonise(shop, shop.new_folder("me"), "", melody, "chorale", "", 0)
    assert "--melody ode-to-joy.mid" in result.command
    with pytest.raises(UserError, match="no MIDI file yet"):
        harmonise(shop, shop.new_folder("me"), "", None, "chorale", "", 0)


def test_what_the_command_refuses_the_page_does(shop: Shop) -> None:
    with pytest.raises(UserError, match="--bars 8 cannot be split over the 3 sections of --form"):
        compose(shop, shop.new_folder("me"), "", "chorale", "", "", 8, "ABC", "", 0, "", 1)
