"""Files are whole or not there."""

import errno
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from common import files
from common.errors import UserError
from common.files import folder_for_results, replacing, require_free, sweep, write_json


def test_the_file_appears_whole_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "picture.png"
    with replacing(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.suffix == ".png"
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert os.listdir(path.parent) == ["picture.png"]


def test_what_is_there_is_only_replaced_where_this_is_allowed(tmp_path: Path) -> None:
    require_free(tmp_path / "new.png", overwrite=False)
    (tmp_path / "old.png").touch()
    require_free(tmp_path / "old.png", overwrite=True)
    with pytest.raises(UserError, match=r"--out .*old\.png is there already; name another file, or add --overwrite"):
        require_free(str(tmp_path / "old.png"), overwrite=False)


def test_an_error_inside_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with suppress(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text("half of the ne")
        _ = 1 / 0
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_full_disk_is_one_line_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(UserError) as caught, replacing(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    message = str(caught.value)
    assert str(path) in message
    assert "No space left" in message
    assert "unharmed" in message
    assert "\n" not in message
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_temporary_file_that_cannot_be_removed_hides_no_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    writing = replacing(path)
    temporary = writing.__enter__()
    temporary.unlink()
    temporary.mkdir()  # which no file can be replaced by, and which is not removed as a file is
    with pytest.raises(UserError, match=r"cannot write .*file"):
        writing.__exit__(None, None, None)
    assert path.read_text() == "old"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*file/deeper/x.json"):
        write_json(tmp_path / "file" / "deeper" / "x.json", {})


def test_a_target_that_is_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    with pytest.raises(UserError, match=r"x\.json"):
        write_json(tmp_path / "x.json", {})
    assert os.listdir(tmp_path) == ["x.json"]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_files_have_the_modes_that_the_user_wants(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_json(tmp_path / "x.json", {})
    finally:
        os.umask(before)
    assert (tmp_path / "x.json").stat().st_mode & 0o777 == 0o666 & ~mask


def test_json_is_indented_utf8(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"name": "Fréchet", "n": [1]})
    text = (tmp_path / "x.json").read_bytes().decode("utf-8")
    assert "Fréchet" in text
    assert '\n  "n"' in text
    assert text.endswith("}\n")
    assert json.loads(text) == {"name": "Fréchet", "n": [1]}


def fail(content: Path | None = None) -> None:
    if content is not None:
        content.touch()
    raise ZeroDivisionError


def test_a_folder_without_results_goes_again(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), folder_for_results(tmp_path / "a" / "b"):
        fail()
    assert not (tmp_path / "a" / "b").exists()


def test_a_folder_for_results_that_is_gone_hides_no_error(tmp_path: Path) -> None:
    def fails() -> None:
        with folder_for_results(tmp_path / "results"):
            (tmp_path / "results").rmdir()
            raise UserError("why")

    with pytest.raises(UserError, match="why"):
        fails()


def test_a_folder_with_results_stays(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), folder_for_results(tmp_path / "a"):
        fail(tmp_path / "a" / "half")
    with folder_for_results(tmp_path / "a"):
        assert (tmp_path / "a" / "half").exists()


def test_a_folder_for_results_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--out .*file"), folder_for_results(tmp_path / "file"):
        pass


def test_names_that_are_no_utf_8_come_back_out_of_json(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"data": "caf\udce9/日本"})
    content = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(content) == {"data": "caf\udce9/日本"} and "日本" in content


WRITER = """
import os, signal, sys
from pathlib import Path
from common.files import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such locks")
def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    (tmp_path / ".picture-settings.txt").touch()  # someone else's, of another ending
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout and process.stdout.readline()
    with replacing(path) as temporary:
        temporary.write_text("whole")
    assert len(list(tmp_path.glob(".picture.part-????????.png"))) == 1
    process.stdin.write("\n")
    process.stdin.close()
    assert process.wait() == -9
    files._sweep_once.cache_clear()  # as in another process
    with replacing(path) as temporary:
        temporary.write_text("whole again")
    assert sorted(os.listdir(tmp_path)) == [".picture-settings.txt", "picture.png"]


def test_a_sweep_takes_what_was_to_become_any_file(tmp_path: Path) -> None:
    (tmp_path / ".step-000000050.part-ab_12xyz.safetensors").touch()
    for name in (".hidden", "step-000000050.safetensors"):
        (tmp_path / name).touch()
    sweep(tmp_path)
    sweep(tmp_path / "not there")
    assert sorted(os.listdir(tmp_path)) == [".hidden", "step-000000050.safetensors"]
