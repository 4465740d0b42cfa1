"""The record of how something was made: what it says, and the one that holds while a command runs.

A command's entry point makes it once (`common.cli.run`), and whatever writes a result asks for it here. It tells no
time and no place of the result, so that equal runs make equal files.

    with recording(made_by("image.generate", "python -m image.generate --seed 3", 3, ("digits-cgan",), False)):
        save_picture(image, "digits.png")  # carries the record
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from common.weights_folders import digest_of, find_weights

Record = dict[str, Any]

VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED, COMPOSITE = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"  # IPTC's terms
_BEGINNING = '{"made_by": "Quartet'
_current: ContextVar[Record | None] = ContextVar("record", default=None)


def made_by(program: str, command: str, seed: int | None, weights: Sequence[str], is_composite: bool) -> Record:
    """The record of a command.

    Args:
        program: such as "image.generate".
        command: the command line that repeats it, without the names of what it reads and writes.
        seed: None if it draws nothing.
        weights: as `common.weights_folders.find_weights` takes them, or model files.
        is_composite: whether results are changed inputs, and not made from nothing.
    """
    domain = program.partition(".")[0]
    return {
        "made_by": _program(),
        "command": command,
        **({} if seed is None else {"seed": seed}),
        "weights": {name: f"sha256:{digest_of(_place(name, domain))}" for name in weights},
        "digital_source_type": VOCABULARY + (COMPOSITE if is_composite else GENERATED),
    }


@contextmanager
def recording(record: Record | None) -> Iterator[None]:
    """Let what is written in the block carry a record; None: carry none."""
    token = _current.set(record)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Record | None:
    """The record that results shall carry; None: none."""
    return _current.get()


def as_line(record: Record) -> str:
    """A record as JSON in one line of ASCII."""
    return json.dumps(record)


def parse(line: str) -> Record | None:
    """What `as_line` wrote; None if it is something else."""
    try:
        record = json.loads(line) if line.startswith(_BEGINNING) else None
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("command"), str) else None


def split(text: str) -> tuple[str, Record | None]:
    """A comment without the record that is a line of it, and that record."""
    lines = text.splitlines()
    found = [record for line in lines if (record := parse(line))]
    return "\n".join(line for line in lines if parse(line) is None), found[-1] if found else None


def _place(name: str, domain: str) -> Path:
    """Of weights, or of a model file."""
    return Path(name) if Path(name).is_file() else find_weights(name, domain)


def _program() -> str:
    try:
        return f"Quartet {version('quartet-gen')}"
    except PackageNotFoundError:  # run from its files, without having been installed
        return "Quartet"


def complete(record: Record, digest: str, earlier: Record | None = None) -> Record:
    """A record with the digest of what carries it, and with that of what it was made from."""
    return record | {"digest": digest} | ({"input": earlier} if earlier else {})
