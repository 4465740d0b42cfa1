"""Segments of films: what a kill leaves of them goes, and work that can be gone on with stays."""

import os
from pathlib import Path

import pytest

from common.errors import UserError
from common.films.parts import RECORD, Parts, folder_of, forget_parts

SETTINGS = {"scale": 2}


def left_beside(output: Path, removed: int = 0, is_complete: bool = True, is_older: bool = True) -> Path:
    """The folder of three segments, of which some are removed already, and a film of before or after them."""
    parts = Parts(folder_of(output), SETTINGS, [0, 5, 10], 12, is_complete)
    parts.save()
    for path, _ in parts.segments[removed:]:
        path.write_bytes(b"segment")
    output.write_bytes(b"film")
    moment = (parts.folder / RECORD).stat().st_mtime_ns + (1 if is_older else -1)
    os.utime(output, ns=(moment, moment))
    return parts.folder


@pytest.mark.parametrize("removed", [0, 1, 3])
def test_segments_of_a_whole_film_are_removed(tmp_path: Path, removed: int) -> None:
    left_beside(tmp_path / "film.mp4", removed)
    forget_parts(tmp_path / "film.mp4")
    assert list(tmp_path.iterdir()) == [tmp_path / "film.mp4"]


@pytest.mark.parametrize("state", [{"is_complete": False}, {"is_older": False}])
def test_segments_of_a_film_that_is_being_made_anew_stay(
    tmp_path: Path, state: dict[str, bool], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = left_beside(tmp_path / "film.mp4", **state)
    forget_parts(tmp_path / "film.mp4")
    assert len(list(folder.iterdir())) == 4
    assert f"--overwrite goes on from {folder}" in capsys.readouterr().err


def test_a_foreign_folder_stays_and_none_is_no_matter(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"film")
    forget_parts(film)
    folder_of(film).mkdir()
    (folder_of(film) / "mine.txt").write_text("mine")
    forget_parts(film)
    assert (folder_of(film) / "mine.txt").exists()


@pytest.mark.parametrize("removed", [1, 3])
def test_segments_half_removed_are_begun_anew(tmp_path: Path, removed: int) -> None:
    folder = left_beside(tmp_path / "film.mp4", removed)
    assert Parts.of(tmp_path / "film.mp4", SETTINGS, overwrite=True) == Parts(folder, SETTINGS)
    assert not folder.exists()


def test_an_empty_folder_is_no_obstacle(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "film.mp4")
    folder.mkdir()
    assert Parts.of(tmp_path / "film.mp4", SETTINGS, overwrite=False) == Parts(folder, SETTINGS)


@pytest.mark.parametrize("is_complete", [False, True])
def test_whole_segments_are_gone_on_with(tmp_path: Path, is_complete: bool) -> None:
    left_beside(tmp_path / "film.mp4", is_complete=is_complete)
    found = Parts.of(tmp_path / "film.mp4", SETTINGS, overwrite=False)
    assert (found.starts, found.frames, found.is_complete) == ([0, 5, 10], 12, is_complete)


def test_other_settings_are_refused_or_dropped(tmp_path: Path) -> None:
    folder = left_beside(tmp_path / "film.mp4", is_complete=False)
    with pytest.raises(UserError, match=r"begun with other settings \(scale 2, now 4\)"):
        Parts.of(tmp_path / "film.mp4", {"scale": 4}, overwrite=False)
    assert Parts.of(tmp_path / "film.mp4", {"scale": 4}, overwrite=True) == Parts(folder, {"scale": 4})
    assert not folder.exists()
