"""The tab of super-resolution."""

import re
from pathlib import Path

import av
import pytest
from PIL import Image, ImageOps

from common.errors import UserError
from common.pictures.sheets import save_animation
from common.progress import watching
from studio import upscaling
from studio.shop import Ended, Shop
from studio.upscaling import compare, enlarge, enlarge_film, estimate, upscaling_weights


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop("cpu", tmp_path_factory.mktemp("studio"))


@pytest.fixture
def photo(tmp_path: Path) -> str:
    """A turned picture with EXIF and a resolution."""
    exif = Image.Exif()
    exif[274], exif[0x010E] = 6, "a gradient"
    path = tmp_path / "photo.jpg"
    Image.radial_gradient("L").resize((40, 24)).save(path, exif=exif, dpi=(300, 300))
    return str(path)


def test_what_belongs_to_a_picture_stays_in_the_download(shop: Shop, photo: str) -> None:
    result = enlarge(shop, shop.new_folder("me"), photo, "x2-fast", 0, -1)
    assert result.command == "python -m superres.upscale photo.jpg --device cpu --weights x2-fast"
    with Image.open(result.files[0]) as large:
        assert large.size == (48, 80)
        assert large.getexif()[0x010E] == "a gradient"
        assert large.info["dpi"][0] == pytest.approx(300, abs=0.1)
    before, after = (Image.open(path) for path in result.shown[0])
    assert before.size == after.size == (48, 80)


def test_scale_and_sharpness_are_told(shop: Shop, photo: str) -> None:
    result = enlarge(shop, shop.new_folder("me"), photo, "x4-fast", 2.5, 0.5)
    assert result.command.endswith("--weights x4-fast --scale 2.5 --sharpness 0.5")
    assert Image.open(result.files[0]).size == (60, 100)


def test_what_the_command_refuses_the_page_does(shop: Shop, photo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="--sharpness: x4-real has no twin"):
        enlarge(shop, shop.new_folder("me"), photo, "x4-real", 0, 0.5)
    monkeypatch.setattr(upscaling, "MOST", 959)
    with pytest.raises(UserError, match="has 960 pixels, and the page enlarges 959"):
        enlarge(shop, shop.new_folder("me"), photo, "x4-real", 0, -1)


def test_weights_are_compared(shop: Shop, photo: str) -> None:
    result = compare(shop, shop.new_folder("me"), photo, ["x2-fast", "x2-fast-gan"], 50, 50, 0)
    assert "superres.compare photo.jpg" in result.command
    assert Image.open(result.files[0]).width > 100
    with pytest.raises(UserError, match="two or more"):
        compare(shop, shop.new_folder("me"), photo, ["x2-fast"], 50, 50, 0)
    assert {"x2-fast", "x4-real"} <= set(upscaling_weights(shop))


def test_weights_are_compared_on_one_square(shop: Shop, photo: str) -> None:
    result = compare(shop, shop.new_folder("me"), photo, ["x2-fast", "x2-fast-gan"], 100, 50, 16)
    assert re.search(r"superres\.compare photo-8-12\.png .*--crops 1 --side 16", result.command)
    sheet, square = result.files
    with Image.open(square) as cut, Image.open(photo) as whole:
        upright = ImageOps.exif_transpose(whole).convert("RGB")
        assert cut.tobytes() == upright.crop((8, 12, 24, 28)).tobytes()
    assert Image.open(sheet).width > 3 * 32


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    save_animation([Image.new("RGB", (32, 24), (0, 0, 40 * shade)) for shade in range(6)], path)
    return str(path)


def test_short_films_become_larger(shop: Shop, film: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result = enlarge_film(shop, shop.new_folder("me"), film, "x2-fast", 0, -1)
    assert result.command == "python -m superres.upscale film.mp4 --device cpu --weights x2-fast"
    with av.open(result.shown[0]) as large:
        assert (large.streams.video[0].width, large.streams.video[0].height) == (64, 48)
    monkeypatch.setattr(upscaling, "MOST_OF_FILM", 4_607)
    with pytest.raises(UserError, match="has 4,608 pixels in its 6 frames, and the page enlarges 4,607"):
        enlarge_film(shop, shop.new_folder("me"), film, "x2-fast", 0, -1)


def test_pictures_are_no_films(shop: Shop, photo: str) -> None:
    with pytest.raises(UserError, match=r"photo\.jpg is no film"):
        enlarge_film(shop, shop.new_folder("me"), photo, "x2-fast", 0, -1)


def test_how_long_it_takes_is_told_before(shop: Shop, photo: str, film: str) -> None:
    told = estimate(shop, shop.new_folder("me"), photo, "x2-fast", 0, -1)
    assert re.fullmatch(r"1 picture: about .* of results and .* of memory", told)
    assert estimate(shop, shop.new_folder("me"), film, "x2-fast", 0, -1).startswith("1 film: about")


def test_whoever_watches_is_told_how_far_it_is_and_can_end_it(shop: Shop, photo: str, film: str) -> None:
    seen: list[float | None] = []
    with watching(lambda what, share, left: seen.append(share)):
        enlarge(shop, shop.new_folder("me"), photo, "x2-fast", 0, -1)
    assert seen[-1] == 1

    def end(what: str, share: float | None, left: float | None) -> None:
        raise Ended

    for make, given in ((enlarge, photo), (enlarge_film, film)):
        folder = shop.new_folder("me")
        with watching(end), pytest.raises(Ended):
            make(shop, folder, given, "x2-fast", 0, -1)
        assert [path.name for path in folder.glob("*") if path.is_file()] == [Path(given).name]
