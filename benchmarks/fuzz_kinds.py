"""Good files of every kind that the commands read, and how these read them, for `benchmarks/fuzz.py`."""

import io
import json
import os
import shutil
import sys
import tarfile
import wave
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
Read = Callable[[Path], Any]


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        seeds: from names to contents of good files.
        read: reads one as the commands do.
        allowed: what it may raise, which the commands turn into a line.
        head: bytes at the beginning that most of the damage is done to; 0: all alike.
    """

    seeds: Callable[[], Mapping[str, bytes]]
    read: Read
    allowed: Callable[[], tuple[type[BaseException], ...]] = lambda: (UserError,)
    head: int = 0


# --- good files


def pictures() -> dict[str, bytes]:
    """Of every format that is read, in several kinds of colours."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    colour = Image.fromarray(rng.integers(0, 256, (20, 24, 4), dtype=np.uint8), "RGBA")
    deep = Image.fromarray(rng.integers(0, 65_536, (20, 24), dtype=np.uint16))
    flat, exif = colour.convert("RGB"), Image.Exif()
    exif[274], exif[270] = 6, "a picture"

    def saved(image: Image.Image, form: str, **settings: Any) -> bytes:
        file = io.BytesIO()
        image.save(file, form, **settings)
        return file.getvalue()

    moving: dict[str, Any] = {"save_all": True, "append_images": [flat.rotate(90), flat.rotate(180)], "duration": 90}
    return {
        "rgba.png": saved(colour, "PNG", dpi=(300, 300)),
        "deep.png": saved(deep, "PNG"),
        "palette.png": saved(flat.quantize(16), "PNG", transparency=3),
        "moving.png": saved(flat, "PNG", **moving),
        "photo.jpg": saved(flat, "JPEG", exif=exif),
        "cmyk.jpg": saved(flat.convert("CMYK"), "JPEG"),
        "moving.gif": saved(flat, "GIF", **moving),
        "moving.webp": saved(flat, "WEBP", **moving),
        "lossless.webp": saved(colour, "WEBP", lossless=True, exif=exif),
        "plain.tif": saved(colour, "TIFF"),
        "deep.tif": saved(deep, "TIFF", compression="tiff_deflate"),
        "lzw.tif": saved(flat, "TIFF", compression="tiff_lzw"),
        "plain.bmp": saved(flat, "BMP"),
        "plain.ppm": saved(flat, "PPM"),
    }


def midi() -> dict[str, bytes]:
    """A melody."""
    return {"tune.mid": (ROOT / "examples" / "ode-to-joy.mid").read_bytes()}


def scores() -> dict[str, bytes]:
    """The same in the other notations."""
    from music.io.midi import from_midi
    from music.io.musicxml import save_musicxml

    with TemporaryDirectory() as folder:
        path = Path(folder) / "tune.musicxml"
        save_musicxml(from_midi(ROOT / "examples" / "ode-to-joy.mid"), path)
        written = path.read_bytes()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        info = tarfile.TarInfo("march/tune.musicxml")
        info.size = len(written)
        archive.addfile(info, io.BytesIO(written))
    bars = "|: [K:G] G2 A>B (3cde d2 | [CEG]2 z2 {g}c2 B2 :|"
    return {
        "tune.musicxml": written,
        "tunes.tar": packed.getvalue(),
        "tune.abc": f"X:1\nT:Tune\nM:4/4\nL:1/8\nQ:1/4=120\nK:C\n{bars * 4}\n".encode(),
    }


def texts() -> dict[str, bytes]:
    """Of every kind that texts are read from."""
    import pyarrow
    from pyarrow.parquet import write_table

    rows = [(f"text number {number}, of some words", f"style {number % 2}") for number in range(40)]
    parquet = io.BytesIO()
    write_table(pyarrow.table({"text": [text for text, _ in rows], "style": [style for _, style in rows]}), parquet)
    table = "\n".join(["text,style", *(f'"{text}",{style}' for text, style in rows)])
    return {
        "plain.txt": "\n".join(text for text, _ in rows).encode(),
        "table.csv": table.encode(),
        "table.tsv": "\n".join(["text\tstyle", *("\t".join(row) for row in rows)]).encode(),
        "rows.jsonl": "\n".join(json.dumps({"text": text, "style": style}) for text, style in rows).encode(),
        "rows.parquet": parquet.getvalue(),
    }


def recordings() -> dict[str, bytes]:
    """A tone, as WAV."""
    import numpy as np

    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(22_050)
        tone = 9_000 * np.sin(np.arange(8_000) / 8)
        sound.writeframes(np.repeat(tone, 2).astype("<i2").tobytes())
    return {"tone.wav": file.getvalue()}


