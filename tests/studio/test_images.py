"""The tab of images: what it makes is what the commands that it shows make."""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import assert_refused, command
from PIL import Image, ImageDraw

import image
from common.errors import UserError
from studio.images import classes_of, colour, drawing_weights, edit, fill, morph, paint, sheet
from studio.shop import Result, Shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop("cpu", tmp_path_factory.mktemp("studio"))


@pytest.fixture
def folder(shop: Shop) -> Path:
    return shop.new_folder("somebody")


def run(result: Result, cwd: Path) -> None:
    """Run the command that a result shows, in a folder of its own."""
    words = shlex.split(result.command)
    assert words[:2] == ["python", "-m"]
    done = command(*words[2:], cwd=cwd)
    assert done.returncode == 0, done.stderr


def draw(shop: Shop, folder: Path, **given: Any) -> Result:
    usual = {"weights": "fashion-cgan", "labels": [], "words": "", "n": 8, "seed": 3, "truncation": 1, "guidance": 1}
    return sheet(shop, folder, **usual | given)


def test_a_sheet_is_what_its_command_draws(
    shop: Shop, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    result = draw(shop, folder, labels=["Bag", "Trouser"], truncation=0)
    assert "--truncation" not in result.command
    run(result, tmp_path)
    (made,) = result.files
    assert np.array_equal(Image.open(tmp_path / "samples.png"), Image.open(made))


def test_descriptions_are_drawn_and_doubts_told(shop: Shop, folder: Path) -> None:
    result = draw(shop, folder, weights="emoji-text", words="red heart\n\nred hxart\n", n=2, guidance=2)
    assert "--text 'red heart' 'red hxart'" in result.command
    assert "--guidance 2" in result.command
    assert "hxart" in result.told


def test_weights_are_those_that_draw(shop: Shop) -> None:
    assert {"digits-cgan", "emoji-text", "faces-cgan"} <= set(drawing_weights(shop))
    assert "emoji-text" not in drawing_weights(shop, words=False)
    assert not {"features", "colorize"} & set(drawing_weights(shop))
    assert "Bag" in classes_of("fashion-cgan")


def test_what_the_command_refuses_the_page_does(shop: Shop, folder: Path) -> None:
    with pytest.raises(UserError) as refused:
        draw(shop, folder, labels=["umbrella"])
    done = command("image.generate", "--weights", "fashion-cgan", "--label", "umbrella", "--out", folder / "a.png")
    assert_refused(done, str(refused.value))


def test_grey_pictures_get_colours_and_stay_as_large(shop: Shop, folder: Path, tmp_path: Path) -> None:
    Image.linear_gradient("L").resize((48, 40)).save(tmp_path / "grey.png", dpi=(300, 300))
    result = colour(shop, folder, str(tmp_path / "grey.png"))
    assert re.fullmatch(r"python -m image\.translate grey\.png .*--task colorize", result.command)
    with Image.open(result.files[0]) as made:
        assert (made.size, made.mode) == ((48, 40), "RGB")
        assert made.info["dpi"][0] == pytest.approx(300, abs=0.1)
    before, after = result.shown[0]
    assert Path(before).is_file() and Path(after).is_file()


def brushed(size: tuple[int, int], box: tuple[int, int, int, int] | None) -> dict[str, Any]:
    """What the page gives of a picture and a brush."""
    layer = Image.new("RGBA", size)
    if box is not None:
        ImageDraw.Draw(layer).rectangle(box, fill=(255, 0, 100, 255))
    picture = Image.linear_gradient("L").resize(size).convert("RGBA")
    return {"background": picture, "layers": [layer], "composite": Image.alpha_composite(picture, layer)}


def test_only_what_was_brushed_over_is_filled(shop: Shop, folder: Path) -> None:
    given = brushed((64, 64), (20, 20, 29, 29))
    result = fill(shop, folder, given)
    assert "--task inpaint --mask mask.png" in result.command
    with Image.open(result.files[0]) as made:
        after = np.asarray(made.convert("RGB")).astype(int)
    before = np.asarray(given["background"].convert("RGB")).astype(int)
    rows, columns = np.nonzero((after != before).any(2))
    assert len(rows)
    assert {rows.min() >= 20, rows.max() <= 29, columns.min() >= 20, columns.max() <= 29} == {True}
    assert {path.name for path in result.files} == {"picture_filled.png", "picture.png", "mask.png"}


@pytest.mark.parametrize(
    ("given", "said"),
    [(None, "upload one"), ({"background": None}, "upload one"), (brushed((32, 32), None), "nothing")],
)
def test_without_a_hole_nothing_is_filled(shop: Shop, folder: Path, given: dict[str, Any] | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        fill(shop, folder, given)


def test_drawings_become_pictures_and_empty_ones_do_not(shop: Shop, folder: Path) -> None:
    drawing = Image.new("RGBA", (64, 64))
    with pytest.raises(UserError, match="empty"):
        paint(shop, folder, {"composite": drawing})
    ImageDraw.Draw(drawing).ellipse((10, 10, 54, 54), outline=(0, 0, 0, 255), width=3)
    result = paint(shop, folder, {"composite": drawing})
    assert "--task edges" in result.command
    with Image.open(result.files[0]) as made:
        assert made.size == (64, 64)


def test_pictures_that_a_model_cannot_draw_are_not_edited(shop: Shop, folder: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    upload = str(tmp_path / "noise.png")
    with pytest.raises(UserError, match="it is nothing that this model draws"):
        edit(shop, folder, upload, "fashion-vae", None, 0, 1, 0, 0, 0)
    with pytest.raises(UserError, match="it is nothing that this model draws"):
        morph(shop, shop.new_folder("me"), upload, upload, "fashion-vae")


def test_a_picture_is_moved_along_directions(shop: Shop, folder: Path, tmp_path: Path) -> None:
    image.draw("fashion-vae", n=1, seed=1, device="cpu")[0].save(tmp_path / "garment.png")
    edited = edit(shop, folder, str(tmp_path / "garment.png"), "fashion-vae", None, 0, 2, 0, -1, 0)
    assert "--direction 1=+2 3=-1" in edited.command
    assert edited.files[0].is_file()
