"""Images arrive upright, square, opaque and complete, whatever they came from."""

import gzip
import io
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from common.data.folders import File
from common.errors import UserError
from image.config import DATA_SETS
from image.data.decoding import fitted
from image.data.loading import ImageData, load_images, to_model, to_uint8
from image.data.sources import BUILT_IN, DEBIAN_FASHION, GARMENTS, find

SHARED = Path(__file__).parents[3] / "shared" / "data"
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    return path


def noise(seed: int, size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Image.Image:
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


def fill(folder: Path, n: int, first: int = 0, **options: object) -> None:
    folder.mkdir(exist_ok=True)
    for seed in range(first, first + n):
        noise(seed, **options).save(folder / f"{seed}.png")  # type: ignore[arg-type]


def everything(data: ImageData) -> torch.Tensor:
    """All images of both parts, (N, C, H, W)."""
    return torch.cat([data.train.tensors["image"], data.test.tensors["image"]])


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


# --- Values -----------------------------------------------------------------------------------------------------------


def test_uint8_survives_the_way_to_the_model_and_back() -> None:
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_model(every)), every)
    assert to_model(every)[[0, 255]].tolist() == [-1, 1]


def test_what_leaves_the_range_is_clipped_and_halves_are_not_cut_off() -> None:
    assert to_uint8(torch.tensor([-3.0, 0.9999, 7.0])).tolist() == [0, 255, 255]


# --- One picture ------------------------------------------------------------------------------------------------------


def flat(image: Image.Image, size: int = 16) -> list[int]:
    """The one colour of a picture after `fitted`."""
    pixels = fitted(image, (size, size))
    assert pixels.dtype == np.uint8 and pixels.shape == (3, size, size)
    assert (pixels == pixels[:, :1, :1]).all()
    return pixels[:, 0, 0].tolist()


def palette_with_a_hole() -> Image.Image:
    image = Image.new("P", (9, 9), 1)
    image.putpalette([0, 0, 0, *GREEN])
    image.info["transparency"] = 1
    return image


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (Image.new("1", (9, 7), 1), (255, 255, 255)),
        (Image.new("L", (9, 7), 77), (77, 77, 77)),
        (Image.new("RGB", (9, 7), (1, 2, 3)), (1, 2, 3)),
        (Image.new("P", (9, 7), 0).convert("RGB").quantize(2), (0, 0, 0)),
        (palette_with_a_hole(), (255, 255, 255)),
        (Image.new("RGBA", (9, 7), (0, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (9, 7), (255, 0, 0, 51)), (255, 204, 204)),
        (Image.new("LA", (9, 7), (0, 0)), (255, 255, 255)),
        (Image.new("CMYK", (9, 7), (0, 255, 255, 0)), RED),
        (Image.fromarray(np.full((7, 9), 128 * 257, np.uint16)), (128, 128, 128)),
        (Image.fromarray(np.full((7, 9), 200 * 257, np.int32)), (200, 200, 200)),
        (Image.fromarray(np.full((7, 9), 0.2, np.float32)), (51, 51, 51)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else "",
)
def test_every_mode_becomes_opaque_8_bit_rgb(image: Image.Image, colour: tuple[int, ...]) -> None:
    assert flat(image) == list(colour)


def test_crop_takes_the_centre() -> None:
    stripes = np.repeat(np.array([RED, GREEN, GREEN, BLUE], np.uint8)[None], 16, axis=0).repeat(8, axis=1)  # 16 x 32
    assert flat(Image.fromarray(stripes)) == list(GREEN)


def test_pad_keeps_everything_and_adds_white() -> None:
    pixels = fitted(Image.new("RGB", (32, 16), RED), (16, 16), "pad")
    assert (pixels[:, 4:12].transpose(1, 2, 0) == RED).all()
    assert (pixels[:, :4] == 255).all() and (pixels[:, 12:] == 255).all()


def test_pictures_come_to_a_height_and_a_width() -> None:
    stripes = np.repeat(np.array([RED, GREEN, GREEN, BLUE], np.uint8)[None], 16, axis=0).repeat(8, axis=1)  # 16 x 32
    image = Image.fromarray(stripes)
    assert np.array_equal(fitted(image, (16, 32)), stripes.transpose(2, 0, 1))
    upright = fitted(image, (16, 8))  # the middle 8 columns
    assert upright.shape == (3, 16, 8) and (upright.transpose(1, 2, 0) == GREEN).all()
    padded = fitted(image, (24, 32), "pad")
    assert np.array_equal(padded[:, 4:20], stripes.transpose(2, 0, 1))
    assert (padded[:, :4] == 255).all() and (padded[:, 20:] == 255).all()


def test_a_square_is_resized_by_lanczos_and_its_own_size_changes_nothing() -> None:
    image = noise(0, (50, 50))
    expected = np.asarray(image.resize((16, 16), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
    assert np.array_equal(fitted(image, (16, 16)), expected)
    assert np.array_equal(fitted(image, (50, 50)), np.asarray(image).transpose(2, 0, 1))


def test_grey_is_rec_601_luma() -> None:
    assert fitted(Image.new("RGB", (8, 8), GREEN), (8, 8), grey=True)[:, 0, 0].tolist() == [150] * 3  # 0.587 * 255


# --- Folders and .zip files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orientation", "corner"), [(1, "top left"), (3, "bottom right"), (6, "top right"), (8, "bottom left")]
)
def test_exif_orientation_is_obeyed(folder: Path, orientation: int, corner: str) -> None:
    """The stored picture is red at its top left; the orientation says where that belongs (Exif 2.3, tag 274)."""
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8, :8] = RED
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).save(folder / "photo.png", exif=exif)
    noise(0).save(folder / "other.png")
    image = max(everything(load_images(str(folder), size=16)), key=lambda image: int((image[1:] == 0).all()))
    rows = {"top": slice(1, 7), "bottom": slice(9, 15)}
    columns = {"left": slice(1, 7), "right": slice(9, 15)}
    vertical, horizontal = corner.split()
    assert (image[0, rows[vertical], columns[horizontal]] == 255).all()
    assert image[0].float().mean() == 255 / 4


