"""Pictures to learn translations from: pairs found and refused, parts kept apart, patches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from shard_making import write_tar

from common.errors import UserError
from image.translate.config import TaskName
from image.translate.data import PairData, load_pairs, match
from image.translate.patches import Crops


def noise(seed: int, height: int = 40, width: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    for seed in range(12):
        save(root / f"{seed}.png", noise(seed))
    return root


def hashes(data: PairData) -> list[set[bytes]]:
    parts = (data.train, data.validation, data.test)
    return [{part[row].numpy().tobytes() for row in range(len(part))} for part in parts]


def test_no_picture_is_in_two_parts(folder: Path) -> None:
    data = load_pairs(str(folder), "edges", 32)
    train, validation, test = hashes(data)
    assert data.training + len(validation) + len(test) == 12 and len(validation) >= 2 and len(test) >= 2
    assert not train & validation and not train & test and not validation & test


def test_grey_pictures_teach_no_colours_and_small_ones_nothing(tmp_path: Path) -> None:
    for seed in range(6):
        save(tmp_path / f"{seed}.png", noise(seed))
    save(tmp_path / "grey.png", np.repeat(noise(9)[..., :1], 3, 2))
    save(tmp_path / "small.png", noise(10, 31, 64))
    data = load_pairs(str(tmp_path), "colorize", 32)
    assert data.skipped == {"grey.png": "has no colours", "small.png": "smaller than 32 pixels"}
    assert load_pairs(str(tmp_path), "edges", 32).skipped.keys() == {"small.png"}


def test_patches_are_of_the_pictures_and_mirrored_at_times(folder: Path) -> None:
    data = load_pairs(str(folder), "edges", 32)
    crops = Crops(data.train, 32)
    assert len(crops) == data.training
    indices = crops.indices(0, 0, 6)
    assert torch.equal(indices, crops.indices(0, 0, 6)) and not torch.equal(indices, crops.indices(1, 0, 6))
    patches = crops.gather(indices)["picture"]
    for patch, (number, y, x, mirrored) in zip(patches, indices.tolist(), strict=True):
        expected = data.train[number][y : y + 32, x : x + 32]
        assert torch.equal(patch.permute(1, 2, 0), expected.flip(1) if mirrored else expected)
    both = {bool(row[3]) for step in range(4) for row in crops.indices(0, step, 6)}
    assert both == {True, False}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("beside", [False, True])
def test_pairs_by_name_and_side_by_side(reverse: bool, beside: bool, tmp_path: Path) -> None:
    for seed in range(6):
        before, after = noise(seed, 32, 32), noise(seed + 100, 32, 32)
        if beside:
            save(tmp_path / f"{seed}.png", np.concatenate([before, after], 1))
        else:
            save(tmp_path / "A" / "sub" / f"{seed}.png", before)
            save(tmp_path / "B" / "sub" / f"{seed}.bmp", after)
    data = load_pairs(str(tmp_path), "pairs", 32, reverse)
    crops = Crops(data.train, 32)
    batch = crops.gather(torch.tensor([[0, 0, 0, 0]]))
    found = [batch[name][0].permute(1, 2, 0).numpy() for name in ("source", "picture")]
    expected = [(noise(seed, 32, 32), noise(seed + 100, 32, 32)) for seed in range(6)]
    order = slice(None, None, -1 if reverse else 1)
    assert any(all(map(np.array_equal, found, pair[order])) for pair in expected)


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["A/1.png", "A/2.png", "B/1.png"], r"A/2\.png has no partner \(1 such file"),
        (["A/1.png", "B/1.png", "3.png"], r"3\.png is neither in A nor in B"),
        (["A/1.png", "A/1.jpg", "B/1.png"], "are both called 1"),
    ],
)
def test_pairs_that_do_not_match_are_told(names: list[str], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        match("data", names)


def test_partners_by_name() -> None:
    assert match("data", ["A/1.png", "B/1.jpg"]) == {"B/1.jpg": "A/1.png"}
    assert match("data", ["x/1.png", "2.png"]) == {"x/1.png": "x/1.png", "2.png": "2.png"}


def test_pairs_of_two_sizes_and_odd_widths_are_told(tmp_path: Path) -> None:
    for seed in range(3):
        save(tmp_path / "two" / "A" / f"{seed}.png", noise(seed))
        save(tmp_path / "two" / "B" / f"{seed}.png", noise(seed, 40, 50))
        save(tmp_path / "odd" / f"{seed}.png", noise(seed, 40, 81))
    with pytest.raises(
        UserError, match=r"A/\d\.png is 48 x 40 and B/\d\.png 50 x 40 pixels; pairs must be of one size"
    ):
        load_pairs(str(tmp_path / "two"), "pairs", 32)
    with pytest.raises(UserError, match="81 pixels wide, so it is no two pictures"):
        load_pairs(str(tmp_path / "odd"), "pairs", 32)


@pytest.mark.parametrize(
    ("task", "count", "problem"), [("edges", 2, "2 pictures can be used"), ("edges", 0, "pictures")]
)
def test_too_few_pictures_are_told(task: TaskName, count: int, problem: str, tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    for seed in range(count):
        save(tmp_path / "few" / f"{seed}.png", noise(seed))
    with pytest.raises(UserError, match=problem):
        load_pairs(str(tmp_path / "few"), task, 32)
    with pytest.raises(UserError, match="has no pairs"):
        load_pairs("emoji", "pairs", 32)


def test_scenes_are_whole_and_several_folders_come_together(folder: Path, tmp_path: Path) -> None:
    for seed in range(100, 106):
        save(tmp_path / "large" / f"{seed}.png", noise(seed, 90, 120))
    data = load_pairs(f"{folder},{tmp_path / 'large'}", "edges", 32, scenes=True)
    assert data.name == f"{folder.name}-large" and "12 pictures" in data.source and "6 pictures" in data.source
    assert data.training + len(data.validation) + len(data.test) == 18
    assert (data.test.sizes.min(1) == 32).all() and (data.validation.sizes.min(1) == 32).all()
    sides = data.train.sizes.min(1)
    assert sides.min() >= 32 and sides.max() == 64 and 48 in sides
    alone = load_pairs(str(folder), "edges", 32, scenes=True)
    assert len(alone.test) <= len(data.test)


def test_one_of_several_folders_may_be_missing(folder: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        load_pairs(f"{folder},nowhere", "edges", 32)


def test_shards_are_as_a_folder(folder: Path, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {path.name: path.read_bytes() for path in sorted(folder.iterdir())})
    wanted, found = (load_pairs(str(data), "inpaint", 32) for data in (folder, path))
    assert found.training == wanted.training > 0
    assert torch.equal(found.train.pixels, wanted.train.pixels)
    with pytest.raises(UserError, match="pairs are not read from shards"):
        load_pairs(str(path), "pairs", 32)
