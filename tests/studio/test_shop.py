"""What the tabs share: folders of visitors, models in memory, uploads and commands."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from common.errors import UserError
from common.weights_folders import bundled
from image.config import GenerateConfig
from image.edit.config import EditConfig
from studio import shop as sharing
from studio.config import StudioConfig
from studio.shop import Shelf, Shop, preview, shown_command, take, take_picture


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    return Shop("cpu", tmp_path / "studio")


def test_the_shelf_keeps_the_two_models_that_were_used_last() -> None:
    loaded = []

    def load(name: str) -> str:
        loaded.append(name)
        return name.upper()

    shelf = Shelf()
    assert [shelf.get(load, name) for name in ("a", "b", "a", "c", "a", "b")] == list("ABACAB")
    assert loaded == ["a", "b", "c", "b"]
    assert len(shelf.models) == 2


def test_weights_that_were_replaced_are_loaded_anew() -> None:
    shelf = Shelf()
    made = [shelf.get(lambda name: [name], "run", version=version) for version in (1, 2)]
    assert made[0] is not made[1]


def test_weights_of_runs_that_are_used_are_among_those_of_their_kind(shop: Shop, tmp_path: Path) -> None:
    run = tmp_path / "mine"
    shutil.copytree(bundled("image")["digits-cgan"], run)
    assert str(run) not in shop.weights("image", "gan")
    shop.used.append(str(run))
    assert str(run) in shop.weights("image", "gan", words=False)
    assert str(run) not in shop.weights("image", "gan", words=True) + shop.weights("image", "vae")
    shutil.rmtree(run)
    assert str(run) not in shop.weights("image", "gan")


@pytest.mark.parametrize("visitor", ["", "abc", "../../etc", "/etc/passwd", "a/b", "\0"])
def test_every_visitor_has_a_folder_inside_whatever_the_name(shop: Shop, visitor: str) -> None:
    first, second = shop.new_folder(visitor), shop.new_folder(visitor)
    assert first != second
    assert first.parent == second.parent == shop.place(visitor)
    assert shop.place(visitor).parent == shop.root / "visitors"


def test_a_visitor_who_leaves_takes_nothing_of_others(shop: Shop) -> None:
    mine, theirs = shop.new_folder("me"), shop.new_folder("they")
    shop.forget("me")
    assert not mine.exists()
    assert theirs.is_dir()


def test_uploads_that_are_missing_no_pictures_or_too_large_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, path, broken = tmp_path / "folder", tmp_path / "a.png", tmp_path / "b.png"
    folder.mkdir()
    Image.new("L", (30, 20)).save(path)
    broken.write_bytes(b"no picture")
    assert take_picture(path, folder) == folder / "a.png"
    with pytest.raises(UserError, match="no picture yet; upload one"):
        take_picture(None, folder)
    with pytest.raises(UserError, match=r"b\.png"):
        take_picture(broken, folder)
    monkeypatch.setattr(sharing, "PIXELS", 599)
    with pytest.raises(UserError, match="has 600 pixels, and the page takes 599"):
        take_picture(path, folder)
    monkeypatch.setattr(sharing, "LARGEST", 10)
    with pytest.raises(UserError, match="larger than"):
        take(path, folder, "picture")


def test_previews_are_upright_and_small(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter
    Image.new("L", (3_200, 100)).save(tmp_path / "wide.jpg", exif=exif)
    with Image.open(preview(tmp_path / "wide.jpg")) as shown:
        assert shown.size == (50, 1_600)


def test_commands_name_files_without_the_folder_of_the_visitor(tmp_path: Path) -> None:
    config = GenerateConfig(weights="faces-cgan", label=("no smile",), out=str(tmp_path / "x.png"))
    shown = shown_command("image.generate", config, tmp_path)
    assert shown == "python -m image.generate --weights faces-cgan --label 'no smile'"
    picture = tmp_path / "my picture.png"
    edited = EditConfig(picture=picture, to=tmp_path / "b.png", out=tmp_path / "c.gif")
    shown = shown_command("image.edit", edited, tmp_path, given=(picture,), out=("c.gif",))
    assert shown == "python -m image.edit 'my picture.png' --to b.png --out c.gif"


def test_only_a_password_opens_the_page_to_others() -> None:
    StudioConfig()
    with pytest.raises(UserError, match="--password"):
        StudioConfig(host="0.0.0.0")
    StudioConfig(host="0.0.0.0", password="secret")
