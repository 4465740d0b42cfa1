"""What a file holds, as SHA-256: its pixels, coded frames, notes or samples, whatever else is written around them.

Equal content has equal digests after tags were added or taken away, and for pictures and WAV files also after they were
packed otherwise without loss. Encoding anew with loss changes them.
"""

import hashlib
import json
import wave
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from common.films.formats import READABLE
from common.pictures.reading import Picture, Pixels, open_picture

AT_A_TIME = 1 << 20  # bytes of pixels, or samples of sound, that are looked at together


def of_pictures(pictures: Iterable[Picture]) -> str:
    """Of a picture, or of the frames or pages of a file: of sizes, and of pixels as RGBA of 16 bits."""
    digest = hashlib.sha256()
    for picture in pictures:
        height, width = picture.pixels.shape[:2]
        digest.update(f"{width}x{height};".encode())
        rows = max(1, AT_A_TIME // (8 * width))
        for start in range(0, height, rows):
            digest.update(_rgba(picture.pixels[start : start + rows]).tobytes())
    return f"sha256:{digest.hexdigest()}"


def of_picture_file(path: Path) -> str:
    """Of the pixels that a picture file shows.

    Raises:
        UserError: it cannot be read.
    """
    with open_picture(path) as file:
        return of_pictures(file)


def of_packets(packets: Iterable[Any]) -> str:
    """Of the coded frames of a film, as bytes-like packets: the same after the film went into another container."""
    digest = hashlib.sha256()
    for packet in packets:
        digest.update(bytes(packet))
    return f"sha256:{digest.hexdigest()}"


def of_film(file: str | IO[bytes]) -> str:
    """Of the coded frames of the first video stream of a film file."""
    import av  # slow to import

    with av.open(file, "r", options=READABLE) as film:
        return of_packets(packet for packet in film.demux(video=0) if packet.size)


def of_midi(path: Path) -> str:
    """Of the notes, programs, controls and tempi of a MIDI file, each with its track and its time in ticks."""
    import mido

    midi = mido.MidiFile(path, charset="utf-8")
    digest = hashlib.sha256(f"{midi.ticks_per_beat};".encode())
    for number, track in enumerate(midi.tracks):
        time = 0
        for message in track:
            time += message.time
            if not message.is_meta or message.type in ("set_tempo", "time_signature", "key_signature"):
                digest.update(f"{number} {time} {message.copy(time=0)!r};".encode())
    return f"sha256:{digest.hexdigest()}"


def of_wav(path: Path) -> str:
    """Of the samples of a WAV file."""
    with wave.open(str(path), "rb") as file:
        form = f"{file.getframerate()} {file.getnchannels()} {file.getsampwidth()};"
        digest = hashlib.sha256(form.encode())
        while samples := file.readframes(AT_A_TIME):
            digest.update(samples)
    return f"sha256:{digest.hexdigest()}"


def of_row(row: dict[str, Any]) -> str:
    """Of an object of a .jsonl file, but for what says how it was made."""
    content = {name: value for name, value in row.items() if name != "provenance"}
    return f"sha256:{hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}"


def _rgba(pixels: Pixels) -> NDArray[np.uint16]:
    """Pixels, (h, w, C), as little-endian uint16 (h, w, 4)."""
    height, width, channels = pixels.shape
    colours = channels - 1 if channels in (2, 4) else channels
    wide = pixels.astype("<u2") * (np.uint16(257) if pixels.dtype == np.uint8 else np.uint16(1))
    result = np.full((height, width, 4), 65535, "<u2")
    result[..., :3] = wide[..., :colours]
    if channels != colours:
        result[..., 3] = wide[..., -1]
    return result
