"""Copies and look-alikes are found, and what only resembles them is not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from image.data.likeness import find_alike
from image.data.loading import load_images

pytestmark = pytest.mark.usefixtures("cache")


def scene(seed: int) -> Image.Image:
    """Soft patches of colour, as photos have them."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    for seed in range(60):
        scene(seed).save(path / f"{seed:02}.png")
    return path


def test_different_pictures_are_neither(folder: Path) -> None:
    likeness = find_alike(load_images(str(folder), 32))
    assert likeness.copies == [] and likeness.alike == [] and likeness.leaked == 0 and likeness.compared == 60


def test_copies_are_named_together(folder: Path) -> None:
    scene(3).save(folder / "again.bmp")
    scene(3).save(folder / "and again.png")
    likeness = find_alike(load_images(str(folder), 32))
    assert [sorted(group) for group in likeness.copies] == [["03.png", "again.bmp", "and again.png"]]
    assert likeness.alike == [] and likeness.compared == 60


@pytest.mark.parametrize("change", ["compressed", "smaller", "brighter"])
def test_look_alikes_are_named_in_pairs(folder: Path, change: str) -> None:
    image = scene(7)
    if change == "compressed":
        image.save(folder / "twin.jpg", quality=40)
    elif change == "smaller":
        image.resize((70, 70)).save(folder / "twin.png")
    else:
        ImageEnhance.Brightness(image).enhance(0.8).save(folder / "twin.png")
    likeness = find_alike(load_images(str(folder), 32))
    assert likeness.copies == []
    ((first, second, correlation),) = likeness.alike
    assert {first[:4], second[:4]} == {"07.p", "twin"} and 0.99 < correlation <= 1.001


def test_held_out_pictures_with_a_twin_to_train_on_are_counted(folder: Path) -> None:
    for seed in range(60):
        scene(seed).save(folder / f"{seed:02}.jpg", quality=60)  # another content, so chance chooses its side anew
    data = load_images(str(folder), 32)
    sides = [{name[:2]: name for name in names} for names in data.names]
    assert find_alike(data).leaked == len(sides[0].keys() & sides[1].keys()) > 0


def test_pictures_of_one_colour_resemble_nothing(folder: Path) -> None:
    for value in (10, 200):
        Image.new("RGB", (64, 64), (value, value, value)).save(folder / f"flat{value}.png")
    assert find_alike(load_images(str(folder), 32)).alike == []