def test_an_unlabelled_folder(folder: Path) -> None:
    fill(folder, 30)
    data = load_images(str(folder), size=16)
    assert data.name == "pictures" and data.spec.size == 16 and data.spec.channels == 3 and data.spec.classes == ()
    assert set(data.train.tensors) == {"image"} and data.skipped == {}
    assert len(data.train) + len(data.test) == 30 and len(data.test) >= 1
    expected = {fitted(noise(seed), (16, 16)).tobytes() for seed in range(30)}
    assert {image.numpy().tobytes() for image in everything(data)} == expected


@pytest.mark.parametrize("prefix", ["", "wrapped/twice/"])
def test_one_sub_folder_a_class(folder: Path, prefix: str) -> None:
    root = folder / prefix
    root.mkdir(parents=True, exist_ok=True)
    fill(root / "dog", 10, mode="L")
    fill(root / "cat", 10, first=10, mode="L")
    data = load_images(str(folder), size=16)
    assert data.spec.classes == ("cat", "dog") and data.spec.channels == 1
    cats = {fitted(noise(seed, mode="L"), (16, 16))[:1].tobytes() for seed in range(10, 20)}
    for part in (data.train, data.test):
        for image, label in zip(part.tensors["image"], part.tensors["label"], strict=True):
            assert (image.numpy().tobytes() in cats) == (label == 0)


@pytest.mark.parametrize(("grey", "channels"), [(True, 1), (False, 3), (None, 3)])
def test_one_coloured_picture_makes_all_coloured_unless_told_otherwise(
    folder: Path, grey: bool | None, channels: int
) -> None:
    fill(folder, 5, mode="L")
    noise(9).save(folder / "coloured.png")
    assert load_images(str(folder), grey=grey).spec.channels == channels


def test_grey_pictures_stored_as_colour_are_grey(folder: Path) -> None:
    for seed in range(4):
        noise(seed, mode="L").convert("RGB").save(folder / f"{seed}.jpg")
    assert load_images(str(folder)).spec.channels == 1
    assert load_images(str(folder), grey=False).spec.channels == 3


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([(28, 28)] * 3, 28), ([(28, 28), (32, 32)], 64), ([(28, 20)] * 2, 64), ([(100, 100)] * 2, 64)],
)
def test_the_default_size(folder: Path, sizes: list[tuple[int, int]], expected: int) -> None:
    for seed, size in enumerate(sizes):
        noise(seed, size).save(folder / f"{seed}.png")
    assert load_images(str(folder)).spec.size == expected


