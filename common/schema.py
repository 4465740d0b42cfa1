"""Plain values of JSON as the dataclass that they should be, with types, bounds and names checked."""

import math
import types
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")

LARGEST = 1 << 24  # whole number in a file: all of them count something


def from_json(kind: type[T], values: Any, others: bool = False) -> T:
    """An instance of a dataclass, of what `dataclasses.asdict` and JSON made of one.

    Args:
        kind: its fields are bool, int, float, str, None, Literal, tuple[X, ...], dict[str, X], dataclasses or Any, or
            unions of these. Whole numbers are 0 to `LARGEST`, others finite.
        others: whether values that are no fields may be there; they are left out.

    Raises:
        ValueError: naming the first value that is missing, unknown or of another type.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{values!r:.40} is no object")
    hints, known = get_type_hints(kind), {field.name: field for field in fields(cast(Any, kind))}
    if unknown := [name for name in values if name not in known and not others]:
        raise ValueError(f"'{unknown[0]}' is unknown")
    found = {}
    for name, field in known.items():
        if name in values:
            found[name] = _value(values[name], hints[name], name)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"'{name}' is missing")
    return kind(**found)


def _value(value: Any, hint: Any, name: str) -> Any:
    if hint is Any:
        return value
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _first_fitting(value, arguments, name)
    if origin is Literal and isinstance(value, str | int | None) and value in arguments:
        return value
    if origin is tuple and isinstance(value, list):
        return tuple(_value(part, arguments[0], name) for part in value)
    if origin is dict and isinstance(value, dict):
        return {key: _value(part, arguments[1], name) for key, part in value.items()}
    if origin is None and is_dataclass(hint):
        return from_json(cast(type[Any], hint), value)
    if (check := PLAIN.get(hint)) and check(value):
        return value
    raise ValueError(f"'{name}' cannot be {value!r:.40}")


def _first_fitting(value: Any, hints: tuple[Any, ...], name: str) -> Any:
    for hint in hints[:-1]:
        try:
            return _value(value, hint, name)
        except ValueError:
            continue
    return _value(value, hints[-1], name)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= LARGEST and math.isfinite(value)


PLAIN: dict[Any, Callable[[Any], bool]] = {
    bool: lambda value: isinstance(value, bool),
    int: _is_count,
    float: _is_number,
    str: lambda value: isinstance(value, str),
    type(None): lambda value: value is None,
}
