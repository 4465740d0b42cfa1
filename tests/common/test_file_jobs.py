"""Inputs by name, folder and pattern; outputs that lose nothing."""

import os
import re
from pathlib import Path

import pytest

from common.errors import UserError
from common.file_jobs import FileJobs, Input, Job, find_inputs, plan, targets

ENDINGS = (".png", ".jpg")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(*names: Path | str) -> dict[str, str]:
    inputs, problems = find_inputs([str(name) for name in names], ENDINGS, "pictures")
    assert not problems
    return {one.path.name: one.inside.as_posix() for one in inputs}


def planned(folder: Path, *names: str, suffix: str = "_out", overwrite: bool = False) -> FileJobs:
    paths = [str(folder / name) for name in names]
    return plan(paths, ENDINGS, "pictures", targets(paths, None, suffix, lambda path: ".png", ENDINGS), overwrite)


def test_inputs_of_all_kinds(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.JPG", "c.txt", "sub/d.png", "sub/.e.png", ".hidden/f.png")
    assert found(tmp_path) == {"a.png": "a.png", "b.JPG": "b.JPG", "d.png": "sub/d.png"}
    assert found(tmp_path / "sub" / "d.png") == {"d.png": "d.png"}
    assert found(tmp_path / "*.png") == {"a.png": "a.png"}
    assert found(tmp_path / "s?b" / "*") == {"d.png": "sub/d.png"}
    assert found(tmp_path / "**" / "*.png") == {"a.png": "a.png", "d.png": "sub/d.png"}
    assert found(tmp_path / "a.png", tmp_path / "*", tmp_path / "sub" / ".." / "a.png").keys() == {"a.png", "b.JPG"}


def test_wildcards_in_names_of_files_that_are_there(tmp_path: Path) -> None:
    touch(tmp_path, "[ab].png", "a.png")
    assert found(tmp_path / "[ab].png") == {"[ab].png": "[ab].png"}


def test_what_is_wrong_with_inputs_is_said_of_each(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.txt", "empty/c.txt")
    names = [str(tmp_path / name) for name in ("lost.png", "b.txt", "empty", "*.jpg", "a.png")]
    inputs, problems = find_inputs(names, ENDINGS, "pictures")
    assert [one.path.name for one in inputs] == ["a.png"]
    assert len(problems) == 4 and all(name in problem for name, problem in zip(names, problems, strict=False))


def test_outputs_beside_inputs_and_elsewhere() -> None:
    one = Input(Path("in/sub/a.b.jpg"), Path("sub/a.b.jpg"))
    assert targets(["in"], None, "_x4", lambda path: ".png", ENDINGS)(one) == Path("in/sub/a.b_x4.png")
    assert targets(["in"], Path("out"), "", lambda path: path.suffix, ENDINGS)(one) == Path("out/sub/a.b.jpg")


def test_one_input_may_have_one_output_even_if_it_is_missing(tmp_path: Path) -> None:
    """So that it is called missing, and --out is not blamed."""
    touch(tmp_path, "a.png", "[ab].png", "folder/a.png")
    for name in ("a.png", "lost.png", "lost", "[ab].png"):
        target = targets([str(tmp_path / name)], Path("out.png"), "", lambda path: ".png", ENDINGS)
        assert target(Input(tmp_path / name, Path(name))) == Path("out.png")
    for name in ("folder", "*.png"):
        with pytest.raises(UserError, match="is one file, which is for one input"):
            targets([str(tmp_path / name)], Path("out.png"), "", lambda path: ".png", ENDINGS)


def test_plan(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.jpg", "b_out.png")
    batch = planned(tmp_path, "a.png", "b.jpg", "lost.png")
    assert batch.jobs == [Job(tmp_path / "a.png", tmp_path / "a_out.png")]
    assert batch.skipped == [tmp_path / "b_out.png"] and len(batch.problems) == 1 and batch.asked == 3
    batch = planned(tmp_path, "a.png", "b.jpg", overwrite=True)
    assert len(batch.jobs) == 2 and not batch.skipped


def test_results_among_the_inputs_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "a_out.png", "a_out_out.png", "b_out.png")
    batch = planned(tmp_path, ".")
    assert batch.made == [tmp_path / "a_out.png", tmp_path / "a_out_out.png"]
    assert batch.skipped == [tmp_path / "a_out.png"]
    assert [job.source.name for job in batch.jobs] == ["b_out.png"]  # b.png is not there, so it is an input like others
    assert [job.source.name for job in planned(tmp_path, "a_out_out.png").jobs] == ["a_out_out.png"]


def test_results_by_other_settings_are_left_out_too(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "a_x2.png", "b_x2.png", "c.png", "c_x2_x4.png", "sub/d.png", "large/sub/d_x4.jpg")
    target = targets([str(tmp_path)], None, "_x3", lambda path: ".png", ENDINGS)
    batch = plan([str(tmp_path)], ENDINGS, "pictures", target, marks=(r"_x\d", ""))
    assert [path.name for path in batch.made] == ["a_x2.png", "d_x4.jpg"]
    assert [job.source.name for job in batch.jobs] == ["a.png", "b_x2.png", "c.png", "c_x2_x4.png", "d.png"]


def test_outputs_that_would_lose_something_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "a.jpg")
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    batch = plan([str(tmp_path / "a.png")], ENDINGS, "pictures", lambda one: tmp_path / "link.png", True)
    for refused in (planned(tmp_path, "a.png", suffix="", overwrite=True), batch):
        assert not refused.jobs and "overwritten by its own result" in refused.problems[0]


def test_of_inputs_that_would_become_one_file_the_first_does(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "a.jpg", "b.png")
    batch = planned(tmp_path, ".")
    assert [job.source.name for job in batch.jobs] == ["a.jpg", "b.png"] and batch.asked == 3
    assert len(batch.problems) == 1 and re.search(r"a\.jpg and .*a\.png would both become", batch.problems[0])


def test_names_too_long_for_the_disk_are_known_beforehand(tmp_path: Path) -> None:
    most = os.pathconf(tmp_path, "PC_NAME_MAX")
    touch(tmp_path, f"{'m' * (most - 4)}.png", f"{'n' * (most - 8)}.png")
    batch = planned(tmp_path, ".")  # to which "_out" is added
    assert [job.source.name[0] for job in batch.jobs] == ["n"]
    assert f"the name has {most + 4} bytes" in batch.problems[0]