def test_of_an_animation_the_first_frame_counts(folder: Path) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, BLUE)]
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:])
    noise(0).save(folder / "b.png")
    assert any((image[0] == 255).all() and not image[1:].any() for image in everything(load_images(str(folder))))


def test_what_cannot_be_read_is_skipped_and_listed(folder: Path) -> None:
    fill(folder, 6)
    whole = io.BytesIO()
    noise(7, (300, 300)).save(whole, "JPEG")
    (folder / "truncated.jpg").write_bytes(whole.getvalue()[:5000])
    (folder / "text.png").write_text("not a picture")
    (folder / "empty.jpg").touch()
    (folder / "bomb.png").write_bytes(png_that_claims(50_000, 50_000))
    (folder / "large.png").write_bytes(png_that_claims(10_000, 10_000))
    (folder / "notes.txt").write_text("notes")
    (folder / ".hidden.png").write_text("no one asked")
    data = load_images(str(folder))
    assert len(everything(data)) == 6
    assert set(data.skipped) == {"truncated.jpg", "text.png", "empty.jpg", "bomb.png", "large.png", "notes.txt"}
    assert "10000 x 10000 pixels" in data.skipped["large.png"]
    assert "truncated" in data.skipped["truncated.jpg"]
    assert all(reason and "\n" not in reason for reason in data.skipped.values())
    assert load_images(str(folder)).skipped == data.skipped


def test_a_class_without_a_readable_picture_is_no_class(folder: Path) -> None:
    fill(folder / "b", 5)
    fill(folder / "c", 5, first=5)
    (folder / "a").mkdir()
    (folder / "a" / "broken.png").write_text("broken")
    data = load_images(str(folder))
    assert data.spec.classes == ("b", "c")
    assert torch.cat([data.train.tensors["label"], data.test.tensors["label"]]).bincount().tolist() == [5, 5]


def only_text(folder: Path) -> None:
    (folder / "a.txt").write_text("text")


def text_that_claims_to_be_a_picture(folder: Path) -> None:
    (folder / "a.png").write_text("text")


def copies_of_one_picture(folder: Path) -> None:
    for name in "abc":
        noise(0).save(folder / f"{name}.png")


def pictures_beside_classes(folder: Path) -> None:
    fill(folder, 2)
    fill(folder / "class", 2)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda folder: None, "no pictures among its 0 files"),
        (only_text, "no pictures among its 1 files"),
        (text_that_claims_to_be_a_picture, "none of its 1 pictures can be read"),
        (copies_of_one_picture, "two different pictures"),
        (pictures_beside_classes, "2 files lie beside sub-folders"),
        (Path.rmdir, "no such file or folder; built in are digits, fashion-mnist"),
    ],
)
def test_useless_folders_get_one_clear_line(folder: Path, make: Callable[[Path], None], complaint: str) -> None:
    make(folder)
    with pytest.raises(UserError, match=complaint) as caught:
        load_images(str(folder))
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_are_no_zip_get_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "a.rar").write_text("x")
    with pytest.raises(UserError, match="neither a folder nor a"):
        load_images(str(tmp_path / "a.rar"))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("a.png", png_that_claims(9, 9))
    content = bytearray((tmp_path / "b.zip").read_bytes())
    content[-22 - 46 - 5 : -22 - 46 + 3] = bytes(8)  # the central directory no longer begins as it must
    (tmp_path / "b.zip").write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        load_images(str(tmp_path / "b.zip"))


def test_a_size_is_width_by_height(folder: Path, cache: Path) -> None:
    fill(folder, 6, size=(48, 32))
    data = load_images(str(folder), "24x16")
    assert data.spec.size == "24x16" and data.train.tensors["image"].shape[1:] == (3, 16, 24)
    expected = {fitted(noise(seed, (48, 32)), (16, 24)).tobytes() for seed in range(6)}
    assert {image.numpy().tobytes() for image in everything(data)} == expected
    assert everything(load_images(str(folder), "16x24")).shape[1:] == (3, 24, 16)
    square = everything(load_images(str(folder), "16x16"))
    entries = len(list(cache.rglob("*.npy")))
    again = load_images(str(folder), 16)
    assert again.spec.size == 16 and torch.equal(everything(again), square)
    assert len(list(cache.rglob("*.npy"))) == entries  # a square by either name is decoded once


