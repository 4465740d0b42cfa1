"""Writing shards: tars of WebDataset's kind, of what lies in a folder, a .zip or other shards."""

import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from common.data.captions import caption_files, folder_texts
from common.data.folders import UNREADABLE, all_files, of_kind, sub_folders
from common.data.shards import Example, class_names, find_shards, read_shards
from common.errors import UserError
from common.files import PART
from common.pictures.formats import ENDINGS, FORMATS
from common.pictures.opening import open_image
from common.progress import progress_bar


def find_examples(data: str) -> tuple[Sequence[Example], dict[str, str]]:
    """The pictures of a folder, a .zip or shards with their classes and descriptions, and what is left out and why.

    Args:
        data: a path, a range or a URL.

    Raises:
        UserError: there are no pictures, or what is said of them is not as it must be.
    """
    if shards := find_shards(data, (), ENDINGS):
        found = read_shards(data, shards)
        if not found:
            raise UserError(f"--data {data}: no pictures in its {len(shards):,} shards")
        class_names(data, found)  # refuses what no training would take
        return found, found.skipped
    visible = all_files(data, ())
    files, others = of_kind(visible, data, ENDINGS, "pictures")
    described = caption_files(visible, files)
    labels: Sequence[str | None] = sub_folders(data, list(files), "pictures") or [None] * len(files)
    texts = folder_texts(data, described, files)
    examples = [Example(*one) for one in zip(files, files.values(), labels, texts, strict=True)]
    return examples, {name: reason for name, reason in others.items() if name not in described}


def write_shards(examples: Sequence[Example], out: Path, size: int) -> list[str]:
    """Write examples in order, `size` in a tar, into a folder that is there only when all are written.

    Returns:
        The names of the tars.

    Raises:
        UserError: an example cannot be read, or the folder cannot be written.
    """
    with _appearing(out) as folder, progress_bar(examples, "writing shards", unit="img", disable=None) as bar:
        names: list[str] = []
        coming = iter(bar)
        for start in range(0, len(examples), size):
            names.append(f"{len(names):06}.tar")
            with tarfile.open(folder / names[-1], "w") as archive:
                for number in range(start, min(start + size, len(examples))):
                    _add(archive, f"{number:08}", next(coming))
    return names


@contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """A folder under a temporary name, which is given its own when the block ends without an error."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{out.name}{PART}", dir=out.parent) as temporary:
            folder = Path(temporary) / "shards"
            folder.mkdir()
            yield folder
            if out.exists():
                out.rmdir()  # which is empty
            os.replace(folder, out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}; nothing was kept") from error


def _add(archive: tarfile.TarFile, stem: str, example: Example) -> None:
    try:
        with example.file.open() as file:
            picture = file.read()
        ending = _ending(example.name, picture)
        members = {ending: picture}
        if example.label is not None:
            members[".cls"] = example.label.encode()
        if texts := [text.strip() for text in example.texts if text.strip()]:
            members[".txt"] = "".join(f"{text}\n" for text in texts).encode()
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{example.name} cannot be read ({reason}); mend or remove it") from error
    for ending, content in members.items():
        info = tarfile.TarInfo(stem + ending)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))


def _ending(name: str, picture: bytes) -> str:
    """The ending of a picture's name or, as in Parquet files they have none, the one that its content should have."""
    ending = PurePosixPath(name).suffix.lower()
    if ending in ENDINGS:
        return ending
    try:
        with open_image(io.BytesIO(picture)) as image:
            return next(ending for ending, kind in FORMATS.items() if kind == image.format)
    except (*UNREADABLE, StopIteration):
        return ".png"  # whoever reads it will tell that it is none
