"""Descriptions of pictures: those beside a user's own, and the names of emoji."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.data.captions import tidy
from common.errors import UserError
from image.data.captions import emoji_captions
from image.data.loading import ImageData, described, load_images


def test_descriptions_are_tidied() -> None:
    assert tidy("  Red\n HEART ") == "red heart"
    assert tidy("cafe\u0301") == "caf\u00e9"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    draw = np.random.default_rng(0)
    for number in range(30):
        path = tmp_path / "pictures" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    return path.parent


def texts(data: ImageData) -> set[tuple[str, ...]]:
    assert data.captions is not None
    return {texts for side in data.captions for texts in side.texts}


@pytest.mark.parametrize("kind", ["jsonl", "csv", "txt"])
def test_descriptions_beside_pictures(kind: str, folder: Path) -> None:
    names = [f"{number}.png" for number in range(30)]
    if kind == "jsonl":
        rows = [json.dumps({"file_name": name, "text": f"Number {name[:-4]}"}) for name in names]
        (folder / "metadata.jsonl").write_text("\n".join(rows), encoding="utf-8")
    elif kind == "csv":
        rows = [f'{name},"Number {name[:-4]}"' for name in names]
        (folder / "metadata.csv").write_text("\n".join(["file_name,text", *rows]), encoding="utf-8")
    else:
        for name in names:
            (folder / name).with_suffix(".txt").write_text(f"Number {name[:-4]}\n", encoding="utf-8")
    data = load_images(str(folder))
    assert texts(data) == {(f"number {number}",) for number in range(30)} and not data.skipped
    found, known, held_out = described(data)
    assert len(found.train) == len(known.texts) and len(found.test) == len(held_out.texts)


def test_several_descriptions_and_pictures_without(folder: Path) -> None:
    (folder / "0.txt").write_text("One\n\nAnother\none\n", encoding="utf-8")
    data = load_images(str(folder))
    assert texts(data) == {("one", "another"), ()}
    with pytest.raises(UserError, match="has no descriptions"):
        described(data)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("metadata.jsonl", b'{"file_name": "0.png"}\n', 'line 1, is no object with a "file_name" and a "text"'),
        ("metadata.jsonl", b"{broken\n", "line 1, is not JSON"),
        ("metadata.jsonl", b'{"file_name": "0.png", "text": null}\n', "line 1, has no text beside its file_name"),
        ("metadata.jsonl", b'{"file_name": "0.png", "text": "\\ud83d"}\n', "line 1, has no text beside its file_name"),
        ("metadata.csv", b"name,text\n0.png,x\n", "metadata.csv has no column named file_name, but name, text"),
        ("metadata.csv", b"file_name,text\n0.png,x\n1.png\n", "line 3, has no text beside its file_name"),
        ("metadata.csv", b"file_name,text\n0.png,a ball, red\n", "line 2, has 3 fields, and the header 2"),
        ("metadata.csv", b"file_name,text,text\n0.png,a,b\n", "metadata.csv has 2 columns named text"),
        ("0.txt", b"\xff\xfe\xff", "0.txt, line 1, is not UTF-8"),
    ],
)
def test_bad_descriptions_are_told(name: str, content: bytes, problem: str, folder: Path) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=problem):
        load_images(str(folder))


def test_lines_end_as_anywhere_and_nowhere_else(folder: Path) -> None:
    rows = [json.dumps({"file_name": f"{n}.png", "text": f"Number\u2028{n}"}, ensure_ascii=False) for n in range(30)]
    (folder / "metadata.jsonl").write_bytes("\r".join(rows).encode())
    (folder / "0.txt").write_bytes("One\u2028more\rAnother".encode())
    assert texts(load_images(str(folder))) == {
        ("one more", "another", "number 0"),
        *((f"number {number}",) for number in range(1, 30)),
    }


def test_names_of_emoji() -> None:
    heart, flag, unnamed = emoji_captions([(0x2764, 0xFE0F), (0x1F1EB, 0x1F1F7), (0xE000,)])
    assert heart[0] == "red heart" and "heavy black heart" in heart
    assert flag[0] == "flag of france" and unnamed == []


def test_emoji_are_held_out_by_family() -> None:
    _, known, held_out = described(load_images("emoji"))
    assert len(known.texts) > 3_000 and len(held_out.texts) > 200
    assert not set(known.families) & set(held_out.families)
