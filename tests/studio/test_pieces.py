"""The tab of music."""

from pathlib import Path

import pytest
from commands import ROOT

from common.errors import UserError
from common.provenance.reading import read_record
from music.io.engraving import NEEDED
from studio import pieces
from studio.pieces import compose, harmonise, hear, piece_styles, rewrite
from studio.shop import Shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop("cpu", tmp_path_factory.mktemp("studio"))


def test_a_piece_is_seen_heard_and_written(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_engraves", lambda: False)
    result = compose(shop, shop.new_folder("me"), "", "jig", "D major", "6/8", 4, "", "", 0, "", 1)
    assert result.command == (
        "python -m music.generate --device cpu --style jig --key 'D major' --metre 6/8 --bars 4 --seed 1 "
        "--out song.mid song.wav song.musicxml song.png"
    )
    assert [path.suffix for path in result.files] == [".mid", ".wav", ".musicxml"]
    assert all(Path(path).stat().st_size for path in (*result.files, *result.shown[:2]))
    assert read_record(result.files[0]).record["command"] == result.command.partition(" --out")[0]
    assert {"chorale", "pop", "reel"} <= set(piece_styles())


def test_a_melody_gets_voices(shop: Shop) -> None:
    melody = str(ROOT / "examples" / "ode-to-joy.mid")
    result = harmonise(shop, shop.new_folder("me"), "", melody, "chorale", "", 0)
    assert "--melody ode-to-joy.mid" in result.command
    with pytest.raises(UserError, match="no MIDI file yet"):
        harmonise(shop, shop.new_folder("me"), "", None, "chorale", "", 0)


def test_a_score_is_engraved_where_that_can_be(shop: Shop) -> None:
    for name in NEEDED:
        pytest.importorskip(name)
    result = compose(shop, shop.new_folder("me"), "", "chorale", "", "", 4, "", "", 0, "", 1)
    assert result.files[-1].read_bytes().startswith(b"%PDF")


def test_bars_of_the_piece_that_was_made_are_written_anew(shop: Shop) -> None:
    first = compose(shop, shop.new_folder("me"), "", "chorale", "", "", 4, "", "", 0, "", 1).shown[2]
    result = rewrite(shop, shop.new_folder("me"), "", None, first, "chorale", "2-3", "alto 3", 5)
    assert "--rewrite song.mid --at-bars 2-3 --voices alto 3 --seed 5 --out song-anew.mid" in result.command
    anew = result.shown[2]
    bar = first.piece.bar
    changed = (anew.piece.pitch != first.piece.pitch).any(2)
    assert changed[1:3, bar : 3 * bar].any()
    assert not changed[[0, 3]].any()
    assert not changed[:, :bar].any()
    with pytest.raises(UserError, match="no MIDI file, and no piece was made yet"):
        rewrite(shop, shop.new_folder("me"), "", None, None, "chorale", "2-3", "", 5)


def test_voices_are_heard_alone(shop: Shop) -> None:
    made = compose(shop, shop.new_folder("me"), "", "chorale", "", "", 4, "", "", 0, "", 1).shown[2]
    assert made.voices == ["1 Soprano", "2 Alto", "3 Tenor", "4 Bass"]
    one = hear(shop, shop.new_folder("me"), made, ["4 Bass"])
    assert one.read_bytes() != made.file.with_suffix(".wav").read_bytes()
    whole = hear(shop, shop.new_folder("me"), made, made.voices)
    assert whole.read_bytes() == made.file.with_suffix(".wav").read_bytes()
    for piece, voices, said in ((made, [], "no voice is chosen"), (None, ["4 Bass"], "no piece yet")):
        with pytest.raises(UserError, match=said):
            hear(shop, shop.new_folder("me"), piece, voices)


def test_what_the_command_refuses_the_page_does(shop: Shop) -> None:
    with pytest.raises(UserError, match="--bars 8 cannot be split over the 3 sections of --form"):
        compose(shop, shop.new_folder("me"), "", "chorale", "", "", 8, "ABC", "", 0, "", 1)
