"""Frozen settings that check themselves, whether they come from a file or are made in Python.

A field of a ``Checked`` is declared with its bounds and with words for them:
``Annotated[float, Meta(gt=0, le=1, description="a fraction in (0, 1]")]``. msgspec enforces the bounds; its
messages name neither the value nor the key of a mapping, so ``build`` walks the fields itself, asks msgspec
about one value at a time, and says what was there and what is allowed.
"""

import difflib
import math
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
import numpy as np

from .errors import ConfigError

T = TypeVar("T")
Key = tuple[str, ...]

_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "text",
    NoneType: "null",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
}


class SettingError(ConfigError):
    """One setting that is missing, unknown or not allowed; `key` leads to it, `source` is its file."""

    def __init__(self, key: Key, text: str, source: str = "") -> None:
        self.key, self.text, self.source = key, text, source
        where = f"{source}: " if source else ""
        name = f"`{'.'.join(key).replace('.[', '[')}` " if key else ""
        super().__init__(f"{where}{name}{text}")

    def within(self, *, prefix: Key = (), source: str = "") -> "SettingError":
        """The same error, seen from further outside."""
        return SettingError((*prefix, *self.key), self.text, source or self.source)


class Checked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of all settings: every instance is valid, its numbers are plain Python's."""

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(type(self)):
            value = build(field.type, getattr(self, field.name), (field.name,))
            msgspec.structs.force_setattr(self, field.name, value)
        self.check()

    def check(self) -> None:
        """Raise `SettingError` where fields contradict each other."""


def build(kind: Any, value: Any, key: Key = ()) -> Any:
    """`value` as `kind`.

    Parameters
    ----------
    kind : type
        A ``Checked`` struct, a mapping of names, or what msgspec converts, annotated or not.
    value : object
        As a YAML or JSON reader gives it; NumPy's numbers are taken too.
    key : tuple of str
        Where the value stands, for the error.

    Raises
    ------
    SettingError
        If the value is not allowed; names key, value and what is allowed.
    """
    struct = struct_of(kind)
    if struct is not None and isinstance(value, Mapping):
        return _build_struct(struct, value, key)
    if get_origin(_bare(kind)) is dict and isinstance(value, Mapping):
        item_kind = get_args(_bare(kind))[1]
        return {
            _checked_name(name, key): build(item_kind, item, (*key, name)) for name, item in value.items()
        }
    if isinstance(value, list | tuple | np.ndarray):
        value = _build_items(kind, value, key)
    return _build_plain(kind, value, key)


def struct_of(kind: Any) -> type[Checked] | None:
    """The struct in a type such as ``Costs`` or ``Costs | None``."""
    for member in _members(kind):
        if isinstance(member, type) and issubclass(member, Checked):
            return member
    return None


def did_you_mean(name: str, known: list[str]) -> str:
    """The end of a sentence about an unknown name: the nearest one, and all."""
    near = difflib.get_close_matches(name, known, n=1)
    guess = f"did you mean `{near[0]}`? " if near else ""
    return f"{guess}known are {', '.join(known)}"


def _build_struct(struct: type[Checked], value: Mapping[Any, Any], key: Key) -> Checked:
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    for name in value:
        if name not in fields:
            raise SettingError((*key, str(name)), f"is unknown; {did_you_mean(str(name), list(fields))}")
    for field in fields.values():
        if field.required and field.name not in value:
            raise SettingError((*key, field.name), f"is missing, must be {_allowed(field.type)}")
    built = {name: build(fields[name].type, item, (*key, name)) for name, item in value.items()}
    try:
        return struct(**built)
    except SettingError as error:  # fields that contradict each other
        raise error.within(prefix=key) from None


def _build_items(kind: Any, values: Any, key: Key) -> list[Any]:
    """The items of a list one by one, where the type has such a list: an error names the item."""
    item_kind = next((get_args(member)[0] for member in _members(kind) if get_origin(member) is list), Any)
    return [build(item_kind, item, (*key, f"[{i}]")) for i, item in enumerate(values)]


def _build_plain(kind: Any, value: Any, key: Key) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    try:
        built = msgspec.convert(plain, kind)
    except (msgspec.ValidationError, OverflowError):
        raise SettingError(key, f"was {_shown(plain)}, must be {_allowed(kind)}") from None
    if isinstance(built, float) and not math.isfinite(built):
        raise SettingError(key, f"was {_shown(plain)}, must be {_allowed(kind)}")
    return built


def _checked_name(name: Any, key: Key) -> str:
    if not isinstance(name, str) or not name:
        raise SettingError(key, f"has the key {name!r}; keys must be text")
    return name


def _bare(kind: Any) -> Any:
    """A type without its annotations."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _members(kind: Any) -> tuple[Any, ...]:
    """The types of a union, or the type itself."""
    bare = _bare(kind)
    if get_origin(bare) is None or get_origin(bare) in (list, dict, tuple, Literal):
        return (bare,)
    return tuple(_bare(member) for member in get_args(bare))


def _allowed(kind: Any) -> str:
    """What a type allows, in words: its description, else its choices, else its name."""
    if get_origin(kind) in (Union, UnionType):
        inner = [member for member in get_args(kind) if member is not NoneType]
        return " or ".join(dict.fromkeys(_allowed(member) for member in inner))
    if get_origin(kind) is Annotated:
        for note in get_args(kind)[1:]:
            if isinstance(note, msgspec.Meta) and note.description:
                return note.description
    return " or ".join(dict.fromkeys(_word(member) for member in _members(kind) if member is not NoneType))


def _word(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if isinstance(kind, type) and issubclass(kind, Checked):
        return f"a mapping of {', '.join(kind.__struct_fields__)}"
    return _WORDS.get(get_origin(kind) or kind, str(kind))


def _shown(value: Any) -> str:
    """A value as a person wrote it, cut where it is long."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"a mapping of {', '.join(map(str, value)) or 'nothing'}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
