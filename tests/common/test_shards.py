"""`common.shards`: a folder as tars, which hold the same; whole, or not there."""

import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from commands import assert_refused, command
from shard_making import labelled, noise, write_parquet, write_tar

from common.data.shard_writing import find_examples, write_shards
from common.errors import UserError

SEEDS = range(10)


pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten pictures of two classes, all but the last with two descriptions."""
    for seed in SEEDS:
        path = tmp_path / "pictures" / ("even", "odd")[seed % 2] / f"{seed}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise(seed))
        if seed < 9:
            path.with_suffix(".txt").write_text(f"Number {seed}\n\nNoise\n")
    return tmp_path / "pictures"


def contents(shards: Path) -> list[dict[str, bytes]]:
    """The members of each tar in a folder."""
    found = []
    for path in sorted(shards.iterdir()):
        with tarfile.open(path) as archive:
            files = {member.name: archive.extractfile(member) for member in archive}
            found.append({name: file.read() for name, file in files.items() if file is not None})
    return found


def test_a_folder_becomes_tars(tmp_path: Path, folder: Path) -> None:
    (folder / "even" / "notes.md").write_text("x")
    done = command("common.shards", folder, "--out", tmp_path / "new" / "shards", "--size", 4)
    assert done.returncode == 0, done.stderr
    assert "10 pictures in 3 shards, 000000.tar to 000002.tar" in done.stdout
    assert "left out 1 files: 1 no pictures, by its ending (even/notes.md)" in done.stderr
    shards = contents(tmp_path / "new" / "shards")
    assert [len(members) for members in shards] == [12, 12, 5]
    assert shards[0]["00000000.png"] == noise(0) and shards[0]["00000000.cls"] == b"even"
    assert shards[0]["00000000.txt"] == b"Number 0\nNoise\n"
    assert shards[2]["00000009.cls"] == b"odd" and "00000009.txt" not in shards[2]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["shards"]


def test_what_was_written_is_read_as_what_it_was_made_of(tmp_path: Path, folder: Path) -> None:
    made, _ = find_examples(str(folder))
    write_shards(made, tmp_path / "shards", 3)
    read, skipped = find_examples(str(tmp_path / "shards"))
    assert [(one.label, [text.strip() for text in one.texts if text.strip()]) for one in made] == [
        (one.label, one.texts) for one in read
    ]
    assert [one.file.fingerprint() for one in made] == [one.file.fingerprint() for one in read] and not skipped


def test_the_same_folder_makes_the_same_bytes(tmp_path: Path, folder: Path) -> None:
    for name in "ab":
        write_shards(find_examples(str(folder))[0], tmp_path / name, 4)
    one, other = ([path.read_bytes() for path in sorted((tmp_path / name).iterdir())] for name in "ab")
    assert one == other


def test_a_zip_with_a_table_becomes_tars(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b.png", noise(0))
        archive.writestr("metadata.jsonl", json.dumps({"file_name": "b.png", "text": "A Bee"}))
    write_shards(find_examples(str(tmp_path / "a.zip"))[0], tmp_path / "shards", 4)
    assert contents(tmp_path / "shards") == [{"00000000.png": noise(0), "00000000.txt": b"A Bee\n"}]


def test_parquet_becomes_tars(tmp_path: Path) -> None:
    columns = {"image": [{"bytes": noise(seed)} for seed in (0, 1)] + [{"bytes": b"none"}], "label": [1, 0, 1]}
    path = write_parquet(tmp_path / "a.parquet", columns, ("cat", "dog"))
    write_shards(find_examples(str(path))[0], tmp_path / "shards", 4)
    (members,) = contents(tmp_path / "shards")
    assert members["00000000.cls"] == b"dog" and members["00000001.png"] == noise(1)
    assert members["00000002.png"] == b"none"


def test_nothing_is_left_of_what_fails(tmp_path: Path, folder: Path) -> None:
    made, _ = find_examples(str(folder))
    (folder / "odd" / "9.png").unlink()
    with pytest.raises(UserError, match=r"odd/9\.png cannot be read"):
        write_shards(made, tmp_path / "new" / "shards", 4)
    assert list((tmp_path / "new").iterdir()) == []


def test_bad_input_gets_one_line(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert_refused(command("common.shards", tmp_path / "empty", "--out", tmp_path / "x"), "no pictures among its 0")
    path = write_tar(tmp_path / "a.tar", labelled(range(4)))
    path.write_bytes(path.read_bytes()[:700])
    assert_refused(command("common.shards", path, "--out", tmp_path / "x"), "a.tar is cut within 0000.png")
    assert_refused(command("common.shards", folder, "--out", path / "x"), "cannot write", "a.tar/x")
    assert not (tmp_path / "x").exists()