@pytest.mark.parametrize("size", [-64, 0, 7, 1025, "64x7", "1025x64", "64x", "64X64", "x", "1e2"])
def test_unusable_sizes_get_one_clear_line(size: int | str) -> None:
    with pytest.raises(UserError, match=f"^--size {size}(:| is no size)"):
        load_images("digits", size=size)


def test_a_zip_is_the_same_data_set_as_its_folder(folder: Path, tmp_path: Path) -> None:
    fill(folder / "a", 15)
    fill(folder / "b", 15, first=15)
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.relative_to(folder))
        archive.writestr("__MACOSX/a/0.png", "litter")
    one, other = load_images(str(folder)), load_images(str(tmp_path / "packed.zip"))
    assert one.spec == other.spec and other.name == "packed" and not other.skipped
    for part in ("train", "test"):
        for name in ("image", "label"):
            assert torch.equal(getattr(one, part).tensors[name], getattr(other, part).tensors[name])


def test_copies_under_other_names_or_encodings_stay_on_one_side(folder: Path) -> None:
    for seed in range(20):
        for copy in ("a.png", "b.png", "c.bmp"):
            noise(seed).save(folder / f"{seed}{copy}")
    data = load_images(str(folder))
    train, test = ({image.numpy().tobytes() for image in part.tensors["image"]} for part in (data.train, data.test))
    assert len(train) + len(test) == 20 and not train & test


def test_the_second_start_opens_what_the_first_has_decoded(folder: Path, cache: Path) -> None:
    fill(folder, 4)
    load_images(str(folder))
    before = {path: path.stat() for path in cache.rglob("*.npy")}
    load_images(str(folder))
    assert before == {path: path.stat() for path in cache.rglob("*.npy")}
    assert {"train.image.npy", "test.image.npy"} <= {path.name for path in before}


@pytest.mark.parametrize("change", ["touched", "added", "removed", "renamed", "described"])
def test_files_are_read_once_until_one_changes(folder: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder, 12)
    read, fingerprint = list[Path](), File.fingerprint
    monkeypatch.setattr(File, "fingerprint", lambda file: read.append(file.path) or fingerprint(file))
    before = load_images(str(folder))
    assert len(read) == 12
    assert load_images(str(folder)).names == before.names and len(read) == 12
    one = folder / "0.png"
    {
        "touched": lambda: os.utime(one, (1, 1)),
        "added": lambda: (folder / "new.png").write_bytes(one.read_bytes()),
        "removed": one.unlink,
        "renamed": lambda: one.rename(folder / "new.png"),
        "described": lambda: (folder / "0.txt").write_text("a square"),
    }[change]()
    names = {name for side in load_images(str(folder)).names for name in side}
    assert names == {path.name for path in folder.glob("*.png")} and len(read) > 12 + 10


def test_a_cache_within_the_folder_is_no_part_of_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUARTET_CACHE", str(folder / "cache"))
    fill(folder, 4)
    first = load_images(str(folder))
    made = sorted((folder / "cache").iterdir())
    assert not load_images(str(folder)).skipped and not first.skipped
    assert made == sorted((folder / "cache").iterdir())


def test_a_changed_file_is_a_new_data_set(folder: Path) -> None:
    fill(folder, 4, size=(16, 16))
    before = everything(load_images(str(folder)))
    Image.new("RGB", (16, 16), RED).save(folder / "0.png")
    after = everything(load_images(str(folder)))
    assert any((image[0] == 255).all() for image in after) and not any((image[0] == 255).all() for image in before)


def test_a_large_jpeg_is_decoded_at_a_fraction_without_harm(folder: Path) -> None:
    gradient = np.linspace(0, 255, 1600)[None, :, None].repeat(1200, 0).repeat(3, 2)
    photo = Image.fromarray(gradient.astype(np.uint8))
    photo.save(folder / "photo.jpg", quality=95)
    noise(0, mode="L").save(folder / "other.png")
    expected = fitted(photo, (32, 32))[:1].astype(int)
    assert min(np.abs(image.numpy() - expected).max() for image in everything(load_images(str(folder), size=32))) <= 2


# --- Built-in data sets -----------------------------------------------------------------------------------------------


