"""Records to rows and back: what SQLite would change on the way is handled here, once.

- NaN is stored as NULL, since SQLite has none, and comes back as the one quiet NaN; a record never holds
  None.
- Columns of numbers have no declared type: a column declared REAL forgets the sign of -0.0.
- A mapping of values is JSON, NaN is null in it.
- NumPy's numbers are made plain; SQLite would store them as bytes.
"""

import json
import math
import operator
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal, TypeVar, get_origin

import msgspec

from ..engine.errors import StoreError

R = TypeVar("R", bound=msgspec.Struct)

_INT64_MAX = (1 << 63) - 1
_WANTED = {float: "a number", int: "a whole number of 64 bits", str: "text"}


@cache
def columns(record: type[msgspec.Struct]) -> tuple[str, ...]:
    """The columns of a record: the names of its fields."""
    return tuple(field.name for field in msgspec.structs.fields(record))


@cache
def column_list(record: type[msgspec.Struct]) -> str:
    """The columns of a record as SQL lists them, quoted: ``values`` is a word of SQL."""
    return ", ".join(f'"{name}"' for name in columns(record))


def to_row(record: msgspec.Struct) -> tuple[Any, ...]:
    """The row of a record, in the order of ``columns``.

    Raises
    ------
    StoreError
        If a field holds what its type does not allow: records are not checked when they are made.
    """
    return tuple(
        _to_column(type(record).__name__, field.name, field.type, getattr(record, field.name))
        for field in _fields(type(record))
    )


def from_row(record: type[R], row: Sequence[Any]) -> R:
    """The record of a row, equal to the one that was stored."""
    return record(
        *(_from_column(field.type, value) for field, value in zip(_fields(record), row, strict=True))
    )


def to_int64(value: Any) -> int:
    """A whole number that SQLite can hold, NumPy's included; TypeError or ValueError for all else."""
    number = operator.index(value)
    if abs(number) > _INT64_MAX:
        raise ValueError(f"{number} does not fit 64 bits")
    return number


def to_json(value: Any) -> str:
    """JSON text; NaN is null, infinity is ``Infinity``.

    Raises
    ------
    StoreError
        If JSON cannot say it.
    """
    try:
        text = json.dumps(_without_nan(value), ensure_ascii=False)
        text.encode()  # half a character pair is no text
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"cannot store {value!r} as JSON: {error}") from error
    return text


def floats_from_json(text: str) -> dict[str, float]:
    """A mapping of numbers; null is NaN."""
    return {name: math.nan if value is None else value for name, value in json.loads(text).items()}


@cache
def _fields(record: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(record)


def _to_column(record: str, name: str, kind: Any, value: Any) -> Any:
    try:
        if kind is float:
            return _to_real(value)
        if kind is int:
            return to_int64(value)
        if kind is bool:
            return int(bool(value))
        if kind is str or get_origin(kind) is Literal:
            return str.__str__(value)
        return to_json({key: float(item) for key, item in value.items()})
    except (TypeError, ValueError, AttributeError) as error:
        wanted = _WANTED.get(kind, "a mapping of numbers")
        raise StoreError(f"`{record}.{name}` was {value!r}, must be {wanted}") from error


def _from_column(kind: Any, value: Any) -> Any:
    if kind is float:
        return math.nan if value is None else value
    if kind is bool:
        return bool(value)
    if kind is int or kind is str or get_origin(kind) is Literal:
        return value
    return floats_from_json(value)


def _to_real(value: Any) -> float | None:
    if isinstance(value, str | bytes):
        raise TypeError
    number = float(value)
    return None if math.isnan(number) else number


def _without_nan(value: Any) -> Any:
    if hasattr(value, "item") and not hasattr(value, "__len__"):  # a NumPy scalar
        value = value.item()
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return _without_nan(msgspec.to_builtins(value))
    return value
