"""What a PNG says of its colours beside a profile: the chunks gAMA, cHRM, sRGB, cICP, mDCV and cLLI (PNG, 3rd edition).

Pillow reads past some of these, and other formats that are written here have no place for them.
"""

import struct
from pathlib import Path
from typing import TypeAlias

Chunks: TypeAlias = tuple[tuple[bytes, bytes], ...]  # kind and content

KINDS = (b"cICP", b"mDCV", b"cLLI", b"sRGB", b"gAMA", b"cHRM")
SRGB_GAMMA, SRGB_POINTS = 45_455, (31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)  # in 1 / 100,000
NEAR = 1_000  # by which numbers may differ from those of sRGB that mean them
SRGB_CICP = (1, 13)  # primaries and transfer in ITU-T H.273


def colour_chunks(path: Path) -> Chunks:
    """Those of a file that is a PNG, as far as it is whole."""
    found = []
    with path.open("rb") as file:
        file.seek(8)
        while len(header := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", header)
            if kind in (b"IDAT", b"IEND"):
                break
            if kind in KINDS:
                found.append((kind, file.read(length)))
                length = 0
            file.seek(length + 4, 1)  # and the checksum
    return tuple(found)


def is_srgb(chunks: Chunks) -> bool:
    """Whether they say, as their absence does, that the colours are sRGB."""
    said = dict(chunks)
    if len(coding := said.get(b"cICP", b"")) == 4:
        return tuple(coding[:2]) == SRGB_CICP
    if b"sRGB" in said:
        return True
    return _is_near(said.get(b"gAMA", b""), (SRGB_GAMMA,)) and _is_near(said.get(b"cHRM", b""), SRGB_POINTS)


def _is_near(content: bytes, numbers: tuple[int, ...]) -> bool:
    if len(content) != 4 * len(numbers):
        return True  # not said
    said = struct.unpack(f">{len(numbers)}I", content)
    return all(abs(one - other) <= NEAR for one, other in zip(said, numbers, strict=True))
