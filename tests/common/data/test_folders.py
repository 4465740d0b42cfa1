"""What is wrong with a file, and what only with the disk."""

import errno
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.data.folders import File, find_files, require_lasting
from common.errors import UserError
from common.pictures.photos import decode, read_each
from image.data.loading import load_images
from music.data.loading import load_music
from superres.data.loading import load_photos

UNREADABLE_NOW = Path("/proc/self/mem")  # of which Linux reads nothing at its start, by EIO


def pictures(folder: Path) -> Path:
    folder.mkdir()
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 255, (40, 40, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    return folder


def test_a_file_that_is_damaged_is_told_from_a_disk_that_is(tmp_path: Path) -> None:
    require_lasting(ValueError("no picture"), "a.png")
    require_lasting(OSError("image file is truncated"), "a.png")
    require_lasting(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a.png"), "a.png")
    for number in (errno.EIO, errno.EMFILE, errno.ENOSPC):
        with pytest.raises(UserError, match=r"a\.png could not be read to the end: .*begin again") as caught:
            require_lasting(OSError(number, os.strerror(number)), "a.png")
        assert "\n" not in str(caught.value)
    wrapped = ValueError("no music")
    wrapped.__cause__ = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(UserError, match="No space left"):
        require_lasting(wrapped, "a.mid")
    with pytest.raises(UserError, match="No usable temporary"):
        require_lasting(FileNotFoundError(errno.ENOENT, "No usable temporary directory found"), "a.mid")


@pytest.mark.skipif(not UNREADABLE_NOW.exists(), reason="needs Linux's /proc")
def test_a_disk_error_ends_decoding_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUARTET_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="Input/output error"):
        read_each(decode, [File(UNREADABLE_NOW)], "photos")
    folder = pictures(tmp_path / "pictures")
    (folder / "9.png").symlink_to(UNREADABLE_NOW)
    tunes = tmp_path / "tunes"
    tunes.mkdir()
    (tunes / "9.mid").symlink_to(UNREADABLE_NOW)
    for load, data in (
        (load_images, folder),
        (lambda data: load_photos(data, 2, least=4), folder),
        (load_music, tunes),
    ):
        with pytest.raises(UserError, match=r"9\.\w+ could not be read to the end: Input/output error"):
            load(str(data))
    (folder / "9.png").unlink()
    assert not load_images(str(folder)).skipped


@pytest.mark.parametrize(("place", "spoiled"), [(6, b"\x54"), (46, b"\xca")])
def test_a_zip_that_python_cannot_list_is_one_line(place: int, spoiled: bytes, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("picture\u00e9.png", b"content")  # so that names are in UTF-8
    content = packed.getvalue()
    at = content.index(b"PK\x01\x02") + place  # the version that is needed, or the first letter of the name
    (tmp_path / "a.zip").write_bytes(content[:at] + spoiled + content[at + 1 :])
    with pytest.raises(UserError, match=r"damaged \.zip file"):
        find_files(str(tmp_path / "a.zip"), {".png"}, "pictures", ())


def test_what_has_no_name_in_a_zip_is_left_out(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("picture.png", b"content")
        archive.writestr("x", b"content")
    content = (tmp_path / "a.zip").read_bytes()
    at = content.rindex(b"PK\x01\x02")  # the last entry of the list, whose name gets no length and becomes a comment
    spoiled = content[: at + 28] + b"\0\0" + content[at + 30 : at + 32] + b"\1\0" + content[at + 34 :]
    (tmp_path / "a.zip").write_bytes(spoiled)
    assert list(find_files(str(tmp_path / "a.zip"), {".png"}, "pictures", ())[0]) == ["picture.png"]
