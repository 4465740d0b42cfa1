"""Photos: found, split and cut into patches that depend on seed and step alone; degradations."""

import json
import zipfile
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from shard_making import write_parquet, write_tar
from small_photos import COUNT, picture, save_pictures

from common.errors import UserError
from common.pictures.photos import EMBEDDED, decode, find
from superres.config import Degradation
from superres.data.degradations import degrade
from superres.data.loading import VERSIONS, PhotoData, load_photos, with_shrunk
from superres.data.patches import Pair, Patches
from superres.resize import cropped, low_resolution, resize
from superres.symmetries import SYMMETRIES, mirrored


@pytest.fixture(params=[2, 3], ids="x{}".format)
def data(request: pytest.FixtureRequest, folder: Path) -> PhotoData:
    return load_photos(str(folder), request.param, least=8)


def everything(data: PhotoData) -> list[Pair]:
    return [*data.train, *data.validation]


# --- reading


def test_small_pictures_are_bicubic_ones_of_the_large(data: PhotoData) -> None:
    assert len(everything(data)) == COUNT and data.name == "waves" and not data.skipped
    for pair in everything(data):
        high = cropped(picture(int(pair.name[0])), data.scale)
        assert np.array_equal(pair.high, high)
        assert np.array_equal(pair.lows[0], low_resolution(high, data.scale)) and len(pair.lows) == 1


def test_no_picture_is_in_both_parts_and_the_split_stays(folder: Path, tmp_path: Path) -> None:
    before = load_photos(str(folder), 2, least=8)
    larger = save_pictures(tmp_path / "more", COUNT + 6)
    Image.fromarray(picture(0)).save(larger / "again.png", compress_level=0)  # the same pixels in another file
    after = load_photos(str(larger), 2, least=8)
    train, validation = ({pair.high.numpy().tobytes() for pair in part} for part in (after.train, after.validation))
    assert train and validation and not train & validation
    assert before.train and before.validation


