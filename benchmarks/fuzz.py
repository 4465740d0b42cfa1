"""`python benchmarks/fuzz.py`: what broken files do to whatever reads files.

Good files of each kind are spoiled at random, and read as the commands read them. Each must be read, or refused in a
way that the commands turn into one line; an exception of another kind, a crash, memory without bounds or more than
`SLOW` seconds is a failure, and its file is kept in --out.
"""

import io
import json
import os
import random
import resource
import shutil
import struct
import sys
import time
import wave
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from tempfile import TemporaryDirectory
from traceback import extract_tb
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.cli import run
from common.config import ThreadConfig, require
from common.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
SLOW = 20.0  # seconds after which a file hangs
MEMORY = 4 << 30  # bytes that a reader may take beside the libraries
NASTY = (
    b"\x00" * 4,
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b'"',
    b"[" * 3_000,
    b"9" * 400,
    b"\xe2\x80\xa8",
)
Chance = random.Random
Read = Callable[[Path], Any]
Count: TypeAlias = "Synchronized[int]"


@dataclass(frozen=True, kw_only=True)
class FuzzConfig(ThreadConfig):
    """Settings of the measurement."""

    tries: int = 1_000  # of each kind
    kinds: tuple[str, ...] = ()  # some of them; default: all
    seed: int = 0  # of the damage
    out: Path = Path("runs/fuzz")  # where the files of failures are kept
    threads: int | None = 1  # a forked process must not wait for threads of its parent

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.tries > 0, "tries", f"must be above 0, not {self.tries}")
        unknown = set(self.kinds) - set(KINDS)
        require(not unknown, "kinds", f"knows {', '.join(KINDS)}, and no {', '.join(sorted(unknown))}")


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


def main(config: FuzzConfig) -> None:
    """Spoil files of every kind at random, read them, and print how often that went wrong."""
    failed = 0
    for name in config.kinds or KINDS:
        start = time.monotonic()
        refused, failures = spoiled_and_read(name, config)
        failed += len(failures)
        took = time.monotonic() - start
        print(
            f"{name}: {config.tries:,} tries, {refused:,} refused, {len(failures)} failures, {took:.0f} s",
            *failures,
            sep="\n  ",
            flush=True,
        )
    sys.exit(1 if failed else 0)


def spoiled_and_read(name: str, config: FuzzConfig) -> tuple[int, list[str]]:
    """Read spoiled files of a kind, in a process that is begun anew where one hangs or dies.

    Returns:
        How many were refused, and what went wrong.
    """
    kind, context, failures = KINDS[name], get_context("fork"), list[str]()
    seeds = sorted(kind.seeds().items())
    done, refused, told = context.Value("q", 0), context.Value("q", 0), context.SimpleQueue()
    with TemporaryDirectory() as folder:
        for seed, content in seeds:  # good files are read here first, so that processes find all imported
            kind.read(_written(Path(folder) / seed, seed, content))
    while done.value < config.tries:
        process = context.Process(target=_reader, args=(kind, seeds, config, done, refused, told))
        process.start()
        at, since = -1, time.monotonic()
        while process.is_alive():
            process.join(0.2)
            if done.value != at:
                at, since = done.value, time.monotonic()
            elif time.monotonic() - since > SLOW:
                process.kill()
        while not told.empty():
            number, problem = told.get()
            failures.append(_kept(kind, seeds, config, name, number, problem))
        if process.exitcode and done.value < config.tries:
            problem = "hangs" if process.exitcode == -9 else f"ends the process ({process.exitcode})"
            failures.append(_kept(kind, seeds, config, name, done.value, problem))
            done.value += 1
    return refused.value, failures


def _reader(
    kind: Kind, seeds: list[tuple[str, bytes]], config: FuzzConfig, done: Count, refused: Count, told: Any
) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    allowed = kind.allowed()
    with TemporaryDirectory() as folder:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
        for number in range(done.value, config.tries):
            place = Path(folder) / str(number)
            path = _written(place, *_spoiled(kind, seeds, config, number))
            try:
                kind.read(path)
            except allowed:
                refused.value += 1
            except BaseException as error:
                where = extract_tb(error.__traceback__)[-1]
                told.put(
                    (number, f"{type(error).__name__}: {str(error)[:120]} ({Path(where.filename).name}:{where.lineno})")
                )
            shutil.rmtree(place)
            done.value = number + 1


