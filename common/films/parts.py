"""The segments of a film that is being made, in a folder beside it."""

import json
import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import sweep, write_json

SEGMENT = "mp4"  # container of segments: it keeps any unit of time
PARTS = ".parts"  # behind the output's name, the folder of segments
RECORD = "parts.json"  # in it, what the segments were made with


@dataclass
class Parts:
    """The segments of one output.

    Attributes:
        folder: where they are.
        settings: all that decides on their pixels.
        starts: the timestamp at which each finished segment begins, in units of the film.
        frames: in all of them.
        is_complete: whether the last one is the film's last.
    """

    folder: Path
    settings: dict[str, Any]
    starts: list[int] = field(default_factory=list)
    frames: int = 0
    is_complete: bool = False

    @classmethod
    def of(cls, output: Path, settings: dict[str, Any], overwrite: bool) -> "Parts":
        """What there is of an output; nothing if `overwrite` and it was made with other settings.

        Of segments that a kill left while they were removed nothing remains.

        Raises:
            UserError: there are segments made with other settings, or a folder of that name that is none of segments.
        """
        folder = folder_of(output)
        sweep(folder)
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return cls(folder, settings)
        try:
            found = cls.read(folder)
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{folder} is in the way, and no folder of segments; move or remove it") from error
        if found.is_complete and not all(path.exists() for path, _ in found.segments):
            found.remove()
            return cls(folder, settings)
        then = found.settings
        others = [f"{key} {then.get(key)}, now {now}" for key, now in settings.items() if then.get(key) != now]
        if not others:
            return found
        if not overwrite:
            raise UserError(
                f"{folder} was begun with other settings ({'; '.join(others)}); "
                "repeat that command to go on, or start anew by --overwrite"
            )
        print(f"{folder} was begun with other settings ({'; '.join(others)}): starting anew", file=sys.stderr)
        found.remove()
        return cls(folder, settings)

    @classmethod
    def read(cls, folder: Path) -> "Parts":
        """What a folder's record says.

        Raises:
            OSError, ValueError, TypeError: it has none that can be read.
        """
        return cls(folder, **json.loads((folder / RECORD).read_text(encoding="utf-8")))

    @property
    def segments(self) -> list[tuple[Path, int]]:
        """The files, and where each begins."""
        return [(self.path(k), start) for k, start in enumerate(self.starts)]

    def path(self, number: int) -> Path:
        """The file of a segment, by number."""
        return self.folder / f"{number:06}.{SEGMENT}"

    def save(self) -> None:
        """Write down which segments are done."""
        write_json(self.folder / RECORD, {key: value for key, value in vars(self).items() if key != "folder"})

    def remove(self) -> None:
        """Remove the segments, and the record last: by it what a kill leaves of them is known."""
        for path, _ in self.segments:
            with suppress(OSError):
                path.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)


def folder_of(output: Path) -> Path:
    """Where the segments of an output are."""
    return output.with_name(output.name + PARTS)


def forget_parts(output: Path) -> None:
    """Remove the segments beside a whole film if they are its own: all of them, and older than the film.

    A kill leaves them between the last step of making a film and their removal. Those of a film that is being made anew
    stay, and stderr is told so.
    """
    folder = folder_of(output)
    try:
        parts = Parts.read(folder)
        is_its_own = parts.is_complete and (folder / RECORD).stat().st_mtime_ns <= output.stat().st_mtime_ns
    except (OSError, ValueError, TypeError):  # most often because there is none
        return
    if is_its_own:
        parts.remove()
    else:
        print(
            f"{output} was being made anew: --overwrite goes on from {folder}, or remove that folder", file=sys.stderr
        )
