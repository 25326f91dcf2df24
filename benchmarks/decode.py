"""JSON into frozen dataclasses, strictly: what is missing, unknown or of another type is refused, with its place.

The dataclass is the schema: its annotations say what the JSON must hold. Known are str, int, float, bool, None, unions,
Literal, tuple[X, ...], Mapping[str, X] and dataclasses of these.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class DecodeError(ValueError):
    """What was wrong, and where: ``figures[3].passes[0].ours_s[2] is 'x', not float``."""


def decode(kind: type[T], data: object, where: str = "") -> T:
    """`data`, as json.loads gives it, as an instance of the dataclass `kind`.

    Raises:
        DecodeError: the data is not what `kind` asks for.
    """
    value: T = _value(kind, data, where)
    return value


def _value(kind: Any, data: object, where: str) -> Any:
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, data, where)
    if origin in (Union, types.UnionType):
        return _union(get_args(kind), data, where)
    if origin is Literal:
        return _checked(data, data in get_args(kind), f"one of {', '.join(map(repr, get_args(kind)))}", where)
    if origin is tuple:
        items = _checked(data, isinstance(data, list), "a list", where)
        return tuple(_value(get_args(kind)[0], item, f"{where}[{index}]") for index, item in enumerate(items))
    if origin is Mapping:
        named = _checked(data, isinstance(data, dict), "an object", where)
        return {name: _value(get_args(kind)[1], item, _inside(where, name)) for name, item in named.items()}
    return _SCALARS[kind](data, where)


def _dataclass(kind: Any, data: object, where: str) -> Any:
    named = _checked(data, isinstance(data, dict), "an object", where)
    hints = get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    if missing := [name for name in names if name not in named]:
        raise DecodeError(f"{_inside(where, missing[0])} is missing")
    if unknown := [name for name in named if name not in names]:
        raise DecodeError(f"{_inside(where, unknown[0])} is not part of the schema")
    return kind(**{name: _value(hints[name], named[name], _inside(where, name)) for name in names})


def _union(kinds: tuple[Any, ...], data: object, where: str) -> Any:
    if data is None and type(None) in kinds:
        return None
    others = [kind for kind in kinds if kind is not type(None)]
    if len(others) != 1:
        raise TypeError(f"{where}: a union of more than one type and None cannot be decoded: {kinds}")
    return _value(others[0], data, where)


def _float(data: object, where: str) -> float:
    """JSON as Python writes it also has NaN and Infinity, which are no measurements."""
    number = isinstance(data, (int, float)) and not isinstance(data, bool) and math.isfinite(data)
    return float(_checked(data, number, "a finite number", where))


def _int(data: object, where: str) -> int:
    return int(_checked(data, isinstance(data, int) and not isinstance(data, bool), "an integer", where))


_SCALARS: dict[type, Callable[[object, str], object]] = {
    str: lambda data, where: _checked(data, isinstance(data, str), "a string", where),
    bool: lambda data, where: _checked(data, isinstance(data, bool), "true or false", where),
    int: _int,
    float: _float,
}


def _checked(data: Any, good: bool, wanted: str, where: str) -> Any:
    if not good:
        raise DecodeError(f"{where or 'the file'} is {_short(data)}, not {wanted}")
    return data


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _short(data: object) -> str:
    text = repr(data)
    return text if len(text) <= 60 else f"{text[:57]}..."
