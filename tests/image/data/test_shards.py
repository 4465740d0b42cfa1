"""Tars and Parquet files as data: the same examples as in a folder, and one line for each that is not as it must be."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from shard_making import labelled, noise, write_parquet, write_tar

from common.data.shard_names import spelt_out
from common.errors import UserError
from common.inputs import ShardsName
from image.data.loading import ImageData, load_images

SEEDS = range(40)


pytestmark = pytest.mark.usefixtures("cache")


def in_tars(folder: Path) -> str:
    for number in range(4):
        write_tar(folder / f"{number:02}.tar", labelled(SEEDS[10 * number : 10 * number + 10]))
    return str(folder / "{00..03}.tar")


def in_parquet(folder: Path) -> str:
    columns = {
        "image": [{"bytes": noise(seed), "path": None} for seed in SEEDS],
        "label": [seed % 2 for seed in SEEDS],
        "caption": [f"Number {seed}" for seed in SEEDS],
    }
    return str(write_parquet(folder / "all.parquet", columns, ("0", "1")))


def in_plain_parquet(folder: Path) -> str:
    columns = {
        "img": [noise(seed) for seed in SEEDS],
        "cls": [str(seed % 2) for seed in SEEDS],
        "text": [[f"Number {seed}"] for seed in SEEDS],
    }
    return str(write_parquet(folder / "all.parquet", columns))


def in_folder(folder: Path) -> str:
    for seed in SEEDS:
        path = folder / str(seed % 2) / f"{seed:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise(seed))
        path.with_suffix(".txt").write_text(f"Number {seed}")
    return str(folder)


def same(one: ImageData, other: ImageData) -> bool:
    """Whether two data sets have the same pictures with the same classes and descriptions on the same sides."""

    def side(data: ImageData, number: int) -> set[tuple[bytes, str, tuple[str, ...]]]:
        arrays, captions = (data.train, data.test)[number], data.captions
        assert captions is not None
        rows = zip(arrays.tensors["image"], arrays.tensors["label"].tolist(), captions[number].texts, strict=True)
        return {(image.numpy().tobytes(), data.spec.classes[label], texts) for image, label, texts in rows}

    return all(side(one, number) == side(other, number) for number in (0, 1)) and one.spec == other.spec


@pytest.mark.parametrize("make", [in_tars, in_parquet, in_plain_parquet])
def test_shards_hold_what_a_folder_holds(tmp_path: Path, make: Callable[[Path], str]) -> None:
    data = load_images(make(tmp_path / "shards"))
    assert same(data, load_images(in_folder(tmp_path / "folder")))
    assert len(data.train) + len(data.test) == len(SEEDS) and not data.skipped
    assert same(data, load_images(str(tmp_path / "shards")))  # a folder of shards


def test_shards_have_their_names(tmp_path: Path) -> None:
    data = load_images(in_tars(tmp_path / "shards"))
    assert data.name == "shards" and "02.tar/0024.png" in {*data.names[0], *data.names[1]}
    assert load_images(in_parquet(tmp_path / "table")).name == "all"


@pytest.mark.parametrize("make", [in_tars, in_parquet])
def test_shards_are_read_by_url(tmp_path: Path, make: Callable[[Path], str]) -> None:
    data = make(tmp_path / "shards")
    assert same(load_images(f"file://{data}"), load_images(data))


def test_the_index_is_of_the_newest_shard(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", labelled(range(10)))
    before = load_images(str(path))
    write_tar(path, labelled(range(20)))
    os.utime(path, ns=(0, 0))
    after = load_images(str(path))
    assert len(before.train) + len(before.test) == 10 and len(after.train) + len(after.test) == 20


def test_json_tells_class_and_description(tmp_path: Path) -> None:
    members = {}
    for seed in range(12):
        name = f"a/{seed}"
        told = f'{{"label": "{"cat" if seed % 2 else "dog"}", "caption": "Animal {seed}", "width": 5}}'
        members |= {f"{name}.JPG": noise(seed), f"{name}.json": told, f"{name}.seg.png": noise(99)}
    data = load_images(str(write_tar(tmp_path / "a.tar", members)))
    assert data.spec.classes == ("cat", "dog") and data.captions is not None
    assert data.skipped == {f"a.tar/a/{seed}.seg.png": "no picture, by its ending" for seed in range(12)}
    texts = [texts for side in data.captions for texts in side.texts]
    assert sorted(texts) == sorted((f"animal {seed}",) for seed in range(12))


def test_numbers_of_classes_are_in_their_order(tmp_path: Path) -> None:
    assert load_images(str(write_tar(tmp_path / "a.tar", labelled(range(24), 12)))).spec.classes == tuple(
        map(str, range(12))
    )


def test_what_is_no_example_is_told(tmp_path: Path) -> None:
    members = {"0.png": noise(0), "1.png": noise(1), "0.jpg": noise(2), "3.cls": "4", "notes.md": "x", ".h.png": "x"}
    data = load_images(str(write_tar(tmp_path / "a.tar", members)))
    assert data.skipped == {
        "a.tar/0.jpg": "another picture of the same example",
        "a.tar/3.cls": "no picture of this name",
        "a.tar/notes.md": "no picture, by its ending",
    }
    table = {"image": [*({"bytes": noise(seed)} for seed in range(3)), {"bytes": None}, {"bytes": b"x"}]}
    skipped = load_images(str(write_parquet(tmp_path / "b.parquet", table))).skipped
    assert list(skipped) == ["b.parquet/00000003", "b.parquet/00000004"]
    assert skipped["b.parquet/00000003"] == "no bytes of a picture"


def cut_in_a_member(folder: Path) -> str:
    path = write_tar(folder / "0.tar", labelled(range(4)))
    path.write_bytes(path.read_bytes()[:700])
    return str(path)


def cut_between_members(folder: Path) -> str:
    path = write_tar(folder / "0.tar", {"a.png": noise(0)})
    path.write_bytes(path.read_bytes()[: 512 + (len(noise(0)) + 511) // 512 * 512])
    return str(path)


def damaged_in_a_header(folder: Path) -> str:
    path = write_tar(folder / "0.tar", {"a.cls": "1", "b.cls": "2"})
    content = bytearray(path.read_bytes())
    content[1024 + 150] ^= 1
    path.write_bytes(content)
    return str(path)


def compressed(folder: Path) -> str:
    import gzip

    path = write_tar(folder / "0.tar", labelled(range(4)))
    path.write_bytes(gzip.compress(path.read_bytes()))
    return str(path)


def compressed_by_name(folder: Path) -> str:
    path = Path(compressed(folder))
    return str(path.rename(folder / "0.tar.gz"))


def leads_out(folder: Path) -> str:
    return str(write_tar(folder / "0.tar", {"../a.png": noise(0)}))


def missing_in_a_range(folder: Path) -> str:
    for number in (8, 10):
        write_tar(folder / f"{number:02}.tar", labelled(range(4)))
    return str(folder / "{08..10}.tar")


def a_name_among_numbers(folder: Path) -> str:
    write_tar(folder / "0.tar", labelled(range(4)))
    write_tar(folder / "1.tar", {"x.png": noise(9), "x.cls": "cat"})
    return str(folder / "{0..1}.tar")


def no_class_among_some(folder: Path) -> str:
    write_tar(folder / "0.tar", labelled(range(4)))
    write_tar(folder / "1.tar", {"x.png": noise(9)})
    return str(folder)


def no_json(folder: Path) -> str:
    return str(write_tar(folder / "0.tar", {"a.png": noise(0), "a.json": "{"}))


def no_text(folder: Path) -> str:
    return str(write_tar(folder / "0.tar", {"a.png": noise(0), "a.txt": b"\xff"}))


def no_column_of_pictures(folder: Path) -> str:
    return str(write_parquet(folder / "0.parquet", {"path": ["a"], "label": [1]}))


def no_parquet(folder: Path) -> str:
    folder.mkdir()
    (folder / "0.parquet").write_bytes(b"PAR1 or so")
    return str(folder / "0.parquet")


def no_utf_8(folder: Path) -> str:
    path = write_parquet(folder / "0.parquet", {"image": [noise(0)], "text": ["a description"]})
    path.write_bytes(path.read_bytes().replace(b"a description", b"\xff" * 13))
    return str(path)


def no_pictures(folder: Path) -> str:
    return str(write_tar(folder / "0.tar", {"a.md": "x"}))


def backwards(folder: Path) -> str:
    return str(folder / "{3..1}.tar")


def of_no_protocol(folder: Path) -> str:
    return "nothing://bucket/0.tar"


def by_no_url(folder: Path) -> str:
    return f"file://{folder}/7.tar"


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (cut_in_a_member, "0.tar is cut within 0000.png"),
        (cut_between_members, "0.tar is cut or damaged at byte"),
        (damaged_in_a_header, "0.tar is cut or damaged at byte 1,024"),
        (compressed, "0.tar is damaged or no tar"),
        (compressed_by_name, "nothing in a compressed tar can be read by its place; unpack it"),
        (leads_out, "0.tar: the name ../a.png leads out of the tar"),
        (missing_in_a_range, "09.tar: no such file"),
        (a_name_among_numbers, "the class of 1.tar/x.png is 'cat', no number"),
        (no_class_among_some, "1.tar/x.png has no class, as others have"),
        (no_json, "0.tar: a.json is no JSON"),
        (no_text, "0.tar: a.txt is no UTF-8"),
        (no_column_of_pictures, "0.parquet has no column of pictures, but path, label"),
        (no_parquet, "0.parquet is cut, damaged or no Parquet file"),
        (no_utf_8, "0.parquet is cut, damaged or no Parquet file ('utf-8'"),
        (no_pictures, "no pictures in its 1 shards"),
        (backwards, "{3..1} is no range"),
        (of_no_protocol, "nothing"),
        (by_no_url, "7.tar"),
    ],
)
def test_bad_shards_get_one_clear_line(tmp_path: Path, make: Callable[[Path], str], complaint: str) -> None:
    with pytest.raises(UserError) as caught:
        load_images(make(tmp_path / "shards"))
    assert complaint in str(caught.value) and "\n" not in str(caught.value)


def test_ranges_are_spelt_out(tmp_path: Path) -> None:
    assert spelt_out("a/{8..10}-{0..1}.tar")[-2:] == ["a/10-0.tar", "a/10-1.tar"]
    assert spelt_out("{000..002}.tar") == ["000.tar", "001.tar", "002.tar"]
    path = write_tar(tmp_path / "{0..3}.tar", labelled(range(4)))
    assert spelt_out(str(path)) == [str(path)]


def test_a_shard_that_is_missing_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--data .*: .*09\.tar: no such file"):
        ShardsName(("digits",)).check("--data X", missing_in_a_range(tmp_path))


def test_a_folder_of_pictures_may_have_a_tar(tmp_path: Path) -> None:
    for seed in range(4):
        (tmp_path / f"{seed}.png").write_bytes(noise(seed))
    write_tar(tmp_path / "more.tar", labelled(range(4, 8)))
    data = load_images(str(tmp_path))
    assert len(data.train) + len(data.test) == 4 and data.skipped == {"more.tar": "no pictures, by its ending"}


def test_held_out_is_what_a_zip_of_the_same_holds_out(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {f"{seed}.png": noise(seed) for seed in SEEDS})
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for seed in SEEDS:
            archive.writestr(f"{seed}.png", noise(seed))
    one, other = (load_images(str(tmp_path / name)).test.tensors["image"] for name in (path.name, "a.zip"))
    assert torch.equal(one.flatten(1).sum(1).sort().values, other.flatten(1).sum(1).sort().values)