def test_digits() -> None:
    data = load_images("digits")
    assert data.spec.size == 28 and data.spec.channels == 1 and data.spec.classes == tuple("0123456789")
    assert len(data.train) + len(data.test) == 5000
    assert (data.test.tensors["label"].bincount() - 100).abs().max() < 36  # 20 % of 500 each, four standard deviations
    train, test = ({image.numpy().tobytes() for image in part.tensors["image"]} for part in (data.train, data.test))
    assert not train & test


def test_digits_carry_the_right_labels_and_hold_out_the_same_at_any_size() -> None:
    """The nearest training image has the same label for about 93 % of the held-out ones; a mix-up would give 10 %."""
    data = load_images("digits", size=32)
    assert data.test.tensors["image"].shape[1:] == (1, 32, 32)
    train, test = (part.tensors["image"].flatten(1).float() for part in (data.train, data.test))
    nearest = torch.cdist(test[:200], train).argmin(dim=1)
    assert (data.train.tensors["label"][nearest] == data.test.tensors["label"][:200]).float().mean() > 0.85
    assert torch.equal(data.test.tensors["label"], load_images("digits").test.tensors["label"])


def test_the_settings_know_what_is_built_in() -> None:
    assert tuple(BUILT_IN) == DATA_SETS


@pytest.mark.skipif(not DEBIAN_FASHION.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_fashion_mnist_has_its_official_parts() -> None:
    pictures = BUILT_IN["fashion-mnist"][0]()
    assert pictures.classes == GARMENTS and pictures.size() == 28
    train, test = pictures.labels[~pictures.held_out], pictures.labels[pictures.held_out]
    assert np.bincount(train).tolist() == [6000] * 10 and np.bincount(test).tolist() == [1000] * 10
    assert test[:5].tolist() == [9, 2, 1, 1, 6]  # as published
    with gzip.open(DEBIAN_FASHION / "t10k-images-idx3-ubyte.gz") as file:
        raw = file.read()
    with pictures.read(69_999, 28) as image:
        assert image.tobytes() == raw[-784:]


def test_emoji() -> None:
    pictures = BUILT_IN["emoji"][0]()
    row = {name.removesuffix(".svg"): index for index, name in enumerate(pictures.names)}
    group = {name: pictures.classes[pictures.labels[index]] for name, index in row.items()}
    assert group["1F600"] == "smileys-emotion" and group["1F468-200D-1F680"] == "people-body"
    assert group["1F43B"] == "animals-nature" and group["1F355"] == "food-drink" and group["1F682"] == "travel-places"
    assert group["26BD"] == "activities" and group["1F4BB"] == "objects" and group["2648"] == "symbols"
    assert group["1F1E9-1F1EA"] == "flags" and group["E000"] == "extras" and group["1F3FB"] == "extras"
    with pictures.read(row["1F600"], 32) as image:
        face = fitted(image, (32, 32))
    assert face[:, 0, 0].tolist() == [255] * 3  # white around
    red, green, blue = face[:, 9, 16].tolist()  # a yellow forehead
    assert red > 200 and green > 200 and blue < 100


def test_variants_of_an_emoji_share_the_key_they_are_split_by() -> None:
    pictures = BUILT_IN["emoji"][0]()
    key = dict(zip(pictures.names, pictures.held_out[1], strict=True))
    waves = {key[name] for name in key if name.startswith("1F44B")}
    cooks = {key[name] for name in key if name.startswith(("1F468", "1F469", "1F9D1")) and "200D-1F373" in name}
    runners = {key[name] for name in key if name.startswith("1F3C3")}
    assert len(waves) == len(cooks) == len(runners) == 1
    assert len(waves | cooks | runners) == 3


def test_emoji_end_to_end() -> None:
    data = load_images("emoji", size=8)
    assert data.spec.channels == 3 and len(data.spec.classes) == 10 and not data.skipped
    assert len(data.train) + len(data.test) > 4000 and 0.05 < len(data.test) / len(data.train) < 0.2


def write_idx(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(header + values.astype(np.uint8).tobytes())


def test_mnist_is_read_where_torchvision_puts_it(cache: Path) -> None:
    generator = np.random.default_rng(0)
    images = {"train": generator.integers(0, 256, (6, 28, 28)), "t10k": generator.integers(0, 256, (4, 28, 28))}
    for part, values in images.items():
        write_idx(cache / "downloads" / "MNIST" / "raw" / f"{part}-images-idx3-ubyte", values)
        write_idx(cache / "downloads" / "MNIST" / "raw" / f"{part}-labels-idx1-ubyte", np.arange(len(values)))
    data = load_images("mnist")
    assert np.array_equal(data.train.tensors["image"][:, 0].numpy(), images["train"])
    assert np.array_equal(data.test.tensors["image"][:, 0].numpy(), images["t10k"])
    assert data.test.tensors["label"].tolist() == [0, 1, 2, 3]


def test_cifar10_is_read_where_torchvision_puts_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches in CIFAR's own format stand in for the large ones, whose checksums torchvision would ask for."""
    from torchvision.datasets import CIFAR10

    root = cache / "downloads" / "cifar-10-batches-py"
    root.mkdir(parents=True)
    values = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)
    for name, rows in (("data_batch_1", slice(3)), ("test_batch", slice(3, 5))):
        content = {"data": values[rows].reshape(-1, 3072), "labels": [8] * len(values[rows])}
        (root / name).write_bytes(pickle.dumps(content))
    (root / "batches.meta").write_bytes(pickle.dumps({"label_names": ["?"] * 10}))
    monkeypatch.setattr(CIFAR10, "train_list", [["data_batch_1", None]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", None]])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": None})
    data = load_images("cifar10")
    assert np.array_equal(data.train.tensors["image"].numpy(), values[:3])
    assert np.array_equal(data.test.tensors["image"].numpy(), values[3:])
    assert data.spec.classes == ("ship",)


def test_celeba_is_read_where_torchvision_puts_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import CelebA

    root = cache / "downloads" / "celeba"
    (root / "img_align_celeba").mkdir(parents=True)
    names = [f"{i:06}.jpg" for i in range(1, 6)]
    for i, name in enumerate(names):
        Image.new("RGB", (178, 218), (50 * i, 50 * i, 0)).save(root / "img_align_celeba" / name)
    rows = {  # what each file says of the five faces; parts 0, 1, 2 are train, validation and test
        "list_eval_partition.txt": ("", ["0", "0", "1", "2", "2"]),
        "identity_CelebA.txt": ("", ["1"] * 5),
        "list_bbox_celeba.txt": ("5\nimage_id x\n", ["1"] * 5),
        "list_landmarks_align_celeba.txt": ("5\nx\n", ["1"] * 5),
        "list_attr_celeba.txt": ("5\nBald Smiling \n", ["-1 1", "1 -1", "1 1", "-1 -1", "-1 1"]),
    }
    for file, (head, values) in rows.items():
        lines = [f"{name} {value}\n" for name, value in zip(names, values, strict=True)]
        (root / file).write_text(head + "".join(lines))
    monkeypatch.setattr(CelebA, "file_list", [(None, None, name) for name in rows])  # without their checksums
    data = load_images("celeba")
    assert data.spec.classes == ("not smiling", "smiling") and data.spec.size == 64
    assert data.train.tensors["label"].tolist() == [1, 0] and data.test.tensors["label"].tolist() == [0, 1]
    assert [round(image[0].float().mean().item() / 50) for image in data.test.tensors["image"]] == [3, 4]


@pytest.mark.parametrize("data", ["mnist", "cifar10", "celeba"])
def test_a_failed_download_says_what_to_do(data: str, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # where no one listens
    with pytest.raises(UserError, match=rf"--data {data}: cannot be downloaded .*{cache / 'downloads'}") as caught:
        load_images(data)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not (SHARED / "faces").is_dir(), reason="needs the shared data")
def test_faces_in_a_zip() -> None:
    pictures = find(str(SHARED / "faces" / "smiles_faces_64.zip")).load()
    assert pictures.classes == ("neutral", "smile") and pictures.size() == 64
    assert np.bincount(pictures.labels).tolist() == [9475, 3690]
    with pictures.read(0, 64) as image:
        assert image.size == (64, 64) and image.mode == "L"


@pytest.mark.skipif(not (SHARED / "photos").is_dir(), reason="needs the shared data")
def test_photos_in_a_folder() -> None:
    data = load_images(str(SHARED / "photos"))
    assert data.spec.size == 64 and data.spec.channels == 3 and data.spec.classes == ()
    assert len(data.train) + len(data.test) == 400 and not data.skipped