def _written(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir(parents=True)
    path = folder / name
    path.write_bytes(content)
    return path


def _kept(kind: Kind, seeds: list[tuple[str, bytes]], config: FuzzConfig, name: str, number: int, problem: str) -> str:
    spoiled, content = _spoiled(kind, seeds, config, number)
    path = config.out / name / f"{number}-{spoiled}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return f"{path}: {problem}"


# --- damage


def _spoiled(kind: Kind, seeds: list[tuple[str, bytes]], config: FuzzConfig, number: int) -> tuple[str, bytes]:
    """The name and content of a try, which follow from the seed and its number."""
    chance = Chance(f"{config.seed} {number}")
    name, content = chance.choice(seeds)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        content = _damaged(content, chance, kind.head if chance.random() < 0.8 else 0)
    if name.endswith(".png") and chance.random() < 0.7:
        content = _with_true_checksums(content)
    return name, content


def _damaged(content: bytes, chance: Chance, head: int) -> bytes:
    """One act of damage, within the first `head` bytes if that is not 0."""
    size = min(len(content), head or len(content))
    if not size:
        return bytes(chance.randrange(256) for _ in range(8))
    place, length = chance.randrange(size), chance.choice((1, 1, 2, 4, 8, 64))
    before, there, after = content[:place], content[place : place + length], content[place + length :]
    match chance.randrange(8):
        case 0 | 1:
            return before + bytes(byte ^ 1 << chance.randrange(8) for byte in there) + after
        case 2:
            return before + bytes(chance.randrange(256) for _ in there) + after
        case 3:
            return before + after
        case 4:
            return before + there * chance.choice((2, 3, 50)) + after
        case 5:
            return before + chance.choice(NASTY) + after
        case 6:
            return before + chance.choice(NASTY) + there + after
        case _:
            return (
                before
                if chance.random() < 0.3
                else before + after[: len(after) // 2] + there + after[len(after) // 2 :]
            )


def _with_true_checksums(content: bytes) -> bytes:
    """A PNG whose chunks, as far as they can be told apart, have the checksums that belong to them."""
    parts, place = [content[:8]], 8
    while place + 12 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        end = place + 8 + length
        if end + 4 > len(content):
            break
        body = content[place + 4 : end]
        parts.append(content[place : place + 4] + body + struct.pack(">I", zlib.crc32(body)))
        place = end + 4
    return b"".join([*parts, content[place:]])


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
    bars = "|: [K:G] G2 A>B (3cde d2 | [CEG]2 z2 {g}c2 B2 :|"
    return {"tune.musicxml": written, "tune.abc": f"X:1\nT:Tune\nM:4/4\nL:1/8\nQ:1/4=120\nK:C\n{bars * 4}\n".encode()}


def texts() -> dict[str, bytes]:
    """Of every kind that texts are read from."""
    rows = [(f"text number {number}, of some words", f"style {number % 2}") for number in range(40)]
    table = "\n".join(["text,style", *(f'"{text}",{style}' for text, style in rows)])
    return {
        "plain.txt": "\n".join(text for text, _ in rows).encode(),
        "table.csv": table.encode(),
        "table.tsv": "\n".join(["text\tstyle", *("\t".join(row) for row in rows)]).encode(),
        "rows.jsonl": "\n".join(json.dumps({"text": text, "style": style}) for text, style in rows).encode(),
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

    for item in find(str(path.parent))[1]().items:
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
    from superres.video.reading import frames_of, opened, picture_stream, survey

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
    "films": Kind(films, read_a_film, head=1_000),
    "weights": Kind(weights, load_weights, head=2_000),
    "configs": Kind(configs, load_weights),
    "records": Kind(records, read_a_record),
}

if __name__ == "__main__":
    run(main, "benchmarks/fuzz.py")