def archives() -> dict[str, bytes]:
    """Pictures in a .zip."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            for name, content in pictures().items():
                archive.writestr(f"{number}/{name}", content)
    return {"pictures.zip": packed.getvalue()}


def films() -> dict[str, bytes]:
    """A short film in two containers."""
    import av
    import numpy as np

    made = {}
    for name in ("film.mp4", "film.mkv"):
        file = io.BytesIO()
        with av.open(file, "w", format="mp4" if name.endswith("mp4") else "matroska") as container:
            stream = container.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = 32, 24, "yuv420p"
            for number in range(5):
                shade = np.full((24, 32, 3), 40 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(shade)))
            container.mux(stream.encode())
        made[name] = file.getvalue()
    return made


def weights() -> dict[str, bytes]:
    """The tensors of bundled weights."""
    return {"model.safetensors": (ROOT / "superres" / "weights" / "x2-fast" / "model.safetensors").read_bytes()}


def configs() -> dict[str, bytes]:
    """What says how the networks of bundled weights are built."""
    return {"config.json": (ROOT / "superres" / "weights" / "x2-fast" / "config.json").read_bytes()}


def checkpoints() -> dict[str, bytes]:
    """What a run goes on from."""
    import torch

    from common.training.checkpoints import Checkpoints

    tensors = {"tiny.network.weight": torch.arange(64.0), "tiny.optimizer.0.step": torch.tensor(5.0)}
    with TemporaryDirectory() as folder:
        path = Checkpoints(Path(folder)).save(5, tensors, {"step": 5, "images": 40})
        return {path.name: path.read_bytes()}


def records() -> dict[str, bytes]:
    """Results of every kind that say how they were made."""
    import torch
    from PIL import Image

    from common.pictures.sheets import save_picture
    from common.provenance.digests import of_row
    from common.provenance.record import made_by, recording
    from music.io.midi import from_midi, save_midi, to_midi
    from music.io.sound import save_wav

    record, row = made_by("image.generate", "python -m image.generate", 0, (), False), {"text": "a text"}
    with TemporaryDirectory() as folder, recording(record):
        for ending in ("png", "jpg", "webp"):
            save_picture(Image.new("RGB", (24, 16), "red"), Path(folder, f"result.{ending}"))
        save_wav(torch.zeros(1, 400), 8_000, Path(folder, "result.wav"))
        save_midi(to_midi(from_midi(ROOT / "examples" / "ode-to-joy.mid")), Path(folder, "result.mid"))
        made = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    told = row | {"provenance": record | {"digest": of_row(row)}}
    return made | {"result.jsonl": (json.dumps(told) + "\n").encode() * 2}


def shards() -> dict[str, bytes]:
    """A tar and a Parquet file of labelled pictures, as training reads them."""
    import pyarrow
    from pyarrow.parquet import write_table

    found = {name: content for name, content in pictures().items() if name.endswith((".png", ".jpg"))}
    parquet, tar = io.BytesIO(), io.BytesIO()
    rows = {"image": [{"bytes": content} for content in found.values()], "label": list(range(len(found)))}
    write_table(pyarrow.table(rows), parquet, row_group_size=3)
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for number, (name, picture) in enumerate(found.items()):
            told = {Path(name).suffix: picture, ".cls": b"%d" % number, ".json": b'{"text": "a picture"}'}
            for ending, content in told.items():
                info = tarfile.TarInfo(f"{number}{ending}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return {"a.tar": tar.getvalue(), "a.parquet": parquet.getvalue()}


# --- readers


def read_a_picture(path: Path) -> None:
    from common.data.folders import File
    from common.pictures.photos import decode
    from common.pictures.reading import UNREADABLE, open_picture

    with open_picture(path) as file:
        for _ in file:
            pass
    with suppress(*UNREADABLE):
        decode(File(path))  # as training does


def read_music(path: Path) -> None:
    from music.data.sources import find
    from music.data.tunes import parse

    for item in find(str(path if path.suffix == ".tar" else path.parent))[1]().items:
        if isinstance(problem := parse(item), str):
            raise UserError(problem)


def read_texts(path: Path) -> None:
    from text.data.sources import read_corpus

    read_corpus(str(path))


def read_a_recording(path: Path) -> None:
    from common.data.folders import File
    from music.sound.config import length
    from music.sound.data.recordings import levelled, read, trimmed

    levelled(trimmed(read(File(path))), length(1))


def read_an_archive(path: Path) -> None:
    from image.data.loading import load_images

    os.environ["QUARTET_CACHE"] = str(path.parent / "cache")
    load_images(str(path), 16)


def read_a_film(path: Path) -> None:
    from common.films.reading import frames_of, opened, picture_stream, survey

    survey(path)
    with opened(path) as container:
        for frame in frames_of(container, picture_stream(container, path)):
            frame.to_ndarray(format="rgb24")


def load_weights(path: Path) -> None:
    from superres.models import load_superres_model

    for name in ("config.json", "model.safetensors"):
        if path.name != name:
            shutil.copy(ROOT / "superres" / "weights" / "x2-fast" / name, path.parent)
    load_superres_model(str(path.parent))


def read_a_checkpoint(path: Path) -> None:
    from common.training.checkpoints import Checkpoints

    Checkpoints(path.parent).load()


def read_a_record(path: Path) -> None:
    from common.provenance.reading import read_record

    read_record(path)


def _or_unreadable(module: str) -> Callable[[], tuple[type[BaseException], ...]]:
    def allowed() -> tuple[type[BaseException], ...]:
        from importlib import import_module

        return (UserError, *import_module(module).UNREADABLE)

    return allowed


KINDS = {
    "pictures": Kind(pictures, read_a_picture, head=400),
    "midi": Kind(midi, read_music),
    "scores": Kind(scores, read_music),
    "texts": Kind(texts, read_texts),
    "recordings": Kind(recordings, read_a_recording, _or_unreadable("music.sound.data.recordings"), head=64),
    "archives": Kind(archives, read_an_archive),
    "shards": Kind(shards, read_an_archive),
    "films": Kind(films, read_a_film, head=1_000),
    "weights": Kind(weights, load_weights, head=2_000),
    "configs": Kind(configs, load_weights),
    "checkpoints": Kind(checkpoints, read_a_checkpoint),
    "records": Kind(records, read_a_record),
}
