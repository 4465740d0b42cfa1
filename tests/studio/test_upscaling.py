"""The tab of super-resolution."""

from pathlib import Path

import pytest
from PIL import Image

from common.errors import UserError
from studio import upscaling
from studio.shop import Shop
from studio.upscaling import compare, enlarge, upscaling_weights


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
    result = compare(shop, shop.new_folder("me"), photo, ["x2-fast", "x2-fast-gan"])
    assert "superres.compare photo.jpg" in result.command
    assert Image.open(result.files[0]).width > 100
    with pytest.raises(UserError, match="two or more"):
        compare(shop, shop.new_folder("me"), photo, ["x2-fast"])
    assert {"x2-fast", "x4-real"} <= set(upscaling_weights(shop))
