"""Where photos come from: the ones in scikit-image's and scikit-learn's wheels, folders, .zip files; and drawings."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from common.data.folders import File, content_key, find_files, require_lasting, short_name
from common.data.shards import find_shards, read_shards
from common.errors import UserError
from common.pictures.drawings import COUNTS, drawings, origin
from common.pictures.formats import ENDINGS, PHOTO_SETS
from common.pictures.opening import open_image, upright_size
from common.pictures.reading import UNREADABLE
from common.progress import progress_bar

EMBEDDED = {  # of the pictures there, the photos
    "skimage": (
        "astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "gravel.png",
        "hubble_deep_field.jpg", "motorcycle_left.png", "rocket.jpg",
    ),
    "sklearn": ("china.jpg", "flower.jpg"),
}  # fmt: skip
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Photos:
    """N pictures that are yet to be decoded.

    Attributes:
        files: by name.
        fingerprints: of their contents, in the same order.
        source: one line on origin and licence, for the cards of models.
        skipped: files passed over already, and why.
    """

    files: Mapping[str, File]
    fingerprints: Sequence[str]
    source: str
    skipped: Mapping[str, str] = field(default_factory=dict)


def find(data: str) -> tuple[str, Callable[[], Photos]]:
    """The part of the cache's key that stands for the content, and how to get at the content.

    Raises:
        UserError: there is no such data.
    """
    if data in COUNTS:
        return f"{data} {origin()}", lambda: _rendered(data)
    if data in PHOTO_SETS:
        return f"{data} {version('scikit-image')} {version('scikit-learn')}", _embedded
    if shards := find_shards(data, PHOTO_SETS, ENDINGS):
        examples = read_shards(data, shards)
        found: Mapping[str, File] = {example.name: example.file for example in examples}
        skipped = examples.skipped
    else:
        found, skipped = find_files(data, ENDINGS, "pictures", PHOTO_SETS)
    if not found:
        raise UserError(f"--data {data}: no pictures in its {len(shards):,} shards")
    fingerprints = {name: file.fingerprint() for name, file in found.items()}
    source = f"{len(found)} pictures from {short_name(data)}; see there for the licence"
    return content_key(data, fingerprints.items(), skipped), lambda: Photos(
        found, list(fingerprints.values()), source, skipped
    )


def size_of(file: File, scale: int) -> tuple[int, int]:
    """Height and width, upright and in whole multiples of `scale`, without decoding.

    Raises:
        UNREADABLE: it is no picture that can be read, or has too few pixels.
    """
    with file.open() as opened, open_image(opened) as image:
        height, width = upright_size(image)
    if min(height, width) < scale:
        raise ValueError("is less than a pixel wide when small")
    return height - height % scale, width - width % scale


def decode(file: File) -> NDArray[np.uint8]:
    """A picture as it is to be seen, upright and on white, (H, W, 3).

    Raises:
        UNREADABLE: it cannot be decoded.
    """
    with file.open() as opened, open_image(opened) as found:
        image: Image.Image = found
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith("I;16"):
            image = Image.fromarray((np.asarray(image) / 257).round().astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.asarray(image.convert("RGB"))


def read_each(read: Callable[[Item], Result], items: Sequence[Item], data: str) -> list[Result | str]:
    """What `read` makes of each item, in threads and with a progress bar; where it cannot, why, in a line.

    Args:
        read: may raise UNREADABLE; Pillow and numpy let other threads work meanwhile.
        data: what is read, for the bar.

    Raises:
        UserError: the disk was at fault (`common.data.folders.require_lasting`).
    """

    def attempt(item: Item) -> Result | str:
        try:
            return read(item)
        except UNREADABLE as error:
            return reason(error, f"--data {data}: {item if isinstance(item, str) else 'a picture'}")

    with ThreadPool(min(16, os.cpu_count() or 1)) as pool:
        done = pool.imap(attempt, items, chunksize=16 if len(items) > 1_000 else 1)
        return list(progress_bar(done, f"decoding {data}", len(items), unit="img", disable=None))


def reason(error: Exception, what: str) -> str:
    """Why a picture cannot be read, in a line.

    Args:
        what: was read.

    Raises:
        UserError: it is not the picture that is at fault.
    """
    require_lasting(error, what)
    if isinstance(error, UnidentifiedImageError):
        return "not a picture, or not in a known format"
    return " ".join(str(error).split()) or type(error).__name__


def _rendered(data: str) -> Photos:
    found = drawings(data)
    return Photos(found, [file.fingerprint() for file in found.values()], f"{len(found)} drawings, {origin()}")


def _embedded() -> Photos:
    import skimage  # neither is quick to import
    import sklearn

    folders = {"skimage": Path(skimage.__file__).parent / "data"}
    folders["sklearn"] = Path(sklearn.__file__).parent / "datasets" / "images"
    found = {name: File(folders[package] / name) for package, names in EMBEDDED.items() for name in names}
    missing = [name for name, file in found.items() if not file.path.is_file()]
    if missing:
        raise UserError(
            f"--data photos: {missing[0]} is missing from the installed packages; name a folder of pictures"
        )
    source = f"{len(found)} photos in scikit-image {version('scikit-image')} and scikit-learn {version('scikit-learn')}"
    return Photos(found, [file.fingerprint() for file in found.values()], source)
