"""What a command is given to read: each setting says by its type what it names, and that is checked before work begins.

    data: Annotated[str, DataName(("digits",))] = "digits"
    mask: InputFile | None = None

Nothing here imports torch, so that what is not there is told at once.
"""

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from tyro.conf import Positional

from common.data.shard_names import are_shards, is_remote, spelt_out
from common.errors import UserError


class Check(ABC):
    """A mark on the type of a setting, by which its values are checked."""

    @abstractmethod
    def check(self, given: str, value: Any) -> None:
        """Raise a UserError unless there is what `value` names; `given` is how a message repeats it."""


class FileName(Check):
    """A file that is there."""

    def check(self, given: str, value: Path) -> None:
        if not os.path.exists(value):
            raise UserError(f"{given}: no such file")


@dataclass(frozen=True)
class DataName(Check):
    """A data set by its name or path; `built_in` are the names."""

    built_in: Collection[str]

    def is_there(self, value: str) -> bool:
        """Whether there is such a data set."""
        return value in self.built_in or os.path.exists(os.path.expanduser(value))

    def check(self, given: str, value: str) -> None:
        if not self.is_there(value):
            known = f"; built in are {', '.join(self.built_in)}" if self.built_in else ""
            raise UserError(f"{given}: no such file or folder{known}")


class ShardsName(DataName):
    """One data set by its name or path, or shards, whose name may have ranges or be a URL."""

    def check(self, given: str, value: str) -> None:
        if not are_shards(value):
            super().check(given, value)
            return
        for shard in spelt_out(value):
            if not is_remote(shard) and not os.path.exists(os.path.expanduser(shard)):
                raise UserError(f"{given}: {shard}: no such file" if shard != value else f"{given}: no such file")


@dataclass(frozen=True)
class DataNames(ShardsName):
    """One data set by its name or path, shards too, or several with commas between."""

    def split(self, value: str) -> list[str]:
        """Each by itself; a path that is there may have commas of its own."""
        return [value] if self.is_there(value) else value.split(",")

    def check(self, given: str, value: str) -> None:
        for name in self.split(value):
            super().check(given if name == value else f"{given}: {name}", name)


class InUnicode(Check):
    """Words, of a text or a name that ends up in one; a terminal can pass bytes that are none."""

    def check(self, given: str, value: str) -> None:
        try:
            value.encode()
        except UnicodeEncodeError as error:
            encoding = sys.getfilesystemencoding()
            raise UserError(
                f"{given} has bytes that are no {encoding}; write it in UTF-8, in a UTF-8 locale"
            ) from error


InputFile = Annotated[Path, FileName()]
Words = Annotated[str, InUnicode()]


def check_inputs(config: Any) -> None:
    """Check the settings of a dataclass by the marks on their types; None and what has no mark are passed over.

    Raises:
        UserError: naming the first flag that names nothing.
    """
    settings: type = type(config)
    for name, hint in hints(settings).items():
        value, flag = getattr(config, name), flag_of(settings, name)
        for mark in marks(hint):
            for one in value if isinstance(value, tuple) else (value,):
                if isinstance(mark, Check) and one is not None:
                    mark.check(f"--{flag} {one}" if flag else str(one), one)


def flag_of(config: type, name: str) -> str:
    """The flag that gives a field its value, without its dashes, such as final-lr; "" if the value stands alone."""
    of_field = list(marks(hints(config)[name]))
    if Positional in of_field:
        return ""
    named = [mark.name for mark in of_field if getattr(mark, "name", None)]  # by tyro.conf.arg
    return (named or [name])[0].replace("_", "-")


@cache
def hints(config: type) -> dict[str, Any]:
    """The types of a dataclass's fields, with the marks on them."""
    return get_type_hints(config, include_extras=True)


def marks(hint: Any) -> Iterator[Any]:
    """What is marked on a type and, as of `InputFile | None`, on its parts."""
    yield from getattr(hint, "__metadata__", ())
    for part in get_args(hint):
        yield from marks(part)
