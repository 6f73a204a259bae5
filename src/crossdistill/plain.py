"""Dataclasses to and from the plain values that JSON holds, with every key and type checked."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import numpy as np

from crossdistill.types import InputError

__all__ = ["from_plain", "to_plain"]

T = TypeVar("T")

Measure = Annotated[float, "null is NaN"]
"""A float that is NaN where it is not defined; in JSON, which has no NaN, it is then null."""

KEY = "key"
"""In a field's metadata: what the field is called among plain values, where that is no name in Python."""


def to_plain(value: Any) -> Any:
    """Dataclasses and mappings as dicts, tuples and arrays as lists, everything else as it is.

    For settings that are to be written as JSON or YAML.

    >>> from crossdistill.data.readers import ReaderSettings
    >>> from crossdistill.plain import to_plain
    >>> to_plain(ReaderSettings())["rate"]
    32000
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {_key(field): to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [to_plain(item) for item in value] if isinstance(value, tuple | list) else value


def as_python(value: Any) -> Any:
    """Python's own number or text of one of NumPy; anything else as it is.

    >>> import numpy as np
    >>> as_python(np.float32(0.5)), as_python("half")
    (0.5, 'half')
    """
    return value.item() if isinstance(value, np.generic) else value


def without_nan(value: Any) -> Any:
    """Plain values with null for NaN, which JSON does not have.

    >>> without_nan({"ua": float("nan"), "top1": 0.5})
    {'ua': None, 'top1': 0.5}
    """
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def from_plain(kind: type[T], value: Any, place: str = "") -> T:
    """The dataclass `kind` of a mapping of its fields; those that are left out keep their defaults.

    place: how errors call the mapping. Raises InputError for an unknown or missing field or a value of another type.
    For settings that somebody else has written.

    >>> from crossdistill.data.readers import ReaderSettings
    >>> from crossdistill.plain import from_plain
    >>> from_plain(ReaderSettings, {"rate": 16000}).rate
    16000
    >>> from_plain(ReaderSettings, {"rate": "fast"}, "voice")
    Traceback (most recent call last):
        ...
    crossdistill.types.InputError: voice.rate: expected int, found 'fast'
    """
    fields = {_key(field): field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if not isinstance(value, Mapping):
        raise InputError(f"{place}: expected {', '.join(fields)}, found {shown(value)}")
    dot = f"{place}." if place else ""
    if unknown := [key for key in value if key not in fields]:
        raise InputError(f"{dot}{unknown[0]}: not a field; there are {', '.join(fields) or 'none'}")
    hints = typing.get_type_hints(kind, include_extras=True)
    for key, field in fields.items():
        optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if key not in value and not optional:
            raise InputError(f"{dot}{key}: expected {_name(hints[field.name])}, found nothing")
    names = {key: fields[key].name for key in value}
    return kind(**{names[key]: of_type(hints[names[key]], item, f"{dot}{key}") for key, item in value.items()})


def _key(field: dataclasses.Field[Any]) -> str:
    return str(field.metadata.get(KEY, field.name))


def of_type(hint: Any, value: Any, place: str) -> Any:
    """The value as what the hint stands for. Raises InputError, beginning with `place`, for another type."""
    hint = _meant(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        return from_plain(typing.cast(type[Any], hint), value, place)
    if origin is Annotated:
        return math.nan if hint == Measure and value is None else of_type(arguments[0], value, place)
    if origin is np.ndarray:
        return _array(hint, value, place)
    if origin is Literal:
        return _require(value in arguments and type(value) in map(type, arguments), hint, value, place)
    if origin in (Union, types.UnionType):
        return _any_of(arguments, hint, value, place)
    if origin is tuple:
        _require(isinstance(value, tuple | list), hint, value, place)
        same = len(arguments) == 2 and arguments[1] is Ellipsis
        _require(same or len(value) == len(arguments), hint, value, place)
        kinds = [arguments[0]] * len(value) if same else arguments
        return tuple(of_type(kind, item, place) for kind, item in zip(kinds, value, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        _require(isinstance(value, Mapping), hint, value, place)
        return {key: of_type(arguments[1], item, f"{place}.{key}") for key, item in value.items()}
    if hint is Any:
        return value
    if hint in (int, float) and type(value) is int and not -(2**63) <= value < 2**63:
        raise InputError(f"{place}: expected less than 2^63, found {shown(value)}")
    if hint is float and type(value) is int:
        return float(value)
    return _require(type(value) is hint, hint, value, place)


def _meant(hint: Any) -> Any:
    """What an alias of `type` stands for: NDArray[...] is one from numpy 2.5 on."""
    alias = getattr(get_origin(hint), "__value__", None)
    return hint if alias is None else alias[get_args(hint)]


def _array(hint: Any, value: Any, place: str) -> Any:
    """Nested lists of numbers as an array of the hint's type; in one of floats, null is NaN."""
    kind = get_args(get_args(hint)[1])[0]
    integers = issubclass(kind, np.integer)
    allowed = (int,) if integers else (int, float, type(None))
    problem = f"{place}: expected {'whole ' if integers else ''}numbers, found {shown(value)}"
    leaves = np.array(value, dtype=object)
    if not isinstance(value, list) or any(type(leaf) not in allowed for leaf in leaves.flat):
        raise InputError(problem)
    try:
        return leaves.astype(kind)
    except OverflowError as error:
        raise InputError(problem) from error


def _any_of(kinds: tuple[Any, ...], hint: Any, value: Any, place: str) -> Any:
    for kind in kinds:
        try:
            return of_type(kind, value, place)
        except InputError:
            continue
    return _require(False, hint, value, place)


def _require(fits: bool, hint: Any, value: Any, place: str) -> Any:
    if not fits:
        raise InputError(f"{place}: expected {_name(hint)}, found {shown(value)}")
    return value


def _name(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        return _name(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")


def shown(value: Any) -> str:
    """The value as an error quotes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