def test_a_zip_is_the_same_data(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "waves.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    assert find(str(tmp_path / "waves.zip"))[0] == find(str(folder))[0]


def test_embedded_photos_are_all_there() -> None:
    photos = find("photos")[1]()
    assert len(photos.files) == sum(map(len, EMBEDDED.values()))
    sizes = [decode(file).shape for file in photos.files.values()]
    assert all(min(size[:2]) >= 256 and size[2] == 3 for size in sizes)


def test_what_cannot_be_used_is_told(tmp_path: Path) -> None:
    save_pictures(tmp_path, 3)
    whole = (tmp_path / "0.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "notes.txt").write_text("none either")
    Image.fromarray(picture(9, 12, 40)).save(tmp_path / "flat.png")
    Image.new("L", (1, 1)).save(tmp_path / "dot.png")
    Image.new("1", (100_000, 10_000)).save(tmp_path / "bomb.png")
    data = load_photos(str(tmp_path), 2, least=8)
    assert len(everything(data)) == 3
    assert sorted(data.skipped) == ["bomb.png", "cut.png", "dot.png", "flat.png", "notes.txt", "text.png"]
    assert data.skipped["flat.png"] == "smaller than 16 pixels" and "1000000000 pixels" in data.skipped["bomb.png"]
    assert json.loads(json.dumps(data.skipped)) == data.skipped


def test_pictures_are_upright_opaque_and_in_colour(tmp_path: Path) -> None:
    image, exif = picture(1), Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    save_pictures(tmp_path, 2)
    Image.fromarray(image).save(tmp_path / "turned.png", exif=exif)
    Image.new("LA", (40, 40), (0, 0)).save(tmp_path / "clear.png")
    Image.fromarray(np.full((40, 40), 257 * 99, np.uint16)).save(tmp_path / "deep.png")
    found = {pair.name: pair.high.numpy() for pair in everything(load_photos(str(tmp_path), 2, least=8))}
    assert np.array_equal(found["turned.png"], np.rot90(image, -1))
    assert (found["clear.png"] == 255).all() and (found["deep.png"] == 99).all()


@pytest.mark.parametrize(("count", "message"), [(0, "no pictures among"), (1, "1 pictures can be used")])
def test_too_few_pictures(count: int, message: str, tmp_path: Path) -> None:
    save_pictures(tmp_path, count)
    with pytest.raises(UserError, match=message):
        load_photos(str(tmp_path), 2, least=8)
    with pytest.raises(UserError, match="built in are photos"):
        load_photos(str(tmp_path / "nowhere"), 2)


def test_broken_pictures_alone_are_no_data(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UserError, match=r"none of its 1 files can be used; not a picture"):
        load_photos(str(tmp_path), 2)


# --- patches


def test_patches_of_both_sizes_are_of_one_place(data: PhotoData) -> None:
    patches = Patches(data.train, 8, data.scale)
    batch = patches.gather(patches.indices(0, 0, 16))
    for name, side in (("low", 8), ("high", 8 * data.scale)):
        assert batch[name].shape == (16, 3, side, side) and batch[name].dtype == torch.uint8
        assert batch[name].is_contiguous(memory_format=torch.channels_last)
    for low, high in zip(batch["low"].float(), batch["high"].float(), strict=True):
        shrunk = torch.nn.functional.avg_pool2d(high, data.scale)
        assert (shrunk - low).abs().mean() < 12  # of patches of two places it is some 70


def test_every_patch_has_its_number(data: PhotoData) -> None:
    pair = Pair(
        "", torch.arange(6 * 8 * 3, dtype=torch.uint8).view(6, 8, 3), torch.zeros(2, 3, 4, 3, dtype=torch.uint8)
    )
    pair.lows[1, :, :, 0] = torch.arange(12).view(3, 4)
    patches = Patches([pair, pair], 2, 2)
    assert len(patches) == 2 * (2 * 3 * 2 * SYMMETRIES)
    found = patches.gather(torch.arange(len(patches)))
    seen = {
        (low.numpy().tobytes(), high.numpy().tobytes()) for low, high in zip(found["low"], found["high"], strict=True)
    }
    assert len(seen) == len(patches) // 2  # the second picture is the first again
    first = patches.gather(
        torch.tensor([SYMMETRIES * 2 * 4 + SYMMETRIES])
    )  # second row, second column, version 1, as it is
    assert torch.equal(first["low"][0, 0], torch.tensor([[5, 6], [9, 10]], dtype=torch.uint8))
    assert torch.equal(first["high"][0].permute(1, 2, 0), pair.high[2:6, 2:6])


@pytest.mark.parametrize("degradation", ["bicubic", "real"])
def test_pictures_also_come_shrunk(folder: Path, degradation: Degradation) -> None:
    data = load_photos(str(folder), 2, degradation, least=8)
    pairs = with_shrunk(data.train, 0.7, data, 8)
    assert pairs[: len(data.train)] == data.train
    for pair, small in zip(data.train, pairs[len(data.train) :], strict=True):
        size = tuple(round(0.7 * side) // 2 * 2 for side in pair.high.shape[:2])
        assert torch.equal(small.high, torch.from_numpy(resize(pair.high.numpy(), size).copy()))
        assert small.lows.shape == (len(pair.lows), size[0] // 2, size[1] // 2, 3)
        if degradation == "bicubic":
            assert torch.equal(small.lows[0], torch.from_numpy(low_resolution(small.high.numpy(), 2).copy()))
    assert with_shrunk(data.train, 0.7, data, 10_000) == list(data.train)


def test_held_on_a_device_they_are_the_same_patches(folder: Path) -> None:
    data = load_photos(str(folder), 2, "real", least=8)
    patches = Patches(data.train, 8, 2)
    held = patches.on("cpu", 0)
    held.flat = patches.pixels("cpu")
    draw = patches.indices(0, 0, 200)
    expected, found = patches.gather(draw), held.gather(draw)
    for name, images in expected.items():
        assert torch.equal(found[name], images) and found[name].stride() == images.stride()


def test_draws_are_functions_of_seed_and_step(data: PhotoData) -> None:
    patches = Patches(data.train, 8, data.scale)
    draws = {key: patches.indices(*key, 32) for key in product((0, 1), (0, 7))}
    for key, draw in draws.items():
        assert torch.equal(patches.indices(*key, 32), draw)
        assert draw.min() >= 0 and draw.max() < len(patches)
        assert not any(torch.equal(draw, other) for k, other in draws.items() if k != key)
    moved = patches.on("cpu", 0)
    assert torch.equal(moved.gather(draws[0, 0])["low"], patches.gather(draws[0, 0])["low"])


def test_where_there_is_detail_more_is_drawn() -> None:
    high = torch.zeros(64, 64, 3, dtype=torch.uint8)
    high[:, 32:] = torch.randint(256, (64, 32, 3), dtype=torch.uint8)  # the left half is flat
    pairs = [Pair("half", high, high[None])]
    shares = []
    for detail in (0.0, 1.0):
        patches = Patches(pairs, 4, 1, detail)
        drawn = patches.indices(0, 3, 2000)
        assert torch.equal(drawn, patches.indices(0, 3, 2000))
        flat = (patches.gather(drawn)["low"] == 0).flatten(1).all(1)
        shares.append(flat.float().mean().item())
    assert shares[0] == pytest.approx(29 / 61, abs=0.05)  # of 61 columns, 29 are of the flat half alone
    assert shares[1] == pytest.approx((29 / 61) ** 2, abs=0.05)  # only where both are flat


def test_symmetries_are_those_of_a_square() -> None:
    image = torch.arange(9).view(3, 3, 1)
    found = [mirrored(image, number)[..., 0].tolist() for number in range(SYMMETRIES)]
    expected = [turned for flipped in (image, image.flip(0)) for turned in (torch.rot90(flipped, k) for k in range(4))]
    assert found[0] == image[..., 0].tolist()
    assert sorted(found) == sorted(turned[..., 0].tolist() for turned in expected)


# --- degradations


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 8), st.integers(1, 8), st.sampled_from([2, 3, 4, 8]), st.integers(0, 2**60))
def test_any_picture_is_degraded_alike_each_time(rows: int, columns: int, scale: int, seed: int) -> None:
    image = picture(0, rows * scale, columns * scale)
    before = image.copy()
    found = degrade(image, scale, seed)
    assert found.shape == (rows, columns, 3) and found.dtype == np.uint8
    assert np.array_equal(found, degrade(image, scale, seed)) and np.array_equal(image, before)


def test_degraded_pictures_differ_and_stay_like_the_true_one() -> None:
    image = resize(picture(0, 12, 12), (96, 96))
    plain = low_resolution(image, 2).astype(float)
    found = [degrade(image, 2, seed) for seed in range(12)]
    assert len({one.tobytes() for one in found}) == 12
    errors = [np.abs(one - plain).mean() for one in found]
    assert np.mean(errors) > 1 and max(errors) < 40
    assert abs(np.mean(found) - plain.mean()) < 2  # colours stay


def test_versions_of_a_degraded_picture(folder: Path) -> None:
    data = load_photos(str(folder), 2, "real", least=8)
    for pair in everything(data):
        assert len(pair.lows) == VERSIONS["real"] > 1
        assert len({low.numpy().tobytes() for low in pair.lows}) == len(pair.lows)


def test_shards_are_the_same_data(folder: Path, tmp_path: Path) -> None:
    files = sorted(folder.glob("*.png"))
    for number, some in enumerate((files[:3], files[3:])):
        write_tar(tmp_path / f"{number}.tar", {path.name: path.read_bytes() for path in some})
    write_parquet(tmp_path / "all.parquet", {"image": [{"bytes": path.read_bytes()} for path in files]})
    wanted = load_photos(str(folder), 2, least=8)
    for data in (str(tmp_path / "{0..1}.tar"), str(tmp_path / "all.parquet")):
        found = load_photos(data, 2, least=8)
        for part in ("train", "validation"):
            pairs = list(zip(getattr(wanted, part), getattr(found, part), strict=True))
            assert pairs and all(torch.equal(one.high, other.high) for one, other in pairs)
