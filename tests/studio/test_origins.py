"""The tab of provenance, and what the downloads of the others carry for it."""

from pathlib import Path

import pytest
from commands import command
from PIL import Image

from common.errors import UserError
from common.provenance.reading import read_record
from studio.images import colour, sheet, step_of, way
from studio.origins import origin
from studio.shop import Shop
from studio.sounds import note


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop("cpu", tmp_path_factory.mktemp("studio"))


def test_a_download_is_to_the_byte_what_the_command_writes(shop: Shop, tmp_path: Path) -> None:
    result = sheet(shop, shop.new_folder("me"), "fashion-cgan", ["Bag"], "", 4, 3, 1, 1)
    done = command(*result.command.split()[2:], "--out", tmp_path / "samples.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "samples.png").read_bytes() == result.files[0].read_bytes()


def test_downloads_of_other_kinds_tell_how_they_were_made_and_name_no_folder(shop: Shop, tmp_path: Path) -> None:
    grey = tmp_path / "grey.png"
    Image.linear_gradient("L").resize((48, 40)).save(grey)
    for result in (
        way(shop, shop.new_folder("me"), "fashion-cgan", "Bag", 3, 4),
        colour(shop, shop.new_folder("me"), str(grey)),
        note(shop, shop.new_folder("me"), "instruments", "flute", "", 0.5, "", "", 100, 1, 0),
    ):
        found = read_record(result.files[0])
        assert found.is_unchanged
        assert str(shop.root) not in str(found.record)


def test_a_file_that_is_dropped_tells_what_the_command_tells(shop: Shop, tmp_path: Path) -> None:
    made = sheet(shop, shop.new_folder("me"), "fashion-cgan", ["Bag"], "", 4, 3, 1, 1).files[0]
    result = origin(shop, shop.new_folder("me"), str(made))
    assert result.command == "python -m common.provenance samples.png"
    assert result.shown[0] == command("common.provenance", made).stdout.rstrip("\n")
    assert result.shown[0].endswith("unchanged since it was made")
    plain = tmp_path / "plain.png"
    Image.new("L", (8, 8)).save(plain)
    with pytest.raises(UserError, match=r"plain\.png does not say how it was made"):
        origin(shop, shop.new_folder("me"), str(plain))
    with pytest.raises(UserError, match="there is no file yet"):
        origin(shop, shop.new_folder("me"), None)


def test_a_way_has_its_pictures_from_the_first_to_the_last(shop: Shop) -> None:
    result = way(shop, shop.new_folder("me"), "fashion-cgan", "Bag", 3, 4)
    assert "--interpolate seeds --to-seed 4 --out way.gif" in result.command
    first, pictures = result.shown
    assert step_of(pictures, 0) == first == pictures[0]
    assert step_of(pictures, 1) == pictures[-1] != first
    assert step_of([], 0.5) is None
    with Image.open(first) as picture, Image.open(result.files[0]) as film:
        assert picture.width >= 28
        assert film.n_frames == 2 * len(pictures) - 2
