"""What is said of a data set is true of it, and its contact sheet shows nothing that is held out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from image.data.inspection import as_json, class_counts, contact_sheet, describe, read_headers
from image.data.likeness import find_alike
from image.data.loading import ImageData, load_images

pytestmark = pytest.mark.usefixtures("cache")


def noise(seed: int, width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of 30 and 10 pictures: in colour, grey, transparent, animated, on its side, broken, described."""
    path = tmp_path / "pictures"
    for name, count in (("cat", 30), ("dog", 10)):
        (path / name).mkdir(parents=True)
        for seed in range(count):
            noise(seed + len(name) * count, 40 + seed, 50).save(path / name / f"{seed:02}.png")
    noise(1, 40, 50).convert("L").save(path / "dog" / "00.png")
    noise(2, 40, 50).convert("RGBA").save(path / "dog" / "01.png")
    noise(3, 40, 50).save(path / "dog" / "02.gif", save_all=True, append_images=[noise(4, 40, 50)])
    exif = Image.Exif()
    exif[274] = 6
    noise(5, 2000, 3000).save(path / "cat" / "large.jpg", exif=exif)
    (path / "cat" / "broken.png").write_text("broken")
    (path / "cat" / "00.txt").write_text("a red cat\n")
    return path


def told(folder: Path, size: int | None = 48) -> tuple[ImageData, dict[str, str]]:
    data = load_images(str(folder), size)
    return data, dict(describe(data, read_headers(str(folder)), find_alike(data)))


def test_headers_tell_true_sizes_upright_and_kinds(folder: Path) -> None:
    headers = read_headers(str(folder))
    assert len(headers) == 42
    assert max((header.width, header.height) for header in headers) == (3000, 2000)
    assert sum(header.has_alpha for header in headers) == 1 and sum(header.is_animated for header in headers) == 1


def test_every_line_is_true(folder: Path) -> None:
    data, lines = told(folder)
    assert lines["pictures"] == f"{len(data.train)} to train on, {len(data.test)} held out"
    small = sum(min(header.width, header.height) < 48 for header in read_headers(str(folder)))
    assert "40 x 50 to 3000 x 2000" in lines["sizes"] and f"{small} would be enlarged to 48 x 48" in lines["sizes"]
    assert lines["kinds"].startswith("41 in colour, 1 grey; 1 with transparency") and "1 animated" in lines["kinds"]
    assert lines["classes"] == "2: cat 31, dog 11; cat is 2.8 times dog"
    assert lines["descriptions"].startswith("of 1 of 42 pictures, such as 'a red cat'")
    assert "1 files: 1 not a picture" in lines["skipped"] and "cat/broken.png" in lines["skipped"]


def test_json_names_every_file(folder: Path) -> None:
    data, _ = told(folder)
    record = as_json(data, read_headers(str(folder)), find_alike(data))
    assert record["classes"] == {"cat": 31, "dog": 11} and set(record["skipped"]) == {"cat/broken.png"}
    assert len(record["sizes"]) == record["training"] + record["held_out"]


def test_names_go_with_their_pictures(folder: Path) -> None:
    data = load_images(str(folder), 48)
    for part, names in zip((data.train, data.test), data.names, strict=True):
        assert len(part) == len(names)
        labels = part.tensors["label"].tolist()
        assert [data.spec.classes[label] for label in labels] == [name.partition("/")[0] for name in names]


@pytest.mark.parametrize("is_labelled", [True, False])
def test_the_contact_sheet_shows_training_pictures_alone(is_labelled: bool, tmp_path: Path) -> None:
    """Held-out pictures are made red and training pictures green after loading; the sheet has no red."""
    for seed in range(40):
        path = tmp_path / "p" / (str(seed % 2) if is_labelled else "") / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(seed, 16, 16).save(path)
    data = load_images(str(tmp_path / "p"), 16)
    for part, colour in ((data.train, (0, 255, 0)), (data.test, (255, 0, 0))):
        part.tensors["image"][:] = torch.tensor(colour, dtype=torch.uint8)[:, None, None]
    pixels = np.asarray(contact_sheet(data)).reshape(-1, 3)
    assert (pixels == (0, 255, 0)).all(1).any() and not (pixels == (255, 0, 0)).all(1).any()


def test_unlabelled_pictures_have_no_classes(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for seed in range(10):
        noise(seed, 20, 20).convert("L").save(tmp_path / "p" / f"{seed}.png")
    data, lines = told(tmp_path / "p", None)
    assert class_counts(data) == {} and lines["classes"].startswith("none")
    assert lines["sizes"].startswith("20 x 20 pixels; 0 would be") and lines["kinds"] == "all taken as grey"
    assert lines["copies"] == "none" and lines["skipped"] == "nothing" and lines["descriptions"] == "none"


def test_built_in_sets_can_be_looked_at() -> None:
    assert {(header.width, header.height) for header in read_headers("digits")} == {(28, 28)}
