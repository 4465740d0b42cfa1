"""Shards that tests make by hand."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
from PIL import Image


def noise(seed: int, side: int = 16) -> bytes:
    """A PNG of chance, in colour."""
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def write_tar(path: Path, members: Mapping[str, bytes | str]) -> Path:
    """A tar of files by their names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            content = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def labelled(seeds: Sequence[int], classes: int = 2) -> dict[str, bytes | str]:
    """The members of a tar: noise with classes and descriptions."""
    members: dict[str, bytes | str] = {}
    for seed in seeds:
        told = {"png": noise(seed), "cls": str(seed % classes), "txt": f"Number {seed}\n"}
        members |= {f"{seed:04}.{ending}": content for ending, content in told.items()}
    return members


def write_parquet(path: Path, columns: Mapping[str, Any], classes: Sequence[str] = (), group: int = 7) -> Path:
    """A Parquet file with the metadata that the Hub's have."""
    features = {"label": {"names": list(classes), "_type": "ClassLabel"}} if classes else {}
    metadata = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    table = pyarrow.table(dict(columns)).replace_schema_metadata(metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, path, row_group_size=group)
    return path
